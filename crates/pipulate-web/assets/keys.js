// Keys instead of buttons. A single letter may also be what somebody's speech input makes of a word, so: they can
// be switched off, they do nothing in a field, and those that act are for the service that has the focus.

const keys = document.getElementById("keys");

if (keys) {
  const use = document.getElementById("keys-use");
  const opener = document.getElementById("keys-open");

  const CARD = ".service";
  const card = () => document.activeElement?.closest(CARD);
  const move = (step) => {
    const cards = [...document.querySelectorAll(CARD)];
    const from = card() ? cards.indexOf(card()) : step > 0 ? -1 : cards.length;
    cards[Math.max(0, Math.min(from + step, cards.length - 1))]?.focus();
  };
  // What can't be done now has no button.
  const press = (selector) => card()?.querySelector(selector)?.click();

  const KEYS = {
    j: () => move(1),
    k: () => move(-1),
    s: () => press("form[action$='/start'] button"),
    x: () => press("form[action$='/stop'] button"),
    r: () => press("form[action$='/restart'] button"),
    l: () => press("a[href^='/logs']"),
    "/": () => document.querySelector("input[type=search]")?.focus(),
    "?": () => keys.showModal(),
  };

  // Who pressed a button that is gone now is still at its service.
  let held = null;
  document.addEventListener("htmx:before:swap", () => { held = card()?.id; });
  document.addEventListener("htmx:after:swap", () => {
    if (held && document.activeElement === document.body) document.getElementById(held)?.focus();
  });

  use.checked = localStorage.getItem("keys") !== "off";
  use.addEventListener("change", () => localStorage.setItem("keys", use.checked ? "on" : "off"));
  opener.hidden = false;
  opener.addEventListener("click", KEYS["?"]);
  document.addEventListener("keydown", (event) => {
    if (!use.checked || keys.open || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (event.target.closest("input, textarea, select") || (event.repeat && !"jk".includes(event.key))) return;
    if (!Object.hasOwn(KEYS, event.key)) return;
    event.preventDefault();
    KEYS[event.key]();
  });
}
