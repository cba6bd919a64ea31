"use strict";
// What the page holds: a line for each object and prompt of every case, and the slices of the cases.

const REPORT = JSON.parse(document.getElementById("report").textContent);
const [CASE, PROMPT, OBJECT, SLICES, FLAGS, FIRST] = [0, 1, 2, 3, 4, 5]; // of a line; its values come last
const ORACLE = 1;
const UNASKED = 2;
const KEPT = 6; // cases whose pictures stay in memory

const numberOf = new Map(REPORT.rows.map((line, n) => [line, n]));
const byId = (id) => document.getElementById(id);

// An element with attributes, and texts or elements within; what comes from outside is text, never markup.
function make(tag, attributes = {}, ...inside) {
  const svg = SVG_TAGS.has(tag);
  const one = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  one.append(...inside);
  return one;
}

const SVG_TAGS = new Set(["svg", "line", "polyline", "path", "circle", "rect", "text", "g", "title"]);

const markOf = (prompt) => REPORT.marks[REPORT.prompts[prompt]] || "";
const isNetwork = (prompt) => markOf(prompt) !== "no network";
const objectInk = (id) => REPORT.colours[(id - 1) % REPORT.colours.length];
const said = (value, digits = 3) => (value === null || value === undefined ? "\u2013" : value.toFixed(digits));

// Slices of cases, by number of the case; those that are beside the page arrive by a script of theirs.
const slices = { found: new Map(), waiting: new Map() };

window.usframe_case = ([head, body]) => {
  const number = REPORT.cases.findIndex(([name]) => name === head.case);
  if (slices.waiting.has(number)) slices.waiting.get(number)(opened(head, body));
};

async function loadCase(number) {
  if (!slices.found.has(number)) {
    const inside = byId(`slices-${number}`);
    const file = REPORT.cases[number][2];
    let told = null;
    if (inside) told = opened(...JSON.parse(inside.textContent));
    else if (file) told = await fromFile(number, file);
    slices.found.set(number, told);
    if (slices.found.size > KEPT) slices.found.delete(slices.found.keys().next().value);
  }
  return slices.found.get(number);
}

function fromFile(number, file) {
  return new Promise((arrived, failed) => {
    const script = make("script", { src: file });
    slices.waiting.set(number, arrived);
    script.onload = () => (slices.waiting.delete(number), script.remove());
    script.onerror = () => failed(new Error(`The file of ${REPORT.cases[number][0]} is not beside this page`));
    document.head.append(script);
  });
}

// Head and body of a case as one; outlines are read when their slice is looked at.
function opened(head, body) {
  const [depth, height, width] = head.shape;
  const answers = Object.entries(head.answers).map(([prompt, told]) => ({ prompt, ...told, ...body.answers[prompt] }));
  const kinds = [body.reference || {}, ...answers.map((one) => one.outlines)];
  const objects = [...new Set(kinds.flatMap(Object.keys))].map(Number).sort((a, b) => a - b);
  const [wide, high] = head.pixel || [1, 1];
  const least = Math.min(wide, high);
  return {
    ...head, depth, height, width, objects, answers,
    reference: body.reference, pictures: body.pictures, images: new Map(),
    pixel: [wide / least, high / least],
  };
}

async function pictureOf(told, frame) {
  if (!told.pictures.length) return null;
  if (!told.images.has(frame)) {
    const image = new Image();
    image.src = `data:image/webp;base64,${told.pictures[frame]}`;
    told.images.set(frame, image.decode().then(() => image));
  }
  return told.images.get(frame);
}

// Outlines as lists of [x, y], from the steps that outlines.py writes.
function readOutlines(text) {
  if (!text) return [];
  return text.split(" ").map((ring) => {
    const steps = readNumbers(ring);
    const points = [];
    let [x, y] = [0, 0];
    for (let n = 0; n < steps.length; n += 2) points.push([(x += steps[n]), (y += steps[n + 1])]);
    return points;
  });
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const DIGIT = new Map([...DIGITS].map((letter, n) => [letter, n]));

function readNumbers(text) {
  const numbers = [];
  let [value, shift] = [0, 0];
  for (const letter of text) {
    const digit = DIGIT.get(letter);
    value += (digit & 31) << shift;
    shift += 5;
    if (digit < 32) {
      numbers.push(value & 1 ? -(value >> 1) : value >> 1);
      [value, shift] = [0, 0];
    }
  }
  return numbers;
}

// The slices on which an answer was prompted, for one object or for all.
function promptedOn(answer, object = null) {
  const lists = object === null ? Object.values(answer.prompted) : [answer.prompted[object] || []];
  return new Set(lists.flat());
}
