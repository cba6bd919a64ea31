// Keys and what they do. Letters stand where the tools and buttons say; Shift and arrows move a crosshair.

import { TOOLS } from "./tools.js";

const STEP = 1;
const FAR = 10;

// `commands`: see main.js; `ready`: whether there is a case. Returns the keys, each with what is `shown` of it.
export function bind(commands, ready) {
  const c = commands;
  const steers = [["ArrowLeft", -1, 0], ["ArrowRight", 1, 0], ["ArrowUp", 0, -1], ["ArrowDown", 0, 1]];
  const keys = [
    { on: "ArrowUp", shown: "\u2191 \u2190", says: "slice before", does: () => c.step(-1) },
    { on: "ArrowLeft", does: () => c.step(-1) },
    { on: "ArrowDown", shown: "\u2193 \u2192", says: "slice after", does: () => c.step(1) },
    { on: "ArrowRight", does: () => c.step(1) },
    { on: "Home", shown: "Home End", says: "first, last slice", does: () => c.end(false) },
    { on: "End", does: () => c.end(true) },
    { on: "PageUp", shown: "Page Up, Down", says: "case before, after", does: () => c.beside(-1) },
    { on: "PageDown", does: () => c.beside(1) },
    ...TOOLS.map((tool) => ({ on: tool.key, shown: tool.key.toUpperCase(), says: tool.label.toLowerCase(), does: () => c.choose(tool.name) })),
    { on: "[", shown: "[ ]", says: "brush narrower, wider", does: () => c.widen(-2) },
    { on: "]", does: () => c.widen(2) },
    { on: "1", shown: "1 \u2026 9", says: "draw on that object", does: () => c.object(1) },
    ...[2, 3, 4, 5, 6, 7, 8, 9].map((id) => ({ on: String(id), does: () => c.object(id) })),
    { on: "o", shown: "O", says: "new object", does: () => c.newObject() },
    { on: "k", shown: "K", says: "lock, unlock", does: () => c.lock() },
    { on: "Delete", shown: "Del", says: "clear the slice", does: () => c.clear() },
    { on: "Backspace", does: () => c.clear() },
    { on: "g", shown: "G", says: "propagate", does: () => c.propagate("memory") },
    { on: "f", shown: "F", says: "fill between prompts", does: () => c.propagate("both") },
    { on: "a", shown: "A", says: "propagate and fill all objects, or one", does: () => c.every() },
    { on: "n", shown: "N", says: "next slice to look at", does: () => c.suggest() },
    { on: "ctrl+z", shown: "Ctrl Z", says: "undo", does: () => c.act("undo", {}) },
    { on: "ctrl+shift+z", shown: "Ctrl Shift Z", says: "redo", does: () => c.act("redo", {}) },
    { on: "ctrl+y", does: () => c.act("redo", {}) },
    { on: "ctrl+s", shown: "Ctrl S", says: "save the labels", does: () => c.save() },
    { on: "ctrl+Enter", shown: "Ctrl Enter", says: "accept the case", does: () => c.accept() },
    { on: "h", shown: "H", says: "hide masks", does: () => c.hide() },
    { on: "v", shown: "V", says: "planes across, or the slice alone", does: () => c.across() },
    { on: "+", shown: "+ \u2212", says: "zoom", does: () => c.zoom(1.25) },
    { on: "-", does: () => c.zoom(0.8) },
    { on: "0", shown: "0", says: "window and zoom as at first", does: () => c.plain() },
    { on: "shift+ArrowLeft", shown: "Shift arrows", says: "move a crosshair (Ctrl: far)" },
    ...steers.flatMap(([key, dx, dy]) => [
      { on: `shift+${key}`, does: () => c.steer(dx * STEP, dy * STEP) },
      { on: `ctrl+shift+${key}`, does: () => c.steer(dx * FAR, dy * FAR) },
    ]),
    { on: "Enter", shown: "Enter", says: "draw at the crosshair; a line ends where Enter comes twice", does: () => c.press(false) },
    { on: "shift+Enter", shown: "Shift Enter", says: "draw outside the object", does: () => c.press(true) },
    { on: "Escape", shown: "Esc", says: "cancel", does: () => c.leave() },
    { on: "?", shown: "?", says: "this list", does: () => c.help() },
  ];
  const table = new Map(keys.filter((one) => one.does).map((one) => [one.on, one.does]));
  document.addEventListener("keydown", (event) => {
    if (!ready() || document.querySelector("dialog[open]") || typing(event)) return;
    const does = table.get(name(event));
    if (!does) return;
    event.preventDefault();
    does();
  });
  return keys;
}

// A letter is what it writes, whatever Shift was needed for; other keys say their modifiers.
function name(event) {
  const { key } = event;
  const ctrl = event.ctrlKey || event.metaKey ? "ctrl+" : "";
  const word = key.length > 1 || ctrl;
  return `${ctrl}${word && event.shiftKey ? "shift+" : ""}${key.length > 1 ? key : key.toLowerCase()}`;
}

// Keys that a field or a button needs itself.
function typing(event) {
  const { target } = event;
  if (target.tagName === "INPUT" && target.type === "text") return true;
  if (target.tagName === "INPUT") return /^(Arrow|Home|End|Page)/.test(event.key) && !event.shiftKey;
  return target.tagName === "BUTTON" && (event.key === "Enter" || event.key === " ") && !event.ctrlKey;
}
