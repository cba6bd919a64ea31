// Planes on a canvas: where a plane lies on it, its grey values under the masks, and the lines where others cut.

import { colour } from "./store.js";

// How everything is shown.
export const SHOWN = { opacity: 0.3, level: 128, window: 256, hidden: false };

// A canvas of a pixel per pixel of a plane, painted anew where something has changed.
export class Layer {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.last = "";
    this.plane = {};
  }

  // `plane`: { grey, mask } of rows of `width`.
  paint(plane, width) {
    const look = JSON.stringify([width, SHOWN]);
    const same = this.last === look && this.plane.grey === plane.grey && this.plane.mask === plane.mask;
    if (same) return this.canvas;
    this.last = look;
    this.plane = { ...plane };
    const { grey } = plane;
    const mask = SHOWN.hidden ? null : plane.mask;
    Object.assign(this.canvas, { width, height: grey.length / width });
    const paper = this.canvas.getContext("2d");
    const image = paper.createImageData(width, grey.length / width);
    const low = SHOWN.level - SHOWN.window / 2;
    const tone = Uint8ClampedArray.from({ length: 256 }, (_, value) => ((value - low) * 255) / SHOWN.window);
    const inks = [...Array(256).keys()].map((id) => (id ? rgb(colour(id)) : null));
    for (let n = 0; n < grey.length; n += 1) {
      const value = tone[grey[n]];
      const id = mask ? mask[n] : 0;
      const share = id ? shareOf(mask, n, width) : 0;
      for (let c = 0; c < 3; c += 1) image.data[4 * n + c] = share ? value + share * (inks[id][c] - value) : value;
      image.data[4 * n + 3] = 255;
    }
    paper.putImageData(image, 0, 0);
    return this.canvas;
  }
}

// How much of a mask is seen at a pixel: more at its edge.
function shareOf(mask, n, width) {
  const id = mask[n];
  const edge = n % width === 0 || n % width === width - 1 || mask[n - 1] !== id || mask[n + 1] !== id
    || mask[n - width] !== id || mask[n + width] !== id;
  return edge ? Math.max(SHOWN.opacity, SHOWN.opacity && 0.85) : SHOWN.opacity;
}

// Scale along x and y, and where the corner of a plane lies, in pixels of the canvas; `size` and `spacing`: along x and y.
export function fit(canvas, size, spacing, zoom = 1, shift = [0, 0]) {
  const box = canvas.getBoundingClientRect();
  const scale = Math.min(box.width / (size[0] * spacing[0]), box.height / (size[1] * spacing[1])) * 0.97 * zoom;
  const [sx, sy] = spacing.map((one) => one * scale);
  const x = (box.width - size[0] * sx) / 2 + shift[0];
  const y = (box.height - size[1] * sy) / 2 + shift[1];
  return { sx, sy, x, y, width: box.width, height: box.height };
}

// The canvas, empty and as fine as the screen.
export function fresh(canvas, f) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(f.width * ratio);
  canvas.height = Math.round(f.height * ratio);
  const paper = canvas.getContext("2d");
  paper.setTransform(ratio, 0, 0, ratio, 0, 0);
  paper.imageSmoothingEnabled = Math.min(f.sx, f.sy) < 3;
  return paper;
}

// Pixel centres are whole numbers.
export const on = (f, [x, y]) => [f.x + (x + 0.5) * f.sx, f.y + (y + 0.5) * f.sy];

export function off(canvas, f, event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left - f.x) / f.sx - 0.5, (event.clientY - box.top - f.y) / f.sy - 0.5];
}

// The lines along which two other planes cut this one of `size`, open around the place where they meet.
export function cuts(paper, f, place, size) {
  const [x, y] = on(f, place).map((one) => Math.floor(one) + 0.5);
  const gap = 5;
  const [left, top, right, foot] = [f.x, f.y, f.x + size[0] * f.sx, f.y + size[1] * f.sy];
  paper.beginPath();
  for (const [from, to] of [[left, x - gap], [x + gap, right]]) {
    line(paper, [from, y], [to, y]);
  }
  for (const [from, to] of [[top, y - gap], [y + gap, foot]]) {
    line(paper, [x, from], [x, to]);
  }
  for (const [ink, width] of [["#0003", 3], ["#b4eab4b0", 1]]) {
    paper.strokeStyle = ink;
    paper.lineWidth = width;
    paper.stroke();
  }
}

// Nothing where it would run backwards.
function line(paper, [x0, y0], [x1, y1]) {
  if (x0 > x1 || y0 > y1) return;
  paper.moveTo(x0, y0);
  paper.lineTo(x1, y1);
}

const rgb = (hex) => [1, 3, 5].map((n) => parseInt(hex.slice(n, n + 2), 16));
