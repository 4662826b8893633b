// One change of many captions, with what it would do.
"use strict";
import { state, on, tell, el, byId, post, inLine, take, tagCounts, diffed, asText, url, count } from "./store.js";
import { show, shows, tried } from "./dialogs.js";

const KINDS = {
  replace: "Find and replace", rename: "Rename a tag", add: "Add a tag", remove: "Remove a tag or word", move: "Move a tag",
  trigger: "Put the trigger before captions that lack it", unique: "Remove tags that stand twice",
  sort: "Sort tags", tidy: "Tidy spaces and lines", set: "Write the same into all",
};
const last = { do: "replace", text: "", new: "", where: "end", to: "1" };

// `preset`: the pictures, the column and the change to begin with.
export function many(preset = null) {
  preset = preset?.names ? preset : null;  // a button tells of its click
  const some = !preset && state.picked.size > 0;
  if (preset) Object.assign(last, preset.edit);
  const names = preset ? preset.names : some ? [...state.picked] : state.shown.map((place) => state.pictures[place].name);
  if (!names.length) return;
  const kinds = Object.entries(KINDS).filter(([key]) => key !== "trigger" || state.set.trigger);
  const kind = el("select", { id: "m-do" }, kinds.map(([key, text]) => el("option", { value: key, selected: key === last.do }, text)));
  const column = el("select", { id: "m-column" }, state.set.captions.map((one) => el("option", { value: one, selected: one === preset?.column }, one)));
  const text = el("input", { type: "text", id: "m-text", value: last.text });
  const fresh = el("input", { type: "text", id: "m-new", value: last.new });
  const word = el("input", { type: "checkbox", id: "m-word" }), regex = el("input", { type: "checkbox", id: "m-regex" });
  const where = el("select", {}, [["end", "at the end"], ["start", "at the beginning"], ["trigger", "behind the trigger"]].filter(([key]) => key !== "trigger" || state.set.trigger).map(([key, said]) => el("option", { value: key, selected: key === last.where }, said)));
  const to = el("input", { type: "number", value: last.to, min: -50, max: 50, title: "1 is the first, -1 the last" });
  const field = (name, input) => el("label", {}, name, input);
  const fields = el("div", { class: "fields" }), chips = el("div", { class: "chips" }), preview = el("div", { "aria-live": "polite" });
  const go = el("button", { class: "primary", id: "m-go", disabled: true, click: act }, "Change");

  const edit = () => ({ do: kind.value, text: text.value, new: fresh.value, word: word.checked, regex: regex.checked, where: where.value, to: Number(to.value) || 1 });
  const takes = { replace: ["text", "new", "word", "regex"], rename: ["text", "new"], add: ["text", "where"], remove: ["text"], move: ["text", "to"], set: ["text"] };

  function lay() {
    const own = takes[kind.value] || [];
    fields.replaceChildren(...[
      own.includes("text") && field(kind.value === "replace" ? "find" : kind.value === "set" ? "text" : "tag", text),
      own.includes("new") && field(kind.value === "rename" ? "call it" : "replace by", fresh), own.includes("word") && field("", [word, " whole words"]), own.includes("regex") && field("", [regex, " regular expression"]),
      own.includes("where") && field("", where), own.includes("to") && field("to place", to)].filter(Boolean));
    const tags = own.includes("text") ? tagCounts(names.map((name) => state.pictures[state.place.get(name)]), column.value).slice(0, 40) : [];
    chips.replaceChildren(...tags.map(([tag, often]) => el("button", { click: () => { text.value = tag; look(); text.focus(); } }, `${tag} ${often}`)));
    look();
  }

  let wait, asked = 0;
  // What is shown is of before from now on, also an answer that is still to come: nothing is changed by it.
  const look = () => { asked += 1; go.disabled = true; clearTimeout(wait); wait = setTimeout(ask, 150); };
  async function ask() {
    const mine = ++asked;
    Object.assign(last, { do: kind.value, text: text.value, new: fresh.value, where: where.value, to: to.value });
    if ((takes[kind.value] || []).includes("text") && (!text.value || (kind.value === "rename" && !fresh.value))) return preview.replaceChildren(el("p", { class: "soft" }, "What it changes is shown here first."));
    let found;
    try { found = await inLine(() => post("many", { names, column: column.value, edit: edit(), preview: true })); }
    catch (error) { return mine === asked && preview.replaceChildren(el("p", { class: "bad" }, error.message)); }
    if (mine !== asked) return;
    go.disabled = !found.count;
    go.textContent = found.count ? `Change ${count(found.count, "caption")}` : "Nothing to change";
    preview.replaceChildren(
      el("p", { class: "soft" }, `${found.count.toLocaleString("en")} of ${count(found.of, "caption")} would change.`),
      ...found.shown.map(([name, before, after]) => el("div", { class: "change" },
        el("img", { src: url("small", state.pictures[state.place.get(name)]), alt: "", loading: "lazy" }),
        el("div", {}, el("div", { class: "name" }, name), diffed(asText(before), asText(after))))),
      found.count > found.shown.length ? el("p", { class: "soft" }, `and ${(found.count - found.shown.length).toLocaleString("en")} more`) : "");
  }

  async function act() {
    go.disabled = true;
    tell("keeping");
    const answer = await tried(() => inLine(() => post("many", { names, column: column.value, edit: edit() })));
    if (shows(title)) byId("dialog").close();
    if (!answer) return;
    take(answer.changes);
    tell("kept", answer.unkept);
    tell("changed", new Set(answer.changes.map(([key]) => key[1])));
    tell("note", `${count(answer.changes.length, "caption")} changed, not applied yet. Ctrl+Z takes it back.`);
  }

  for (const one of [kind, column]) one.addEventListener("change", lay);
  for (const one of [text, fresh, to]) one.addEventListener("input", look);
  for (const one of [word, regex, where]) one.addEventListener("change", look);
  for (const one of [text, fresh]) one.addEventListener("keydown", (event) => { if (event.key === "Enter" && !go.disabled) { event.preventDefault(); act(); } });
  const title = `Change the captions of ${preset ? `${count(names.length, "picture")} with ${last.text}` : some ? count(names.length, "selected picture") : names.length === state.pictures.length ? `all ${count(names.length, "picture")}` : `the ${count(names.length, "picture")} shown`}`;
  show(title, [el("div", { class: "fields" }, kind, state.set.captions.length > 1 && field("in", column)), fields, chips, preview],
    el("button", { click: () => byId("dialog").close() }, "Not now"), go);
  lay();
  (preset && kind.value === "rename" ? fresh : text).focus();
}
on("many", many);
