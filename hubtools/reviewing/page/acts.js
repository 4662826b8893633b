// What is done to picture files, by buttons and keys: turned, excluded, deleted, cropped.
"use strict";
import { state, tell, el, byId, change, chosen, fateOf, turnOf, pendingOf, here, count } from "./store.js";

const failed = (error) => tell("note", error.message, "bad");
const of = (all) => (all.length === 1 ? all[0].name : count(all.length, "picture"));

export function turn(by) {
  const all = chosen().filter((one) => !one.problem);
  const changes = all.map((one) => {
    const whole = (turnOf(one) + by + 360) % 360;
    return [["turn", one.name], whole ? { by: whole } : null];
  });
  if (changes.length) change(changes, `turn ${of(all)}`).catch(failed);
}

export function fate(what) {
  const all = chosen();
  if (!all.length) return;
  const undo = all.every((one) => fateOf(one) === what);
  change(all.map((one) => [["fate", one.name], undo ? null : { what }]), `${undo ? "do not " : ""}${what} ${of(all)}`)
    .then(() => tell("note", undo ? `${of(all)} stay${all.length === 1 ? "s" : ""}.` : `${of(all)} will be ${what}d when you apply. The same key takes it back.`)).catch(failed);
}

// A frame of the shape of training, to move and to size; the picture is cut to it.
export function cropping(picture, shown, bucket, box, done) {
  const [width, height] = picture.size, ratio = bucket[0] / bucket[1];
  const widest = Math.floor(Math.min(width, height * ratio));
  const was = pendingOf("crop", picture.name)?.value.box || box;
  let wide = was[2] - was[0], left = was[0], top = was[1];
  if (wide > widest - 2) wide = widest;  // the frame of training is rounded
  const frame = el("div", { class: "cut moving cutting", tabindex: 0, role: "slider", "aria-label": "Frame: arrow keys move it, plus and minus size it", "aria-valuenow": 0 });
  const size = el("input", { type: "range", min: Math.max(32, Math.round(widest / 4)), max: widest, value: wide, "aria-label": "Size of the frame" });
  const said = el("span", { class: "soft" });
  const high = () => Math.min(height, Math.round(wide / ratio));
  function lay() {
    left = Math.max(0, Math.min(width - wide, Math.round(left)));
    top = Math.max(0, Math.min(height - high(), Math.round(top)));
    Object.assign(frame.style, { left: `${100 * left / width}%`, top: `${100 * top / height}%`, width: `${100 * wide / width}%`, height: `${100 * high() / height}%` });
    said.textContent = `${wide} × ${high()} px${wide < bucket[0] ? ", enlarged in training" : ""}`;
  }
  size.addEventListener("input", () => { const before = wide; wide = Number(size.value); left += (before - wide) / 2; top += (before - wide) / ratio / 2; lay(); });
  const grow = (by) => { size.value = Math.round(wide * by); size.dispatchEvent(new Event("input")); };
  frame.addEventListener("pointerdown", (event) => {
    frame.setPointerCapture(event.pointerId);
    const scale = width / shown.clientWidth, from = [event.clientX, event.clientY, left, top];
    const move = (now) => { left = from[2] + (now.clientX - from[0]) * scale; top = from[3] + (now.clientY - from[1]) * scale; lay(); };
    frame.addEventListener("pointermove", move);
    frame.addEventListener("pointerup", () => frame.removeEventListener("pointermove", move), { once: true });
  });
  frame.addEventListener("keydown", (event) => {
    const by = event.shiftKey ? 1 : Math.max(1, Math.round(width / 50));
    const move = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] }[event.key];
    if (move) { event.preventDefault(); event.stopPropagation(); left += move[0]; top += move[1]; lay(); }
    const larger = { "+": 1.04, "=": 1.04, "-": 1 / 1.04 }[event.key];
    if (larger) { event.preventDefault(); event.stopPropagation(); grow(larger); }
    if (event.key === "Enter") { event.preventDefault(); event.stopPropagation(); use(); }
    if (event.key === "Escape") { event.stopPropagation(); done(); }
  });
  const use = () => change([[["crop", picture.name], { box: [left, top, left + wide, top + high()] }]], `crop ${picture.name}`).then(done).catch(failed);
  shown.style.overflow = "hidden";
  shown.querySelector(".cut")?.remove();
  shown.append(frame);
  lay();
  frame.focus();
  return el("div", { class: "tools" }, size, said, el("button", { class: "primary", click: use }, "Cut to this"), el("button", { click: done }, "Not now"));
}
export const uncrop = () => change([[["crop", here().name], null]], "do not crop").catch(failed);
