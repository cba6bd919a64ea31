// The slice on its canvas: grey values, masks, prompts and the line that is being drawn.

import { colour } from "./store.js";

export class View {
  constructor(canvas, store) {
    this.canvas = canvas;
    this.store = store;
    this.layer = document.createElement("canvas"); // a pixel per pixel of the slice
    this.draft = null; // {kind, path, inside} in pixels of the slice
    this.cursor = null; // [x, y] of the keyboard's crosshair
    this.opacity = 0.3;
    this.level = 128;
    this.window = 256;
    this.hidden = false;
    this.zoom = 1;
    this.shift = [0, 0];
    this.brush = 9;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  // Scale along x and y, and where the slice's corner lies, in pixels of the canvas.
  frame() {
    const { store } = this;
    const [, high, wide] = store.case.spacing;
    const least = Math.min(high, wide);
    const [sx, sy] = [wide / least, high / least];
    const box = this.canvas.getBoundingClientRect();
    const fit = Math.min(box.width / (store.width * sx), box.height / (store.height * sy)) * 0.97 * this.zoom;
    const x = (box.width - store.width * sx * fit) / 2 + this.shift[0];
    const y = (box.height - store.height * sy * fit) / 2 + this.shift[1];
    return { sx: sx * fit, sy: sy * fit, x, y, width: box.width, height: box.height };
  }

  // Pixel centres are whole numbers; outside, the nearest place on the slice.
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const f = this.frame();
    const x = (event.clientX - box.left - f.x) / f.sx - 0.5;
    const y = (event.clientY - box.top - f.y) / f.sy - 0.5;
    return this.inside([x, y]);
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
    Object.assign(this, { zoom: 1, shift: [0, 0], level: 128, window: 256 });
  }

  draw() {
    const { canvas, store } = this;
    if (!store.case) return;
    const ratio = window.devicePixelRatio || 1;
    const f = this.frame();
    canvas.width = Math.round(f.width * ratio);
    canvas.height = Math.round(f.height * ratio);
    const paper = canvas.getContext("2d");
    paper.setTransform(ratio, 0, 0, ratio, 0, 0);
    const grey = store.pictures.get(store.frame);
    if (!grey) return;
    this.paint(grey, this.hidden ? null : store.masks.get(store.frame));
    paper.imageSmoothingEnabled = f.sx < 3;
    paper.drawImage(this.layer, f.x, f.y, store.width * f.sx, store.height * f.sy);
    if (!this.hidden) this.prompts(paper, f);
    if (this.draft) this.sketch(paper, f);
    if (this.cursor) this.cross(paper, f);
  }

  paint(grey, mask) {
    const { layer, store, opacity } = this;
    layer.width = store.width;
    layer.height = store.height;
    const paper = layer.getContext("2d");
    const image = paper.createImageData(layer.width, layer.height);
    const low = this.level - this.window / 2;
    const tone = Uint8ClampedArray.from({ length: 256 }, (_, value) => ((value - low) * 255) / this.window);
    const inks = [...Array(256).keys()].map((id) => (id ? rgb(colour(id)) : null));
    const { width } = layer;
    for (let n = 0; n < grey.length; n += 1) {
      const value = tone[grey[n]];
      const id = mask ? mask[n] : 0;
      let share = 0;
      if (id) {
        const edge = n % width === 0 || n % width === width - 1 || mask[n - 1] !== id || mask[n + 1] !== id
          || mask[n - width] !== id || mask[n + width] !== id;
        share = edge ? Math.max(opacity, opacity && 0.85) : opacity;
      }
      for (let c = 0; c < 3; c += 1) image.data[4 * n + c] = share ? value + share * (inks[id][c] - value) : value;
      image.data[4 * n + 3] = 255;
    }
    paper.putImageData(image, 0, 0);
  }

  prompts(paper, f) {
    for (const one of this.store.case.objects) {
      const prompt = one.prompts[this.store.frame];
      if (!prompt) continue;
      if (prompt.box) {
        const [x0, y0, x1, y1] = prompt.box;
        this.rectangle(paper, f, [[x0, y0], [x1, y1]], colour(one.id));
      }
      for (const [x, y, label] of prompt.points) {
        const [px, py] = at(f, [x, y]);
        paper.beginPath();
        paper.arc(px, py, 6, 0, 2 * Math.PI);
        paper.fillStyle = label ? colour(one.id) : "#000";
        paper.strokeStyle = label ? "#000" : colour(one.id);
        paper.lineWidth = 2;
        paper.fill();
        paper.stroke();
        paper.beginPath();
        paper.strokeStyle = label ? "#000" : "#fff";
        paper.moveTo(px - 3, py);
        paper.lineTo(px + 3, py);
        if (label) {
          paper.moveTo(px, py - 3);
          paper.lineTo(px, py + 3);
        }
        paper.stroke();
      }
    }
  }

  rectangle(paper, f, [one, other], ink) {
    const [x0, y0] = at(f, one);
    const [x1, y1] = at(f, other);
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
    path.forEach((xy) => paper.lineTo(...at(f, xy)));
    if (kind === "lasso") paper.closePath();
    if (path.length === 1) paper.lineTo(...at(f, path[0]).map((one) => one + 0.1));
    paper.stroke();
    return paper.restore();
  }

  cross(paper, f) {
    const [x, y] = at(f, this.cursor);
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

const at = (f, [x, y]) => [f.x + (x + 0.5) * f.sx, f.y + (y + 0.5) * f.sy];
const rgb = (hex) => [1, 3, 5].map((n) => parseInt(hex.slice(n, n + 2), 16));
