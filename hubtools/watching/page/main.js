// The page: asks how the run is, again and again while somebody looks.
"use strict";
import { Chart, short } from "./chart.js";
import { show } from "./samples.js";

const EVERY = 2000, SELDOM = 10000; // milliseconds between two questions; of a run that is over
const byId = (id) => document.getElementById(id);
const grouped = (value) => value.toLocaleString("en");
const have = { curve: "none", drawn: "none" };
const loss = new Chart(byId("loss"), "Loss"), rate = new Chart(byId("rate"), "Learning rate");

const WORDS = { waiting: "not begun", preparing: "preparing", running: "running", stopped: "stopped", finished: "finished", interrupted: "interrupted", failed: "failed", unreadable: "cannot be read" };
const TOLD = {
  waiting: "There is no run here yet. This page shows it as soon as it begins.",
  preparing: "The run has begun: captions and pictures are encoded before the first step.",
  stopped: "Nobody trains here any more, though the run is not over: its process was killed, or the machine has stopped. The same command goes on from the newest state.",
  interrupted: "The run was interrupted and its state saved. The same command goes on.",
  failed: "The run has failed; what it said stands where it was started. The same command goes on from the newest state.",
};

function time(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60), hours = Math.floor(minutes / 60), days = Math.floor(hours / 24);
  if (minutes < 60) return `${minutes} min`;
  return days ? `${days} d ${hours % 24} h` : `${hours} h ${minutes % 60} min`;
}
const money = (value) => value.toFixed(2);
const speed = (seconds) => (seconds === null || seconds === undefined ? "–" : seconds >= 1 ? `${short(seconds)} s/step` : `${short(1 / seconds)} steps/s`);

function facts(run) {
  const running = run.status === "running" || run.status === "preparing";
  const found = [["step", run.steps ? `${grouped(run.done)} of ${grouped(run.steps)}` : grouped(run.done)]];
  if (run.smooth !== null) found.push(["loss, smoothed", short(run.smooth)]);
  if (run.held !== undefined) found.push(["loss, held out", short(run.held)]);
  if (run.rate !== null) found.push(["learning rate", short(run.rate)]);
  if (run.seconds_a_step !== null) found.push(["speed", speed(run.seconds_a_step)]);
  if (running && run.left !== null && run.left !== undefined && run.done) found.push(["time left, without samples", time(run.left)]);
  if (run.done) found.push(["time of the steps", time(run.spent)]);
  if (run.cost !== undefined && run.cost !== null) {
    found.push(["cost so far", money(run.cost)]);
    if (running && run.left) found.push(["cost of what is left", money((run.price * run.left) / 3600)]);
  }
  byId("facts").replaceChildren(...found.map(([name, value]) => pair(name, value)));
}

function pair(name, value) {
  const made = document.createElement("div"), term = document.createElement("dt"), said = document.createElement("dd");
  term.textContent = name;
  said.textContent = value;
  made.append(term, said);
  return made;
}

let settings = "";
function list(values) {
  const told = JSON.stringify(values || []);
  byId("settings").hidden = !values?.length;
  if (told === settings) return;
  settings = told;
  byId("values").replaceChildren(...(values || []).flatMap(([name, value]) => [...pair(name, value).children]));
}

function note(text, bad = false) {
  const now = byId("notes").textContent;
  if (now === text) return;
  byId("notes").replaceChildren();
  if (!text) return;
  const made = document.createElement("div");
  made.className = bad ? "note bad" : "note";
  made.textContent = text;
  byId("notes").append(made);
}

let curve = null;
function draw(run) {
  const there = Boolean(curve?.step.length);
  byId("charts").hidden = !there;
  if (!there) return;
  const last = Math.max(run.steps || 0, curve.step.at(-1)), first = Math.min(curve.step[0], curve.held_out[0]?.[0] ?? Infinity);
  const lines = [{ steps: curve.step, values: curve.smooth, name: "smooth", label: "smoothed" }];
  const raw = curve.width === 1;
  if (raw) lines.push({ steps: curve.step, values: curve.low, name: "raw", label: "loss" });
  lines.reverse();
  const held = curve.held_out;
  document.querySelector(".key.held").hidden = !held.length;
  if (held.length) lines.push({ steps: held.map(([step]) => step), values: held.map(([, value]) => value), name: "held", label: "held out", dots: true });
  const band = raw ? null : { steps: curve.step, low: curve.low, high: curve.top, label: "loss" };
  loss.show({ lines, band, high: curve.high, first, last });
  rate.show({ lines: [{ steps: curve.step, values: curve.rate, name: "rate", label: "learning rate" }], high: Math.max(...curve.rate) * 1.05 || 1, first, last });
}

function take(told) {
  const run = told.run;
  if (told.curve) { curve = told.curve; have.curve = curve.version; }
  if (told.drawn) { have.drawn = told.drawn.version; show(told.drawn.samples); }
  if (curve?.held_out.length) run.held = curve.held_out.at(-1)[1];
  byId("name").textContent = run.name;
  byId("status").textContent = WORDS[run.status] || run.status;
  byId("status").className = `badge ${run.status}`;
  const part = run.steps ? Math.min(1, run.done / run.steps) : 0;
  document.title = `${run.done && run.status === "running" ? `${Math.floor(part * 100)} %` : WORDS[run.status]} · ${run.name} · hubtools watch`;
  const begun = run.status !== "waiting" && run.status !== "unreadable";
  byId("progress").hidden = !begun;
  byId("bar").value = part;
  byId("empty").hidden = begun;
  byId("empty").textContent = run.problem || TOLD[run.status] || "";
  const quiet = run.last_word === null ? 0 : run.now - run.last_word;
  const slow = Math.max(30, 3 * (run.seconds_a_step || 0));
  byId("word").textContent = run.status === "running" && quiet > slow ? `last word ${time(quiet)} ago` : "";
  note(begun ? TOLD[run.status] || "" : "", run.status === "failed" || run.status === "stopped");
  if (begun) facts(run);
  list(run.settings);
  if (told.curve || told.drawn) draw(run);
  return run.status;
}

let gone = 0, timer = 0, asking = false;
async function ask() {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  let wait = EVERY;
  try {
    const answer = await fetch(`state/${have.curve}/${have.drawn}`, { cache: "no-store" });
    if (!answer.ok) throw new Error((await answer.json()).error);
    const status = take(await answer.json());
    gone = 0;
    if (status === "finished" || status === "failed" || status === "interrupted") wait = SELDOM;
  } catch (error) {
    gone += 1;
    wait = gone > 2 ? SELDOM : EVERY;
    const over = byId("status").classList.contains("finished");
    note(error instanceof TypeError
      ? `Nobody answers here any more${over ? ", and the run is finished" : ""}: \`hubtools watch\`${over ? " shows it again" : " on the run folder goes on, at the address that it prints"}.`
      : String(error.message), !over);
  }
  asking = false;
  if (!document.hidden) timer = setTimeout(ask, wait);
}

byId("log").addEventListener("change", () => { loss.log = byId("log").checked; loss.draw(); });
addEventListener("resize", () => byId("strips").style.setProperty("--seen", `${byId("strips").clientWidth}px`));
document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
ask();
