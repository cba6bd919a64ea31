// The strip under the slice: how well the object is expected to be outlined on every slice, and where it was prompted.

import { colour } from "./store.js";

const FAIR = "#8a939e";
const LOWEST = 0.5; // Dice at the foot of the strip

export class Strip {
  constructor(canvas, store, go) {
    this.canvas = canvas;
    this.store = store;
    new ResizeObserver(() => this.draw()).observe(canvas);
    const point = (event) => {
      if (!event.buttons || !store.case) return;
      const box = canvas.getBoundingClientRect();
      go({ 0: Math.floor(((event.clientX - box.left) / box.width) * store.depth) });
    };
    canvas.addEventListener("pointerdown", point);
    canvas.addEventListener("pointermove", point);
  }

  draw() {
    const { canvas, store } = this;
    if (!store.case) return;
    const box = canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(box.width * ratio);
    canvas.height = Math.round(box.height * ratio);
    const paper = canvas.getContext("2d");
    paper.setTransform(ratio, 0, 0, ratio, 0, 0);
    const step = box.width / store.depth;
    const gap = step > 4 ? 1 : 0;
    const room = box.height - 8;
    paper.fillStyle = "#262b32";
    paper.fillRect(0, 0, box.width, room);
    const ink = colour(store.case.active);
    const prompted = store.object ? store.object.prompts : {};
    store.case.expected.forEach((dice, at) => {
      if (dice !== null) {
        const height = Math.max(2, ((dice - LOWEST) / (1 - LOWEST)) * room);
        paper.fillStyle = at in prompted ? ink : FAIR;
        paper.fillRect(at * step, room - height, step - gap, height);
      }
      if (at in prompted) {
        paper.fillStyle = ink;
        paper.beginPath();
        paper.moveTo((at + 0.5) * step, room + 1);
        paper.lineTo((at + 0.5) * step + 4, room + 8);
        paper.lineTo((at + 0.5) * step - 4, room + 8);
        paper.fill();
      }
    });
    for (const at of store.case.next) {
      paper.strokeStyle = "#ffb000";
      paper.lineWidth = 1.5;
      paper.setLineDash([3, 2]);
      paper.strokeRect(at * step + 0.5, 1, Math.max(step - gap - 1, 2), room - 2);
      paper.setLineDash([]);
    }
    paper.strokeStyle = "#fff";
    paper.lineWidth = 2;
    paper.strokeRect(store.frame * step, 1, Math.max(step - gap, 2), room - 1);
  }
}
