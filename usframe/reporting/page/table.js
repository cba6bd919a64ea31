// The lines of all cases as a table: sorted, filtered, each a way to its slices.

const PAGE = 100; // lines that are shown at first, and added at a time

class Table {
  constructor(go) {
    this.go = go;
    this.limit = PAGE;
    this.current = null;
    this.columns = REPORT.columns.map((one, n) => ({ ...one, at: FIRST + n }));
    this.worst();
    const again = () => this.fill(true);
    fillSelect(byId("prompt"), [["", "every prompt"], ...REPORT.prompts.map((name, n) => [n, `${name}${markOf(n) ? ` (${markOf(n)})` : ""}`])]);
    fillSelect(byId("object"), [["", "every object"], ...Object.entries(REPORT.objects)]);
    fillSelect(byId("set"), REPORT.slices.map((name) => [name, { all: "all slices", prompted: "prompted slices", unprompted: "slices without a prompt" }[name]]));
    fillSelect(byId("limited"), this.columns.map((one) => [one.at, one.label]));
    byId("object").parentElement.hidden = Object.keys(REPORT.objects).length < 2;
    byId("prompt").parentElement.hidden = REPORT.prompts.length < 2;
    byId("set").parentElement.hidden = REPORT.slices.length < 2;
    byId("plain").parentElement.hidden = REPORT.prompts.every((_, n) => isNetwork(n));
    for (const id of ["search", "prompt", "object", "set", "limited", "least", "most", "plain"]) byId(id).addEventListener("input", again);
    byId("worst").addEventListener("click", () => { this.worst(); this.fill(true); });
    byId("clear").addEventListener("click", () => this.clear());
    byId("spread").addEventListener("click", ({ target }) => target.dataset.line && go(REPORT.rows[target.dataset.line]));
    byId("further").addEventListener("click", () => { this.limit += PAGE * 5; this.fill(); });
  }

  // The network's worst first: by Dice, or without labels by what is expected of it.
  worst() {
    const column = ["dice", "expected", "predicted_iou"].map((key) => this.columns.find((one) => one.key === key)).find(Boolean);
    this.by = column ? column.at : CASE;
    this.up = true;
  }

  clear() {
    for (const id of ["search", "prompt", "object", "least", "most"]) byId(id).value = "";
    byId("set").selectedIndex = 0;
    byId("plain").checked = false;
    this.worst();
    this.fill(true);
  }

  // Lines that pass the filters.
  chosen() {
    const words = byId("search").value.trim().toLowerCase();
    const [prompt, object, set] = ["prompt", "object", "set"].map((id) => byId(id).value);
    const limited = Number(byId("limited").value);
    const [least, most] = ["least", "most"].map((id) => (byId(id).value === "" ? null : Number(byId(id).value)));
    const plain = byId("plain").checked || prompt !== "";
    const order = ["all", "prompted", "unprompted"];
    return REPORT.rows.filter((line) => {
      if (order[line[SLICES]] !== (set || "all")) return false;
      if (prompt !== "" && line[PROMPT] !== Number(prompt)) return false;
      if (object !== "" && line[OBJECT] !== Number(object)) return false;
      if (!plain && !isNetwork(line[PROMPT])) return false;
      if (least !== null && !(line[limited] !== null && line[limited] >= least)) return false;
      if (most !== null && !(line[limited] !== null && line[limited] <= most)) return false;
      return !words || REPORT.cases[line[CASE]].slice(0, 2).some((name) => name.toLowerCase().includes(words));
    });
  }

  sorted(lines) {
    const { by, up } = this;
    const names = { [CASE]: (n) => REPORT.cases[n][0], [PROMPT]: (n) => n, [OBJECT]: (n) => n };
    const value = (line) => (by === "group" ? REPORT.cases[line[CASE]][1] : names[by] ? names[by](line[by]) : line[by]);
    const less = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
    return [...lines].sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      if (a === null || b === null) return (a === null) - (b === null) || one[CASE] - other[CASE];
      return (up ? 1 : -1) * less(a, b) || one[CASE] - other[CASE] || one[PROMPT] - other[PROMPT] || one[OBJECT] - other[OBJECT];
    });
  }

  sortBy(key, high) {
    this.up = this.by === key ? !this.up : !high;
    this.by = key;
    this.fill(true);
  }

  fill(afresh = false) {
    if (afresh) this.limit = PAGE;
    const lines = this.chosen();
    this.lines = this.sorted(lines);
    const grouped = REPORT.cases.some(([name, group]) => name !== group);
    const many = Object.keys(REPORT.objects).length > 1;
    const parts = [["Case", CASE], ...(grouped ? [["Patient", "group"]] : []), ["Prompt", PROMPT], ...(many ? [["Object", OBJECT]] : [])];
    const columns = this.columns.filter((one) => lines.some((line) => line[one.at] !== null) || !lines.length);
    const heading = make("tr");
    for (const [label, key] of parts) heading.append(this.heading(label, key, "", false));
    for (const one of columns) {
      const undefined_ = lines.filter((line) => line[one.at] === null).length;
      heading.append(this.heading(one.label, one.at, undefined_ ? `${undefined_} undefined` : "", one.high));
    }
    const body = make("tbody");
    for (const line of this.lines.slice(0, this.limit)) body.append(this.line(line, grouped, many, columns));
    byId("rows").replaceChildren(make("thead", {}, heading), body);
    const cases = new Set(lines.map((line) => line[CASE])).size;
    const shown = Math.min(this.limit, lines.length);
    byId("count").textContent = `${lines.length} ${lines.length === 1 ? "line" : "lines"} of ${cases} ${cases === 1 ? "case" : "cases"}${shown < lines.length ? `, the first ${shown} shown` : ""}`;
    byId("further").hidden = shown >= lines.length;
    this.mark(this.current);
    this.plot();
  }

  heading(label, key, note, high) {
    const button = make("button", { type: "button" }, label);
    button.addEventListener("click", () => this.sortBy(key, high));
    const cell = make("th", { scope: "col", class: typeof key === "number" && key >= FIRST ? "number" : "" }, button);
    if (this.by === key) cell.setAttribute("aria-sort", this.up ? "ascending" : "descending");
    if (note) cell.append(make("small", {}, note));
    return cell;
  }

  line(line, grouped, many, columns) {
    const [name, group] = REPORT.cases[line[CASE]];
    const opens = make("button", { type: "button", class: "open" }, name);
    const row = make("tr", { "data-line": numberOf.get(line) }, make("th", { scope: "row" }, opens));
    row.addEventListener("click", () => this.go(line));
    if (grouped) row.append(make("td", {}, group));
    const prompt = make("td", {}, REPORT.prompts[line[PROMPT]]);
    const mark = isNetwork(line[PROMPT]) ? (line[FLAGS] & ORACLE ? "oracle" : "") : markOf(line[PROMPT]);
    if (mark) prompt.append(make("span", { class: mark === "oracle" ? "oracle" : "tag" }, mark));
    if (line[FLAGS] & UNASKED) prompt.append(make("span", { class: "tag" }, "not prompted"));
    row.append(prompt);
    if (many) row.append(make("td", {}, make("i", { class: "ink", style: `--ink:${objectInk(line[OBJECT])}` }), REPORT.objects[line[OBJECT]] || String(line[OBJECT])));
    for (const one of columns) row.append(make("td", { class: "number" }, said(line[one.at], one.digits)));
    return row;
  }

  // Show which line's slices are looked at.
  mark(line) {
    this.current = line;
    const number = line ? String(numberOf.get(line)) : "";
    for (const row of byId("rows").querySelectorAll("tbody tr")) row.setAttribute("aria-current", row.dataset.line === number);
  }

  // The cases in the order of the table.
  order() {
    return [...new Set(this.lines.map((line) => line[CASE]))];
  }

  // How what the table is sorted by is spread over its cases.
  plot() {
    const column = this.columns.find((one) => one.at === this.by) || this.columns[0];
    if (!column) return;
    const objects = [...new Set(this.lines.map((line) => line[OBJECT]))].sort((a, b) => a - b);
    const groups = [];
    for (const prompt of REPORT.prompts.keys()) {
      for (const object of objects) {
        const dots = this.lines.filter((line) => line[PROMPT] === prompt && line[OBJECT] === object && line[column.at] !== null)
          .map((line) => [line[column.at], line[CASE], numberOf.get(line)]);
        const label = `${REPORT.prompts[prompt]}${objects.length > 1 ? `, ${REPORT.objects[object]}` : ""}`;
        if (dots.length) groups.push({ label, dots, plain: !isNetwork(prompt) });
      }
    }
    byId("spread-title").textContent = `${column.label} over cases`;
    drawCases(byId("spread"), groups, column);
    this.plotDistances();
  }

  // Of all cases, the object of the filter or the first.
  plotDistances() {
    const [some] = Object.values(REPORT.distances);
    byId("far").hidden = !some;
    if (!some) return;
    const object = byId("object").value || Object.keys(some)[0];
    const lines = Object.entries(REPORT.distances).map(([prompt, objects], n) => ({ n, prompt, points: objects[object] || [] }));
    drawDistance(byId("far-plot"), lines, "Dice");
    byId("far-title").textContent = `${REPORT.columns.some((one) => one.key === "dice") ? "Dice" : "Expected Dice"} over the distance to the prompt${Object.keys(REPORT.objects).length > 1 ? `, object ${REPORT.objects[object]}` : ""}`;
    byId("far-legend").replaceChildren(...lines.map(({ n, prompt }) => make("span", {}, swatch(n), prompt)));
  }
}

function fillSelect(select, options) {
  select.replaceChildren(...options.map(([value, label]) => make("option", { value }, label)));
}
