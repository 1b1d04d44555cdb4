// The keys and the copy buttons of a chat. Everything else works without.

const turns = document.getElementById("turns");
const ask = document.getElementById("ask");
const question = document.getElementById("question");
const stop = document.getElementById("stop");

question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (!turns.querySelector("[aria-busy=true]")) ask.requestSubmit();
});
document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && turns.querySelector("[aria-busy=true]")) stop.requestSubmit();
});

// What was sent is taken out of the field once the answer has begun, not when it is refused.
ask.addEventListener("htmx:sse:after:connection", () => {
  question.value = "";
  ask.querySelectorAll("[name=about]").forEach((choice) => { choice.checked = false; });
  question.focus();
  following = true;
});

// The end of the conversation stays in view, unless the person looks at something else. However many
// words come at once, the browser measures the page once for each picture that it shows.
let following = true;
let seen = 0;
let isDue = false;
turns.addEventListener("scroll", () => {
  const isAtEnd = turns.scrollHeight - turns.scrollTop - turns.clientHeight < 40;
  // More was said since, which is no scrolling back.
  following = isAtEnd || (following && turns.scrollTop >= seen);
  seen = turns.scrollTop;
});
const toEnd = () => {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    if (following) turns.scrollTop = turns.scrollHeight;
  });
};
document.addEventListener("htmx:after:swap", () => {
  document.getElementById("offline").textContent = "";
  toEnd();
});
toEnd();

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  const text = button.closest(".code")?.querySelector("pre") ?? button.closest(".answer").querySelector(".text");
  await navigator.clipboard.writeText(text.innerText);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});
