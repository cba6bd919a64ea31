// What happens when: the table and the viewer together, and the keys.

const viewer = new Viewer();
const table = new Table((line) => show(line));

function show(line) {
  table.mark(line);
  return viewer.open(line[CASE], REPORT.prompts[line[PROMPT]], line[OBJECT]);
}

// The case before or after in the order of the table, by its first line.
function beside(by) {
  const order = table.order();
  if (!order.length) return;
  const next = Math.max(0, Math.min(order.length - 1, order.indexOf(viewer.number) + by));
  const line = table.lines.find((one) => one[CASE] === order[next]);
  show(line);
  const row = byId("rows").querySelector("tr[aria-current=true]");
  if (row) row.scrollIntoView({ block: "nearest" });
}

byId("before").addEventListener("click", () => beside(-1));
byId("after").addEventListener("click", () => beside(1));

const EVERYWHERE = {
  ArrowLeft: () => viewer.step(-1),
  ArrowRight: () => viewer.step(1),
  j: () => beside(1),
  k: () => beside(-1),
  w: () => viewer.told && viewer.goTo(viewer.worst(viewer.panels[0].answer)),
  a: () => viewer.toggle("answer"),
  r: () => viewer.toggle("reference"),
  p: () => viewer.toggle("prompts"),
  d: () => viewer.toggle("differences"),
  "+": () => viewer.zoom(1.25),
  "-": () => viewer.zoom(0.8),
  0: () => viewer.whole(),
};

// These scroll the page where the viewer has not the focus.
const WITHIN = {
  ArrowUp: () => viewer.step(-1),
  ArrowDown: () => viewer.step(1),
  PageUp: () => beside(-1),
  PageDown: () => beside(1),
  Home: () => viewer.told && viewer.goTo(0),
  End: () => viewer.told && viewer.goTo(viewer.told.depth - 1),
};

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.matches("select, input:not([type=range], [type=checkbox])")) return;
  const slides = target.matches("input[type=range]") && /^(Arrow|Home|End|Page)/.test(key);
  const letter = key.length === 1 ? key.toLowerCase() : key;
  let does = EVERYWHERE[letter] || (byId("viewer").contains(target) ? WITHIN[key] : null);
  if (/^[1-9]$/.test(key)) does = () => viewer.told && viewer.only(Number(key) - 1);
  if (!does || slides) return;
  event.preventDefault();
  does();
});

byId("browser").hidden = false;
table.fill(true);
if (table.lines.length) show(table.lines[0]);
else if (REPORT.cases.length) viewer.open(0);
let width = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth !== width) table.plot();
  width = window.innerWidth;
});
