"use strict";
// Pictures open large, with what is known of them beside; arrows go on, Escape closes.
const links = [...document.querySelectorAll("a.zoom")];
if (links.length) {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", "Picture");
  const make = (name, className, text) => {
    const made = document.createElement(name);
    made.className = className;
    if (text) made.textContent = text;
    return made;
  };
  const button = (className, text, label, act) => {
    const made = make("button", className, text);
    made.type = "button";
    made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    return made;
  };
  const big = make("img", ""), frame = make("div", "big"), side = make("div", "side");
  const about = make("div", "about"), nav = make("nav", ""), count = make("span", "soft");
  let current = 0;
  const show = index => {
    current = (index + links.length) % links.length;
    const link = links[current], small = link.querySelector("img");
    big.src = link.href;
    big.alt = small ? small.alt : "";
    const holder = link.closest("figure, td");
    const told = holder && holder.querySelector("template");
    about.replaceChildren();
    if (told) about.append(told.content.cloneNode(true));
    else about.textContent = big.alt;
    count.textContent = `${current + 1} of ${links.length}`;
    if (!dialog.open) dialog.showModal();
    side.scrollTop = 0;
  };
  // a small picture is shown in whole pixels
  big.addEventListener("load", () => big.classList.toggle("small", big.naturalWidth <= 256));
  nav.append(
    button("back", "\u2190", "Previous", () => show(current - 1)),
    button("on", "\u2192", "Next", () => show(current + 1)), count,
    button("close", "Close", "Close", () => dialog.close()));
  frame.append(big);
  frame.addEventListener("click", () => dialog.close());
  side.append(nav, about);
  dialog.append(frame, side);
  dialog.addEventListener("keydown", event => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (event.key === "Home") show(0);
    else if (event.key === "End") show(links.length - 1);
    else if (step) show(current + step);
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("close", () => links[current].focus());
  document.body.append(dialog);
  links.forEach((link, index) => link.addEventListener("click", event => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(index);
  }));
  const asked = /^#picture-(\d{1,6})$/.exec(location.hash);
  if (asked && links[asked[1] - 1]) show(asked[1] - 1);
}
// A choice in a form is its sending.
for (const select of document.querySelectorAll("form select"))
  select.addEventListener("change", () => select.form.submit());
