// The case that is looked at, as the server last told it, and where its three planes cut.

import * as api from "./api.js";
import { Planes } from "./planes.js";

// Okabe and Ito's colours, which colour-blind readers tell apart (black left out, grey added).
const COLOURS = ["#56B4E9", "#E69F00", "#009E73", "#F0E442", "#D55E00", "#CC79A7", "#0072B2", "#BBBBBB"];

export const colour = (id) => COLOURS[(id - 1) % COLOURS.length];

export class Store {
  constructor(changed) {
    this.changed = changed; // called without arguments whenever something may look different
    this.case = null;
    this.at = [0, 0, 0]; // slice, row, column
    this.across = true; // whether planes along rows and columns are wanted
    this.planes = [0, 1, 2].map((axis) => new Planes(axis));
    this.queue = Promise.resolve(); // verbs go one after the other
  }

  get frame() { return this.at[0]; }
  get depth() { return this.case ? this.case.shape[0] : 0; }
  get split() { return this.across && this.depth > 1; }
  get height() { return this.case.shape[1]; }
  get width() { return this.case.shape[2]; }
  get object() { return this.case.objects.find((one) => one.id === this.case.active) || null; }

  async open(name) {
    const told = await api.look(name);
    for (const planes of this.planes) planes.clear();
    this.case = told;
    this.at = told.shape.map((size) => Math.floor(size / 2));
    await this.fetch();
  }

  // To other planes: a place by axis, of those that change.
  async go(places) {
    for (const [axis, at] of Object.entries(places)) {
      this.at[axis] = Math.max(0, Math.min(this.case.shape[axis] - 1, Math.round(at)));
    }
    this.changed();
    await this.fetch();
  }

  // The planes that are looked at, and the neighbours of the slice.
  async fetch() {
    const { name } = this.case;
    const [frame, row, column] = this.at;
    const slices = [frame, frame + 1, frame - 1].filter((at) => at >= 0 && at < this.depth);
    await Promise.all([slices, ...(this.split ? [[row], [column]] : [])].map(
      (places, axis) => this.planes[axis].fetch(name, places, this.changed)));
  }

  // A verb, and what follows from it.
  verb(what, fields = {}) {
    const { name } = this.case;
    const { frame } = this;
    const done = this.queue.catch(() => {}).then(async () => {
      const told = await api.verb(name, what, fields, frame);
      if (this.case.name !== name) return told;
      this.case = told;
      this.wear(told.changed || []);
      if (told.mask) this.planes[0].mask(told.frame, api.unpacked(told.mask));
      this.changed();
      await this.fetch();
      return told;
    });
    this.queue = done;
    return done;
  }

  // Masks of slices may be others now, so those of the planes across them are.
  wear(frames) {
    this.planes[0].wear(frames);
    if (frames.length) for (const planes of this.planes.slice(1)) planes.wear();
  }

  async refresh() {
    this.case = await api.look(this.case.name);
    for (const planes of this.planes) planes.wear();
    await this.fetch();
    this.changed();
  }
}
