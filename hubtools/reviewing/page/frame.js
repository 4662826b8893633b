// The frame that the trainer cuts out, moved by mouse, finger and arrows to where it can cut.
"use strict";
import { state, tell, el, byId, change, focusOf, count } from "./store.js";

// Whether the page hears of a move of the frame itself: it lies where it is to be.
export const own = { moves: 0 };

const percent = (share) => `${Math.round(100 * share)} %`;

const others = (picture) => state.picked.has(picture.name) ? state.pictures.filter((one) => state.picked.has(one.name) && one.row && one.name !== picture.name) : [];

// What a picture that says its own point has beside its other buttons.
export function focusButtons(picture, without) {
  const none = without || focusOf(picture) === null, more = others(picture).length;
  return [el("button", { id: "t-back", hidden: none, disabled: true }, "Crop as the others"),
    el("button", { id: "t-like", hidden: none || !more, disabled: true }, `Same for ${more} more selected`)];
}

// Let `cut`, which lies in `shown`, be moved. It goes by whole pixels of the picture as it is resized
// for training, and only along the sides of which something is cut off.
export function placing(picture, shown, cut, about, told) {
  const room = [0, 1].map((axis) => about.resized[axis] - about.bucket[axis]);
  const back = byId("t-back"), like = byId("t-like"), more = others(picture);
  back.disabled = like.disabled = false;
  back.onclick = () => say(null);
  like.onclick = () => {
    const after = focusOf(picture);
    change(more.map((one) => [["focus", one.name], { after }]), `crop ${count(more.length, "picture")} like ${picture.name}`)
      .then(() => tell("note", `${count(more.length, "picture")} will be cut around the same point.`)).catch((error) => tell("note", error.message, "bad"));
  };
  if (!room.some((free) => free > 0)) { cut.title = "Nothing is cut off."; return; }
  // where it begins, in pixels of the resized picture
  let at = [0, 1].map((axis) => Math.max(0, Math.min(room[axis], Math.round(about.box[axis] * about.resized[axis] / picture.size[axis]))));
  const share = (axis) => room[axis] ? (at[axis] + about.bucket[axis] / 2) / about.resized[axis] : about.focus?.[axis] ?? 0.5;
  const point = () => [0, 1].map((axis) => Math.round(1e4 * share(axis)) / 1e4);
  cut.classList.add("moving", "placed");
  cut.tabIndex = 0;
  cut.style.touchAction = room[0] > 0 && room[1] > 0 ? "none" : room[0] > 0 ? "pan-y" : "pan-x";
  for (const [name, value] of [["role", "slider"], ["aria-label", "What is trained: arrow keys move it"], ["aria-valuemin", "0"], ["aria-valuemax", "100"]]) cut.setAttribute(name, value);

  function lay() {
    at = at.map((begin, axis) => Math.max(0, Math.min(room[axis], Math.round(begin))));
    for (const [axis, side, length] of [[0, "left", "width"], [1, "top", "height"]]) {
      cut.style[side] = `${100 * at[axis] / about.resized[axis]}%`;
      cut.style[length] = `${100 * about.bucket[axis] / about.resized[axis]}%`;
    }
    cut.setAttribute("aria-valuenow", Math.round(100 * share(room[0] > room[1] ? 0 : 1)));
    cut.setAttribute("aria-valuetext", `its middle at ${percent(share(0))} from the left, ${percent(share(1))} from above`);
  }
  function say(after, typing = false) {
    const what = after ? `move the crop of ${picture.name}` : `crop ${picture.name} as the others`;
    if (after) own.moves += 1;
    return change([[["focus", picture.name], { after }]], what, typing)
      .catch((error) => tell("note", error.message, "bad"))
      .finally(() => { if (after) { own.moves -= 1; back.hidden = false; like.hidden = !more.length; told(); } });
  }
  cut.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    cut.setPointerCapture(event.pointerId);
    const from = [event.clientX, event.clientY], begun = [...at];
    const per = [about.resized[0] / shown.clientWidth, about.resized[1] / shown.clientHeight];
    const move = (now) => { at = [begun[0] + (now.clientX - from[0]) * per[0], begun[1] + (now.clientY - from[1]) * per[1]]; lay(); };
    const end = (now) => {
      cut.removeEventListener("pointermove", move);
      cut.removeEventListener("pointerup", end);
      cut.removeEventListener("pointercancel", end);
      if (now.type === "pointercancel") { at = begun; lay(); } else if (at.some((one, axis) => one !== begun[axis])) say(point());
    };
    cut.addEventListener("pointermove", move);
    cut.addEventListener("pointerup", end);
    cut.addEventListener("pointercancel", end);
  });
  cut.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, -1], ArrowDown: [1, 1] }[event.key];
    if (event.key === "Escape" || event.key === "Enter") { event.preventDefault(); event.stopPropagation(); byId("grid").focus(); }
    if (!to || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault(); event.stopPropagation();
    const [axis, way] = to, before = at[axis];
    at[axis] += way * (event.shiftKey ? 1 : Math.max(1, Math.ceil(room[axis] / 20)));
    lay();
    if (at[axis] !== before) say(point(), true);
  });
  lay();
}
