// Which pictures are shown, and in what order.
"use strict";
import { state, on, tell, el, byId, caption, asText, tagsOf, focusOf, inFile, checksOf, isEdited, fateOf, findingsOf, ruled, count, here } from "./store.js";
import { relay, go } from "./grid.js";

const names = ["rule", "state", "shot", "split", "column", "size", "order"];
const field = Object.fromEntries(names.map((name) => [name, byId(`f-${name}`)]));
const value = byId("f-value"), search = byId("search");

const STATES = {
  edited: ["changed, not applied", isEdited],
  nocaption: ["without a caption", (one) => !caption(one).trim()],
  long: ["caption too long", (one) => checksOf(one).tokens > state.set.tokens.limit],
  notrigger: ["without the trigger", (one) => checksOf(one).trigger === false],
  findings: ["with a finding", (one) => findingsOf(one).length > 0],
  copies: ["with a duplicate", (one) => copies.has(one.name)],
  picked: ["selected", (one) => state.picked.has(one.name)],
  fate: ["deleted or excluded", (one) => Boolean(fateOf(one))],
  rights: ["telling of rights or people", (one) => Boolean(one.rights)],
  placed: ["with a crop of its own", (one) => focusOf(one) !== null],
  beside: ["with a mask or a pair", (one) => Boolean(one.beside)],
  broken: ["unreadable", (one) => Boolean(one.problem)],
};
const ORDERS = {
  name: ["by name", null],
  short: ["smallest first", (one) => Math.min(...one.size)],
  wide: ["widest first", (one) => -one.size[0] / Math.max(1, one.size[1])],
  cut: ["most cut off first", (one) => one.kept ?? 0],
  tokens: ["longest caption first", (one) => -(checksOf(one).tokens || 0)],
  caption: ["by caption", (one) => caption(one).toLowerCase()],
};
let copies = new Set(), shots = new Map();

const options = (select, pairs, empty) => {
  const was = select.value;
  select.replaceChildren(el("option", { value: "" }, empty), ...pairs.map(([key, text]) => el("option", { value: key }, text)));
  select.value = pairs.some(([key]) => key === was) ? was : "";
};

function build() {
  const report = state.report;
  copies = new Set((report?.groups || []).flatMap((group) => group.pictures.map((one) => one.name)));
  shots = new Map();
  for (const entry of report?.shots?.entries || []) shots.set(entry.name, new Set(entry.pictures));
  if (report?.shots) shots.set(" none", new Set(report.shots.unplanned));
  numbers();
  const usable = Object.entries(STATES).filter(([key]) =>
    (key !== "beside" || state.pictures.some((one) => one.beside)) && (key !== "notrigger" || state.set.trigger) &&
    (key !== "rights" || state.pictures.some((one) => one.rights)) && (key !== "copies" || copies.size) &&
    (key !== "placed" || state.pictures.some((one) => focusOf(one) !== null)) &&
    (key !== "broken" || state.pictures.some((one) => one.problem)));
  options(field.state, usable.map(([key, [text]]) => [key, text]), "any");
  byId("l-shot").hidden = !report?.shots;
  const planned = (report?.shots?.entries || []).map((e) =>
    [e.name, `${e.name.replaceAll("_", " ")}: ${e.found} of ${e.low}${e.high === null ? " or more" : e.high === e.low ? "" : ` to ${e.high}`}`]);
  options(field.shot, [...planned, [" none", `of no planned shot (${report?.shots?.unplanned.length || 0})`]], "any");
  const splits = [...new Set(Object.values(report?.splits || {}).flat())].sort();
  byId("l-split").hidden = splits.length < 2;
  options(field.split, splits.map((one) => [one, one]), "any");
  options(field.column, state.set.columns.map((one) => [one, one]), "any");
  const size = state.set.resolution;
  options(field.size, [["below", `below ${size} px`], ["above", `${size} px or more`], ...[512, 768, 1024, 2048].filter((s) => s !== size).map((s) => [`<${s}`, `below ${s} px`])], "any");
  options(field.order, Object.entries(ORDERS).slice(1).map(([key, [text]]) => [key, text]), "by name");
}

// The rules, with how many findings they have by now; the chosen one stays.
const MARKS = { error: "●", warning: "▲", info: "·" };
function numbers() {
  const rules = state.report ? ruled() : [], chosen = field.rule.selectedOptions[0];
  const pairs = rules.map((rule) => [rule.id, `${MARKS[rule.severity]} ${rule.id} ${rule.title} (${rule.count})`]);
  if (state.report && chosen?.value && !rules.some((rule) => rule.id === chosen.value)) pairs.push([chosen.value, chosen.text.replace(/\(\d+\)$/, "(0)")]);
  const there = [...field.rule.options].slice(1).map((one) => one.text);
  if (pairs.map(([, text]) => text).join() === there.join() && there.length) return;
  options(field.rule, pairs, state.report ? "any" : "checking…");
}

// Words must all be there, "words in quotes" side by side, -words must not.
function searcher(text) {
  const terms = [...text.toLowerCase().matchAll(/(-?)(?:"([^"]*)"?|(\S+))/g)].map(([, minus, quoted, bare]) => [minus !== "", quoted ?? bare]).filter(([, word]) => word);
  if (!terms.length) return null;
  return (one) => {
    const all = [one.name, ...state.set.captions.map((column) => caption(one, column))].join("\n").toLowerCase();
    return terms.every(([not, word]) => all.includes(word) !== not);
  };
}

function tests() {
  const found = [];
  const rule = field.rule.value, size = field.size.value, column = field.column.value;
  if (rule) found.push((one) => findingsOf(one).some((f) => f.rule === rule));
  if (field.state.value) found.push(STATES[field.state.value][1]);
  if (field.shot.value) found.push((one) => shots.get(field.shot.value)?.has(one.name));
  if (field.split.value) found.push((one) => state.report.splits[one.name]?.includes(field.split.value));
  if (column) {
    const word = value.value.toLowerCase();
    found.push((one) => {
      const text = state.set.captions.includes(column) ? caption(one, column) : asText(inFile(one, column));
      return word ? text.toLowerCase().includes(word) : text !== "";
    });
  }
  const limit = size.startsWith("<") ? Number(size.slice(1)) : state.set.resolution;
  if (size === "above") found.push((one) => Math.min(...one.size) >= limit);
  else if (size) found.push((one) => Math.min(...one.size) < limit);
  for (const [key, has] of state.tags) {
    const [column, tag] = JSON.parse(key);
    found.push((one) => tagsOf(caption(one, column)).includes(tag) === has);
  }
  const words = searcher(search.value);
  if (words) found.push(words);
  return found;
}

export function filter(stay = true) {
  if (!state.set) return;
  const was = here()?.name;
  const all = tests();
  let places = state.pictures.map((_, place) => place);
  if (all.length) places = places.filter((place) => all.every((test) => test(state.pictures[place])));
  const key = ORDERS[field.order.value]?.[1];
  if (key) {
    const keys = new Map(places.map((place) => [place, key(state.pictures[place])]));
    places.sort((a, b) => { const x = keys.get(a), y = keys.get(b); return x < y ? -1 : x > y ? 1 : a - b; });
  }
  const same = places.length === state.shown.length && places.every((place, at) => place === state.shown[at]);
  state.shown = places;
  value.hidden = !field.column.value;
  for (const select of Object.values(field)) select.classList.toggle("set", select.value !== "");
  byId("f-clear").hidden = !all.length;
  byId("count").textContent = all.length ? `${places.length.toLocaleString("en")} of ${count(state.pictures.length, "picture")}` : count(state.pictures.length, "picture");
  tell("filtered");
  document.getElementById("empty")?.remove();
  if (!places.length) byId("canvas").append(el("p", { id: "empty" }, state.pictures.length ? "No picture is like that. " : "There are no pictures in this folder. (Archives and shards are unpacked first: hubtools unshard.)"));
  const at = stay ? places.indexOf(state.place.get(was)) : -1;
  state.here = at;
  relay();
  if (at >= 0 && same) tell("here");  // somebody may have scrolled on
  else if (at >= 0) go(at);
  else if (places.length) go(0);
  else tell("here");
}

export function only(name, wanted) {
  clear();
  field[name].value = wanted;
  filter();
}

export function clear() {
  for (const select of Object.values(field)) select.value = "";
  value.value = search.value = "";
  state.tags.clear();
}

byId("filters").addEventListener("change", () => filter());
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("reset", () => { clear(); setTimeout(filter); });
for (const input of [search, value]) {
  let wait;
  input.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(filter, 120); });
}
byId("show-filters").addEventListener("click", () => {
  const open = byId("filters").classList.toggle("open");
  byId("show-filters").setAttribute("aria-expanded", open);
});
on("changed", () => { if (state.report) numbers(); });
on("loaded", () => { build(); filter(); });
on("judged", () => { build(); if (field.rule.value || field.state.value || field.shot.value || field.split.value) filter(); });
