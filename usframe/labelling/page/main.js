// The page: what is shown follows from the store, and whatever somebody does becomes a verb.

import * as api from "./api.js";
import { Across } from "./across.js";
import { Display } from "./display.js";
import { bind } from "./keys.js";
import { find, showCases, showKeys, showObjects, showTools } from "./panels.js";
import { Store } from "./store.js";
import { Strip } from "./strip.js";
import { Hand } from "./tools.js";
import { View } from "./view.js";

const POLL = 300; // ms between two looks at a propagation

const store = new Store(show);
const view = new View(find("view"), store);
const views = [view, new Across(find("view-1"), store, 1, turn), new Across(find("view-2"), store, 2, turn)];
const display = new Display(view, store, () => views.forEach((one) => one.draw()));
const strip = new Strip(find("strip"), store, turn);
const hand = new Hand(view, store, act, turn);
let cases = [];
let running = false;
let every = false; // whether all objects are propagated that are not locked
let later = 0;

function say(line, wrong = false) {
  find("message").textContent = line;
  document.querySelector("footer").className = wrong ? "wrong" : "";
}

// Runs what may fail; a failure is a line at the foot of the page.
async function attempt(what) {
  try {
    return await what();
  } catch (error) {
    say(error.message, true);
    return null;
  }
}

function act(verb, fields) {
  if (running) {
    say("A propagation is running; wait for its end, or cancel it", true);
    return Promise.resolve(null);
  }
  return attempt(async () => {
    let told;
    try {
      told = await store.verb(verb, fields);
    } catch (error) {
      await store.refresh().catch(() => {}); // what could not be kept is seen nevertheless
      throw error;
    }
    say("");
    stand(told);
    return told;
  });
}

function stand(told) {
  const one = cases.find((known) => known.name === told.name);
  if (one && one.standing !== told.standing) {
    one.standing = told.standing;
    showCases(cases, store.case.name, open);
  }
}

function show() {
  cancelAnimationFrame(later);
  later = requestAnimationFrame(draw);
}

function draw() {
  const told = store.case;
  if (!told) return;
  find("busy").hidden = store.planes[0].known.has(store.frame);
  display.draw();
  strip.draw();
  showObjects(told, act);
  find("title").textContent = told.name;
  find("where").textContent = `${told.shape.join(" \u00d7 ")}${told.notes.length ? `, ${told.notes.join("; ")}` : ""}`;
  find("where").title = told.notes.join("\n");
  Object.assign(find("slice"), { max: store.depth - 1, value: store.frame });
  display.place();
  const carried = (every ? told.objects : [store.object]).filter((one) => one && !one.locked && Object.keys(one.prompts).length);
  for (const id of ["memory", "both"]) find(id).disabled = !carried.length;
  for (const id of ["memory", "both", "every"]) find(id).hidden = running;
  find("memory").textContent = carried.some((one) => one.stale) ? "Propagate again" : "Propagate";
  find("every").setAttribute("aria-pressed", every);
  find("suggest").disabled = !told.next.length;
  find("undo").disabled = !told.undo || running;
  find("redo").disabled = !told.redo || running;
  for (const id of ["save", "accept", "clear", "new", "remove"]) find(id).disabled = running;
  find("accept").textContent = told.accepted ? "Accepted" : "Accept";
  find("accept").setAttribute("aria-pressed", told.accepted);
}

async function open(name) {
  if (running) return say("A propagation is running; wait for its end, or cancel it", true);
  hand.stop();
  find("busy").textContent = `Opening ${name}`;
  find("busy").hidden = false;
  say("");
  display.plain();
  await attempt(async () => {
    await store.open(name);
    sessionStorage.setItem("case", name);
  });
  Object.assign(find("busy"), { hidden: true, textContent: "The slice is on its way" });
  display.tell();
  showCases(cases, store.case ? store.case.name : "", open);
  return show();
}

function beside(step) {
  const at = cases.findIndex((one) => store.case && one.name === store.case.name) + step;
  if (at >= 0 && at < cases.length) open(cases[at].name);
}

async function propagate(way) {
  if (running || !store.case) return;
  await attempt(async () => {
    await api.verb(store.case.name, "propagate", { way, every }, store.frame);
    await follow();
  });
}

// Looks at a propagation until it is over.
async function follow() {
  running = true;
  find("job").hidden = false;
  show();
  let told;
  try {
    for (told = await api.job(); told.running; told = await api.job()) {
      Object.assign(find("progress"), { max: told.total, value: told.done });
      await new Promise((done) => { setTimeout(done, POLL); });
    }
  } finally {
    running = false;
    find("job").hidden = true;
    show();
  }
  await store.refresh();
  stand(store.case);
  say(told.error ? `Propagation: ${told.error}` : "Propagated; the strip shows where the mask is least sure", Boolean(told.error));
}

const save = () => attempt(async () => {
  const told = await store.verb("save");
  stand(told);
  say(`Wrote ${told.saved}`);
});

async function accept() {
  const told = await act("accept", { accepted: !store.case.accepted });
  if (told) say(told.accepted ? "Accepted, and its labels are written" : "No longer accepted");
}

function choose(tool) {
  hand.choose(tool);
  showTools(tool, choose);
}

function newObject() {
  const taken = new Set(store.case.objects.map((one) => one.id));
  const free = [...Array(255).keys()].map((n) => n + 1).find((id) => !taken.has(id));
  return free ? act("object", { id: free }) : say("There are 255 objects; there can be no more", true);
}

// To other planes, a place by axis; a line that was begun on another slice is dropped.
function turn(places) {
  if (0 in places) hand.stop();
  return attempt(() => store.go(places));
}

function suggest() {
  const { next } = store.case;
  if (!next.length) return say("There is no slice to suggest; propagate first");
  const after = next[(next.indexOf(store.frame) + 1) % next.length];
  return turn({ 0: after });
}

const commands = {
  accept, choose, newObject, propagate, save, suggest,
  act, beside,
  step: (by) => turn({ 0: store.frame + by }),
  end: (last) => turn({ 0: last ? store.depth - 1 : 0 }),
  clear: () => act("clear", { frame: store.frame }),
  object: (id) => store.case.objects.some((one) => one.id === id) && act("object", { id }),
  lock: () => store.object && act(store.object.locked ? "unlock" : "lock", {}),
  every: () => { every = !every; show(); },
  across: () => attempt(() => display.across()),
  hide: () => display.hide(),
  plain: () => display.plain(),
  widen: (by) => display.widen(by),
  zoom: (factor) => { const box = view.canvas.getBoundingClientRect();
    view.zoomAt({ clientX: box.x + box.width / 2, clientY: box.y + box.height / 2 }, factor); },
  help: () => find("keys").showModal(),
  leave: () => { if (running) attempt(api.cancel); else { hand.stop(); view.cursor = null; view.draw(); } },
  steer: (dx, dy) => hand.steer(dx, dy),
  press: (outside) => hand.press(outside),
};

const clicks = {
  previous: () => beside(-1), next: () => beside(1), undo: () => act("undo", {}), redo: () => act("redo", {}),
  save, accept, help: commands.help, suggest, cancel: () => attempt(api.cancel), memory: () => propagate("memory"),
  both: () => propagate("both"), clear: commands.clear, new: newObject, remove: () => act("remove_object", {}),
  plain: commands.plain, hide: commands.hide,
  across: commands.across, every: commands.every,
};

async function begin() {
  for (const [id, does] of Object.entries(clicks)) find(id).onclick = () => does();
  find("slice").oninput = (event) => turn({ 0: Number(event.target.value) });
  find("view").addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey) view.zoomAt(event, event.deltaY < 0 ? 1.2 : 1 / 1.2);
    else commands.step(Math.sign(event.deltaY));
  }, { passive: false });
  showKeys(bind(commands, () => Boolean(store.case)));
  showTools(hand.tool, choose);
  await attempt(async () => {
    cases = (await api.cases()).cases;
    const before = sessionStorage.getItem("case");
    const first = cases.find((one) => one.name === before) || cases.find((one) => one.standing !== "accepted") || cases[0];
    const job = await api.job();
    await open(job && job.running ? job.case : first.name);
    if (job && job.running) await follow();
  });
}

begin();
