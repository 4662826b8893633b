// The tags of one caption, to drag, to move by keys and to take out.
"use strict";
import { el, tagsOf } from "./store.js";

const LEAST = 3;  // fewer are a sentence

// Lay the tags of `text` into `box`; `write` is called with the caption that they become.
export function chips(box, text, write) {
  const all = tagsOf(text), lines = text.includes("\n");
  const held = box.contains(document.activeElement) ? [...box.children].findIndex((one) => one.contains(document.activeElement)) : -1;
  if (box.querySelector(".held")) return;
  box.replaceChildren();
  if (lines || all.length < LEAST) return;
  const say = (tags, at) => {
    write(tags.join(", "));
    chips(box, tags.join(", "), write);  // at once: the next key may come before the answer
    box.children[Math.min(at, box.children.length - 1)]?.focus();
  };
  box.append(...all.map((tag, number) => {
    const chip = el("span", { tabindex: 0, title: "Drag it, or Alt+← and Alt+→; Delete takes it out" }, tag,
      el("button", { type: "button", tabindex: -1, "aria-label": `Take ${tag} out`, click: () => say(all.filter((_, one) => one !== number), number) }, "✕"));
    chip.addEventListener("keydown", (event) => {
      const way = event.altKey && { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (way && all[number + way] !== undefined) { const moved = [...all]; moved.splice(number + way, 0, ...moved.splice(number, 1)); say(moved, number + way); }
      else if (event.key === "Delete" || event.key === "Backspace") say(all.filter((_, one) => one !== number), number);
      else if (event.key === "ArrowLeft" || event.key === "ArrowRight") { if (!way) box.children[number + (event.key === "ArrowLeft" ? -1 : 1)]?.focus(); }
      else return;
      event.preventDefault(); event.stopPropagation();
    });
    chip.addEventListener("pointerdown", (event) => {
      if (event.button || event.target !== chip) return;
      chip.focus();  // and the window hears the rest: what moves in a page holds no pointer
      event.preventDefault();
      chip.classList.add("held");
      const move = (now) => {
        const over = document.elementFromPoint(now.clientX, now.clientY)?.closest(".own-tags > span");
        if (!over || over === chip || over.parentElement !== box) return;
        const rect = over.getBoundingClientRect();
        over[now.clientX < rect.left + rect.width / 2 ? "before" : "after"](chip);
      };
      const end = (now) => {
        for (const [name, act] of [["pointermove", move], ["pointerup", end], ["pointercancel", end]]) removeEventListener(name, act);
        chip.classList.remove("held");
        const moved = [...box.children].map((one) => all[places.get(one)]);
        if (now.type === "pointercancel") return chips(box, text, write);
        if (moved.some((one, at) => one !== all[at])) say(moved, [...box.children].indexOf(chip));
      };
      for (const [name, act] of [["pointermove", move], ["pointerup", end], ["pointercancel", end]]) addEventListener(name, act);
    });
    return chip;
  }));
  const places = new Map([...box.children].map((one, number) => [one, number]));
  if (held >= 0) box.children[Math.min(held, box.children.length - 1)]?.focus();
}
