// What the page knows, and how it speaks to the server.
"use strict";

export const state = {
  set: null,            // what `set` answers
  pictures: [],         // all of it, in the server's order
  place: new Map(),     // name -> place in that order
  pending: new Map(),   // JSON of a key -> {key, value, checks}
  report: null,         // findings, copies, shots, splits
  shown: [],            // places of the pictures that the filters leave, in the order shown
  here: -1,             // which of `shown` the keys act on
  picked: new Set(),    // names
  tags: new Map(),      // tag -> whether the pictures shown have it, or have it not
  second: null,         // the column of the second caption
  overlay: true, crop: true, over: null,
  typing: false,        // letters that were not sent yet
};

// --- telling the parts of the page ---------------------------------------------------------------

const hearers = new Map();
export function on(what, act) { hearers.set(what, [...(hearers.get(what) || []), act]); }
export function tell(what, ...about) { for (const act of hearers.get(what) || []) act(...about); }

// --- the server ----------------------------------------------------------------------------------

export class Refused extends Error {}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    tell("gone");
    throw new Refused("The command has stopped.");
  }
  const value = await answer.json();
  if (!answer.ok) throw new Refused([value.error, value.hint && `(${value.hint})`].filter(Boolean).join(" "));
  return value;
}

export const get = (path) => ask(path, { cache: "no-store" });
export const post = (path, value = {}) => ask(path, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value),
});

let line = Promise.resolve(), standing = 0;
// Changes go one after the other, in the order in which they were made.
export function inLine(act) {
  standing += 1;
  const done = line.then(act).finally(() => { standing -= 1; });
  line = done.catch(() => {});
  return done;
}
// Whether all that was changed was answered, and nothing is being typed.
export const settled = () => !standing && !state.typing;

// --- pending changes -----------------------------------------------------------------------------

const id = (...key) => JSON.stringify(key);
export const pendingOf = (...key) => state.pending.get(id(...key));

export function take(changes) {
  for (const [key, value, checks] of changes) {
    if (value === null) state.pending.delete(id(...key));
    else state.pending.set(id(...key), { key, value, checks });
  }
}

// Keep changes on the server; `typing` joins them to the step before.
export function change(changes, what, typing = false) {
  tell("keeping");
  return inLine(async () => {
    const seen = changes.map(([key]) => pendingOf(...key)?.value ?? null);
    const answer = await post("change", { changes, what, typing, seen });
    take(answer.changes);
    for (const [key, words] of answer.crossed) tell("crossed", key, words);
    tell("changed", new Set(changes.map(([key]) => key[1])));
    return answer;
  }).then((answer) => { tell("kept", answer.unkept); return answer; });
}

export async function step(way) {
  const answer = await inLine(() => post(way));
  if (answer.what === null) return null;
  take(answer.changes);
  tell("kept", answer.unkept);
  tell("changed", new Set(answer.changes.map(([key]) => key[1])));
  return answer;
}

// --- captions ------------------------------------------------------------------------------------

export const asText = (value) =>
  value === null || value === undefined ? "" : Array.isArray(value) ? value.join("\n") : String(value);

export const inFile = (picture, column) => (picture.row ? picture.row[column] : undefined);

export function caption(picture, column = state.set.column) {
  const there = pendingOf("caption", picture.name, column);
  return asText(there ? there.value.after : inFile(picture, column));
}

export const tagsOf = (text) => text.split(/[,\n]/).map((one) => one.trim()).filter(Boolean);

// [tag, how many of the pictures have it], the most frequent first.
export function tagCounts(pictures, column) {
  const counts = new Map();
  for (const picture of pictures) for (const tag of new Set(tagsOf(caption(picture, column)))) counts.set(tag, (counts.get(tag) || 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

// Tokens and trigger of a caption, as the server counts them.
export function checksOf(picture, column = state.set.column) {
  const there = pendingOf("caption", picture.name, column);
  if (there) return there.checks || {};
  return column === state.set.column ? { tokens: picture.tokens, trigger: picture.trigger } : picture.others?.[column] || {};
}

export function setCaption(picture, column, text, typing = false) {
  const value = Array.isArray(inFile(picture, column)) ? text.split("\n").filter((one) => one.trim()) : text;
  return change([[["caption", picture.name, column], { after: value }]], "edit a caption", typing);
}

// The point that a picture is cut around in training, if it says one.
export const focusOf = (picture) => {
  const there = pendingOf("focus", picture.name);
  return there ? there.value.after : picture.row?.crop_focus ?? null;
};
export const fateOf = (picture) => pendingOf("fate", picture.name)?.value.what;
export const turnOf = (picture) => pendingOf("turn", picture.name)?.value.by || 0;
export const isEdited = (picture) =>
  ["turn", "fate", "crop", "focus"].some((kind) => pendingOf(kind, picture.name)) ||
  findingsOf(picture).some((one) => pendingOf("mend", picture.name, one.rule)) ||
  state.set.captions.some((column) => pendingOf("caption", picture.name, column));

// What was found of a picture; of captions that are pending, what is found as they are typed.
const WORST = ["error", "warning", "info"];
export function findingsOf(picture) {
  const found = state.report?.pictures[picture.name] || [];
  if (!state.report || !state.pending.size) return found;
  const typed = state.set.captions.map((column) => pendingOf("caption", picture.name, column)?.checks?.findings).find(Boolean);
  return typed ? [...typed, ...found.filter((one) => !(one.rule in state.set.judged))].sort((a, b) => WORST.indexOf(a.severity) - WORST.indexOf(b.severity)) : found;
}
// How many findings each rule has, with what is pending: captions as they are typed, and pictures
// that go take theirs along.
export function counted() {
  const found = new Map(state.report.rules.map((rule) => [rule.id, rule.count]));
  const add = (all, sign) => { for (const one of all) found.set(one.rule, (found.get(one.rule) || 0) + sign); };
  for (const name of new Set([...state.pending.values()].map(({ key }) => key[1]))) {
    const picture = state.pictures[state.place.get(name)];
    if (!picture) continue;
    add(state.report.pictures[name] || [], -1);
    if (!fateOf(picture)) add(findingsOf(picture), 1);
  }
  return found;
}
// The rules that have findings, or had some when they were asked, with how many they have now.
export function ruled() {
  const counts = counted(), known = new Set(state.report.rules.map((rule) => rule.id));
  const typed = [...counts].filter(([id, number]) => number > 0 && !known.has(id)).map(([id, number]) => {
    const one = [...state.pending.values()].flatMap(({ checks }) => checks?.findings || []).find((found) => found.rule === id);
    return { id, title: state.set.judged[id], severity: one.severity, count: number };
  });
  return [...state.report.rules.map((rule) => ({ ...rule, count: counts.get(rule.id) })), ...typed];
}
export const url = (kind, picture, ...more) =>
  [kind, state.place.get(picture.name), picture.id, ...more].join("/");
export const here = () => state.pictures[state.shown[state.here]];
export const chosen = () =>
  state.picked.size ? state.pictures.filter((one) => state.picked.has(one.name)) : here() ? [here()] : [];

// --- loading -------------------------------------------------------------------------------------

export async function load() {
  const set = await get("set");
  state.set = set;
  state.pictures = set.pictures;
  state.place = new Map(set.pictures.map((one, place) => [one.name, place]));
  state.pending = new Map();
  take(set.pending);
  state.report = null;
  for (const name of [...state.picked]) if (!state.place.has(name)) state.picked.delete(name);
  tell("loaded");
  await findings();
}

export async function findings() {
  for (;;) {
    const answer = await get("findings");
    if (answer.version !== state.set.version) return;
    if (answer.failed) return tell("note", `The rules could not be asked: ${answer.failed}`, "bad");
    if (answer.report) {
      state.report = answer.report;
      return tell("judged");
    }
    await new Promise((done) => setTimeout(done, 400));
  }
}

// --- writing the page ----------------------------------------------------------------------------

// An element with attributes (functions are listeners) and children; texts stay texts.
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name, value);
    else if (name === "value") made.value = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return made;
}

export const byId = (name) => document.getElementById(name);
export const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

export function bytes(number) {
  const units = ["B", "kB", "MB", "GB"];
  let at = 0;
  while (number >= 1000 && at < 3) { number /= 1000; at += 1; }
  return `${at && number < 10 ? number.toFixed(1) : Math.round(number)} ${units[at]}`;
}

// A sentence with its commands as such: what stands between backticks.
export function coded(text) {
  const parts = text.split("`");
  return parts.length % 2 ? parts.map((part, at) => (at % 2 ? el("code", {}, part) : part)) : [text];
}

// What changed between two texts, word by word: [del|ins|"", text].
export function words(before, after) {
  const a = before.split(/(\s+|,)/).filter(Boolean), b = after.split(/(\s+|,)/).filter(Boolean);
  if (a.length * b.length > 250000) return [["del", before], ["ins", after]];
  const table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      table[i][j] = a[i] === b[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
  const found = [];
  const add = (kind, text) => {
    const last = found[found.length - 1];
    if (last && last[0] === kind) last[1] += text;
    else found.push([kind, text]);
  };
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { add("", a[i]); i++; j++; }
    else if (j >= b.length || (i < a.length && table[i + 1][j] >= table[i][j + 1])) add("del", a[i++]);
    else add("ins", b[j++]);
  }
  return found;
}

export const diffed = (before, after) =>
  words(before, after).map(([kind, text]) => (kind ? el(kind, {}, text) : text));
