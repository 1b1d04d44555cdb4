// A log is followed as long as its end is in view. What is out of sight is not kept without bound.
const log = document.getElementById("log");
const follow = document.getElementById("follow");
let stream = document.getElementById("stream");

if (log && stream) {
  // Lines kept, and how many more there may be before old ones are taken out: seldom, and many at once.
  const MOST = 2000;
  const SPARE = 200;
  let position = null;
  let following = true;
  let lines = log.querySelectorAll(".line").length;
  let isDue = false;
  // How far down the log was scrolled by this script: who is above that has scrolled back.
  let reached = 0;
  const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  // Once for each picture that the browser shows, right before it measures the page for that anyway.
  const toEnd = () => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      if (!following || hasLeft()) return;
      log.scrollTop = log.scrollHeight;
      reached = log.scrollTop;
    });
  };
  const hasLeft = () => {
    if (log.scrollTop < reached - 1 && !isAtEnd()) set(false);
    return !following;
  };

  // Where the stream would go on.
  const address = () => {
    const here = new URL(stream.getAttribute("hx-sse:connect"), location);
    if (position !== null) here.searchParams.set("from", position);
    return here;
  };

  const set = (on) => {
    if (on === following) return;
    following = on;
    log.classList.toggle("followed", on);
    follow.setAttribute("aria-pressed", on);
    follow.textContent = on ? "Following" : "Follow";
    if (!on) return stream.remove();
    reached = 0;
    // A new connection goes on where the last one was.
    const from = address();
    stream = stream.cloneNode();
    stream.setAttribute("hx-sse:connect", from.pathname + from.search);
    log.after(stream);
    htmx.process(stream);
    toEnd();
  };

  const shrink = () => {
    if (lines <= MOST + SPARE) return;
    const batches = log.getElementsByClassName("batch");
    while (batches.length > 1 && lines > MOST) {
      lines -= batches[0].querySelectorAll(".line").length;
      batches[0].remove();
    }
    reached = 0;
    beginWith(batches[0].dataset.before);
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
    lines = reached = 0;
    beginWith(`/logs?${choice}#here`);
  });

  follow.hidden = false;
  follow.addEventListener("click", () => set(!following));
  log.addEventListener("scroll", () => { if (following) hasLeft(); else if (isAtEnd()) set(true); });
  // In a window that got narrower the lines are more.
  new ResizeObserver(toEnd).observe(log);
  const found = document.querySelector("#found data");
  document.addEventListener("htmx:sse:after:message", (event) => {
    position = event.detail.message.id;
    log.querySelector(".empty")?.remove();
    const batches = log.getElementsByClassName("batch");
    const more = batches[batches.length - 1]?.querySelectorAll(".line").length ?? 0;
    lines += more;
    if (found) found.textContent = found.value = Number(found.value) + more;
    // The newest ones have to be measured first; those before them are drawn only where they are in view.
    batches[batches.length - 2]?.classList.add("past");
    shrink();
    toEnd();
  });
  log.classList.add("followed");
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

// A level is chosen at once, and an address has no fields that are empty.
const choice = document.getElementById("choice");
if (choice) {
  choice.addEventListener("change", (event) => { if (event.target.name === "level") choice.requestSubmit(); });
  choice.addEventListener("formdata", ({ formData }) => {
    const isAll = formData.getAll("level").length === choice.querySelectorAll("[name=level]").length;
    for (const [name, value] of [...formData]) if (!value || (name === "level" && isAll)) formData.delete(name);
  });
}

// Whether long lines are broken is remembered.
const wrap = document.getElementById("wrap");
if (wrap) {
  wrap.checked = localStorage.getItem("wrap") !== "off";
  wrap.addEventListener("change", () => localStorage.setItem("wrap", wrap.checked ? "on" : "off"));
}
