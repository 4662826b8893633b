"""Pictures in a terminal: kitty's, iTerm2's and the sixel protocol, or half blocks in colour."""

from __future__ import annotations

import base64
import io
import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
from PIL import Image

Protocol = Literal["kitty", "iterm", "sixel", "blocks"]
PROTOCOLS: tuple[Protocol, ...] = ("kitty", "iterm", "sixel", "blocks")
# Pixels of a character cell, where the terminal draws by itself; it scales to cells where it can.
CELL = (10, 20)
_CHUNK = 4096  # kitty takes no more at once


def protocol_of(environ: Mapping[str, str] | None = None, *, ask: bool = False) -> Protocol:
    """What this terminal understands, by its variables; `ask`: else let it say if it has sixel."""
    env = os.environ if environ is None else environ
    term, program = env.get("TERM", ""), env.get("TERM_PROGRAM", "")
    if in_tmux(env) or env.get("STY") or term.startswith("screen"):
        return "blocks"  # they pass nothing through unless told to
    if env.get("KITTY_WINDOW_ID") or "kitty" in term or program == "ghostty" or "ghostty" in term:
        return "kitty"
    if program in ("iTerm.app", "WezTerm", "mintty") or env.get("LC_TERMINAL") == "iTerm2":
        return "iterm"
    if term == "wezterm":
        return "iterm"
    if "sixel" in term or term.startswith(("foot", "mlterm", "yaft", "contour")):
        return "sixel"
    return "sixel" if ask and term != "dumb" and _says_sixel() else "blocks"


def in_tmux(environ: Mapping[str, str] | None = None) -> bool:
    """Whether this runs within tmux."""
    env = os.environ if environ is None else environ
    return bool(env.get("TMUX")) or env.get("TERM", "").startswith("tmux")


def true_colour(environ: Mapping[str, str] | None = None) -> bool:
    """Whether the terminal says that it has more than 256 colours. Those that have not show
    nonsense when they are sent some."""
    env = os.environ if environ is None else environ
    term = env.get("TERM", "")
    return (
        env.get("COLORTERM") in ("truecolor", "24bit")
        or bool(env.get("WT_SESSION"))  # Windows Terminal
        or term.endswith("-direct")
        or term.startswith(("xterm-kitty", "xterm-ghostty", "alacritty", "foot", "wezterm"))
    )


def _says_sixel() -> bool:
    """Ask for the terminal's attributes (DA1); 4 among them stands for sixel."""
    try:
        import select
        import termios
        import tty
    except ImportError:  # Windows
        return False
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    source = sys.stdin.fileno()
    if _in_background(source):
        return False  # asking would stop it
    before = termios.tcgetattr(source)
    answer = b""
    try:
        tty.setcbreak(source)
        os.write(sys.stdout.fileno(), b"\x1b[c")
        while len(answer) < 64 and not answer.endswith(b"c"):
            if not select.select([source], [], [], 0.2)[0]:
                break
            answer += os.read(source, 1)
    except OSError:
        return False
    finally:
        termios.tcsetattr(source, termios.TCSADRAIN, before)
    attributes = re.search(rb"\x1b\[\?([\d;]*)c", answer)
    return attributes is not None and b"4" in attributes[1].split(b";")


def _in_background(terminal: int) -> bool:
    try:
        return os.tcgetpgrp(terminal) != os.getpgrp()
    except OSError:  # not the one that controls this process
        return False


def render(
    picture: Image.Image,
    protocol: Protocol,
    columns: int,
    *,
    true_colour: bool,
    through_tmux: bool = False,
) -> str:
    """What to print so that `picture` appears `columns` characters wide, and a line end.

    `through_tmux`: in the envelope that tmux hands to the terminal as it is, if its option
    `allow-passthrough` is on; half blocks and sixel are its own to draw.
    """
    rows = max(1, round(picture.height / picture.width * columns * CELL[0] / CELL[1]))
    if protocol == "blocks":
        return "\n".join(_blocks(picture, columns, rows, true_colour)) + "\n"
    if protocol == "sixel":
        return _sixel(picture.resize((columns * CELL[0], rows * CELL[1]))) + "\n"
    file = io.BytesIO()
    picture.save(file, "PNG")
    data = base64.standard_b64encode(file.getvalue()).decode()
    if protocol == "iterm":
        size = len(file.getvalue())
        head = f"inline=1;size={size};width={columns};height={rows};preserveAspectRatio=0"
        parts = [f"\x1b]1337;File={head}:{data}\x07"]
    else:
        parts = list(_kitty(data, columns, rows))
    if through_tmux:
        parts = ["\x1bPtmux;" + part.replace("\x1b", "\x1b\x1b") + "\x1b\\" for part in parts]
    return "".join(parts) + "\n"


def _kitty(data: str, columns: int, rows: int) -> Iterator[str]:
    keys = f"f=100,a=T,q=2,c={columns},r={rows},"
    for start in range(0, len(data), _CHUNK):
        more = int(start + _CHUNK < len(data))
        yield f"\x1b_G{keys}m={more};{data[start : start + _CHUNK]}\x1b\\"
        keys = ""


def _blocks(picture: Image.Image, columns: int, rows: int, true_colour: bool) -> Iterator[str]:
    """A character is two pixels: `▀` in the colour of the upper on that of the lower."""
    pixels = np.asarray(picture.convert("RGB").resize((columns, rows * 2)))
    for row in range(rows):
        cells, last = [], ""
        for upper, lower in zip(pixels[2 * row], pixels[2 * row + 1], strict=True):
            colours = f"{_colour(38, upper, true_colour)};{_colour(48, lower, true_colour)}"
            cells.append("▀" if colours == last else f"\x1b[{colours}m▀")
            last = colours
        yield "".join(cells) + "\x1b[0m"


def _colour(plane: int, pixel: np.ndarray, true_colour: bool) -> str:
    red, green, blue = (int(value) for value in pixel)
    if true_colour:
        return f"{plane};2;{red};{green};{blue}"
    # the cube of 6 x 6 x 6 colours that begins at 16; its steps are 0, 95, 135, 175, 215 and 255
    steps = [(value >= 48) if value < 115 else (value - 35) // 40 for value in (red, green, blue)]
    return f"{plane};5;{16 + 36 * steps[0] + 6 * steps[1] + steps[2]}"


def _sixel(picture: Image.Image) -> str:
    """Bands of six rows; in each, every colour draws its pixels, runs written as `!12x`."""
    few = picture.convert("RGB").quantize(255, dither=Image.Dither.FLOYDSTEINBERG)
    palette = np.asarray(few.getpalette(), dtype=np.float64).reshape(-1, 3)
    indexes = np.asarray(few)
    height, width = indexes.shape
    parts = [f'\x1bPq"1;1;{width};{height}']
    for number in np.unique(indexes):
        red, green, blue = (round(value / 255 * 100) for value in palette[number])
        parts.append(f"#{number};2;{red};{green};{blue}")
    bands = []
    for top in range(0, height, 6):
        band = indexes[top : top + 6]
        bits = (1 << np.arange(len(band)))[:, None]
        lines = []
        for number in np.unique(band):
            values = ((band == number) * bits).sum(axis=0)
            lines.append(f"#{number}{_runs(values)}")
        bands.append("$".join(lines))
    # no `-` behind the last: terminals would leave a line free for it
    return "".join(parts) + "-".join(bands) + "\x1b\\"


def _runs(values: np.ndarray) -> str:
    edges = np.flatnonzero(np.diff(values)) + 1
    parts = []
    for start, end in zip([0, *edges], [*edges, len(values)], strict=True):
        mark, count = chr(63 + int(values[start])), int(end - start)
        parts.append(f"!{count}{mark}" if count > 3 else mark * count)
    return "".join(parts)
