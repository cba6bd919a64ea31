// The planes of one axis that have been fetched. A request is called off where another place is looked at meanwhile.

import * as api from "./api.js";

const ROOM = 2e8; // bytes

export class Planes {
  constructor(axis) {
    this.axis = axis;
    this.known = new Map(); // place -> { grey, mask, worn }; worn: the mask may be another by now
    this.stop();
  }

  stop() {
    if (this.way) this.way.abort();
    this.way = new AbortController();
    this.going = null; // { wanted, done } of what is being fetched
  }

  clear() {
    this.stop();
    this.known.clear();
  }

  wear(places = [...this.known.keys()]) {
    if (places.length) this.stop();
    for (const at of places) if (this.known.has(at)) this.known.get(at).worn = true;
  }

  // The mask of a plane as a verb has told it.
  mask(at, mask) {
    if (this.known.has(at)) Object.assign(this.known.get(at), { mask, worn: false });
  }

  // Fetches what is missing of `places`, in order; `came` is called after each.
  fetch(name, places, came) {
    const wanted = places.join();
    if (!this.going || this.going.wanted !== wanted) {
      this.stop();
      const { signal } = this.way;
      const going = { wanted, done: this.each(name, places, came, signal).catch((error) => {
        if (!signal.aborted) throw error;
      }).finally(() => {
        if (this.going === going) this.going = null;
      }) };
      this.going = going;
    }
    return this.going.done;
  }

  async each(name, places, came, signal) {
    for (const at of places) {
      const known = this.known.get(at);
      if (known && !known.worn) continue;
      const [grey, mask] = await Promise.all([
        known ? known.grey : api.plane(name, this.axis, at, signal), api.mask(name, this.axis, at, signal)]);
      if (signal.aborted) return;
      this.known.delete(at);
      this.known.set(at, { grey, mask, worn: false });
      while (this.known.size > 1 && this.known.size * 2 * grey.length > ROOM) this.known.delete(this.known.keys().next().value);
      came();
    }
  }
}
