// What pages do beyond forms and links. Everything works without it, a little less smoothly.

// Whether details are open is the reader's choice, and no news changes it.
htmx.config.morphIgnore.push("open");

// A page that is cut off says so.
const offline = document.getElementById("offline");
document.addEventListener("htmx:sse:error", (event) => {
  offline.textContent = event.detail.status === 401 ? offline.dataset.signedOut : offline.dataset.offline;
});
document.addEventListener("htmx:sse:after:connection", () => { offline.textContent = ""; });
