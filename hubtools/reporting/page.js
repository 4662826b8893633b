"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const FIRST = 20, STEP = 200;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
// A sentence with its commands as such: what stands between backticks.
function spoken(tag, className, text) {
  const made = element(tag, className), parts = text.split("`");
  if (parts.length % 2) made.append(...parts.map((part, at) => at % 2 ? element("code", "", part) : part));
  else made.textContent = text;
  return made;
}
function place(image, name) {
  if (!Object.hasOwn(data.pictures, name)) {
    const frame = image.closest(".frame");
    if (frame && Object.hasOwn(data.blank, name)) frame.dataset.why = frame.title = data.blank[name];
    return;
  }
  image.src = "data:image/jpeg;base64," + data.pictures[name];
  image.alt = name;
  image.title = name;
  image.hidden = false;
}
for (const image of document.querySelectorAll("img[data-of]")) place(image, image.dataset.of);

function finding(found) {
  const line = element("div", "finding" + (found.known ? " known" : ""));
  if (found.picture) {
    const frame = element("div", "frame"), image = element("img");
    image.hidden = true;
    image.alt = "";
    frame.append(image);
    place(image, found.picture);
    line.append(frame);
  }
  const words = element("div", "words-of");
  const where = [found.place];
  if (found.picture && !found.place.startsWith(found.picture)) where.push(found.picture);
  const places = element("p", "place");
  for (const name of where.filter(Boolean)) {
    if (places.childNodes.length) places.append(" · ");
    places.append(element("bdi", "", name));
  }
  if (found.known) places.append(" · known");
  words.append(places, spoken("p", "", found.message));
  if (found.fix) words.append(spoken("p", "fix", "Fix: " + found.fix));
  line.append(words);
  return line;
}
function counted(count, severity) {
  const noun = severity === "info" ? "note" : severity;
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
function group(rule, severity, all) {
  const about = data.rules[rule] || { title: "", doc: "" };
  const box = element("div", "group"), head = element("details", "rule");
  const summary = element("summary"), title = element("h3", "", `${rule} ${about.title} `);
  title.append(element("span", "mark " + severity, counted(all.length, severity)));
  summary.append(title);
  head.append(summary, spoken("div", "doc", about.doc));
  const list = element("div"), more = element("button", "more");
  more.type = "button";
  let shown = 0;
  function show(count) {
    list.append(...all.slice(shown, shown + count).map(finding));
    shown = Math.min(all.length, shown + count);
    more.hidden = shown === all.length;
    more.textContent = `Show ${Math.min(STEP, all.length - shown)} more of ${all.length - shown}`;
  }
  more.addEventListener("click", () => show(STEP));
  show(FIRST);
  box.append(head, list, more);
  return box;
}

const form = document.getElementById("filter"), target = document.getElementById("list");
if (form) {
  const ids = [...new Set(data.findings.map(found => found.rule))].sort();
  for (const id of ids) {
    const option = element("option", "", id);
    option.value = id;
    form.elements.rule.append(option);
  }
  for (const found of data.findings) {
    found.names = (found.place + "\n" + found.picture).toLowerCase();
    found.said = (found.message + "\n" + found.fix).toLowerCase();
  }
  const render = () => {
    const severities = new Set(
      [...form.querySelectorAll("input[name=severity]:checked")].map(box => box.value));
    const known = form.querySelector("input[name=known]");
    const rule = form.elements.rule.value;
    const file = form.elements.file.value.trim().toLowerCase();
    const text = form.elements.text.value.trim().toLowerCase();
    const groups = new Map();
    let count = 0;
    for (const found of data.findings) {
      if (found.known ? !(known && known.checked) : !severities.has(found.severity)) continue;
      if (rule && found.rule !== rule) continue;
      if (file && !found.names.includes(file)) continue;
      if (text && !found.said.includes(text)) continue;
      const key = found.severity + " " + found.rule;
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(found);
      count += 1;
    }
    target.replaceChildren(
      ...[...groups.values()].map(all => group(all[0].rule, all[0].severity, all)));
    form.elements.told.textContent = `${count} of ${data.findings.length}`;
  };
  let waiting = 0;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(render, 120);
  });
  form.addEventListener("submit", event => event.preventDefault());
  for (const button of document.querySelectorAll("button[data-rule]")) {
    button.addEventListener("click", () => {
      form.elements.rule.value = button.dataset.rule;
      render();
      form.scrollIntoView({ behavior: "smooth" });
    });
  }
  form.hidden = false;
  render();
}
