// The picture that the keys are at: large, with its captions and what was found.
"use strict";
import { state, on, tell, el, byId, url, get, caption, setCaption, change, inFile, asText, checksOf, pendingOf, findingsOf, fateOf, turnOf, here, bytes, count, diffed, coded } from "./store.js";
import { go } from "./grid.js";
import { copies, fixes } from "./found.js";
import { turn, fate, cropping, uncrop } from "./acts.js";
import { placing, focusButtons, own } from "./frame.js";
import { suggesting } from "./suggest.js";
import { chips } from "./chips.js";

const detail = byId("detail");
let pickedBefore = 0, shownName = null, frameNext = false;

export function render() {
  const picture = here();
  if (!picture) { detail.replaceChildren(); shownName = null; return; }
  if (detail.contains(document.activeElement) && document.activeElement.closest("textarea, .own-tags") && shownName === picture.name) return refresh(picture);
  shownName = picture.name;
  frameNext ||= document.activeElement?.classList.contains("placed");
  detail.replaceChildren(
    el("div", { class: "head" },
      el("button", { class: "narrow", click: close, "aria-label": "Back to the pictures" }, "←"),
      el("h2", {}, picture.name), el("span", { class: "grow" }),
      el("button", { class: "narrow", disabled: state.here === 0, click: () => go(state.here - 1), "aria-label": "The picture before" }, "‹"),
      el("span", { class: "soft" }, `${state.here + 1} / ${state.shown.length}`),
      el("button", { class: "narrow", disabled: state.here + 1 >= state.shown.length, click: () => go(state.here + 1), "aria-label": "The next picture" }, "›")),
    ...[stage(picture), tools(picture)].flat(), captions(picture), found(picture), facts(picture));
  about(picture);
}

// --- the picture ---------------------------------------------------------------------------------

function stage(picture) {
  if (picture.problem) return el("div", { class: "stage" }, el("p", { class: "bad" }, `It cannot be read: ${picture.problem}`));
  const shown = el("div", { class: "shown" }, el("img", { src: url("small", picture), alt: picture.name, decoding: "async" }));
  const [width, height] = picture.size, turned = turnOf(picture);
  // its place is kept, so that nothing moves when it comes
  shown.style.aspectRatio = `${width} / ${height}`;
  shown.style.width = `min(100%, calc(var(--high) * ${width / height}), ${Math.max(width, 160)}px)`;
  if (turned) shown.style.transform = `rotate(${turned}deg)${turned % 180 ? ` scale(${Math.min(1, width / height, height / width)})` : ""}`;
  const crop = pendingOf("crop", picture.name)?.value.box;
  if (crop) shown.append(frameOf(picture, crop));
  const beside = picture.beside || [];
  beside.forEach(([role, key], number) => {
    if (role === "mask" ? state.overlay : state.over === key)
      shown.append(el("img", { class: `over ${role}`, src: url("beside", picture, number), alt: key }));
  });
  const pairs = beside.map(([role, key, name], number) => role !== "mask" && el("figure", {},
    el("img", { src: url("beside", picture, number), alt: name }), el("figcaption", {}, key, " ",
      el("button", { "aria-pressed": String(state.over === key), click: () => { state.over = state.over === key ? null : key; render(); } }, "Lay over"))));
  return [el("div", { class: "stage" }, shown), el("div", { class: "pairs" }, pairs)];
}

function tools(picture) {
  const cut = el("button", { id: "t-crop", title: "C", "aria-pressed": String(state.crop), click: () => { state.crop = !state.crop; render(); } }, "Crop for training");
  const fated = fateOf(picture);
  return [el("div", { class: "tools", id: "tools" },
    !picture.problem && [el("button", { title: "Shift+R", "aria-label": "Turn left", click: () => alone(() => turn(-90)) }, "↺"), el("button", { title: "R", "aria-label": "Turn right", click: () => alone(() => turn(90)) }, "↻"), cut,
      // These are there from the first, so that no button moves, and usable once it is known where the frame lies.
      el("button", { id: "t-cut", disabled: true, title: "Cut the file itself (K)" }, "Cut the file…"),
      picture.beside?.some(([role]) => role === "mask") && el("button", { title: "M", "aria-pressed": String(state.overlay), click: () => { state.overlay = !state.overlay; render(); } }, "Mask"),
      pendingOf("crop", picture.name) && el("button", { click: uncrop }, "Do not crop")],
    el("button", { title: "X", "aria-pressed": String(fated === "exclude"), click: () => alone(() => fate("exclude")) }, "Exclude"),
    el("button", { class: "danger", title: "Delete", "aria-pressed": String(fated === "delete"), click: () => alone(() => fate("delete")) }, "Delete"),
    !picture.problem && focusButtons(picture, !state.crop || Boolean(turnOf(picture) || pendingOf("crop", picture.name))))];
}

// The buttons of a picture are for that one, whatever is selected.
function alone(act) {
  const picked = state.picked;
  state.picked = new Set();
  try { act(); } finally { state.picked = picked; }
}

function frameOf(picture, [left, top, right, bottom]) {
  const [width, height] = picture.size, made = el("div", { class: "cut" });
  Object.assign(made.style, { left: `${100 * left / width}%`, top: `${100 * top / height}%`, width: `${100 * (right - left) / width}%`, height: `${100 * (bottom - top) / height}%` });
  return made;
}

// The keys move the frame, as soon as it is there.
export function frame() {
  state.crop = true;
  frameNext = true;
  tell("open");
  render();
}

// The frame that the file is cut to, as soon as it is known where it lies.
let cutNext = null;
export function cut() {
  const picture = here(), button = byId("t-cut");
  if (!picture || !button) return;
  tell("open");
  if (turnOf(picture)) return tell("note", `${picture.name} is turned when you apply; cut it after that.`);
  if (button.disabled) cutNext = picture.name;
  else button.click();
}

let asking = 0;
async function about(picture) {
  const mine = ++asking;
  if (picture.problem) return;
  await new Promise((done) => setTimeout(done, 60));  // not for each that one passes by
  if (mine !== asking) return;
  const large = new Image();
  large.src = url("large", picture);
  large.decode().then(() => { if (mine === asking) detail.querySelector(".shown > img").src = large.src; }, () => {});
  let more;
  try { more = await get(url("about", picture)); } catch { return; }
  if (mine !== asking || here()?.name !== picture.name) return;
  const shown = detail.querySelector(".shown"), button = byId("t-cut");
  if (more.box && shown && !turnOf(picture)) {
    if (state.crop && !pendingOf("crop", picture.name)) {
      const cut = frameOf(picture, more.box);
      cut.classList.toggle("enlarged", more.scale > 1);
      shown.querySelector(".cut")?.remove();
      shown.append(cut);
      placing(picture, shown, cut, more, () => tellOf({ ...more, placed: "here" }));
      if (frameNext) cut.focus();
      frameNext = false;
    }
    button.disabled = false;
    button.onclick = () => {
      const begun = shown.querySelector(".cutting");
      if (begun) begun.focus();
      else shown.parentElement.after(cropping(picture, shown, more.bucket, more.box, render));
    };
    if (cutNext === picture.name) button.click();
    cutNext = null;
  }
  tellOf(more);
}

function tellOf(more) {
  const place = byId("about");
  if (!place || !more.box) return;
  const kept = Math.round(100 * more.kept);
  place.replaceChildren(
    el("p", {}, `Trained at ${more.bucket[0]} × ${more.bucket[1]}, `,
      more.scale > 1 ? el("span", { class: "warn" }, `enlarged ${more.scale.toFixed(2)} times`) : `scaled to ${Math.round(100 * more.scale)} %`,
      kept < 100 ? `; ${100 - kept} % of it is cut off (${{ here: "what lies around its own point is kept", center: "the middle is kept" }[more.placed] || "the place is drawn by train.seed"}).` : "; nothing is cut off."));
}

// --- captions ------------------------------------------------------------------------------------

function captions(picture) {
  const columns = state.set.captions;
  const made = el("section", { class: "captions" }, editor(picture, state.set.column, true));
  if (columns.length > 1) {
    if (!columns.includes(state.second)) state.second = columns.find((one) => one !== state.set.column);
    made.append(editor(picture, state.second, false));
  }
  return made;
}

function editor(picture, column, first) {
  const closed = state.set.closed[picture.source];
  const value = inFile(picture, column);
  const odd = value !== undefined && value !== null && typeof value !== "string" && !Array.isArray(value);
  const area = el("textarea", { "data-column": column, "aria-label": column, spellcheck: "true", rows: 4, disabled: Boolean(closed) || odd, value: caption(picture, column), placeholder: "no caption yet" });
  let wait;
  const send = (typing) => {
    clearTimeout(wait); wait = null;
    state.typing = false;
    if (area.value === caption(picture, column)) tell("kept");  // written back to what it was
    else return setCaption(picture, column, area.value, typing).catch((error) => tell("note", error.message, "bad"));
  };
  const offered = suggesting(area, column, () => area.dispatchEvent(new Event("input")));
  area.addEventListener("input", () => { state.typing = true; tell("keeping"); clearTimeout(wait); wait = setTimeout(() => send(true), 120); });
  area.addEventListener("blur", () => { if (wait) send(true); });
  area.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const next = event.key === "Enter" && !event.shiftKey ? 1 : event.altKey && event.key === "ArrowDown" ? 1 : event.altKey && event.key === "ArrowUp" ? -1 : 0;
    if (next) {
      event.preventDefault();
      if (wait) send(true);
      const at = state.here + next;
      if (at >= 0 && at < state.shown.length) { area.blur(); go(at); edit(column); } else { area.blur(); byId("grid").focus(); }
    } else if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); if (wait) send(true); area.blur(); byId("grid").focus(); }
  });
  const others = state.set.captions.filter((one) => one !== state.set.column);
  const name = first ? el("strong", {}, column)
    : el("select", { "aria-label": "Second caption", change: (event) => { state.second = event.target.value; render(); } }, others.map((one) => el("option", { value: one, selected: one === column }, one)));
  return el("div", { class: "caption", "data-of": column },
    el("div", { class: "head" }, name, first && Array.isArray(value) && el("span", { class: "soft" }, "one caption a line; each step draws one"),
      el("span", { class: "grow" }),
      !first && el("button", { click: () => setCaption(picture, state.set.column, caption(picture, column)).then(render) }, "Use it")),
    area, offered, closed || odd || Array.isArray(value) ? null : el("div", { class: "own-tags", "aria-label": `Tags of ${column}` }), el("div", { class: "said" }), el("div", { class: "past" }),
    closed ? el("p", { class: "warn" }, `It cannot be changed here: ${picture.source} ${closed}.`) : null);
}

function refresh(picture) {
  const findings = found(picture), before = detail.querySelector(".found");
  if (before && before.dataset.of !== findings.dataset.of) before.replaceWith(findings);
  for (const box of detail.querySelectorAll(".caption")) {
    const column = box.dataset.of, area = box.querySelector("textarea");
    const text = caption(picture, column);
    if (!box.writing && area !== document.activeElement && area.value !== text) area.value = text;
    const own = box.querySelector(".own-tags");
    const write = (after) => {
      area.value = after;
      box.writing = (box.writing || 0) + 1;  // answers to what was before are not shown meanwhile
      setCaption(picture, column, after).catch((error) => tell("note", error.message, "bad"))
        .finally(() => { box.writing -= 1; if (shownName === picture.name) refresh(picture); });
    };
    if (own && !box.writing) chips(own, text, write);
    const checks = checksOf(picture, column), set = state.set;
    const said = [];
    if (checks.tokens !== undefined) {
      const over = checks.tokens > set.tokens.limit;
      const bar = el("i"); bar.style.width = `${Math.min(100, 100 * checks.tokens / set.tokens.room)}%`;
      said.push(el("span", { class: over ? "bad" : "soft", title: `counted by ${set.tokens.by}` },
        `${set.tokens.exact ? "" : "about "}${checks.tokens} of ${set.tokens.room} tokens${set.tokens.exact ? "" : " (an estimate)"}`),
        el("span", { class: `meter${over ? " over" : ""}` }, bar));
    }
    if (set.trigger && checks.trigger !== undefined && checks.trigger !== null)
      said.push(checks.trigger ? el("span", { class: "good" }, `✓ ${set.trigger}`) : el("span", { class: "bad" }, `✗ without ${set.trigger}`));
    box.querySelector(".said").replaceChildren(...said);
    const there = pendingOf("caption", picture.name, column);
    const past = box.querySelector(".past");
    past.replaceChildren();
    if (there) past.append(el("div", { class: "was" }, diffed(asText(there.value.before), asText(there.value.after))),
      el("button", { click: () => change([[there.key, null]], "take a caption back").then(render) }, "Take back"));
  }
}

export function edit(column = state.set.column) {
  tell("open");
  const area = [...detail.querySelectorAll("textarea")].find((one) => one.dataset.column === column) || detail.querySelector("textarea");
  if (!area || area.disabled) return;
  area.focus();
  area.setSelectionRange(area.value.length, area.value.length);
}

// --- findings and facts --------------------------------------------------------------------------

function found(picture) {
  const all = findingsOf(picture), about = { class: "found", "data-of": JSON.stringify([Boolean(state.report), all]) };
  const like = likeness(picture);
  if (!all.length && !like) return el("section", { ...about, hidden: !state.report }, el("p", { class: "soft" }, state.report ? "Nothing was found wrong with it." : ""));
  return el("section", about, all.length > 0 && el("h3", {}, count(all.length, "finding")), all.map((one) =>
    el("div", { class: `finding ${one.severity}` }, el("strong", {}, one.rule), " ", coded(one.message),
      one.fix && el("div", { class: "soft" }, coded(one.fix)), el("div", { class: "tools" }, fixes(one.rule, render, picture)))), like);
}

// The finding stands at the best of a group alone: its copies say whose they are.
function likeness(picture) {
  for (const { pictures: [best, ...others] } of state.report?.groups || []) {
    const one = others.find((other) => other.name === picture.name);
    if (one) return el("div", { class: "alike" }, `${one.how}: ${best.name}`, el("div", { class: "tools" }, el("button", { title: "D", click: copies }, "Side by side")));
  }
  return null;
}

function facts(picture) {
  const [width, height] = picture.size, rights = picture.rights || {};
  const rows = [["size", `${width} × ${height}`], ["file", [picture.format, bytes(picture.bytes)].filter(Boolean).join(", ")]];
  const split = state.report?.splits[picture.name];
  if (split) rows.push(["split", split.join(", ")]);
  const shots = (state.report?.shots?.entries || []).filter((one) => one.pictures.includes(picture.name)).map((one) => one.name.replaceAll("_", " "));
  if (state.report?.shots) rows.push(["shot", shots.join(", ") || "of no planned shot"]);
  for (const column of state.set.columns)
    if (!state.set.captions.includes(column) && inFile(picture, column) !== undefined) rows.push([column, asText(inFile(picture, column))]);
  if (picture.rows) rows.push(["records", `${picture.rows} records name it; the first is shown`]);
  const own = { creator: "made by", notice: "notice", reserved: "reserved", owner: "identifies", people: "tells of" };
  for (const [key, name] of Object.entries(own)) if (rights[key]) rows.push([name, rights[key]]);
  if (rights.position) rows.push(["position", "where it was taken is in the file"]);
  if (rights.credentials) rows.push(["credentials", "it carries Content Credentials (C2PA)"]);
  const set = state.set;
  rows.push(["licence", [set.license || "none stated", set.rights[0] && `rights: ${set.rights[0]}`, set.rights[1]].filter(Boolean).join("; ")]);
  return el("section", {}, el("div", { id: "about" }), el("dl", { class: "facts" }, rows.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)])));
}

export const open = () => detail.classList.add("open");
export function close() { detail.classList.remove("open"); byId("grid").focus(); }
export const isOpen = () => detail.classList.contains("open");

const both = () => { render(); const picture = here(); if (picture) refresh(picture); };
on("here", both);
// a frame that is being moved stays
on("judged", () => { if (here() && detail.querySelector(".cutting")) refresh(here()); else both(); });
on("picked", () => { if (here() && state.picked.size !== pickedBefore) { pickedBefore = state.picked.size; both(); } });
on("changed", (names) => { const picture = here(); if (picture && names.has(picture.name)) { if (own.moves) refresh(picture); else both(); } });
on("open", open);
