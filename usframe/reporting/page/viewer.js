// The slices of one case, the answers of all prompts side by side.

const ZOOMS = [1, 16];

class Viewer {
  constructor() {
    this.look = { zoom: 1, shift: [0, 0], show: { answer: true, reference: true, prompts: true, differences: false }, off: new Set() };
    this.told = null;
    this.frame = 0;
    this.object = null;
    this.alone = null;
    this.panels = [];
    byId("slice").addEventListener("input", (event) => this.goTo(Number(event.target.value)));
    for (const [id, by] of [["back", -1], ["on", 1]]) byId(id).addEventListener("click", () => this.step(by));
    for (const kind of Object.keys(this.look.show)) byId(`show-${kind}`).addEventListener("click", () => this.toggle(kind));
    byId("whole").addEventListener("click", () => this.whole());
    byId("strip-object").addEventListener("input", (event) => { this.object = Number(event.target.value); this.strips(); });
    const strip = byId("strip");
    const pick = (event) => event.buttons && this.told && this.goTo(this.frameAt(event.clientX - strip.getBoundingClientRect().left));
    strip.addEventListener("pointerdown", pick);
    strip.addEventListener("pointermove", pick);
    new ResizeObserver(() => this.told && this.draw()).observe(byId("panels"));
  }

  // Show a case; `prompt` and `object`: names what is looked for, so that its worst slice comes first.
  async open(number, prompt = null, object = null) {
    this.number = number;
    byId("case").textContent = REPORT.cases[number][0];
    byId("trouble").textContent = "";
    let told = null;
    try {
      told = await loadCase(number);
      if (!told) byId("trouble").textContent = "There are no pictures of this case.";
    } catch (error) {
      byId("trouble").textContent = `${error.message}; copy the folder report with it.`;
    }
    if (this.number !== number) return; // another was opened meanwhile
    this.told = told && told.answers.length ? told : null;
    byId("looks").hidden = !this.told;
    if (!this.told) return;
    this.alone = this.alone !== null && told.answers[this.alone] ? this.alone : null;
    this.object = told.objects.includes(object) ? object : told.objects.includes(this.object) ? this.object : told.objects[0];
    this.look.off = new Set([...this.look.off].filter((one) => told.objects.includes(one)));
    Object.assign(this.look, { zoom: 1, shift: [0, 0] });
    byId("show-reference").hidden = byId("show-differences").hidden = !told.reference;
    byId("show-prompts").hidden = told.answers.every((one) => !Object.keys(one.prompts).length);
    Object.assign(byId("slice"), { max: told.depth - 1 });
    this.fillObjects();
    this.fillPanels();
    this.goTo(this.worst(told.answers.find((one) => one.prompt === prompt) || told.answers[0]));
  }

  // The slice of the lowest Dice, or of the lowest that is expected; the middle one where nothing is known.
  worst(answer) {
    const values = (answer.dice || answer.expected || {})[this.object] || [];
    let found = Math.floor(this.told.depth / 2);
    let lowest = Infinity;
    values.forEach((value, n) => { if (value !== null && value < lowest) [lowest, found] = [value, n]; });
    return found;
  }

  goTo(frame) {
    this.frame = Math.max(0, Math.min(this.told.depth - 1, frame));
    this.draw();
  }

  step(by) {
    if (this.told) this.goTo(this.frame + by);
  }

  toggle(kind) {
    this.look.show[kind] = !this.look.show[kind];
    byId(`show-${kind}`).setAttribute("aria-pressed", this.look.show[kind]);
    if (this.told) this.draw();
  }

  whole() {
    Object.assign(this.look, { zoom: 1, shift: [0, 0] });
    if (this.told) this.draw();
  }

  only(number) {
    this.alone = this.alone === number || !this.told.answers[number] ? null : number;
    this.fillPanels();
    this.draw();
  }

  zoom(factor) {
    const { look } = this;
    look.zoom = Math.max(ZOOMS[0], Math.min(ZOOMS[1], look.zoom * factor));
    this.move(0, 0);
  }

  // Move what is seen by shares of the slice, not beyond its border.
  move(x, y) {
    const most = 0.5 - 0.5 / this.look.zoom;
    this.look.shift = [[0, x], [1, y]].map(([n, by]) => Math.max(-most, Math.min(most, this.look.shift[n] + by)));
    if (this.told) this.draw();
  }

  get hidden() {
    return new Set(this.alone === null ? [] : this.told.answers.map((_, n) => n).filter((n) => n !== this.alone));
  }

  fillObjects() {
    const { told, look } = this;
    byId("objects").replaceChildren(...told.objects.map((id) => {
      const chip = make("button", { type: "button", class: "chip", "aria-pressed": !look.off.has(id), style: `--ink:${objectInk(id)}` }, make("i", { class: "ink" }), REPORT.objects[id] || String(id));
      chip.addEventListener("click", () => {
        look.off[look.off.has(id) ? "delete" : "add"](id);
        chip.setAttribute("aria-pressed", !look.off.has(id));
        this.draw();
      });
      return chip;
    }));
    fillSelect(byId("strip-object"), told.objects.map((id) => [id, REPORT.objects[id] || String(id)]));
    byId("strip-object").value = this.object;
    byId("strip-object").parentElement.hidden = told.objects.length < 2;
  }

  fillPanels() {
    const { told, hidden } = this;
    this.panels = told.answers.map((answer, n) => {
      const mark = REPORT.marks[answer.prompt];
      const name = make("button", { type: "button", "aria-pressed": this.alone === n, title: "this prompt alone" });
      name.append(swatch(n), answer.prompt);
      name.addEventListener("click", () => this.only(n));
      const caption = make("figcaption", {}, name);
      if (mark) caption.append(make("span", { class: "oracle" }, mark));
      const score = make("span", { class: "score" });
      caption.append(score);
      const canvas = make("canvas", { role: "img" });
      return { n, answer, score, canvas, box: make("figure", {}, canvas, caption) };
    }).filter(({ n }) => !hidden.has(n));
    const ratio = (told.width * told.pixel[0]) / (told.height * told.pixel[1]);
    for (const { canvas } of this.panels) {
      canvas.style.aspectRatio = String(ratio);
      steer(canvas, this);
    }
    byId("panels").replaceChildren(...this.panels.map(({ box }) => box));
    byId("panels").dataset.count = this.panels.length;
    byId("panels").style.setProperty("--ratio", ratio);
  }

  async draw() {
    const { told, frame, look } = this;
    byId("slice").value = frame;
    const image = await pictureOf(told, frame);
    if (this.told !== told || this.frame !== frame) return;
    const first = this.panels[0];
    const prompted = first && this.panels.some(({ answer }) => promptedOn(answer).has(frame));
    byId("number").textContent = `Slice ${frame} of 0 to ${told.depth - 1}${prompted ? ", prompted" : ""}${told.known && !told.known.includes(frame) ? ", without labels" : ""}`;
    for (const { answer, canvas, score, box } of this.panels) {
      drawSlice(canvas, told, answer, frame, image, look);
      const here = promptedOn(answer).has(frame);
      box.classList.toggle("prompted", here);
      score.textContent = this.scores(answer, frame);
      canvas.setAttribute("aria-label", `Slice ${frame} of ${told.case}, ${answer.prompt}${here ? ", prompted" : ""}: ${score.textContent}`);
    }
    this.strips();
    for (const near of [frame + 1, frame - 1]) if (near >= 0 && near < told.depth) pictureOf(told, near);
  }

  scores(answer, frame) {
    const [values, word] = answer.dice ? [answer.dice, "Dice"] : [answer.expected || {}, answer.own || "expected"];
    const shown = this.told.objects.filter((id) => !this.look.off.has(id) && values[id] && values[id][frame] !== null);
    const names = this.told.objects.length > 1;
    return shown.length ? `${word} ${shown.map((id) => `${names ? `${id}: ` : ""}${said(values[id][frame], 2)}`).join(", ")}` : "";
  }

  strips() {
    const { told, object, frame, hidden } = this;
    this.frameAt = drawStrip(byId("strip"), told, object, frame, hidden);
    byId("strip-title").textContent = `${kindOf(told)} over slices`;
    const distance = byId("distance").closest(".strips > div");
    distance.hidden = false; // its width counts
    distance.hidden = !drawDistance(
      byId("distance"),
      told.answers.map((one, n) => ({ n, points: byDistance(told, one, object) })).filter(({ n }) => !hidden.has(n)),
      kindOf(told),
    );
  }
}

// Wheel: slices, and at the ends the page; with Ctrl: zoom. Drag: move; two clicks: all of it.
function steer(canvas, viewer) {
  canvas.addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.shiftKey) {
      event.preventDefault();
      return viewer.zoom((event.deltaY || event.deltaX) < 0 ? 1.2 : 1 / 1.2);
    }
    const next = viewer.frame + Math.sign(event.deltaY);
    if (next < 0 || next >= viewer.told.depth) return undefined;
    event.preventDefault();
    return viewer.goTo(next);
  }, { passive: false });
  canvas.addEventListener("pointermove", (event) => {
    if (!event.buttons || viewer.look.zoom === 1) return;
    const box = canvas.getBoundingClientRect();
    const f = placeOf(box, viewer.told, viewer.look);
    viewer.move(-event.movementX / (viewer.told.width * f.sx), -event.movementY / (viewer.told.height * f.sy));
  });
  canvas.addEventListener("dblclick", () => (viewer.look.zoom > 1 ? viewer.whole() : viewer.zoom(2)));
}
