// What a hand does on the slice: with the mouse or a pen, or with the keyboard's crosshair.

export const TOOLS = [
  { name: "point", label: "Point", key: "p", hint: "Click in the object; right click, or Alt, outside it. A click on a point takes it back." },
  { name: "box", label: "Box", key: "b", hint: "Draw a box around the object." },
  { name: "scribble", label: "Scribble", key: "s", hint: "Draw a line in the object; with the right button, or Alt, where it is not." },
  { name: "lasso", label: "Lasso", key: "l", hint: "Draw around the object; with the right button, or Alt, around what is none of it." },
  { name: "brush", label: "Brush", key: "r", hint: "Paint the object; what is painted stays as it is. [ and ] change the width." },
  { name: "eraser", label: "Eraser", key: "e", hint: "Paint the object away. [ and ] change the width." },
];
const REACH = 7; // pixels of the screen around a point

export class Hand {
  constructor(view, store, act, go) {
    this.view = view;
    this.store = store;
    this.act = act; // (verb, fields) -> promise
    this.go = go; // to other planes, a place by axis
    this.tool = "point";
    this.moving = null;
    this.cutting = false;
    this.typing = false; // the draft is drawn with keys
    const { canvas } = view;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", () => this.stop());
  }

  choose(tool) {
    this.stop();
    this.tool = tool;
  }

  stop() {
    this.view.draft = null;
    this.moving = null;
    this.cutting = false;
    this.typing = false;
    this.view.draw();
  }

  begin(xy, outside) {
    this.view.draft = { kind: this.tool, path: [xy], inside: this.tool === "eraser" ? false : !outside };
  }

  down(event) {
    if (!this.store.case) return;
    event.preventDefault();
    this.view.canvas.focus({ preventScroll: true });
    this.view.canvas.setPointerCapture(event.pointerId);
    this.view.cursor = null;
    this.typing = false;
    if (event.shiftKey && this.store.split) {
      this.cutting = true;
      this.cut(this.view.place(event));
    } else if (event.button === 1) this.moving = [event.clientX, event.clientY];
    else this.begin(this.view.place(event), event.button === 2 || event.altKey);
    this.view.draw();
  }

  move(event) {
    const { draft, shift } = this.view;
    if (this.moving) {
      shift[0] += event.clientX - this.moving[0];
      shift[1] += event.clientY - this.moving[1];
      this.moving = [event.clientX, event.clientY];
    } else if (this.cutting) {
      this.cut(this.view.place(event));
    } else if (draft && !this.typing) {
      const all = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      for (const one of all.length ? all : [event]) this.extend(this.view.place(one));
    } else return;
    this.view.draw();
  }

  // The planes across go through this place.
  cut([x, y]) {
    this.go({ 1: y, 2: x });
  }

  extend(xy) {
    const { path } = this.view.draft;
    const [x, y] = path.at(-1);
    if (Math.hypot(xy[0] - x, xy[1] - y) >= 0.7 && path.length < 20000) path.push(xy);
  }

  up(event) {
    if (this.moving || this.cutting) {
      this.moving = null;
      this.cutting = false;
      return;
    }
    if (!this.view.draft || this.typing) return;
    this.extend(this.view.place(event));
    this.finish();
  }

  finish() {
    const { draft } = this.view;
    const { frame } = this.store;
    const { path, inside } = draft;
    this.typing = false;
    const line = path.map((xy) => xy.map((one) => Math.round(one * 10) / 10));
    const [first, last] = [line[0], line.at(-1)];
    let done;
    if (this.tool === "point") {
      const number = this.near(first);
      done = number === null
        ? this.act("point", { frame, x: first[0], y: first[1], inside })
        : this.act("remove_point", { frame, number });
    } else if (this.tool === "box") {
      const tiny = Math.abs(first[0] - last[0]) < 2 || Math.abs(first[1] - last[1]) < 2;
      if (tiny) return this.stop();
      done = this.act("box", { frame, box: [...first, ...last] });
    } else if (this.tool === "brush" || this.tool === "eraser") {
      done = this.act("brush", { frame, path: line, inside, width: this.view.brush });
    } else {
      done = this.act(this.tool, { frame, path: line, inside });
    }
    // The line is seen until the mask takes its place.
    return done.finally(() => {
      if (this.view.draft === draft) this.stop();
    });
  }

  // The number of a point of the object that is hit.
  near([x, y]) {
    const prompt = this.store.object && this.store.object.prompts[this.store.frame];
    const { sx, sy } = this.view.frame();
    const found = (prompt ? prompt.points : []).findIndex(([px, py]) => Math.hypot((px - x) * sx, (py - y) * sy) < REACH);
    return found < 0 ? null : found;
  }

  // The keyboard: a crosshair that moves, and Enter.
  steer(dx, dy) {
    const { view, store } = this;
    const from = view.cursor || [store.width / 2, store.height / 2];
    view.cursor = view.inside([Math.round(from[0] + dx), Math.round(from[1] + dy)]);
    this.cut(view.cursor);
    if (this.typing && this.tool === "box") view.draft.path = [view.draft.path[0], view.cursor];
    view.draw();
  }

  // A point or a corner; of a line one more place, and at the same place its end.
  press(outside) {
    const { view } = this;
    if (!view.cursor) return this.steer(0, 0);
    const before = this.typing ? view.draft.path.at(-1) : null;
    if (!this.typing) this.begin(view.cursor, outside);
    if (this.tool === "point") return this.finish();
    if (!this.typing) {
      this.typing = true;
    } else if (this.tool === "box") {
      return this.finish();
    } else if (before[0] === view.cursor[0] && before[1] === view.cursor[1]) {
      return this.finish();
    } else {
      view.draft.path.push(view.cursor);
    }
    return view.draw();
  }
}
