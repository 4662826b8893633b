// Findings of the whole set, duplicates, and what was set aside.
"use strict";
import { state, on, tell, el, byId, change, pendingOf, caption, checksOf, fateOf, findingsOf, counted, ruled, url, bytes, count, coded } from "./store.js";
import { show, shows, tried } from "./dialogs.js";
import { only } from "./filters.js";

// The fixes of a rule as buttons: of one picture, where it can be done for one, and of all that the
// rule speaks of. Each is a change like the others, taken back by the same button.
export function fixes(rule, after, picture = null) {
  const about = state.report?.rules.find((one) => one.id === rule);
  if (!about || !(about.safe || about.unsafe?.length)) return [];
  const number = counted().get(rule);
  const fits = (name) => !about.ends?.length || about.ends.some((end) => name.toLowerCase().endsWith(end));
  const fitting = about.ends?.length ? Object.entries(state.report.pictures).filter(([name, all]) => fits(name) && all.some((found) => found.rule === rule)).length : number;
  const one = picture && about.each ? ["mend", picture.name, rule] : null, all = ["fix", rule];
  const set = (key, value, what) => () => change([[key, value]], what).then(after).catch((error) => tell("note", error.message, "bad"));
  for (const [key, said] of [[all, number > 1 ? `to be fixed, all ${number} ` : "to be fixed "], [one, "to be fixed "]])
    if (key && pendingOf(...key)) return [el("span", { class: "good" }, said), el("button", { click: set(key, null, `do not fix ${rule}`) }, "Do not")];
  const picked = one && state.picked.has(picture.name) ? state.pictures.filter((other) => state.picked.has(other.name) && findingsOf(other).some((found) => found.rule === rule)) : [];
  const some = (unsafe) => () => change(picked.map((other) => [["mend", other.name, rule], { unsafe }]), `fix ${rule} of ${count(picked.length, "picture")}`).then(after).catch((error) => tell("note", error.message, "bad"));
  const made = [], kinds = [...(about.safe ? [[[], `hubtools fix ${about.safe}`]] : []), ...(about.unsafe || []).map((name) => [[name], state.report.names[name] || name])];
  for (const key of [one, all])
    for (const [unsafe, title] of key ? kinds : []) {
      const many = unsafe.length ? number : fitting;
      if (!unsafe.length && !(key === one ? fits(picture.name) : fitting)) continue;  // it changes nothing
      const words = key === one ? "Fix" : many > 1 ? `Fix all ${many}` : one ? "Fix all" : "Fix";
      made.push(el("button", { title, class: key === all && one ? "soft" : "", click: set(key, { unsafe }, `fix ${rule}${key === one ? ` of ${picture.name}` : ""}`) }, [words, ...unsafe].join(": ")));
    }
  if (picked.length > 1) for (const [unsafe, title] of kinds) made.push(el("button", { title, click: some(unsafe) }, [`Fix ${picked.length} selected`, ...unsafe].join(": ")));
  return made;
}

const FINDINGS = "Findings", EXCLUDED = "Excluded pictures";

export function findings() {
  const report = state.report;
  if (!report) return;
  const body = ruled().map((rule) => el("div", { class: `finding ${rule.severity}` },
    el("strong", {}, rule.id), ` ${rule.title} (${rule.count})`,
    report.general.filter((one) => one.rule === rule.id).slice(0, 5).map((one) => el("div", { class: "soft" }, coded(`${one.place ? `${one.place}: ` : ""}${one.message}${one.fix ? `; ${one.fix}` : ""}`))),
    rule.safe && el("div", { class: "soft" }, `A fix ${rule.safe}.`),
    (rule.unsafe || []).map((name) => el("div", { class: "soft" }, `${name}: ${report.names[name]}.`)),
    el("div", { class: "tools" }, state.pictures.some((picture) => findingsOf(picture).some((one) => one.rule === rule.id)) &&
      el("button", { click: () => { byId("dialog").close(); only("rule", rule.id); } }, "Show them"), fixes(rule.id, () => { if (shows(FINDINGS)) findings(); }))));
  show(FINDINGS, body.length ? body : el("p", {}, "Nothing was found wrong."));
}

// --- duplicates ----------------------------------------------------------------------------------

const heading = () => `${count(state.report?.groups.length || 0, "group")} of duplicates`;
const pictureOf = (name) => state.pictures[state.place.get(name)];

export function copies() {
  const most = 100, groups = state.report?.groups || [];
  const body = groups.slice(0, most).map((group) => el("div", { class: "copies" }, group.pictures.map((one) => copy(group, one))));
  if (groups.length > most) body.push(el("p", { class: "soft" }, `and ${groups.length - most} more groups, once these are settled`));
  show(heading(), [el("p", { class: "soft" }, "The others of a group are deleted when you apply; if the one that stays has no caption, it takes theirs."), body]);
}

function copy(group, one) {
  const picture = pictureOf(one.name);
  if (!picture) return null;
  const others = group.pictures.filter((other) => other !== one && pictureOf(other.name));
  const keep = async () => {
    const changes = [[["fate", one.name], null], ...others.map((other) => [["fate", other.name], { what: "delete" }])];
    const told = others.map((other) => caption(pictureOf(other.name))).find((text) => text.trim());
    if (!caption(picture).trim() && told) changes.push([["caption", one.name, state.set.column], { after: told }]);
    await tried(() => change(changes, `keep ${one.name}`));
    again();
  };
  const all = async () => {
    await tried(() => change(group.pictures.map((other) => [["fate", other.name], null]), "keep all of them"));
    again();
  };
  const gone = fateOf(picture) === "delete", settled = others.some((other) => fateOf(pictureOf(other.name)) === "delete");
  return el("div", { class: `copy${gone ? " gone" : ""}` }, el("img", { src: url("large", picture), alt: one.name, loading: "lazy" }),
    el("div", {}, one.name), el("div", { class: "soft" }, `${picture.size[0]} × ${picture.size[1]}, ${bytes(picture.bytes)}`),
    el("div", { class: "soft" }, one.how), el("div", {}, caption(picture) || el("span", { class: "bad" }, "no caption")),
    el("div", { class: "tools" }, gone ? el("span", { class: "bad" }, "deleted") : el("button", { class: settled ? "" : "primary", disabled: settled, click: keep }, settled ? "kept" : "Keep this one"),
      settled && !gone && el("button", { click: all }, "Keep all")));
}

function again() {
  if (!shows(heading())) return;
  const body = byId("dialog").querySelector(".body"), top = body.scrollTop;
  copies();
  byId("dialog").querySelector(".body").scrollTop = top;
}

// --- what was set aside --------------------------------------------------------------------------

export function excluded() {
  const rows = state.set.excluded.map((name, number) => {
    const there = pendingOf("again", name);
    return el("div", { class: "copy" }, el("img", { src: `excluded/${number}/${state.set.version}`, alt: name, loading: "lazy" }), el("div", {}, name),
      el("div", { class: "tools" }, el("button", { click: async () => { await tried(() => change([[["again", name], there ? null : {}]], `bring ${name} back`)); if (shows(EXCLUDED)) excluded(); } }, there ? "Leave it out" : "Bring it back"),
        there && el("span", { class: "good" }, "comes back")));
  });
  show(EXCLUDED, [el("p", { class: "soft" }, "They lie in .excluded of the folder, with their records; no loader looks there, and no push takes them along."), el("div", { class: "copies" }, rows)]);
}

function summed() {
  if (state.report) byId("open-findings").textContent = `Findings ${[...counted().values()].reduce((sum, one) => sum + one, 0).toLocaleString("en")}`;
}
on("changed", summed);
on("judged", () => {
  const groups = state.report.groups.length;
  byId("open-findings").disabled = false;
  summed();
  byId("open-copies").hidden = !groups;
  byId("open-copies").textContent = `Duplicates ${groups}`;
});
on("loaded", () => {
  byId("open-excluded").hidden = !state.set.excluded.length;
  byId("open-excluded").textContent = `Excluded ${state.set.excluded.length}`;
});
