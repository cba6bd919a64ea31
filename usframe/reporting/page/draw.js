// One slice on its canvas: grey values, differences, reference, answer and prompts.

const SMOOTH = 3; // pixels of the screen for one of the slice, from which on single pixels are shown

// `look`: {zoom, shift, show: {answer, reference, prompts, differences}, off: objects that are hidden}.
function drawSlice(canvas, told, answer, frame, image, look) {
  const box = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(box.width * ratio));
  canvas.height = Math.max(1, Math.round(box.height * ratio));
  const paper = canvas.getContext("2d");
  paper.setTransform(ratio, 0, 0, ratio, 0, 0);
  const f = placeOf(box, told, look);
  paper.fillStyle = "#000";
  paper.fillRect(0, 0, box.width, box.height);
  paper.imageSmoothingEnabled = f.sx < SMOOTH;
  if (image) paper.drawImage(image, f.x, f.y, told.width * f.sx, told.height * f.sy);
  else {
    paper.fillStyle = "#16191c";
    paper.fillRect(f.x, f.y, told.width * f.sx, told.height * f.sy);
  }
  const { show } = look;
  for (const id of told.objects.filter((one) => !look.off.has(one))) {
    const ink = objectInk(id);
    const there = pathOf(f, told.reference && told.reference[id] ? told.reference[id][frame] : "");
    const here = pathOf(f, answer.outlines[id] ? answer.outlines[id][frame] : "");
    if (show.differences && told.reference) fillBoth(paper, there, here, ink);
    if (show.reference && told.reference) strokeReference(paper, there, ink);
    if (show.answer) strokeAnswer(paper, here, ink);
    if (show.prompts) (answer.prompts[frame] || []).filter((one) => one.object === id).forEach((one) => drawPrompt(paper, f, one, there, ink));
  }
}

// Where the slice lies on the canvas, and how large a pixel of it is there.
function placeOf(box, told, look) {
  const [px, py] = told.pixel;
  const fit = Math.min(box.width / (told.width * px), box.height / (told.height * py)) * look.zoom;
  const [sx, sy] = [px * fit, py * fit];
  const x = box.width / 2 - (0.5 + look.shift[0]) * told.width * sx;
  const y = box.height / 2 - (0.5 + look.shift[1]) * told.height * sy;
  return { x, y, sx, sy };
}

const at = (f, x, y) => [f.x + (x + 0.5) * f.sx, f.y + (y + 0.5) * f.sy];

function pathOf(f, text) {
  const path = new Path2D();
  for (const ring of readOutlines(text)) {
    ring.forEach(([x, y], n) => path[n ? "lineTo" : "moveTo"](...at(f, x, y)));
    path.closePath();
  }
  return path;
}

function strokeAnswer(paper, path, ink) {
  paper.lineJoin = paper.lineCap = "round";
  for (const [style, width] of [["#0009", 4], [ink, 2]]) {
    paper.strokeStyle = style;
    paper.lineWidth = width;
    paper.stroke(path);
  }
}

// White dashes, between them the object's colour: whose reference it is can be seen.
function strokeReference(paper, path, ink) {
  paper.save();
  paper.lineJoin = "round";
  for (const [style, width, dash] of [["#0009", 3.5, []], [ink, 1.8, []], ["#fff", 1.8, [5, 4]]]) {
    paper.strokeStyle = style;
    paper.lineWidth = width;
    paper.setLineDash(dash);
    paper.stroke(path);
  }
  paper.restore();
}

// What only one of both holds.
function fillBoth(paper, there, here, ink) {
  const both = new Path2D(there);
  both.addPath(here);
  paper.save();
  paper.globalAlpha = 0.45;
  paper.fillStyle = ink;
  paper.fill(both, "evenodd");
  paper.restore();
}

// A mask as a tint, a box around its outer pixels, a point as a disc, one outside the object as a cross.
function drawPrompt(paper, f, prompt, label, ink) {
  paper.save();
  if (prompt.mask) {
    paper.globalAlpha = 0.3;
    paper.fillStyle = ink;
    paper.fill(prompt.mask === true ? label : pathOf(f, prompt.mask), "evenodd");
    paper.globalAlpha = 1;
  }
  if (prompt.box) {
    const [x0, y0, x1, y1] = prompt.box;
    const [left, top] = [f.x + x0 * f.sx, f.y + y0 * f.sy];
    for (const [style, width] of [["#000c", 3], [ink, 1.2]]) {
      paper.strokeStyle = style;
      paper.lineWidth = width;
      paper.strokeRect(left, top, (x1 - x0 + 1) * f.sx, (y1 - y0 + 1) * f.sy);
    }
  }
  for (const [px, py, inside] of prompt.points || []) drawPoint(paper, ...at(f, px, py), inside, ink);
  paper.restore();
}

function drawPoint(paper, x, y, inside, ink) {
  if (inside) {
    for (const [style, radius] of [["#000", 6], ["#fff", 5], [ink, 3.5]]) {
      paper.beginPath();
      paper.arc(x, y, radius, 0, 2 * Math.PI);
      paper.fillStyle = style;
      paper.fill();
    }
    return;
  }
  for (const [style, width] of [["#000", 5], [ink, 2.5]]) {
    paper.beginPath();
    for (const side of [1, -1]) {
      paper.moveTo(x - 5, y - 5 * side);
      paper.lineTo(x + 5, y + 5 * side);
    }
    paper.strokeStyle = style;
    paper.lineWidth = width;
    paper.stroke();
  }
}
