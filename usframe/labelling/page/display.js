// How everything is shown: window and level, masks, the brush, and whether planes across the slices are looked at.

import { find } from "./panels.js";
import { SHOWN } from "./paper.js";

const SLIDERS = ["level", "window", "opacity"];
const NAMES = ["Slice", "Row", "Column"];

export class Display {
  // `draw`: all canvases.
  constructor(view, store, draw) {
    Object.assign(this, { view, store, draw });
    for (const id of SLIDERS) find(id).oninput = (event) => { SHOWN[id] = Number(event.target.value); draw(); };
    find("width").oninput = (event) => { view.brush = Number(event.target.value); this.tell(); };
    this.tell();
  }

  tell() {
    for (const id of SLIDERS) find(id).value = SHOWN[id];
    find("width").value = this.view.brush;
    find("width-told").textContent = this.view.brush;
    find("hide").setAttribute("aria-pressed", SHOWN.hidden);
    find("across").setAttribute("aria-pressed", this.store.across);
    find("stage").classList.toggle("alone", Boolean(this.store.case) && !this.store.split);
  }

  // Where the planes are.
  place() {
    const { at, case: told } = this.store;
    for (const axis of [1, 2]) find(`told-${axis}`).textContent = `${NAMES[axis]} ${at[axis]} of 0 to ${told.shape[axis] - 1}${told.time ? ", over time" : ""}`;
    const dice = told.expected[at[0]];
    find("number").textContent = `Slice ${at[0]} of 0 to ${told.shape[0] - 1}${dice === null ? "" : `, expected Dice ${dice.toFixed(2)}`}`;
  }

  widen(by) {
    this.view.brush = Math.max(1, Math.min(80, this.view.brush + by));
    this.tell();
  }

  hide() {
    SHOWN.hidden = !SHOWN.hidden;
    this.tell();
    this.draw();
  }

  // Window, level and zoom as at first.
  plain() {
    Object.assign(SHOWN, { level: 128, window: 256 });
    this.view.reset();
    this.tell();
    this.draw();
  }

  across() {
    this.store.across = !this.store.across;
    this.tell();
    this.draw();
    return this.store.fetch();
  }
}
