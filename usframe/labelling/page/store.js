// The case that is looked at, as the server last told it, and the slices that have been fetched.

import * as api from "./api.js";

// Okabe and Ito's colours, which colour-blind readers tell apart (black left out, grey added).
const COLOURS = ["#56B4E9", "#E69F00", "#009E73", "#F0E442", "#D55E00", "#CC79A7", "#0072B2", "#BBBBBB"];
const ROOM = 400; // slices

export const colour = (id) => COLOURS[(id - 1) % COLOURS.length];

export class Store {
  constructor(changed) {
    this.changed = changed; // called without arguments whenever something may look different
    this.case = null;
    this.frame = 0;
    this.pictures = new Map();
    this.masks = new Map();
    this.queue = Promise.resolve(); // verbs go one after the other
  }

  get depth() { return this.case ? this.case.shape[0] : 0; }
  get height() { return this.case.shape[1]; }
  get width() { return this.case.shape[2]; }
  get object() { return this.case.objects.find((one) => one.id === this.case.active) || null; }

  async open(name) {
    const told = await api.look(name);
    this.pictures.clear();
    this.masks.clear();
    this.case = told;
    this.frame = Math.floor(this.depth / 2);
    await this.fetch();
  }

  async go(frame) {
    this.frame = Math.max(0, Math.min(this.depth - 1, frame));
    this.changed();
    await this.fetch();
  }

  // Pixels of the slice that is looked at, then of its neighbours.
  async fetch() {
    const name = this.case.name;
    for (const frame of [this.frame, this.frame + 1, this.frame - 1]) {
      if (frame < 0 || frame >= this.depth) continue;
      for (const [kept, get] of [[this.pictures, api.picture], [this.masks, api.mask]]) {
        if (kept.has(frame)) continue;
        const asked = this.case;
        const pixels = await get(name, frame);
        if (this.case !== asked && get === api.mask) continue; // it may be another by now
        if (this.case.name !== name) return;
        kept.set(frame, pixels);
        if (kept.size > ROOM) kept.delete(kept.keys().next().value);
        if (frame === this.frame) this.changed();
      }
    }
    if (!this.masks.has(this.frame)) await this.fetch();
  }

  // A verb, and what follows from it.
  verb(what, fields = {}) {
    const { name } = this.case;
    const { frame } = this;
    const done = this.queue.catch(() => {}).then(async () => {
      const told = await api.verb(name, what, fields, frame);
      if (this.case.name !== name) return told;
      for (const at of told.changed || []) this.masks.delete(at);
      this.case = told;
      if (told.mask) this.masks.set(told.frame, api.unpacked(told.mask));
      this.changed();
      await this.fetch();
      return told;
    });
    this.queue = done;
    return done;
  }

  async refresh() {
    this.case = await api.look(this.case.name);
    this.masks.clear();
    await this.fetch();
    this.changed();
  }
}
