// Tags that other captions have, offered as one types one.
"use strict";
import { state, el, caption, on } from "./store.js";

const MOST = 8;  // offered at once
const LONGEST = 60;  // letters of a tag; what is longer is a sentence
const known = new Map();  // column -> [[tag, how often]], the most frequent first

let stale = false;  // not counted anew while one types: that would be once a letter
on("loaded", () => known.clear());
on("changed", () => { stale = true; });

// What stands between commas in the captions of a column, and how often.
function tagsOf(column) {
  if (known.has(column)) return known.get(column);
  const counts = new Map();
  for (const picture of state.pictures)
    for (const part of caption(picture, column).split(/[,\n]/)) {
      const tag = part.trim();
      if (tag && tag.length <= LONGEST) counts.set(tag, (counts.get(tag) || 0) + 1);
    }
  const found = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  known.set(column, found);
  return found;
}

// The tag that the cursor is in: [where it begins, where it ends, what is typed of it].
function typed(area) {
  const at = area.selectionStart, text = area.value;
  if (at !== area.selectionEnd) return null;
  const before = text.slice(0, at).match(/[^,\n]*$/)[0], after = text.slice(at).match(/^[^,\n]*/)[0];
  if (after.trim()) return null;  // in the middle of one that is there
  return [at - before.trimStart().length, at + after.length, before.trimStart()];
}

function fitting(column, word, has) {
  const sought = word.toLowerCase(), first = [], then = [];
  for (const [tag, often] of tagsOf(column)) {
    const low = tag.toLowerCase();
    if (low === sought || has.has(tag)) continue;
    if (low.startsWith(sought)) first.push([tag, often]);
    else if (then.length < MOST && low.includes(` ${sought}`)) then.push([tag, often]);
    if (first.length === MOST) break;
  }
  return [...first, ...then].slice(0, MOST);
}

// Offer tags below a text area: Tab takes the one that is marked, the arrows mark another, Escape
// hides them. `taken` is called after one was taken. Answers the element to lay below the area.
export function suggesting(area, column, taken) {
  const list = el("div", { class: "tags-offered", role: "listbox", "aria-label": "Tags of other captions", hidden: true });
  let offered = [], marked = 0;
  const hide = () => { offered = []; list.hidden = true; list.replaceChildren(); };
  const mark = () => [...list.children].forEach((one, number) => one.setAttribute("aria-selected", String(number === marked)));

  function look() {
    const place = typed(area);
    if (!place || place[2].length < 2) return hide();
    const [begin, end, word] = place;
    const others = area.value.slice(0, begin) + area.value.slice(end);
    const has = new Set(others.split(/[,\n]/).map((one) => one.trim()));
    offered = fitting(column, word, has);
    if (!offered.length) return hide();
    marked = 0;
    list.replaceChildren(...offered.map(([tag, often], number) =>
      el("button", { type: "button", role: "option", tabindex: "-1", mousedown: (event) => { event.preventDefault(); accept(number); } },
        tag, el("span", { class: "soft" }, ` ${often}`))));
    mark();
    list.hidden = false;
  }

  function accept(number) {
    const [begin, end] = typed(area);
    area.setRangeText(offered[number][0], begin, end, "end");
    hide();
    taken();
  }

  area.addEventListener("focus", () => { if (stale) known.clear(); stale = false; });
  area.addEventListener("input", look);
  area.addEventListener("blur", hide);
  area.addEventListener("keydown", (event) => {
    if (list.hidden || event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (way) marked = (marked + way + offered.length) % offered.length;
    else if (event.key === "Tab" && !event.shiftKey) accept(marked);
    else if (event.key === "Escape") hide();
    else return;
    if (way) mark();
    event.preventDefault();
    event.stopImmediatePropagation();
  });
  return list;
}
