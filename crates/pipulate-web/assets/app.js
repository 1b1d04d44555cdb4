// What pages do beyond forms and links. Everything works without it, a little less smoothly.

// A page that is cut off says so.
const offline = document.getElementById("offline");
document.addEventListener("htmx:sse:error", (event) => {
  offline.textContent = event.detail.status === 401 ? offline.dataset.signedOut : offline.dataset.offline;
});
document.addEventListener("htmx:sse:after:connection", () => { offline.textContent = ""; });

// A log is followed as long as its end is in view. What is out of sight is not kept without bound.
const log = document.getElementById("log");
const follow = document.getElementById("follow");
let stream = document.getElementById("stream");

if (log && stream) {
  const MOST = 2000;
  let position = null;
  let following = true;
  const toEnd = () => { log.scrollTop = log.scrollHeight; };
  const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 40;

  // Where the stream would go on.
  const address = () => {
    const here = new URL(stream.getAttribute("hx-sse:connect"), location);
    if (position !== null) here.searchParams.set("from", position);
    return here;
  };

  const set = (on) => {
    if (on === following) return;
    following = on;
    follow.setAttribute("aria-pressed", on);
    follow.textContent = on ? "Following" : "Follow";
    if (!on) return stream.remove();
    // A new connection goes on where the last one was.
    const from = address();
    stream = stream.cloneNode();
    stream.setAttribute("hx-sse:connect", from.pathname + from.search);
    log.after(stream);
    htmx.process(stream);
    toEnd();
  };

  const shrink = () => {
    const batches = [...log.querySelectorAll(".batch")];
    let lines = log.querySelectorAll(".line").length;
    let gone = false;
    while (batches.length > 1 && lines > MOST) {
      const batch = batches.shift();
      lines -= batch.children.length;
      batch.remove();
      gone = true;
    }
    if (gone) beginWith(batches[0].dataset.before);
  };

  // What is left out is at an address of its own.
  const beginWith = (address) => {
    log.querySelectorAll("#older, .skipped").forEach((note) => note.remove());
    const older = Object.assign(document.createElement("a"), { id: "older", textContent: "Older lines" });
    older.href = address;
    log.prepend(older);
  };

  const clear = document.getElementById("clear");
  clear.hidden = false;
  clear.addEventListener("click", () => {
    const choice = address().searchParams;
    choice.set("before", choice.get("from"));
    choice.delete("from");
    log.querySelectorAll(".batch, .empty").forEach((lines) => lines.remove());
    beginWith(`/logs?${choice}#here`);
  });

  follow.hidden = false;
  follow.addEventListener("click", () => set(!following));
  log.addEventListener("scroll", () => set(isAtEnd()));
  // In a window that got narrower the lines are more.
  new ResizeObserver(() => { if (following) toEnd(); }).observe(log);
  document.addEventListener("htmx:sse:after:message", (event) => {
    position = event.detail.message.id;
    log.querySelector(".empty")?.remove();
    shrink();
    toEnd();
  });
  toEnd();
}

// What is put above does not move what is read: neither on a page that is followed nor on one that isn't.
if (log) {
  let above = null;
  document.addEventListener("htmx:before:swap", () => {
    const older = document.getElementById("older");
    above = older && { older, left: log.scrollHeight - log.scrollTop };
  });
  document.addEventListener("htmx:after:swap", () => {
    if (above && !above.older.isConnected) log.scrollTop = log.scrollHeight - above.left;
    above = null;
  });
}
