// The page: keys, notes, and what happens behind its back.
"use strict";
import { state, on, tell, el, byId, get, post, inLine, settled, load, step, count, here } from "./store.js";
import { go, page, rowLength, toggle, pickAll, zoom, redraw } from "./grid.js";
import { filter, clear } from "./filters.js";
import * as detail from "./detail.js";
import { applying, history, help, isOpen, tried } from "./dialogs.js";
import { many } from "./many.js";
import { tags } from "./tags.js";
import { copies, findings, excluded } from "./found.js";
import { turn, fate } from "./acts.js";

// --- notes ---------------------------------------------------------------------------------------

function note(text, kind = "", key = "said", ...buttons) {
  byId("notes").querySelector(`[data-key="${key}"]`)?.remove();
  const made = el("div", { class: `note ${kind}`, "data-key": key }, el("span", {}, text), ...buttons,
    el("span", { class: "grow" }), el("button", { click: () => made.remove(), "aria-label": "Close" }, "✕"));
  byId("notes").append(made);
  if (key === "said" && !kind) setTimeout(() => made.remove(), 6000);
}
on("note", note);
on("crossed", ([, name], words) => note(words === null
  ? `Another window took its change of ${name} back meanwhile; yours stands now.`
  : `Another window changed ${name} meanwhile, to “${words}”. Yours stands now; Undo brings the other one.`, "bad", `crossed ${name}`));

let stopped = false;
on("gone", () => {
  if (stopped) return;
  stopped = true;
  byId("kept").textContent = "";
  const text = document.activeElement?.tagName === "TEXTAREA" ? document.activeElement.value : "";
  note(`The command has stopped. Start \`hubtools review\` again and open the address that it prints: what was kept is there.${text ? " The last words that you typed may not be; they are still in the field below." : ""}`, "bad", "gone");
});

on("keeping", () => { byId("kept").textContent = "keeping…"; });
on("kept", (why) => {
  byId("kept").textContent = why ? "" : settled() ? "kept" : "keeping…";  // others may stand in line
  if (why) note(`What you change cannot be kept on the disk (${why}); apply it, or it is lost when the command ends.`, "bad", "unkept");
  pending();
});

function pending() {
  const all = state.pending.size;
  byId("open-apply").disabled = !all;
  byId("open-apply").textContent = all ? `Apply ${count(all, "change")}…` : "Apply";
}
on("loaded", () => {
  const set = state.set;
  byId("name").textContent = set.name;
  byId("name").title = set.folder;
  document.title = `${set.name} · hubtools review`;
  pending();
  for (const [name, why] of Object.entries(set.closed)) note(`${name} cannot be changed here: ${why}.`, "", `closed ${name}`);
});
on("changed", pending);
on("picked", () => {
  const some = state.picked.size;
  byId("selected").hidden = byId("select-none").hidden = !some;
  byId("open-many").textContent = some ? "Edit their captions…" : "Edit captions…";
  byId("selected").textContent = `${some.toLocaleString("en")} selected`;
});
on("edit", () => detail.edit());

// --- what others do ------------------------------------------------------------------------------

async function look() {
  await tried(() => inLine(() => post("look")));
  await tried(load);
  byId("notes").querySelector('[data-key="changed"]')?.remove();
}

async function watch() {
  if (document.hidden || stopped || !state.set) return;
  let now;
  try { now = await get("state"); } catch { return; }
  if (now.version !== state.set.version) return void tried(load);
  if (now.changed.length) {
    const more = now.changed.length > 3 ? ` and ${now.changed.length - 3} more` : "";
    note(`Changed by another program: ${now.changed.slice(0, 3).join(", ")}${more}.`, "", "changed", el("button", { click: look }, "Look again"));
  }
}
setInterval(watch, 4000);
addEventListener("focus", watch);
addEventListener("beforeunload", (event) => { if (byId("kept").textContent === "keeping…" && !stopped) event.preventDefault(); });

// --- keys ----------------------------------------------------------------------------------------

async function back(way) {
  if (!settled()) note(way === "back" ? "The last change is taken back as soon as what is under way is done." : "It is done again as soon as what is under way is done.");
  const answer = await tried(() => step(way));
  note(answer ? `${way === "back" ? "Taken back" : "Done again"}: ${answer.what}.` : way === "back" ? "There is nothing to take back." : "There is nothing to do again.");
}

function nextFinding() {
  for (let at = state.here + 1; at < state.shown.length; at++)
    if (state.report?.pictures[state.pictures[state.shown[at]].name]) return go(at);
  note("No further picture with a finding.");
}

function escape() {
  if (detail.isOpen() && innerWidth < 701) return detail.close();
  if (state.picked.size) return pickAll(false);
}

const moves = {
  ArrowRight: () => 1, ArrowLeft: () => -1, ArrowDown: () => rowLength(), ArrowUp: () => -rowLength(),
  PageDown: () => page(), PageUp: () => -page(), Home: () => -Infinity, End: () => Infinity,
};
const keys = {
  Enter: () => detail.edit(), e: () => detail.edit(), " ": () => toggle(), "/": () => byId("search").focus(),
  f: () => byId("f-rule").focus(), n: nextFinding, h: history, "?": help, "+": () => zoom(1.2), "=": () => zoom(1.2), "-": () => zoom(1 / 1.2),
  b: () => many(), t: tags, d: () => state.report?.groups.length && copies(), v: findings, x: () => fate("exclude"), Delete: () => fate("delete"),
  r: () => turn(90), R: () => turn(-90), m: () => { state.overlay = !state.overlay; detail.render(); },
  c: () => { state.crop = !state.crop; detail.render(); }, C: () => detail.frame(), k: () => detail.cut(), Escape: escape,
};

addEventListener("keydown", (event) => {
  const command = event.ctrlKey || event.metaKey, key = event.key;
  if (command && key.toLowerCase() === "s") { event.preventDefault(); if (!isOpen()) { document.activeElement?.blur(); applying(); } return; }
  const at = event.target, typing = at.closest("textarea, input, select");
  if (isOpen() && command && !typing && "zy".includes(key.toLowerCase())) byId("dialog").close();  // one sees what is taken back
  if (isOpen() || event.isComposing) return;
  if (typing) {
    if (key === "Escape") { at.blur(); byId("grid").focus(); }
    else if (key === "Enter" && at.tagName === "INPUT") { event.preventDefault(); filter(); byId("grid").focus(); }
    return;
  }
  if (at.closest("button, summary") && (key === "Enter" || key === " ")) return;
  if (command) {
    const act = { z: () => back(event.shiftKey ? "forth" : "back"), y: () => back("forth"), a: () => pickAll() }[key.toLowerCase()];
    if (act) { event.preventDefault(); act(); }
    return;
  }
  if (event.altKey) return;
  const act = moves[key] ? () => go(state.here + moves[key](), event.shiftKey) : keys[key] || keys[key.toLowerCase()];
  if (act) { event.preventDefault(); act(); }
});

byId("open-apply").addEventListener("click", () => applying());
byId("open-history").addEventListener("click", history);
byId("open-help").addEventListener("click", help);
byId("open-many").addEventListener("click", () => many());
byId("open-tags").addEventListener("click", tags);
byId("open-copies").addEventListener("click", copies);
byId("open-findings").addEventListener("click", findings);
byId("open-excluded").addEventListener("click", excluded);
byId("select-none").addEventListener("click", () => pickAll(false));
byId("smaller").addEventListener("click", () => zoom(1 / 1.2));
byId("larger").addEventListener("click", () => zoom(1.2));

// Before the rules have answered: somebody may be writing by then.
let begun = false;
on("loaded", () => {
  if (!begun && document.activeElement === document.body) byId("grid").focus();
  begun = true;
});
await tried(load);
const story = await get("history").catch(() => null);
if (story?.unfinished) note("A change of this folder was interrupted.", "bad", "unfinished", el("button", { click: history }, "Look"));
