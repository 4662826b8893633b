"""The grid as one HTML page that needs nothing else: pictures, style and script are inside."""

from __future__ import annotations

import base64
import hashlib
import html
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.inference.grid.labels import constants, facts_of, heading
from hubtools.inference.png import drawn_picture

if TYPE_CHECKING:
    from hubtools.inference.grid.drawn import Drawn
    from hubtools.inference.grid.plan import Cell, GridPlan

_SMALL = 160  # pixels; up to here a picture is embedded as it is and shown in whole pixels

_STYLE = """
:root { color-scheme: light dark; --paper: #fafaf8; --ink: #202124; --faint: #62646a;
  --line: #dcdcd6; --mark: #2b62c9; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #17181a; --ink: #ececea; --faint: #a2a4a9; --line: #34363a; --mark: #8db4ff; }
}
body { margin: 0; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 16px/1.4 system-ui, sans-serif; }
h1 { font-size: 1.35rem; margin: 0 0 .3rem; max-width: 70ch; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem; overflow-wrap: anywhere; }
p { color: var(--faint); margin: 0 0 1rem; max-width: 90ch; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: separate; border-spacing: .5rem; margin: 0 -.5rem; }
th { font-weight: 600; text-align: left; overflow-wrap: anywhere; }
thead th { vertical-align: bottom; max-width: 16rem; }
tbody th { max-width: 14rem; min-width: 5rem; position: sticky; left: 0; background: var(--paper);
  padding-right: .5rem; }
td { padding: 0; vertical-align: middle; }
button.cell { display: block; padding: 0; border: 0; background: none; cursor: zoom-in;
  border-radius: 4px; }
button.cell:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; }
.cell img { display: block; width: 16rem; height: 16rem; object-fit: contain; border-radius: 4px; }
img.small { image-rendering: pixelated; }
.void { width: 16rem; height: 16rem; box-sizing: border-box; padding: .8rem; border-radius: 4px;
  background: var(--line); color: var(--faint); }
dialog { border: 0; outline: 0; padding: 0; width: 100vw; height: 100vh; max-width: none;
  max-height: none; background: var(--paper); color: var(--ink); }
dialog[open] { display: grid; grid-template-columns: minmax(0, 1fr) 22rem; }
dialog .big { display: flex; min-width: 0; min-height: 0; height: 100vh; background: #0b0c0d;
  cursor: zoom-out; }
dialog .big img { margin: auto; width: 100%; height: 100%; object-fit: contain; }
dialog .side { overflow: auto; padding: 1rem 1.2rem; height: 100vh; box-sizing: border-box; }
dialog .side strong { display: block; font-size: 1.05rem; overflow-wrap: anywhere; }
dialog nav { display: flex; gap: .5rem; margin-bottom: 1rem; }
dialog nav button { font: inherit; padding: .3rem .8rem; border: 1px solid var(--line);
  border-radius: 4px; background: none; color: inherit; cursor: pointer; }
dialog nav button:focus-visible { outline: 3px solid var(--mark); }
dl { margin: 1rem 0; } dt { color: var(--faint); font-size: .85rem; margin-top: .6rem; }
dd { margin: 0; overflow-wrap: anywhere; }
a { color: var(--mark); }
@media (max-width: 48rem) {
  dialog[open] { display: block; overflow: auto; }
  dialog .big { height: 60vh; } dialog .side { height: auto; }
  .cell img, .void { width: 9rem; height: 9rem; }
}
"""

_SCRIPT = """
"use strict";
const cells = [...document.querySelectorAll("button.cell")];
const dialog = document.querySelector("dialog");
const big = dialog.querySelector(".big img");
const about = dialog.querySelector(".about");
let current = 0;
function show(index) {
  current = index;
  const cell = cells[index], small = cell.querySelector("img");
  big.src = small.src; big.alt = small.alt; big.className = small.className;
  about.replaceChildren(cell.parentElement.querySelector("template").content.cloneNode(true));
  if (!dialog.open) dialog.showModal();
}
function toward(index, key) {
  const [x, y, z] = cells[index].dataset.at.split(",").map(Number);
  const line = key === "ArrowLeft" || key === "ArrowRight";
  const ahead = key === "ArrowRight" || key === "ArrowDown";
  const inLine = cells.map((cell, i) => [i, ...cell.dataset.at.split(",").map(Number)])
    .filter(([, cx, cy, cz]) => line ? cy === y && cz === z : cx === x)
    .sort((a, b) => line ? a[1] - b[1] : a[3] - b[3] || a[2] - b[2]);
  const place = inLine.findIndex(([i]) => i === index) + (ahead ? 1 : -1);
  return inLine[place] ? inLine[place][0] : index;
}
cells.forEach((cell, index) => {
  cell.addEventListener("click", () => show(index));
  cell.addEventListener("keydown", event => {
    if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
    cells[toward(index, event.key)].focus();
  });
});
dialog.addEventListener("keydown", event => {
  if (!event.key.startsWith("Arrow")) return;
  event.preventDefault();
  show(toward(current, event.key));
});
dialog.addEventListener("close", () => cells[current].focus());
dialog.querySelector(".big").addEventListener("click", () => dialog.close());
dialog.querySelector(".close").addEventListener("click", () => dialog.close());
dialog.querySelector(".back").addEventListener("click", () => show(toward(current, "ArrowLeft")));
dialog.querySelector(".on").addEventListener("click", () => show(toward(current, "ArrowRight")));
const asked = cells.findIndex(cell => "#" + cell.dataset.at === location.hash);
if (asked >= 0) show(asked);
"""


def grid_page(plan: GridPlan, pictures: Mapping[str, Drawn]) -> str:
    """The page; `#0,2,0` behind its address opens a cell. Large pictures are embedded as WebP; the
    PNGs lie beside it, and each is linked."""
    axes = plan.axes
    rows = axes[1].values if len(axes) > 1 else (None,)
    blocks = axes[2].values if len(axes) > 2 else (None,)
    at = {cell.at: cell for cell in plan.cells}
    embedded: dict[str, str] = {}
    parts = []
    for block, over in enumerate(blocks):
        if over is not None:
            parts.append(f"<h2>{html.escape(over.label)}</h2>")
        parts.append('<div class="scroll"><table><thead><tr>')
        if axes[1:]:
            parts.append("<td></td>")
        parts += [f'<th scope="col">{html.escape(v.label)}</th>' for v in axes[0].values]
        parts.append("</tr></thead><tbody>")
        for row, beside in enumerate(rows):
            parts.append("<tr>")
            if beside is not None:
                parts.append(f'<th scope="row">{html.escape(beside.label)}</th>')
            for column in range(len(axes[0].values)):
                cell = at[(column, row, block)[: len(axes)]]
                parts.append(_cell(plan, cell, pictures.get(cell.file), embedded))
            parts.append("</tr>")
        parts.append("</tbody></table></div>")
    title = html.escape(heading(plan))
    shared = html.escape(" · ".join(constants(plan)))
    policy = (
        "default-src 'none'; img-src data:;"
        f" style-src '{_hash(_STYLE)}'; script-src '{_hash(_SCRIPT)}'; base-uri 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n<p>{shared}</p>\n"
        + "\n".join(parts)
        + '\n<dialog aria-label="Picture">\n<div class="big"><img src="data:," alt=""></div>\n'
        '<div class="side"><nav><button class="back" aria-label="Left">&larr;</button>'
        '<button class="on" aria-label="Right">&rarr;</button>'
        '<button class="close">Close</button></nav><div class="about"></div></div>\n</dialog>\n'
        f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def _cell(plan: GridPlan, cell: Cell, drawn: Drawn | None, embedded: dict[str, str]) -> str:
    labels = [axis.values[i].label for axis, i in zip(plan.axes, cell.at, strict=True)]
    name = html.escape(", ".join(labels))
    if drawn is None or drawn.record.blanked:
        said = "not drawn yet" if drawn is None else "blanked by the safety checker"
        return f'<td><div class="void">{said}</div></td>'
    if cell.file not in embedded:
        embedded[cell.file] = _data(plan.folder / cell.file)
    small = max(drawn.record.width, drawn.record.height) <= _SMALL
    facts = "".join(
        f"<dt>{html.escape(key)}</dt><dd>{html.escape(value)}</dd>"
        for key, value in facts_of(drawn.record, drawn.seconds)
    )
    file = html.escape(cell.file)
    place = ",".join(str(index) for index in (*cell.at, 0, 0)[:3])
    return (
        f'<td><button class="cell" data-at="{place}"><img src="{embedded[cell.file]}"'
        f' alt="{name}"{" class=small" if small else ""}></button>'
        f"<template><strong>{name}</strong><dl>{facts}</dl>"
        f'<a href="{file}">{file}</a></template></td>'
    )


def _data(path: Path) -> str:
    """The picture as a data address: the PNG's own pixels if it is small, else WebP of quality 90,
    a tenth of the size."""
    picture = drawn_picture(path)
    buffer = io.BytesIO()
    if max(picture.size) <= _SMALL:
        picture.save(buffer, format="PNG")
        kind = "png"
    else:
        picture.save(buffer, format="WEBP", quality=90)
        kind = "webp"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
