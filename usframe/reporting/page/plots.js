// Plots as SVG, in the colours of the page: Dice over slices, over the distance to the prompt, and over cases.

const DASHES = ["", "6 3", "2 2", "8 3 2 3", "1 3", "10 4"];
const ROOM = { left: 34, right: 8, top: 6, bottom: 18 };

const curveInk = (n) => REPORT.curves[n % REPORT.curves.length];
const dashOf = (n) => DASHES[Math.floor(n / REPORT.curves.length) % DASHES.length];

// The line of a prompt, as its plots have it.
function swatch(n) {
  const line = make("line", { x1: 0, x2: 24, y1: 3, y2: 3, stroke: curveInk(n), "stroke-dasharray": dashOf(n) });
  return make("svg", { class: "swatch", viewBox: "0 0 24 6", "aria-hidden": "true" }, line);
}

// A plot of `svg`'s own width: scales, and lines with numbers; `from`, `to`: of y.
function frameOf(svg, height, [x0, x1], [y0, y1], { inset = 0 } = {}) {
  const width = Math.max(svg.parentElement.clientWidth, 120);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  svg.replaceChildren();
  const left = ROOM.left + inset;
  const right = width - ROOM.right - inset;
  const bottom = height - ROOM.bottom;
  const x = (value) => left + ((value - x0) / (x1 - x0 || 1)) * (right - left);
  const y = (value) => bottom - ((value - y0) / (y1 - y0 || 1)) * (bottom - ROOM.top);
  for (const value of ticks(y0, y1, 3)) {
    svg.append(make("line", { class: "axis", x1: ROOM.left, x2: width - ROOM.right, y1: y(value), y2: y(value) }));
    svg.append(make("text", { x: ROOM.left - 5, y: y(value) + 4, "text-anchor": "end" }, tick(value, y0, y1)));
  }
  return { x, y, left, right, bottom, width, height };
}

// Round numbers within a range, about so many.
function ticks(low, high, about) {
  const rough = (high - low || 1) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((one) => one * power >= rough) * power;
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) found.push(n * step);
  return found;
}

const tick = (value, low, high) => value.toFixed(Math.max(0, Math.min(4, Math.ceil(-Math.log10((high - low) / 3 || 1)))));

// The lowest number of a scale that ends at 1, with a little room below what is shown.
function floorOf(values) {
  const low = values.reduce((a, b) => Math.min(a, b), 1);
  return low < 0.35 ? 0 : Math.max(0, Math.floor(low * 10 - 0.2) / 10);
}

// Dice over slices: a line per prompt; what is expected is dotted; a triangle under each prompted slice.
function drawStrip(svg, told, object, frame, hidden) {
  const lines = told.answers.map((one, n) => ({ n, dice: (one.dice || {})[object], expected: (one.expected || {})[object] }))
    .filter(({ n }) => !hidden.has(n));
  const shown = lines.flatMap(({ dice, expected }) => [...(dice || []), ...(expected || [])]).filter((one) => one !== null);
  const f = frameOf(svg, 110, [0, Math.max(told.depth - 1, 1)], [floorOf(shown), 1], { inset: 8 });
  for (const { n, dice, expected } of lines) {
    for (const [values, kind] of [[expected, "expected"], [dice, "curve"]]) {
      for (const run of runsOf(values || [])) {
        const points = run.map(([x, y]) => `${f.x(x).toFixed(1)},${f.y(y).toFixed(1)}`).join(" ");
        const drawn = run.length > 1
          ? make("polyline", { class: kind, points, stroke: curveInk(n), "stroke-dasharray": kind === "curve" ? dashOf(n) : "1 3" })
          : make("circle", { cx: f.x(run[0][0]), cy: f.y(run[0][1]), r: 2.5, fill: curveInk(n) });
        svg.append(drawn);
      }
    }
  }
  const marked = new Map();
  lines.forEach(({ n }) => promptedOn(told.answers[n], object).forEach((one) => marked.set(one, (marked.get(one) || 0) + 1)));
  for (const one of marked.keys()) {
    const x = f.x(one);
    svg.append(make("path", { class: "prompted", d: `M${x} ${f.bottom + 2}l4 7h-8z` }));
  }
  svg.append(make("line", { class: "here", x1: f.x(frame), x2: f.x(frame), y1: ROOM.top - 4, y2: f.bottom }));
  svg.setAttribute("aria-label", `${kindOf(told)} over ${told.depth} slices`);
  return (x) => Math.max(0, Math.min(told.depth - 1, Math.round(((x - f.left) / (f.right - f.left)) * Math.max(told.depth - 1, 1))));
}

const kindOf = (told) => (told.answers.some((one) => one.dice) ? "Dice" : (told.answers[0] || {}).own || "expected Dice");

// Stretches of slices that follow each other and have a value.
function runsOf(values) {
  const runs = [];
  values.forEach((value, n) => {
    if (value === null) return;
    const last = runs.at(-1);
    if (last && last.at(-1)[0] === n - 1) last.push([n, value]);
    else runs.push([[n, value]]);
  });
  return runs;
}

// Mean Dice of the slices that lie so far from the nearest prompted one, of one case or of all; false where every
// slice is prompted. `lines`: {n, points}, the number of the prompt and [distance, Dice, ...].
function drawDistance(svg, lines, kind) {
  const every = lines.flatMap(({ points }) => points);
  const far = Math.max(0, ...every.map(([x]) => x));
  if (!far) return false;
  const f = frameOf(svg, 110, [0, far], [floorOf(every.map(([, y]) => y)), 1], { inset: 4 });
  for (const value of ticks(0, far, 5)) {
    if (Number.isInteger(value)) svg.append(make("text", { x: f.x(value), y: f.height - 4, "text-anchor": "middle" }, String(value)));
  }
  for (const { n, points } of lines) {
    svg.append(make("polyline", {
      class: "curve", stroke: curveInk(n), "stroke-dasharray": dashOf(n),
      points: points.map(([x, y]) => `${f.x(x).toFixed(1)},${f.y(y).toFixed(1)}`).join(" "),
    }));
  }
  svg.setAttribute("aria-label", `${kind} over the distance to the nearest prompted slice`);
  return true;
}

function byDistance(told, answer, object) {
  const prompted = [...promptedOn(answer, object)];
  const values = (answer.dice || answer.expected || {})[object];
  if (!values || !prompted.length) return [];
  const sums = new Map();
  values.forEach((value, n) => {
    if (value === null) return;
    const distance = Math.min(...prompted.map((one) => Math.abs(one - n)));
    const [sum, count] = sums.get(distance) || [0, 0];
    sums.set(distance, [sum + value, count + 1]);
  });
  return [...sums].sort((a, b) => a[0] - b[0]).map(([distance, [sum, count]]) => [distance, sum / count]);
}

// One row for each prompt: a dot per case, a box from the first to the third quartile, and the median.
function drawCases(svg, groups, column) {
  const every = groups.flatMap(({ dots }) => dots.map(([value]) => value));
  const row = 26;
  const height = Math.max(1, groups.length) * row + ROOM.bottom + 8;
  const width = Math.max(svg.parentElement.clientWidth, 160);
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  if (!every.length) return;
  const left = Math.min(150, width * 0.34);
  const [low, high] = widened(every.reduce((a, b) => Math.min(a, b)), every.reduce((a, b) => Math.max(a, b)));
  const margin = (high - low) * 0.04;
  const x = (value) => left + 6 + ((value - low + margin) / (high - low + 2 * margin)) * (width - left - 18);
  for (const value of ticks(low - margin, high + margin, width < 500 ? 4 : 8)) {
    svg.append(make("line", { class: "axis", x1: x(value), x2: x(value), y1: 2, y2: height - ROOM.bottom }));
    svg.append(make("text", { x: x(value), y: height - 4, "text-anchor": "middle" }, tick(value, low, high)));
  }
  groups.forEach(({ label, dots, plain }, n) => {
    const middle = n * row + row / 2 + 4;
    const sorted = dots.map(([value]) => value).sort((a, b) => a - b);
    const [first, half, third] = [0.25, 0.5, 0.75].map((share) => quantile(sorted, share));
    const group = make("g", { class: plain ? "plain" : "" });
    group.append(make("text", { class: "label", x: left - 4, y: middle + 4, "text-anchor": "end" }, fitted(label, left / 7)));
    if (sorted.length > 3) group.append(make("rect", { class: "box", x: x(first), y: middle - 9, width: Math.max(1, x(third) - x(first)), height: 18 }));
    dots.forEach(([value, number, line], k) => {
      const dot = make("circle", { class: "dot", "data-line": line, cx: x(value), cy: middle + (((k * 7) % 11) - 5) * 1.4, r: 3 });
      dot.append(make("title", {}, `${REPORT.cases[number][0]}: ${said(value, column.digits)}`));
      group.append(dot);
    });
    group.append(make("line", { class: "median", x1: x(half), x2: x(half), y1: middle - 10, y2: middle + 10 }));
    svg.append(group);
  });
}

// What differs by less than a twentieth of itself is not spread over the whole width.
function widened(low, high) {
  const more = Math.max(0, (Math.abs(high) || 1) / 20 - (high - low)) / 2;
  return [low - more, high + more];
}

function quantile(sorted, share) {
  const place = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return low + (high - low) * (place % 1);
}

const fitted = (text, letters) => (text.length > letters ? `${text.slice(0, Math.max(3, Math.floor(letters) - 1))}\u2026` : text);
