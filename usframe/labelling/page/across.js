// A view of the planes across the slices: along a row (axis 1) or a column (axis 2) of them.

import { Layer, cuts, fit, fresh, off } from "./paper.js";

const AXES = { 1: [2, 0], 2: [0, 1] }; // along x and y

export class Across {
  // `go`: to other planes, a place by axis.
  constructor(canvas, store, axis, go) {
    Object.assign(this, { canvas, store, axis, layer: new Layer() });
    this.last = null; // what is seen until another plane has come
    this.axes = AXES[axis];
    new ResizeObserver(() => this.draw()).observe(canvas);
    const point = (event) => {
      if (!event.buttons || !store.case) return;
      const place = off(canvas, this.frame(), event);
      go({ [this.axes[0]]: place[0], [this.axes[1]]: place[1] });
    };
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      point(event);
    });
    canvas.addEventListener("pointermove", point);
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (store.case && event.deltaY) go({ [axis]: store.at[axis] + Math.sign(event.deltaY) });
    }, { passive: false });
  }

  get size() { return this.axes.map((axis) => this.store.case.shape[axis]); }

  // Frames of a clip are no lengths: they are drawn so that the view is filled.
  frame() {
    const { case: told } = this.store;
    const spacing = this.axes.map((axis) => told.spacing[axis]);
    if (told.time) {
      const box = this.canvas.getBoundingClientRect();
      const time = this.axes.indexOf(0);
      const room = time ? box.height / box.width : box.width / box.height;
      spacing[time] = (spacing[1 - time] * this.size[1 - time] * room) / this.size[time];
    }
    return fit(this.canvas, this.size, spacing);
  }

  draw() {
    const { canvas, store, axis, axes } = this;
    if (!store.case || !store.split || !canvas.clientWidth) return;
    const f = this.frame();
    const paper = fresh(canvas, f);
    const known = store.planes[axis].known.get(store.at[axis]);
    if (known) this.last = { name: store.case.name, plane: known };
    else if (!this.last || this.last.name !== store.case.name) return;
    const [width, height] = this.size;
    paper.drawImage(this.layer.paint(this.last.plane, width), f.x, f.y, width * f.sx, height * f.sy);
    cuts(paper, f, axes.map((one) => store.at[one]), [width, height]);
  }
}
