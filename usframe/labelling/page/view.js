// The slice on its canvas: grey values, masks, prompts and the line that is being drawn.

import { Layer, SHOWN, cuts, fit, fresh, off, on } from "./paper.js";
import { colour } from "./store.js";

export class View {
  constructor(canvas, store) {
    this.canvas = canvas;
    this.store = store;
    this.layer = new Layer();
    this.draft = null; // {kind, path, inside} in pixels of the slice
    this.cursor = null; // [x, y] of the keyboard's crosshair
    this.zoom = 1;
    this.shift = [0, 0];
    this.brush = 9;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  get size() { return [this.store.width, this.store.height]; }

  frame() {
    const [, high, wide] = this.store.case.spacing;
    return fit(this.canvas, this.size, [wide, high], this.zoom, this.shift);
  }

  // Where an event is; outside, the nearest place on the slice.
  place(event) {
    return this.inside(off(this.canvas, this.frame(), event));
  }

  inside([x, y]) {
    const { width, height } = this.store;
    return [Math.max(0, Math.min(width - 1, x)), Math.max(0, Math.min(height - 1, y))];
  }

  zoomAt(event, factor) {
    const box = this.canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    const before = this.frame();
    this.zoom = Math.max(1, Math.min(16, this.zoom * factor));
    if (this.zoom === 1) this.shift = [0, 0];
    else {
      const after = this.frame();
      this.shift[0] += px - (after.x + ((px - before.x) / before.sx) * after.sx);
      this.shift[1] += py - (after.y + ((py - before.y) / before.sy) * after.sy);
    }
    this.draw();
  }

  reset() {
    Object.assign(this, { zoom: 1, shift: [0, 0] });
  }

  draw() {
    const { canvas, store } = this;
    if (!store.case) return;
    const f = this.frame();
    const paper = fresh(canvas, f);
    const plane = store.planes[0].known.get(store.frame);
    if (!plane) return;
    const [width, height] = this.size;
    paper.drawImage(this.layer.paint(plane, width), f.x, f.y, width * f.sx, height * f.sy);
    if (store.split) cuts(paper, f, [store.at[2], store.at[1]], this.size);
    if (!SHOWN.hidden) this.prompts(paper, f);
    if (this.draft) this.sketch(paper, f);
    if (this.cursor) this.cross(paper, f);
  }

  prompts(paper, f) {
    for (const one of this.store.case.objects) {
      const prompt = one.prompts[this.store.frame];
      if (!prompt) continue;
      if (prompt.box) {
        const [x0, y0, x1, y1] = prompt.box;
        this.rectangle(paper, f, [[x0, y0], [x1, y1]], colour(one.id));
      }
      for (const point of prompt.points) dot(paper, on(f, point), point[2], colour(one.id));
    }
  }

  rectangle(paper, f, [one, other], ink) {
    const [x0, y0] = on(f, one);
    const [x1, y1] = on(f, other);
    for (const [style, width] of [["#000a", 4], [ink, 2]]) {
      paper.strokeStyle = style;
      paper.lineWidth = width;
      paper.strokeRect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
    }
  }

  sketch(paper, f) {
    const { kind, path, inside } = this.draft;
    const ink = inside ? colour(this.store.case.active) : "#fff";
    if (kind === "box") return this.rectangle(paper, f, [path[0], path.at(-1)], ink);
    const brush = kind === "brush" || kind === "eraser";
    paper.save();
    paper.lineCap = "round";
    paper.lineJoin = "round";
    paper.strokeStyle = ink;
    paper.globalAlpha = brush ? 0.5 : 1;
    paper.lineWidth = brush ? this.brush * f.sx : 2;
    if (!inside && !brush) paper.setLineDash([6, 4]);
    paper.beginPath();
    path.forEach((xy) => paper.lineTo(...on(f, xy)));
    if (kind === "lasso") paper.closePath();
    if (path.length === 1) paper.lineTo(...on(f, path[0]).map((one) => one + 0.1));
    paper.stroke();
    return paper.restore();
  }

  cross(paper, f) {
    const [x, y] = on(f, this.cursor);
    for (const [ink, width] of [["#000", 3], ["#fff", 1]]) {
      paper.strokeStyle = ink;
      paper.lineWidth = width;
      paper.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        paper.moveTo(x + 4 * dx, y + 4 * dy);
        paper.lineTo(x + 14 * dx, y + 14 * dy);
      }
      paper.stroke();
    }
  }
}

// A point inside the object has a plus, one outside a minus.
function dot(paper, [x, y], inside, ink) {
  paper.beginPath();
  paper.arc(x, y, 6, 0, 2 * Math.PI);
  paper.fillStyle = inside ? ink : "#000";
  paper.strokeStyle = inside ? "#000" : ink;
  paper.lineWidth = 2;
  paper.fill();
  paper.stroke();
  paper.beginPath();
  paper.strokeStyle = inside ? "#000" : "#fff";
  paper.moveTo(x - 3, y);
  paper.lineTo(x + 3, y);
  if (inside) {
    paper.moveTo(x, y - 3);
    paper.lineTo(x, y + 3);
  }
  paper.stroke();
}
