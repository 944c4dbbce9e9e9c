"use strict";
// Every figure comes from the data beside this script; here they are looked up and shown.
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const lattice = data.lattice && unpacked(data.lattice);
let way = 0; // index of a ray; after the last one, the lattice

function unpacked(found) {
  const numbers = (text) =>
    new Float64Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const packed = ["macs", "params", "activations", "ratio"];
  return { ...found, ...Object.fromEntries(packed.map((k) => [k, numbers(found[k])])) };
}

// Three significant digits and an SI letter, as the commands print them.
function human(number) {
  if (number === 0) return "0";
  const power = Number(Math.abs(number).toExponential(2).split("e")[1]);
  const group = Math.min(Math.max(Math.floor(power / 3), 0), 6);
  if (group === 0 && Number.isInteger(number)) return String(number);
  const scaled = Number(number.toPrecision(3)) / 10 ** (3 * group);
  return `${scaled.toFixed(Math.max(2 - power + 3 * group, 0))} ${["", "k", "M", "G", "T", "P", "E"][group]}`.trim();
}
const exact = (number) => number.toLocaleString("en-US");
const percent = (share) => `${share > 0 ? "+" : ""}${(100 * share).toFixed(1)} %`;
const pixels = ([height, width]) => (height === width ? `${height}` : `${height}×${width}`);
const digits = (number) => Number(number.toFixed(4)).toString();

function made(name, attributes = {}, text = "") {
  const svg = ["line", "path", "circle", "text", "g", "title"].includes(name);
  const found = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
  found.textContent = text;
  return found;
}

function listed(figures) {
  at("figures").replaceChildren(
    ...figures.map(([term, text, small = ""]) => {
      const row = made("div");
      const value = made("dd", {}, text);
      if (small) value.append(made("small", {}, small));
      row.append(made("dt", {}, term), value);
      return row;
    }),
  );
}

function tabled(id, head, rows) {
  const table = at(id);
  const line = (cells, kind) => {
    const row = made("tr");
    // Words begin at the left, figures end at the right, and so does what heads them.
    const words = rows.length ? rows[0].map((text) => !/^[+-]?\d/.test(text)) : [];
    row.append(...cells.map((text, k) => made(kind, words[k] ? { class: "left" } : {}, text)));
    return row;
  };
  if (table.tHead) table.tHead.replaceChildren(line(head, "th"));
  table.tBodies[0].replaceChildren(...rows.map((cells) => line(cells, "td")));
}

const cost = ([macs, params, activations]) => [
  ["MACs", human(macs), exact(macs)],
  ["params", human(params), exact(params)],
  ["activations", human(activations), exact(activations)],
];

function onRay() {
  const ray = data.rays[way];
  const now = ray.points[Number(at("phi").value)];
  at("phi-now").textContent = `${now.phi}`;
  at("phi").setAttribute("aria-valuetext", `φ ${now.phi}, ${human(now.figures[0])} MACs`);
  at("name").textContent = now.name;
  listed([
    ["input", `${pixels(now.input)} px`],
    ...cost(now.figures),
    ["MACs ratio", digits(now.ratio), `target ${digits(now.target)}`],
    ["deviation", percent(now.deviation), "from the target 2^φ"],
    ["depth, width, resolution", now.multipliers.map((m) => m.toFixed(2)).join(" · ")],
    ["peak feature maps", `${human(now.memory[1])}B`, `weights ${human(now.memory[0])}B, float32`],
  ]);
  at("why-box").hidden = now.why.length === 0;
  tabled("why", [], now.why.map(([name, value, reason]) => [name, percent(value - 1), reason]));
  tabled(
    "parts",
    ["part", "operator", "channels", "repeats", "input", "MACs", "share"],
    now.parts.map(([part, operator, channels, repeats, input, macs, share]) =>
      [part, operator, channels, repeats, pixels(input), macs, `${(100 * share).toFixed(1)} %`]),
  );
  at("command").textContent = now.command;
  at("left").textContent = ray.left ? `${exact(ray.left)} networks between these are left out.` : "";
  return { figures: now.figures, phi: now.phi, ratio: now.ratio };
}

function offRay() {
  const [d, w, r] = ["depth", "width", "resolution"].map((name) => Number(at(name).value));
  const index = (d * lattice.width.length + w) * lattice.resolution.length + r;
  const figures = ["macs", "params", "activations"].map((name) => lattice[name][index]);
  const text = { depth: digits(lattice.depth[d]), width: digits(lattice.width[w]), resolution: `${pixels(lattice.sides[r])} px` };
  for (const [name, said] of Object.entries(text)) {
    at(`${name}-now`).textContent = said;
    at(name).setAttribute("aria-valuetext", said);
  }
  at("name").textContent = `depth ${text.depth}, width ${text.width}, ${text.resolution}`;
  listed([["input", text.resolution], ...cost(figures), ["MACs ratio", digits(lattice.ratio[index]), `of ${data.name}`]]);
  at("why-box").hidden = true;
  tabled("parts", ["part", "operator", "channels", "repeats"],
    lattice.parts.map(([part, operator], k) => [part, operator, lattice.channels[w][k], lattice.repeats[d][k]]));
  const side = Math.max(...lattice.sides[r]);
  const least = Math.min(...lattice.sides[r]);
  at("command").textContent = [
    lattice.command, `--macs ${figures[0]}`,
    `--min-depth ${lattice.depth[d]} --max-depth ${lattice.depth[d]}`,
    `--min-width ${lattice.width[w]} --max-width ${lattice.width[w]}`,
    `--min-resolution ${least} --max-resolution ${side}`,
  ].join(" ");
  const left = ["depths", "widths", "resolutions"].map((name, k) => `${lattice.left[k]} ${name}`);
  at("left").textContent = lattice.left.some(Boolean) ? `Left out between these: ${left.join(", ")}.` : "";
  return { figures, phi: null, ratio: lattice.ratio[index] };
}

// Charts: where a figure lies is all that is worked out.
const box = { width: 560, height: 320, left: 56, right: 16, top: 12, bottom: 34 };
// On a narrow page the drawing is smaller, and its letters are not.
const fit = () => {
  box.width = Math.min(560, Math.max(300, at("stairs").parentElement.clientWidth || 560));
  box.height = Math.min(320, Math.round(box.width * 0.75));
};
const scaled = (low, high, from, to) => (value) =>
  from + ((Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low) || 1)) * (to - from);

function framed(id, marks) {
  const svg = at(id);
  svg.setAttribute("viewBox", `0 0 ${box.width} ${box.height}`);
  svg.replaceChildren(
    made("line", { class: "axis", x1: box.left, x2: box.width - box.right, y1: box.height - box.bottom, y2: box.height - box.bottom }),
    made("line", { class: "axis", x1: box.left, x2: box.left, y1: box.top, y2: box.height - box.bottom }),
    ...marks,
  );
}
const ends = (numbers) => [Math.min(...numbers), Math.max(...numbers)];

function stairs(now) {
  const ray = data.rays[Math.min(way, data.rays.length - 1)];
  const points = ray.points;
  const [low, high] = ends(points.flatMap((p) => [p.ratio, p.target]));
  const [first, last] = [points[0].low, points.at(-1).high];
  const x = (phi) => box.left + ((phi - first) / (last - first)) * (box.width - box.left - box.right);
  const y = scaled(low, high, box.height - box.bottom, box.top);
  const steps = points.map((p, k) => `${k ? "L" : "M"}${x(p.low)},${y(p.ratio)}L${x(p.high)},${y(p.ratio)}`).join("");
  const rule = points.map((p, k) => `${k ? "L" : "M"}${x(p.phi)},${y(p.target)}`).join("");
  const marks = [made("path", { class: "rule", d: rule }), made("path", { class: "step", d: steps })];
  if (now.phi !== null) marks.push(made("circle", { class: "now", cx: x(now.phi), cy: y(now.ratio), r: 6 }));
  for (let phi = Math.ceil(first); phi <= last; phi += 1) {
    marks.push(made("text", { x: x(phi), y: box.height - 16, "text-anchor": "middle" }, `φ ${phi}`));
  }
  for (const ratio of [low, 1, high]) {
    marks.push(made("text", { x: box.left - 6, y: y(ratio) + 4, "text-anchor": "end" }, `×${Number(ratio.toPrecision(3))}`));
  }
  framed("stairs", marks);
  at("stairs").onclick = (event) => {
    if (way >= data.rays.length) return;
    const phi = first + ((spot(event, "stairs")[0] - box.left) / (box.width - box.left - box.right)) * (last - first);
    at("phi").value = nearest(points, (p) => Math.abs(p.phi - phi));
    show();
  };
}

const nearest = (list, distance) =>
  list.reduce((best, each, k) => (distance(each) < distance(list[best]) ? k : best), 0);

function spot(event, id) {
  const frame = at(id).getBoundingClientRect();
  return [((event.clientX - frame.left) / frame.width) * box.width, ((event.clientY - frame.top) / frame.height) * box.height];
}

// Networks of the lattice that are drawn: at most 3,000, evenly.
const drawn = lattice
  ? Array.from({ length: Math.min(lattice.macs.length, 3000) }, (_, k) => Math.floor((k * lattice.macs.length) / Math.min(lattice.macs.length, 3000)))
  : [];

// Where names stand: beside their marks, nearer to them than to others; one without room is left to its title.
function labels(known) {
  const apart = (a, b) => a.right + 2 <= b.left || b.right + 2 <= a.left || a.bottom <= b.top || b.bottom <= a.top;
  const gap = (place, [cx, cy]) =>
    Math.hypot(Math.max(place.left - cx, 0, cx - place.right), Math.max(place.top - cy, 0, cy - place.bottom));
  const taken = [];
  return data.published.map(({ name }, k) => {
    const [[cx, cy], wide, high] = [known[k], 6.4 * name.length, 13];
    const sides = [[7, -7], [-wide - 7, -7], [-wide / 2, -20], [-wide / 2, 7], [7, -18], [7, 5], [-wide - 7, -18], [-wide - 7, 5]];
    const places = sides.map(([dx, dy]) => ({ left: cx + dx, right: cx + dx + wide, top: cy + dy, bottom: cy + dy + high }));
    const found = places.find((place) =>
      place.left > box.left && place.right < box.width && place.top > 0 && taken.every((other) => apart(other, place)) &&
      known.every((mark, other) => other === k || gap(place, mark) > gap(place, known[k]) + 3));
    if (found) taken.push(found);
    return found;
  });
}

function cloud(now) {
  const dots = lattice
    ? drawn.map((k) => ({ figures: [lattice.macs[k], lattice.params[k]], k }))
    : data.rays.flatMap((ray, w) => ray.points.map((p, k) => ({ figures: p.figures, ray: w, k })));
  const all = [...dots, ...data.published, now].map((each) => each.figures);
  const x = scaled(...ends(all.map((f) => f[0])), box.left + 8, box.width - box.right - 8);
  const y = scaled(...ends(all.map((f) => f[1])), box.height - box.bottom - 8, box.top + 8);
  const marks = dots.map(({ figures: [macs, params] }) => made("circle", { class: "dot", cx: x(macs).toFixed(1), cy: y(params).toFixed(1), r: 1.6 }));
  const known = data.published.map(({ figures: [macs, params] }) => [x(macs), y(params)]);
  data.published.forEach(({ name, figures: [macs, params], top1 }, k) => {
    const [cx, cy] = known[k];
    const mark = made("path", { class: "known", d: `M${cx},${cy - 5}L${cx + 5},${cy}L${cx},${cy + 5}L${cx - 5},${cy}Z` });
    mark.append(made("title", {}, `${name}: ${human(macs)} MACs, ${human(params)} params${top1 === null ? "" : `, top-1 ${top1} %`}`));
    marks.push(mark);
  });
  labels(known).forEach((place, k) => {
    if (place) marks.push(made("text", { class: "name", x: place.left, y: place.bottom - 3 }, data.published[k].name));
  });
  marks.push(made("circle", { class: "now", cx: x(now.figures[0]), cy: y(now.figures[1]), r: 7 }));
  for (const [value, anchor] of [[ends(all.map((f) => f[0]))[0], "start"], [ends(all.map((f) => f[0]))[1], "end"]]) {
    marks.push(made("text", { x: x(value), y: box.height - 16, "text-anchor": anchor }, `${human(value)} MACs`));
  }
  for (const value of ends(all.map((f) => f[1]))) {
    marks.push(made("text", { x: box.left - 6, y: y(value) + 4, "text-anchor": "end" }, human(value)));
  }
  framed("cloud", marks);
  at("cloud").onclick = (event) => {
    const [left, top] = spot(event, "cloud");
    const far = ({ figures: [macs, params] }) => (x(macs) - left) ** 2 + (y(params) - top) ** 2;
    const chosen = dots[nearest(dots, far)];
    if (lattice) {
      const sizes = [lattice.depth.length, lattice.width.length, lattice.resolution.length];
      at("resolution").value = chosen.k % sizes[2];
      at("width").value = Math.floor(chosen.k / sizes[2]) % sizes[1];
      at("depth").value = Math.floor(chosen.k / sizes[2] / sizes[1]);
      choose(data.rays.length);
    } else {
      choose(chosen.ray);
      at("phi").value = chosen.k;
      show();
    }
  };
}

function show() {
  fit();
  const now = way < data.rays.length ? onRay() : offRay();
  stairs(now);
  cloud(now);
  at("copy").textContent = "Copy";
}

function choose(index) {
  const before = way < data.rays.length ? data.rays[way].points[Number(at("phi").value)].phi : 0;
  way = index;
  at(`way${index}`).checked = true;
  const ray = index < data.rays.length;
  at("on-ray").hidden = !ray;
  at("off-ray").hidden = ray;
  if (ray) {
    at("phi").max = data.rays[index].points.length - 1;
    at("phi").value = nearest(data.rays[index].points, (p) => Math.abs(p.phi - before));
  }
  show();
}

const names = [...data.rays.map((ray) => ray.strategy), ...(lattice ? ["any depth, width and resolution"] : [])];
names.forEach((name, index) => {
  const label = made("label");
  const input = made("input", { type: "radio", name: "way", id: `way${index}` });
  input.addEventListener("change", () => choose(index));
  label.append(input, ` ${name}`);
  at("ways").append(label);
});
if (lattice) {
  for (const name of ["depth", "width", "resolution"]) {
    at(name).max = lattice[name].length - 1;
    at(name).value = nearest(lattice[name], (each) => Math.abs(each - 1));
    at(name).addEventListener("input", show);
  }
}
at("phi").addEventListener("input", show);
addEventListener("resize", show);
at("copy").addEventListener("click", async () => {
  const text = at("command").textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch { // a page of file:// may not
    getSelection().selectAllChildren(at("command"));
    document.execCommand("copy");
  }
  at("copy").textContent = "Copied";
});
at("phi").max = data.rays[0].points.length - 1;
at("phi").value = nearest(data.rays[0].points, (p) => Math.abs(p.phi));
choose(0);
