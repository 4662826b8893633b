// What opens over the page: applying, history, help.
"use strict";
import { state, tell, el, byId, get, post, inLine, load, change, asText, diffed, url, count } from "./store.js";

const dialog = byId("dialog");
let shown = "";
export const isOpen = () => dialog.open;
// Whether the dialog of this title is open: an answer that comes late opens none again.
export const shows = (title) => dialog.open && shown === title;

export function show(title, body, ...foot) {
  shown = title;
  dialog.replaceChildren(
    el("div", { class: "top" }, el("h2", {}, title), el("span", { class: "grow" }), el("button", { click: () => dialog.close(), "aria-label": "Close" }, "✕")),
    el("div", { class: "body" }, body),
    ...(foot.length ? [el("div", { class: "foot" }, foot)] : []));
  if (!dialog.open) dialog.showModal();
}
// It is told after the dialog has closed; by then a key may have opened the next.
dialog.addEventListener("close", () => { if (dialog.open) return; dialog.replaceChildren(); byId("grid").focus(); });
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

export async function tried(act) {
  try { return await act(); } catch (error) { tell("note", error.message, "bad"); return null; }
}

// --- applying ------------------------------------------------------------------------------------

const ASKED = "Apply these changes?";

export async function applying() {
  if (!state.pending.size) return tell("note", "Nothing is changed.");
  const waiting = el("p", { class: "soft" }, "Comparing with the folder…");
  show("Apply", waiting);
  const made = await tried(() => inLine(() => post("plan")));
  if (!dialog.open || !waiting.isConnected) return;  // closed meanwhile, or asked again
  if (!made) return dialog.close();
  const go = el("button", { class: "primary", id: "do-apply", disabled: made.conflicts.length > 0 || !made.operations.length, click: () => doApply(made, go) },
    `Write ${count(made.operations.length, "file")}`);
  show(ASKED, [
    made.conflicts.map((one) => conflict(one)),
    el("p", {}, "Nothing is written yet. Every original is kept, and all of it can be undone here or with ", el("kbd", {}, "hubtools fix --undo"), "."),
    listed(), left(made),
    el("h3", {}, "Files"), el("pre", {}, made.operations.map((op) => `${op.line}\n`)),
    el("details", {}, el("summary", {}, "All lines"), el("pre", {}, made.diff.map(lineOf)))],
  el("button", { click: () => dialog.close() }, "Not now"), go);
  go.focus();
}

const lineOf = (line) => {
  const kind = /^\+(?!\+\+ )/.test(line) ? "plus" : /^-(?!-- )/.test(line) ? "minus" : "";
  return kind ? el("span", { class: kind }, `${line}\n`) : `${line}\n`;
};

async function doApply(made, button) {
  button.disabled = true;
  const answer = await tried(() => inLine(() => post("apply", { digest: made.digest })));
  if (shows(ASKED)) dialog.close();
  if (answer) tell("note", answer.done);
  await tried(load);
}

function thumb(name) {
  const picture = state.pictures[state.place.get(name)];
  return picture && !picture.problem ? el("img", { src: url("small", picture), alt: "", loading: "lazy" }) : el("span");
}

function listed() {
  const all = [...state.pending.values()];
  const most = 200;
  const rows = all.slice(0, most).map(({ key, value }) => {
    const [kind, name, column] = key;
    const place = (point) => point.map((share) => `${Math.round(100 * share)} %`).join(", ");
    const back = el("button", { class: "back", title: "Take this one back", "aria-label": "Take back", click: async () => { await tried(() => change([[key, null]], "take a change back")); if (!shows(ASKED)) return; if (state.pending.size) applying(); else dialog.close(); } }, "✕");
    if (kind === "focus") return el("div", { class: "change" }, thumb(name), el("div", {}, el("div", { class: "name" }, name), value.after ? `cut in training around ${place(value.after)}` : "cut in training as the others are"), back);
    if (kind === "mend") return el("div", { class: "change" }, thumb(name), el("div", {}, el("div", { class: "name" }, name), [`fix ${column}`, ...value.unsafe].join(": ")), back);
    if (kind === "fix") return el("div", { class: "change" }, el("span"), el("div", {}, el("div", { class: "name" }, `fix ${name}`), value.unsafe.join(", ") || "as hubtools fix does it"), back);
    const said = kind === "caption" ? diffed(asText(value.before), asText(value.after))
      : kind === "turn" ? `turned by ${value.by}°` : kind === "crop" ? `cropped to ${value.box[2] - value.box[0]} × ${value.box[3] - value.box[1]}`
      : kind === "again" ? "comes back" : value.what === "delete" ? el("span", { class: "bad" }, "deleted") : "excluded";
    return el("div", { class: "change" }, thumb(name), el("div", {}, el("div", { class: "name" }, column && column !== state.set.column ? `${name} · ${column}` : name), said), back);
  });
  if (all.length > most) rows.push(el("p", { class: "soft" }, `and ${all.length - most} more`));
  return el("details", { open: all.length <= 30 }, el("summary", {}, count(all.length, "change")), rows);
}

function left(made) {
  const rows = [...made.left.map(([key, why]) => `${key[1]}: ${why}`), ...Object.entries(made.files_left).map(([name, why]) => `${name}: ${why}`)];
  return rows.length ? el("details", { open: true }, el("summary", { class: "warn" }, `Not changed: ${count(rows.length, "thing")}`), rows.slice(0, 50).map((row) => el("p", {}, row))) : null;
}

function conflict(one) {
  const settle = (mine) => async () => {
    const made = await tried(() => inLine(() => post("settle", { key: one.key, mine })));
    await tried(load);
    if (made && shows(ASKED)) await applying();
  };
  const isCaption = one.key[0] === "caption";
  return el("div", { class: "finding error" }, el("strong", {}, one.key[1]), ` ${one.why}.`,
    isCaption && el("p", {}, "Theirs: ", diffed(asText(one.before), asText(one.theirs))),
    isCaption && el("p", {}, "Yours: ", diffed(asText(one.before), asText(one.mine))),
    el("button", { click: settle(true) }, "Go on with mine"), " ", el("button", { click: settle(false) }, isCaption ? "Take theirs" : "Leave it"));
}

// --- history -------------------------------------------------------------------------------------

// 20261128T133158Z, perhaps with more behind it, as a person here writes it; the whole id where it is none
const when = (id) => {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(id);
  return parts ? new Date(Date.UTC(parts[1], parts[2] - 1, ...parts.slice(3))).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" }) : id;
};

export async function history() {
  const made = await tried(() => get("history"));
  if (!made || dialog.open) return;
  const act = (path, value) => async () => {
    const answer = await tried(() => inLine(() => post(path, value)));
    if (shows("History")) dialog.close();
    if (answer) tell("note", answer.done);
    await tried(load);
  };
  const words = { done: "applied", undone: "undone" };
  const last = made.fixes.find((one) => one.state === "done");
  const rows = made.fixes.map((one) => el("div", { class: "finding" },
    el("strong", { title: `hubtools fix --undo --id ${one.id}` }, when(one.id)), ` ${words[one.state] || "interrupted"}, ${count(one.files, "file")}${one.ours ? "" : ", not yours"}`,
    el("pre", {}, one.lines.map((line) => `${line}\n`)),
    one === last && one.ours && el("button", { id: "undo-last", click: act("undo", { id: one.id }) }, "Undo")));
  const broken = made.unfinished;
  show("History", [
    broken && el("div", { class: "finding error" }, `A change was interrupted (${when(broken.id)}); to go on would ${broken.would}. `,
      broken.ours ? [el("button", { click: act("finish") }, "Go on"), " ", el("button", { click: act("undo", { id: broken.id }) }, "Go back")] : ["It is not yours: see ", el("code", {}, "hubtools fix --journal"), "."]),
    rows.length ? rows : el("p", {}, "Nothing was applied to this folder yet."),
    el("p", { class: "soft" }, "The originals stay in .hubtools/fixes of the folder until ", el("code", {}, "hubtools fix --purge --yes"), ".")]);
}

// --- help ----------------------------------------------------------------------------------------

const KEYS = [
  ["arrows, Home, End, PageUp, PageDown", "go through the pictures"],
  ["Enter", "edit the caption; Enter again: keep it and go on with the next picture"],
  ["Tab", "take the tag that is offered as one types; ↓ and ↑ choose another"],
  ["Shift+Enter", "a new line in a caption"], ["Alt+↓, Alt+↑", "next and previous picture while editing"],
  ["Esc", "leave the caption, the dialog, the selection"],
  ["Space", "select the picture"], ["Shift+arrows", "select on the way"], ["Ctrl+A", "select all that are shown"],
  ["B", "change the captions of the selected pictures, or of all that are shown"],
  ["T", "all tags: pictures with them or without, rename, remove"], ["R, Shift+R", "turn right, turn left"], ["X", "exclude"], ["Delete", "delete"],
  ["D", "duplicates side by side"], ["V", "all findings, and their fixes"],
  ["Ctrl+Z, Ctrl+Shift+Z", "take the last change back, do it again"],
  ["Ctrl+S", "look at all changes, and apply them"],
  ["/", "search"], ["F", "filter by finding"], ["N", "next picture with a finding"], ["C", "show the crop for training"], ["Shift+C", "move it with the arrows (Shift: by one pixel), Esc leaves it"], ["K", "cut the file: arrows move the frame, + and − size it, Enter cuts"], ["M", "show the mask"],
  ["+, −", "larger and smaller pictures"], ["H", "history, undo"], ["?", "this help"],
];
export function help() {
  show("Keys", [el("div", { class: "keys" }, KEYS.flatMap(([key, text]) => [el("span", {}, key.split(", ").flatMap((one, at) => [at ? " " : "", el("kbd", {}, one)])), el("span", {}, text)])),
    el("p", { class: "soft" }, "In the search, words must all be there, \"words in quotes\" side by side, and -words must not. What you change is kept at once, and written into the folder only when you apply it."),
    el("p", { class: "soft" }, state.set ? state.set.folder : "")]);
}
