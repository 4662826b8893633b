// Samples by prompt and step; each opens large.
"use strict";

const byId = (id) => document.getElementById(id);
const grouped = (value) => value.toLocaleString("en");

let rows = [], steps = [], here = null; // rows: [name, Map(step -> sample)]

const label = (step) => (step ? `step ${grouped(step)}` : "before");

export function show(samples) {
  steps = [...new Set(samples.map((one) => one.step))].sort((a, b) => a - b);
  const found = new Map();
  for (const one of samples) {
    if (!found.has(one.name)) found.set(one.name, new Map());
    found.get(one.name).set(one.step, one);
  }
  rows = [...found];
  byId("samples").hidden = !samples.length;
  byId("count").textContent = samples.length ? `${grouped(samples.length)}, ${rows.length === 1 ? "one prompt" : `${rows.length} prompts`}` : "";
  const strips = byId("strips"), atEnd = strips.scrollLeft + strips.clientWidth >= strips.scrollWidth - 20;
  const kept = new Map([...strips.querySelectorAll("button[data-at]")].map((cell) => [cell.dataset.at, cell]));
  strips.replaceChildren(...rows.map(([name, of]) => strip(name, of, kept)));
  strips.style.setProperty("--seen", `${strips.clientWidth}px`);
  if (atEnd) strips.scrollLeft = strips.scrollWidth;
  if (here && byId("large").open) open(here.name, here.step);
}

function strip(name, of, kept) {
  const made = document.createElement("div"), row = document.createElement("div"), title = document.createElement("h3");
  made.className = "strip";
  row.className = "row";
  title.textContent = [...of.values()].at(-1).prompt || "(empty prompt)";
  row.append(...steps.map((step) => cell(name, of.get(step), kept)));
  made.append(title, row);
  return made;
}

function cell(name, sample, kept) {
  if (!sample) {
    const none = document.createElement("div");
    none.className = "cell none";
    return none;
  }
  if (kept.has(sample.at)) return kept.get(sample.at);
  const made = document.createElement("button"), image = document.createElement("img"), said = document.createElement("span");
  made.className = "cell";
  made.dataset.at = sample.at;
  image.loading = "lazy";
  image.src = `small/${sample.at.split("/").map(encodeURIComponent).join("/")}`;
  image.alt = `${sample.prompt}, ${label(sample.step)}`;
  said.textContent = label(sample.step);
  made.append(image, said);
  made.addEventListener("click", () => open(name, sample.step));
  return made;
}

function open(name, step) {
  const sample = rows.find(([one]) => one === name)?.[1].get(step);
  if (!sample) return byId("large").close();
  here = { name, step };
  const image = byId("picture"), source = `large/${sample.at.split("/").map(encodeURIComponent).join("/")}`;
  if (image.getAttribute("src") !== source) image.src = source;
  image.alt = sample.prompt;
  image.classList.toggle("tiny", Math.max(sample.width, sample.height) <= 256);
  byId("said").textContent = sample.prompt || "(empty prompt)";
  byId("which").textContent = `${sample.step ? `After step ${grouped(sample.step)}` : "The base, before the first step"} · seed ${sample.seed} · ${sample.width} × ${sample.height}`;
  byId("before").disabled = beside(-1, 0) === null;
  byId("after").disabled = beside(1, 0) === null;
  byId("above").disabled = beside(0, -1) === null;
  byId("below").disabled = beside(0, 1) === null;
  if (!byId("large").open) byId("large").showModal();
}

// The next sample that is there, `across` steps or `down` prompts; null at the edge.
function beside(across, down) {
  let column = steps.indexOf(here.step), row = rows.findIndex(([name]) => name === here.name);
  do {
    column += across;
    row += down;
    if (rows[row]?.[1].has(steps[column])) return { name: rows[row][0], step: steps[column] };
  } while (rows[row] && column >= 0 && column < steps.length);
  return null;
}

function go(across, down) {
  const next = beside(across, down);
  if (next) open(next.name, next.step);
}

for (const [id, across, down] of [["before", -1, 0], ["after", 1, 0], ["above", 0, -1], ["below", 0, 1]])
  byId(id).addEventListener("click", () => go(across, down));
byId("close").addEventListener("click", () => byId("large").close());
byId("large").addEventListener("keydown", (event) => {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!way) return;
  event.preventDefault();
  go(...way);
});
byId("large").addEventListener("close", () => {
  const sample = rows.find(([name]) => name === here?.name)?.[1].get(here.step);
  if (sample) document.querySelector(`[data-at="${CSS.escape(sample.at)}"]`)?.focus();
});
