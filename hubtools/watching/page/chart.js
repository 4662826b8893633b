// Curves in SVG: redrawn when there are more steps, with a line that reads off values.
"use strict";

const NS = "http://www.w3.org/2000/svg";
const EDGE = { left: 56, right: 14, top: 10, bottom: 26 };

function make(name, attributes = {}, text = "") {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

// About `count` round numbers from `low` to `high`.
function ticks(low, high, count) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const rough = span / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough * 0.999);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) found.push(n * step || 0);
  return found;
}

const decades = (low, high) => {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    for (const factor of [1, 2, 5]) if (factor * 10 ** power >= low * 0.999 && factor * 10 ** power <= high * 1.001) found.push(factor * 10 ** power);
  return found.length > 7 ? found.filter((one) => Math.abs(Math.log10(one) % 1) < 1e-9) : found;
};

export const short = (value) => {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  return Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5 ? value.toExponential(2).replace(/\.?0+e/, "e") : String(Number(value.toPrecision(4)));
};
const grouped = (value) => Math.round(value).toLocaleString("en");

export class Chart {
  // `lines`: {steps, values, name}; drawn with the class `name`. `band`: {steps, low, high}.
  constructor(svg, name) {
    this.svg = svg;
    this.name = name;
    this.at = null;
    this.log = false;
    svg.addEventListener("pointermove", (event) => this.point(event));
    svg.addEventListener("pointerdown", (event) => this.point(event));
    svg.addEventListener("pointerleave", () => this.read(null));
    svg.addEventListener("blur", () => this.read(null));
    svg.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  show({ lines, band = null, high, first, last }) {
    Object.assign(this, { lines, band, high, first, last });
    this.draw();
  }

  draw() {
    if (!this.lines?.length || !this.lines[0].steps.length) return;
    const { width, height } = this.svg.getBoundingClientRect();
    if (!width) return;
    this.right = width - EDGE.right;
    this.bottom = height - EDGE.bottom;
    const first = this.first, last = Math.max(this.last, first + 1);
    this.x = (step) => EDGE.left + ((this.right - EDGE.left) * (step - first)) / (last - first);
    const all = this.lines.flatMap((line) => line.values).filter((value) => value > 0);
    const low = this.log && all.length ? Math.max(Math.min(...all) * 0.8, this.high / 1e6) : 0;
    const high = Math.max(this.high || 1, low * 1.5);
    const part = this.log && low > 0
      ? (value) => Math.log(Math.max(value, low) / low) / Math.log(high / low)
      : (value) => value / high;
    this.y = (value) => Math.max(0, this.bottom - (this.bottom - EDGE.top) * Math.min(part(value), 1.03));
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const parts = [];
    const rows = this.log && low > 0 ? decades(low, high) : ticks(0, high, height > 200 ? 6 : 3);
    for (const tick of rows) {
      const y = this.y(tick);
      parts.push(make("line", { class: "grid", x1: EDGE.left, x2: this.right, y1: y, y2: y }));
      parts.push(make("text", { x: EDGE.left - 6, y: y + 4, "text-anchor": "end" }, short(tick)));
    }
    for (const tick of ticks(first, last, Math.max(2, Math.min(8, width / 110))).filter(Number.isInteger))
      parts.push(make("text", { x: this.x(tick), y: height - 8, "text-anchor": this.x(tick) > this.right - 20 ? "end" : "middle" }, grouped(tick)));
    if (this.band) parts.push(make("path", { class: "band", d: this.area(this.band) }));
    for (const line of this.lines) {
      parts.push(make("path", { class: `line ${line.name}`, d: this.path(line) }));
      if (line.dots || line.steps.length === 1)
        line.steps.forEach((step, n) => parts.push(make("circle", { cx: this.x(step), cy: this.y(line.values[n]), r: 3.2 })));
    }
    this.cross = make("g", { "pointer-events": "none" });
    this.svg.replaceChildren(...parts, this.cross);
    const told = this.lines.map((line) => `${line.label} ${short(line.values.at(-1))}`).join(", ");
    this.svg.setAttribute("aria-label", `${this.name} up to step ${grouped(this.lines[0].steps.at(-1))}: ${told}. Arrow keys read off values.`);
    this.read(this.at);
  }

  path({ steps, values }) {
    return steps.map((step, n) => `${n ? "L" : "M"}${this.x(step).toFixed(1)} ${this.y(values[n]).toFixed(1)}`).join("");
  }

  area({ steps, low, high }) {
    const there = steps.map((step, n) => `${n ? "L" : "M"}${this.x(step).toFixed(1)} ${this.y(high[n]).toFixed(1)}`);
    const back = steps.map((step, n) => `L${this.x(step).toFixed(1)} ${this.y(low[n]).toFixed(1)}`).reverse();
    return [...there, ...back, "Z"].join("");
  }

  // --- reading off -------------------------------------------------------------------------------

  point(event) {
    if (!this.x) return;
    const steps = this.lines[0].steps, place = event.clientX - this.svg.getBoundingClientRect().left;
    let low = 0, high = steps.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.x(steps[middle]) < place) low = middle + 1;
      else high = middle;
    }
    if (low && place - this.x(steps[low - 1]) < this.x(steps[low]) - place) low -= 1;
    this.read(low);
  }

  key(event) {
    const many = this.lines?.[0].steps.length;
    if (!many) return;
    const here = this.at ?? many - 1, far = Math.max(1, Math.round(many / 50));
    const to = { ArrowLeft: here - 1, ArrowRight: here + 1, PageUp: here + far, PageDown: here - far, Home: 0, End: many - 1, Escape: null }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.read(to === null ? null : Math.max(0, Math.min(many - 1, to)));
  }

  read(place) {
    this.at = place;
    if (!this.cross) return;
    this.cross.replaceChildren();
    if (place === null || place === undefined) return;
    place = Math.min(place, this.lines[0].steps.length - 1);
    const step = this.lines[0].steps[place], x = this.x(step);
    const told = [`step ${grouped(step)}`];
    for (const line of this.lines) {
      const near = line.steps.findLastIndex((one) => one <= step);
      if (near >= 0) told.push(`${line.label} ${short(line.values[near])}${line.dots ? ` (step ${grouped(line.steps[near])})` : ""}`);
    }
    if (this.band) told.splice(1, 0, `${this.band.label} ${short(this.band.low[place])} – ${short(this.band.high[place])}`);
    const width = Math.max(...told.map((text) => text.length)) * 6.6 + 16, height = told.length * 16 + 8;
    const left = x + 10 + width > this.right ? Math.max(2, x - 10 - width) : x + 10;
    this.cross.append(
      make("line", { class: "cross", x1: x, x2: x, y1: EDGE.top, y2: this.bottom }),
      make("rect", { class: "tip", x: left, y: EDGE.top, width, height, rx: 6 }),
      ...told.map((text, n) => make("text", { class: "tip-text", x: left + 8, y: EDGE.top + 17 + 16 * n }, text)),
    );
  }
}
