// What pages do beyond forms and links. Everything works without it, a little less smoothly.

// Whether details are open is the reader's choice, and no news changes it.
htmx.config.morphIgnore.push("open");

// A page that is cut off says so. One whose home was stopped offers nothing that can't be done, until it is back.
const offline = document.getElementById("offline");
let stopped = null;
document.addEventListener("stopped", (event) => {
  stopped = event.detail.data;
  document.body.dataset.stopped = stopped;
  document.querySelectorAll("main :is(button, input, select, textarea)").forEach((one) => { one.disabled = true; });
  offline.textContent = offline.dataset[stopped];
});
document.addEventListener("htmx:sse:error", (event) => {
  const isOut = event.detail.status === 401;
  offline.textContent = offline.dataset[isOut ? "signedOut" : stopped ?? "offline"];
  if (isOut) offline.append(" ", Object.assign(document.createElement("a"), { href: "/login", textContent: "How to sign in" }));
});
document.addEventListener("htmx:sse:after:connection", (event) => {
  if (event.detail.connection.status >= 400) return;
  if (stopped) location.reload();
  offline.textContent = "";
});
