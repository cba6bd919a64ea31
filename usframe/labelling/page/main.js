// The page: what is shown follows from the store, and whatever somebody does becomes a verb.

import * as api from "./api.js";
import { bind } from "./keys.js";
import { find, showCases, showKeys, showObjects, showTools } from "./panels.js";
import { Store } from "./store.js";
import { Strip } from "./strip.js";
import { Hand } from "./tools.js";
import { View } from "./view.js";

const POLL = 300; // ms between two looks at a propagation

const store = new Store(show);
const view = new View(find("view"), store);
const strip = new Strip(find("strip"), store);
const hand = new Hand(view, store, act);
let cases = [];
let running = false;
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
  find("busy").hidden = store.masks.has(store.frame);
  view.draw();
  strip.draw();
  showObjects(told, act);
  find("title").textContent = told.name;
  find("where").textContent = `${told.shape.join(" \u00d7 ")}${told.notes.length ? `, ${told.notes.join("; ")}` : ""}`;
  find("where").title = told.notes.join("\n");
  Object.assign(find("slice"), { max: store.depth - 1, value: store.frame });
  const dice = told.expected[store.frame];
  find("number").textContent = `Slice ${store.frame} of 0 to ${store.depth - 1}`
    + (dice === null ? "" : `, expected Dice ${dice.toFixed(2)}`);
  const object = store.object;
  const prompted = Boolean(object && Object.keys(object.prompts).length) && !object.locked && !running;
  find("memory").disabled = !prompted;
  find("both").disabled = !prompted;
  find("memory").textContent = object && object.stale ? "Propagate again" : "Propagate";
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
  view.reset();
  showDisplay();
  await attempt(async () => {
    await store.open(name);
    sessionStorage.setItem("case", name);
  });
  find("busy").hidden = true;
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
    await api.verb(store.case.name, "propagate", { way }, store.frame);
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

// To another slice; a line that was begun on this one is dropped.
function turn(frame) {
  hand.stop();
  return attempt(() => store.go(frame));
}

function suggest() {
  const { next } = store.case;
  if (!next.length) return say("There is no slice to suggest; propagate first");
  const after = next[(next.indexOf(store.frame) + 1) % next.length];
  return turn(after);
}

function showDisplay() {
  for (const id of ["level", "window", "opacity"]) find(id).value = view[id];
  find("width").value = view.brush;
  find("width-told").textContent = view.brush;
  find("hide").setAttribute("aria-pressed", view.hidden);
}

function widen(by) {
  view.brush = Math.max(1, Math.min(80, view.brush + by));
  showDisplay();
}

const commands = {
  accept, choose, newObject, propagate, save, suggest, widen,
  act, beside,
  step: (by) => turn(store.frame + by),
  end: (last) => turn(last ? store.depth - 1 : 0),
  clear: () => act("clear", { frame: store.frame }),
  object: (id) => store.case.objects.some((one) => one.id === id) && act("object", { id }),
  lock: () => store.object && act(store.object.locked ? "unlock" : "lock", {}),
  hide: () => { view.hidden = !view.hidden; showDisplay(); view.draw(); },
  plain: () => { view.reset(); showDisplay(); view.draw(); },
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
};

async function begin() {
  for (const [id, does] of Object.entries(clicks)) find(id).onclick = () => does();
  for (const id of ["level", "window", "opacity"]) {
    find(id).oninput = (event) => { view[id] = Number(event.target.value); view.draw(); };
  }
  find("width").oninput = (event) => { view.brush = Number(event.target.value); showDisplay(); };
  find("slice").oninput = (event) => turn(Number(event.target.value));
  find("view").addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey) view.zoomAt(event, event.deltaY < 0 ? 1.2 : 1 / 1.2);
    else commands.step(Math.sign(event.deltaY));
  }, { passive: false });
  showKeys(bind(commands, () => Boolean(store.case)));
  showTools(hand.tool, choose);
  showDisplay();
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
