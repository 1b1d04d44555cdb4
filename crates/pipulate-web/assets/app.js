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
// A page that refused or asked something may have answered a form, which is not sent once more.
const comeBack = () => {
  if (!(performance.getEntriesByType("navigation")[0].responseStatus >= 400)) return location.reload();
  location.replace(document.querySelector("[data-back]")?.href ?? location.pathname + location.search);
};
document.addEventListener("htmx:sse:after:connection", (event) => {
  if (event.detail.connection.status >= 400) return;
  if (stopped) comeBack();
  offline.textContent = "";
});

// An answer comes where a service's details are.
document.addEventListener("submit", ({ target }) => {
  if (target.matches("[action$='/why']")) target.closest(".service")?.querySelector("details").setAttribute("open", "");
});
