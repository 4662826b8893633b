"""Draws the floors of the code for docs/architecture.md, one SVG a contract of pyproject.toml.

import-linter holds the code to the contracts, so that the pictures show what is true. What a room
is for comes from the docstring of its package. `python tools/make_docs.py` writes them.
"""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

# In units of the picture, which is as wide as the screen of a phone.
WIDTH = 390
LEFT = 34  # room for the arrow
PADDING = 10
LINE = 19
LETTER = 7.7  # of the sentences, in the widest of the fonts; names are set wider
NAME_LETTER = 8.5
COLUMNS = int((WIDTH - LEFT - 2 * PADDING - 4) / LETTER)

STYLE = """
  .back { fill: #ffffff } .floor { fill: #eef2f7; stroke: #c3cedb } .file { fill: #ffffff; stroke: #c3cedb }
  .apart { fill: none; stroke: #6b7a8c; stroke-dasharray: 5 4 } .arrow { fill: none; stroke: #6b7a8c; stroke-width: 2 }
  text { font: 14px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #3b4754 }
  .name { font: 600 14px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #10243d }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117 } .floor { fill: #1a2330; stroke: #3a4a5e } .file { fill: #0d1117; stroke: #3a4a5e }
    text { fill: #b9c6d4 } .name { fill: #e8f0fa } .apart, .arrow { stroke: #8b9bad }
  }
"""


def contracts() -> dict[str, dict[str, Any]]:
    """The contracts of floors by the folder whose rooms they order."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    return {
        contract["containers"][0].replace(".", "/"): contract
        for contract in tool["contracts"]
        if contract["type"] == "layers" and len(contract.get("containers", [])) == 1
    }


def picture_name(folder: str) -> str:
    """`floors-publish.svg` for `hubtools/publish`."""
    return "-".join(["floors", *folder.split("/")[1:]]) + ".svg"


def sentence_of(folder: Path) -> str:
    """What a package is for: the first sentence of its docstring, or the part before its colon."""
    doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
    text = " ".join(doc.partition("\n\n")[0].split()).replace("`", "")
    text = re.split(r"(?<=\.) ", text)[0]
    return text if len(text) <= 2.2 * COLUMNS else text.partition(":")[0] + "."


class Drawing:
    """An SVG that grows downwards."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.parts: list[str] = []
        self.y = 8.0

    def text(self, x: float, y: float, text: str, kind: str = "") -> None:
        """A line of text, its foot at `y`."""
        name = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text x="{x:g}" y="{y:g}"{name}>{escape(text)}</text>')

    def box(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        """A rectangle."""
        self.parts.append(
            f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
            ' rx="6"/>'
        )

    def floor(self, folder: Path, rooms: list[str], kind: str = "floor") -> None:
        """A floor: rooms with what they are for, then files by name."""
        at = len(self.parts)
        top, y = self.y, self.y + PADDING
        for room in rooms:
            if (folder / room).is_dir():
                self.text(LEFT + PADDING, y + 13, f"{room}/", "name")
                y += LINE
                said = sentence_of(folder / room)
                if kind == "apart":
                    said += " It stands apart: the rooms above reach it over HTTP."
                for line in textwrap.wrap(said, COLUMNS):
                    self.text(LEFT + PADDING, y + 13, line)
                    y += LINE
                y += 5
        y = self._files(y, [room for room in rooms if not (folder / room).is_dir()])
        height = y - top + PADDING - 6
        inner, self.parts = self.parts[at:], self.parts[:at]
        self.box(LEFT, top, WIDTH - LEFT - 2, height, kind)
        self.parts += inner
        self.y = top + height + 6

    def _files(self, y: float, names: list[str]) -> float:
        x: float = LEFT + PADDING
        for index, name in enumerate(names):
            width = len(name) * NAME_LETTER + 14
            if index and x + width > WIDTH - PADDING - 2:
                x, y = LEFT + PADDING, y + 30
            self.box(x, y, width, 24, "file")
            self.text(x + 7, y + 16.5, name, "name")
            x += width + 6
        return y + 28 if names else y

    def svg(self) -> str:
        """The whole picture."""
        height = round(self.y + 2)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
            f' viewBox="0 0 {WIDTH} {height}" role="img">\n'
            f"<title>{escape(self.title)}</title>\n<style>{STYLE}</style>\n"
            f'<rect class="back" width="{WIDTH}" height="{height}"/>\n'
            + "\n".join(self.parts)
            + "\n</svg>\n"
        )


def rooms_of(layer: str) -> list[str]:
    """The rooms of one floor."""
    return sorted(re.split(r"\s*[|:]\s*", layer.strip()))


def draw(folder: str) -> str:
    """The floors of a folder as SVG."""
    contract = contracts()[folder]
    drawing = Drawing(f"{folder}: what imports what, from the top down")
    drawing.text(LEFT, drawing.y + 14, f"{folder}/", "name")
    drawing.text(LEFT + (len(folder) + 2) * NAME_LETTER, drawing.y + 14, "imports go down only")
    drawing.y += 28
    top = drawing.y
    for layer in contract["layers"]:
        drawing.floor(ROOT / folder, rooms_of(layer))
    foot = drawing.y - 10
    drawing.parts.append(
        f'<path class="arrow" d="M16 {top:g}V{foot:g}M9 {foot - 10:g}L16 {foot:g}L23 {foot - 10:g}"/>'
    )
    for room in apart(folder, contract):
        drawing.y += 8
        drawing.floor(ROOT / folder, [room], "apart")
    return drawing.svg()


def apart(folder: str, contract: dict[str, Any]) -> Iterator[str]:
    """Rooms that stand beside the floors."""
    yield from (
        room for room in contract.get("exhaustive_ignores", []) if (ROOT / folder / room).is_dir()
    )


PICTURES = {picture_name(folder): folder for folder in contracts()}
