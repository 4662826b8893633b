// The pictures as a grid that holds only what is seen, and a little around it.
"use strict";
import { state, on, tell, el, byId, url, caption, isEdited, findingsOf, fateOf, turnOf, checksOf } from "./store.js";

const WORDS = 42, GAP = 8;
const grid = byId("grid"), canvas = byId("canvas");
const known = new Set();   // addresses of small pictures that the browser has
let tiles = [];            // the elements in use; each shows `at`, a number of `state.shown`
let across = 1, side = 160, tall = 200;
let wanted = Number(sessionStorage.getItem("side")) || (innerWidth < 701 ? 118 : 168);
let resting = null, drawing = false;

function measure() {
  const room = canvas.clientWidth;
  across = Math.max(1, Math.floor((room + GAP) / (wanted + GAP)));
  side = Math.floor((room - GAP * (across - 1)) / across);
  tall = side + WORDS + GAP;
  const rows = Math.ceil(state.shown.length / across);
  canvas.style.height = `${Math.max(rows * tall, grid.clientHeight - 1)}px`;
  grid.classList.toggle("choosing", state.picked.size > 0);
}

function make() {
  const tile = el("div", { class: "tile", role: "option", hidden: true },
    el("span", { class: "face" }, el("img", { alt: "", decoding: "async", draggable: "false" })),
    el("span", { class: "marks" }), el("span", { class: "words" }),
    el("button", { class: "tick", tabindex: "-1", "aria-label": "Select" }));
  const img = tile.querySelector("img");
  img.addEventListener("load", () => known.add(img.getAttribute("src")));
  canvas.append(tile);
  return { tile, img, face: tile.firstChild, marks: tile.children[1], words: tile.children[2], at: -1, stamp: "" };
}

// Bring the tiles to what is seen. While one scrolls fast, pictures that are not there yet wait.
function draw(calm = true) {
  drawing = false;
  const top = grid.scrollTop, high = grid.clientHeight;
  const first = Math.max(0, Math.floor(top / tall) - 2) * across;
  const last = Math.min(state.shown.length, (Math.ceil((top + high) / tall) + 2) * across);
  const needed = (Math.ceil(high / tall) + 5) * across;
  while (tiles.length < needed) tiles.push(make());
  const free = new Set(tiles.keys());
  for (let at = first; at < last; at++) free.delete(at % tiles.length);
  for (const slot of free) {
    const one = tiles[slot];
    if (one.at !== -1) { one.at = -1; one.stamp = ""; one.tile.hidden = true; one.img.removeAttribute("src"); }
  }
  for (let at = first; at < last; at++) fill(tiles[at % tiles.length], at, calm);
}

function fill(one, at, calm) {
  const picture = state.pictures[state.shown[at]];
  const address = url("small", picture);
  const ready = calm || known.has(address);
  const stamp = `${at} ${across} ${side} ${state.set.version} ${ready}`;
  if (one.stamp === stamp) return;
  const same = one.at === at && one.img.getAttribute("src") === address;
  one.stamp = stamp; one.at = at;
  one.tile.hidden = false;
  one.tile.style.transform = `translate(${(at % across) * (side + GAP)}px, ${Math.floor(at / across) * tall}px)`;
  one.tile.style.width = `${side}px`; one.tile.style.height = `${side + WORDS}px`;
  one.face.style.height = `${side}px`;
  if (!same) { if (ready && !picture.problem) one.img.src = address; else one.img.removeAttribute("src"); }
  label(one, picture, at);
}

function label(one, picture, at) {
  const text = caption(picture), fate = fateOf(picture), turn = turnOf(picture);
  const classes = ["tile", state.picked.has(picture.name) && "picked", at === state.here && "here",
    fate === "delete" && "gone", fate === "exclude" && "out"];
  one.tile.className = classes.filter(Boolean).join(" ");
  one.tile.id = `p${at}`;
  one.tile.setAttribute("aria-selected", state.picked.has(picture.name));
  one.tile.setAttribute("aria-label", `${picture.name}: ${text || "no caption"}`);
  one.tile.title = picture.name;
  one.img.style.transform = turn ? `rotate(${turn}deg)` : "";
  one.words.textContent = text || (picture.problem ? "cannot be read" : "no caption");
  one.words.classList.toggle("none", !text);
  const marks = [];
  const found = findingsOf(picture);
  const worst = found[0]?.severity;
  if (worst && worst !== "info") marks.push([worst, found.length === 1 ? found[0].rule : `${found.filter((f) => f.severity !== "info").length}`]);
  if (fate) marks.push(["edited", fate === "delete" ? "deleted" : "excluded"]);
  else if (isEdited(picture)) marks.push(["edited", "edited"]);
  const tokens = checksOf(picture).tokens;
  if (tokens > state.set.tokens.limit) marks.push(["warning", `${tokens} tokens`]);
  if (picture.beside) marks.push(["", picture.beside.some(([role]) => role === "mask") ? "mask" : "pair"]);
  const key = JSON.stringify(marks);
  if (one.marks.dataset.key !== key) {
    one.marks.dataset.key = key;
    one.marks.replaceChildren(...marks.map(([kind, text]) => el("span", { class: `mark ${kind}` }, text)));
  }
}

const soon = (calm) => { if (!drawing) { drawing = true; requestAnimationFrame(() => draw(calm)); } };

let lastTop = 0, lastTime = 0;
grid.addEventListener("scroll", () => {
  const now = performance.now(), moved = Math.abs(grid.scrollTop - lastTop);
  const fast = moved / Math.max(1, now - lastTime) > 2.5 && now - lastTime < 200;  // pixels a millisecond
  lastTop = grid.scrollTop; lastTime = now;
  soon(!fast);
  clearTimeout(resting);
  resting = setTimeout(() => soon(true), 90);
}, { passive: true });

export function redraw(names = null) {
  for (const one of tiles) {
    const picture = one.at >= 0 && state.pictures[state.shown[one.at]];
    if (picture && (!names || names.has(picture.name))) label(one, picture, one.at);
  }
}

export function relay() {
  measure();
  for (const one of tiles) one.stamp = "";
  draw();
  tell("laid");
}

export function show(at) {
  if (at < 0 || at >= state.shown.length) return;
  const top = Math.floor(at / across) * tall;
  if (top < grid.scrollTop) grid.scrollTop = top;
  else if (top + tall > grid.scrollTop + grid.clientHeight) grid.scrollTop = top + tall - grid.clientHeight;
}

// Go to a picture; `pick` carries the selection along.
let anchor = 0;
export function go(at, pick = false) {
  if (!state.shown.length) return;
  at = Math.max(0, Math.min(state.shown.length - 1, at));
  if (pick) {
    const [from, to] = [Math.min(anchor, at), Math.max(anchor, at)];
    for (let one = from; one <= to; one++) state.picked.add(state.pictures[state.shown[one]].name);
  } else {
    anchor = at;
  }
  state.here = at;
  grid.setAttribute("aria-activedescendant", `p${at}`);
  show(at);
  grid.classList.toggle("choosing", state.picked.size > 0);
  redraw();
  soon(true);
  tell("here");
  if (pick) tell("picked");
}

export const page = () => across * Math.max(1, Math.floor(grid.clientHeight / tall));
export const rowLength = () => across;

export function toggle(at = state.here) {
  const picture = state.pictures[state.shown[at]];
  if (!picture) return;
  if (!state.picked.delete(picture.name)) state.picked.add(picture.name);
  anchor = at;
  grid.classList.toggle("choosing", state.picked.size > 0);
  redraw();
  tell("picked");
}

export function pickAll(all = true) {
  state.picked.clear();
  if (all) for (const place of state.shown) state.picked.add(state.pictures[place].name);
  grid.classList.toggle("choosing", state.picked.size > 0);
  redraw();
  tell("picked");
}

export function zoom(by) {
  wanted = Math.max(80, Math.min(420, Math.round(wanted * by)));
  sessionStorage.setItem("side", wanted);
  relay();
  show(state.here);
}

canvas.addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  const one = tiles.find((each) => each.tile === tile);
  if (!one || one.at < 0) return;
  if (event.target.closest(".tick") || event.ctrlKey || event.metaKey) { const at = one.at; go(at); toggle(at); }
  else if (event.shiftKey) go(one.at, true);
  else { go(one.at); tell("open"); }
  grid.focus({ preventScroll: true });
});
canvas.addEventListener("dblclick", () => tell("edit"));
new ResizeObserver(() => { if (state.set) relay(); }).observe(grid);
on("changed", redraw);
on("judged", () => redraw());
