// The lists beside the slice: cases, tools, objects, keys.

import { colour } from "./store.js";
import { TOOLS } from "./tools.js";

const MARKS = { untouched: "\u25cb", begun: "\u25d0", accepted: "\u2713" };

export const find = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

export function showCases(cases, current, open) {
  const focused = document.activeElement && document.activeElement.dataset.case;
  find("count").textContent = `${cases.filter((one) => one.standing === "accepted").length} of ${cases.length} accepted`;
  find("cases").replaceChildren(...cases.map((one) => {
    const button = make("button", { title: `${one.name}: ${one.standing}`, onclick: () => open(one.name) },
      make("span", { className: "mark", textContent: MARKS[one.standing] }), make("span", { textContent: one.name }));
    button.dataset.case = one.name;
    button.setAttribute("aria-current", one.name === current);
    const item = make("li", { className: one.standing }, button);
    if (one.name === focused) queueMicrotask(() => button.focus());
    return item;
  }));
  const now = find("cases").querySelector("[aria-current=true]");
  if (now) now.scrollIntoView({ block: "nearest" });
}

export function showTools(chosen, choose) {
  const list = find("tools");
  if (!list.children.length) {
    list.append(...TOOLS.map((tool) => {
      const button = make("button", { onclick: () => choose(tool.name) },
        tool.label, make("kbd", { textContent: tool.key.toUpperCase() }));
      button.dataset.tool = tool.name;
      button.setAttribute("role", "radio");
      return button;
    }));
  }
  for (const button of list.children) button.setAttribute("aria-checked", button.dataset.tool === chosen);
  find("hint").textContent = TOOLS.find((tool) => tool.name === chosen).hint;
}

// `act`: (verb, fields). An object whose name is being typed keeps its field.
export function showObjects(told, act) {
  const typed = document.activeElement && document.activeElement.dataset.object;
  if (typed) return mark(told);
  const rows = told.objects.map((one) => {
    const chip = make("button", { className: "colour", textContent: one.id, title: `Draw on object ${one.id} (${one.id})`,
      onclick: () => act("object", { id: one.id }) });
    chip.style.background = colour(one.id);
    const name = make("input", { type: "text", value: one.name, placeholder: `object ${one.id}`, maxLength: 80,
      onchange: (event) => act("name", { id: one.id, name: event.target.value }) });
    name.setAttribute("aria-label", `Name of object ${one.id}`);
    name.dataset.object = one.id;
    name.onkeydown = (event) => event.key === "Enter" && name.blur();
    const lock = make("button", { className: "lock", textContent: one.locked ? "Locked" : "Lock",
      title: "A locked object keeps its mask (K)",
      onclick: async () => {
        if (one.id !== told.active) await act("object", { id: one.id });
        await act(one.locked ? "unlock" : "lock", {});
      } });
    lock.setAttribute("aria-pressed", one.locked);
    const row = make("li", {}, chip, name, lock);
    row.dataset.id = one.id;
    row.title = one.stale ? "Its prompts have changed since it was propagated" : "";
    return row;
  });
  find("objects").replaceChildren(...rows);
  return mark(told);
}

function mark(told) {
  for (const row of find("objects").children) row.setAttribute("aria-current", Number(row.dataset.id) === told.active);
}

export function showKeys(keys) {
  const rows = keys.filter((one) => one.says).flatMap((one) => [
    make("dt", {}, make("kbd", { textContent: one.shown })), make("dd", { textContent: one.says })]);
  find("keylist").replaceChildren(...rows);
}
