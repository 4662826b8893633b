// All tags of the captions, and the pictures that have them.
"use strict";
import { state, on, el, byId, tagsOf, tagCounts, caption, count } from "./store.js";
import { show } from "./dialogs.js";
import { filter } from "./filters.js";
import { many } from "./many.js";

const MOST = 500;  // rows
let column = null, sought = "", order = "often";

export function tags() {
  if (!state.set) return;
  if (!state.set.captions.includes(column)) column = state.set.column;
  const select = el("select", { "aria-label": "Column", change: (event) => { column = event.target.value; lay(); } }, state.set.captions.map((one) => el("option", { value: one, selected: one === column }, one)));
  const search = el("input", { type: "search", id: "tag-search", placeholder: "Search tags", "aria-label": "Search tags", value: sought, input: (event) => { sought = event.target.value; lay(); } });
  const sort = el("select", { "aria-label": "Order", change: (event) => { order = event.target.value; lay(); } }, [["often", "most frequent first"], ["seldom", "rarest first"], ["name", "by name"]].map(([key, text]) => el("option", { value: key, selected: key === order }, text)));
  const rows = el("div", { class: "tags" }), said = el("p", { class: "soft", "aria-live": "polite" });

  function lay() {
    let found = tagCounts(state.pictures, column).filter(([tag]) => tag.toLowerCase().includes(sought.toLowerCase()));
    if (order === "seldom") found.reverse();
    if (order === "name") found.sort((a, b) => a[0].localeCompare(b[0]));
    said.textContent = `${count(found.length, "tag")}${found.length > MOST ? `, ${MOST} of them here` : ""}; ${byId("count").textContent} shown.`;
    rows.replaceChildren(...found.slice(0, MOST).map(([tag, often]) => el("div", {}, el("span", { class: "tag" }, tag), el("span", { class: "soft" }, often.toLocaleString("en")),
      choice(tag, true, "With"), choice(tag, false, "Without"),
      el("button", { click: () => change(tag, "rename") }, "Rename…"), el("button", { click: () => change(tag, "remove") }, "Remove…"))));
  }
  const choice = (tag, has, text) => el("button", { "aria-pressed": String(state.tags.get(key(column, tag)) === has), click: () => {
    if (state.tags.get(key(column, tag)) === has) state.tags.delete(key(column, tag)); else state.tags.set(key(column, tag), has);
    filter();
    lay();
  } }, text);
  const change = (tag, what) => { if (state.tags.delete(key(column, tag))) filter(); many({ names: state.pictures.filter((one) => tagsOf(caption(one, column)).includes(tag)).map((one) => one.name), column, edit: { do: what, text: tag, new: "" } }); };
  show("Tags", [el("div", { class: "fields" }, state.set.captions.length > 1 && select, search, sort), said, rows],
    el("button", { click: () => { state.tags.clear(); filter(); lay(); } }, "Show all pictures"), el("button", { class: "primary", click: () => byId("dialog").close() }, "Done"));
  lay();
  search.focus();
}
const key = (column, tag) => JSON.stringify([column, tag]);

// What is asked for of tags, beside the other filters; each goes with a click.
on("filtered", () => {
  byId("chosen").replaceChildren(...[...state.tags].map(([one, has]) => {
    const [column, tag] = JSON.parse(one);
    return el("button", { class: "set", title: "Take it away", click: () => { state.tags.delete(one); filter(); } }, `${has ? "" : "without "}${tag}${column === state.set.column ? "" : ` (${column})`} ✕`);
  }));
});
