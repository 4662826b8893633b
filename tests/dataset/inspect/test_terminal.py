"""What is drawn in a terminal is what each protocol says, read back by decoders of their own.

kitty: sw.kovidgoyal.net/kitty/graphics-protocol; iTerm2: iterm2.com/documentation-images.html;
sixel: DEC VT330/VT340 Programmer Reference Manual, volume 2, chapter 14.
"""

from __future__ import annotations

import base64
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from hubtools.cli.inspect import _label
from hubtools.dataset.inspect.terminal import _kitty, in_tmux, protocol_of, render, true_colour

Pixels = npt.NDArray[np.int64]


def a_picture(width: int = 80, height: int = 60) -> Image.Image:
    across = np.linspace(0, 255, width).astype(np.uint8)
    pixels = np.stack([np.tile(across, (height, 1)), np.tile(across[::-1], (height, 1)),
                       np.full((height, width), 90, np.uint8)], axis=2)  # fmt: skip
    return Image.fromarray(pixels)


def noise(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


SIZES = [(80, 60), (90, 90), (7, 5), (1, 1), (300, 20), (20, 300)]


# --- kitty ---------------------------------------------------------------------------------------


def kitty(text: str) -> tuple[Image.Image, dict[str, str]]:
    """The picture that a terminal would show, and the keys of the command. Strict: only what the
    protocol allows."""
    commands = re.findall(r"\x1b_G([^;\x1b]*)(?:;([^\x1b]*))?\x1b\\", text)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in commands) == text
    first: dict[str, str] = {}
    payload = b""
    for number, (control, data) in enumerate(commands):
        keys = dict(pair.split("=") for pair in control.split(","))
        assert len(keys) == len(control.split(","))  # none twice
        if number == 0:
            first = dict(keys)
            assert set(keys) <= set("fatqicrmsvSOxywhXYzpPQHVCUo")
        else:
            assert set(keys) <= {"m", "q"}  # the rest is the first one's
        assert keys.get("m", "0") == str(int(number < len(commands) - 1))
        assert len(data) <= 4096
        assert number == len(commands) - 1 or len(data) % 4 == 0
        payload += base64.b64decode(data, validate=True)
    form = first.get("f", "32")
    if form == "100":
        return Image.open(io.BytesIO(payload)), first
    assert form in ("24", "32")
    size = (int(first["s"]), int(first["v"]))
    return Image.frombytes("RGB" if form == "24" else "RGBA", size, payload), first


@pytest.mark.parametrize("size", SIZES)
def test_kitty(size: tuple[int, int]) -> None:
    told = render(noise(*size), "kitty", 10, true_colour=True)
    assert told.endswith("\x1b\\\n")
    picture, keys = kitty(told[:-1])
    assert picture.convert("RGB").tobytes() == noise(*size).tobytes()
    assert keys["a"] == "T"  # transmit and show
    assert keys["q"] == "2"  # no answer, which would be typed into the shell
    assert (keys["c"], keys["r"]) == ("10", str(max(1, round(size[1] / size[0] * 5))))


@pytest.mark.parametrize("length", [4, 4092, 4096, 4100, 8192, 8196])
def test_kitty_takes_4096_bytes_at_once(length: int) -> None:
    commands = list(_kitty("A" * length, 1, 1))
    assert len(commands) == -(-length // 4096)
    assert [re.findall(r"m=(\d)", command) for command in commands] == [
        [str(int(number < len(commands) - 1))] for number in range(len(commands))
    ]


# --- iTerm2 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_iterm(size: tuple[int, int]) -> None:
    told = render(noise(*size), "iterm", 10, true_colour=True)
    found = re.fullmatch(r"\x1b\]1337;File=([^:\x07\x1b]*):([^\x07\x1b]*)\x07\n", told)
    assert found is not None
    keys = dict(pair.split("=", 1) for pair in found[1].split(";"))
    assert set(keys) <= {"name", "size", "width", "height", "preserveAspectRatio", "inline", "type"}
    data = base64.b64decode(found[2], validate=True)
    assert keys["inline"] == "1"  # else it would be saved as a download
    assert int(keys["size"]) == len(data)
    assert (keys["width"], keys["height"]) == ("10", str(max(1, round(size[1] / size[0] * 5))))
    assert Image.open(io.BytesIO(data)).convert("RGB").tobytes() == noise(*size).tobytes()


# --- sixel ---------------------------------------------------------------------------------------


def tokens(body: str) -> Iterator[tuple[str, list[int]]]:
    """(introducer or sixel, its numbers); fails for anything that is none."""
    place = 0
    while place < len(body):
        match = re.compile(r'(["#])(\d+(?:;\d+)*)|(!)(\d+)([?-~])|([$\-?-~])').match(body, place)
        assert match is not None, body[place : place + 20]
        place = match.end()
        if match[1]:
            yield match[1], [int(value) for value in match[2].split(";")]
        elif match[3]:
            yield match[5], [int(match[4])]
        else:
            yield match[6], [1]


def sixel(text: str) -> Pixels:
    """Read it back: (height, width, 3) in 0..100; -1 where nothing was drawn."""
    match = re.fullmatch(r"\x1bP(?:[019];)*q(.*)\x1b\\\n", text, re.DOTALL)
    assert match is not None
    pixels: Pixels = np.zeros((0, 0, 3), np.int64)
    palette: dict[int, tuple[int, ...]] = {}
    colour, x, y, first = 0, 0, 0, True
    for mark, numbers in tokens(match[1]):
        if mark == '"':
            assert first  # before any pixel
            down, across, width, height = numbers
            assert down == across == 1  # pixels are square
            pixels = np.full((height, width, 3), -1)
        elif mark == "#":
            colour = numbers[0]
            assert colour < 256
            if len(numbers) > 1:
                _, form, *values = numbers
                assert form == 2  # red, green, blue
                assert all(0 <= value <= 100 for value in values)
                assert len(values) == 3
                palette[colour] = tuple(values)
        elif mark in "$-":
            x, y = 0, y + 6 * (mark == "-")
            assert y < pixels.shape[0]  # no band below the last
        else:
            assert numbers[0] >= 1
            for bit in range(6):
                if ord(mark) - 63 >> bit & 1:
                    assert (pixels[y + bit, x : x + numbers[0]] == -1).all()  # drawn once
                    pixels[y + bit, x : x + numbers[0]] = palette[colour]
            x += numbers[0]
            assert x <= pixels.shape[1]
        first = False
    return pixels


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("columns", [1, 8])
def test_sixel(size: tuple[int, int], columns: int) -> None:
    picture = a_picture(*size)
    found = sixel(render(picture, "sixel", columns, true_colour=True))
    rows = max(1, round(size[1] / size[0] * columns / 2))
    wanted = np.asarray(picture.resize((columns * 10, rows * 20))) / 255 * 100
    assert found.shape == wanted.shape
    assert found.min() >= 0
    assert np.abs(found - wanted).mean() < 3


def test_sixel_has_exact_colours_where_there_are_few() -> None:
    picture = Image.new("RGB", (40, 40), (255, 0, 51))
    picture.paste((0, 255, 102), (10, 0, 40, 7))
    found = sixel(render(picture, "sixel", 4, true_colour=True))
    wanted = np.round(np.asarray(picture.resize((40, 40)), np.float64) / 255 * 100)
    assert (found == wanted).all()


# --- half blocks ---------------------------------------------------------------------------------


def blocks(text: str) -> list[list[tuple[list[int], list[int]]]]:
    """The colours, upper and lower, of each cell of each line, as SGR sets them."""
    lines = []
    for line in text.splitlines():
        cells: list[tuple[list[int], list[int]]] = []
        upper: list[int] = []
        lower: list[int] = []
        for match in re.finditer(r"\x1b\[([\d;]*)m|(.)", line):
            if match[2]:
                assert match[2] == "▀"
                cells.append((upper, lower))
                continue
            numbers = [int(value) for value in match[1].split(";")]
            if numbers == [0]:
                upper = lower = []
                continue
            half = len(numbers) // 2
            assert (numbers[0], numbers[half]) == (38, 48)
            upper, lower = numbers[1:half], numbers[half + 1 :]
        assert line.endswith("\x1b[0m")
        lines.append(cells)
    return lines


def test_blocks() -> None:
    found = blocks(render(a_picture(), "blocks", 20, true_colour=True))
    wanted = np.asarray(a_picture().resize((20, 16)))
    assert len(found) == 8
    for row, line in enumerate(found):
        assert [upper for upper, _ in line] == [[2, *pixel] for pixel in wanted[2 * row].tolist()]
        assert [lower for _, lower in line] == [
            [2, *pixel] for pixel in wanted[2 * row + 1].tolist()
        ]


def test_256_colours_are_the_nearest_of_the_cube() -> None:
    steps = np.array([0, 95, 135, 175, 215, 255])
    for value in range(256):
        picture = Image.new("RGB", (8, 8), (value, 255 - value, 60))
        ((form, number), _) = blocks(render(picture, "blocks", 1, true_colour=False))[0][0]
        assert form == 5
        red, green, blue = ((number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6)
        for step, wanted in ((red, value), (green, 255 - value), (blue, 60)):
            assert abs(int(steps[step]) - wanted) == np.abs(steps - wanted).min()


# --- what the terminal is ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "wezterm"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm-sixel"}, "sixel"),
        ({"TERM": "xterm-256color"}, "blocks"),
        ({"TERM": "dumb"}, "blocks"),
        ({"TERM_PROGRAM": "vscode", "TERM": "xterm-256color"}, "blocks"),
        # within a multiplexer nothing gets through, whatever the terminal outside is
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1", "TMUX": "yes"}, "blocks"),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, "blocks"),
        ({"TERM": "screen-256color", "LC_TERMINAL": "iTerm2"}, "blocks"),
        ({"TERM": "xterm-kitty", "STY": "1.pts"}, "blocks"),
        ({}, "blocks"),
    ],
)
def test_which_protocol(environ: dict[str, str], protocol: str) -> None:
    assert protocol_of(environ) == protocol


@pytest.mark.parametrize(
    ("environ", "many"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, True),
        ({"TERM": "xterm-256color", "COLORTERM": "24bit"}, True),
        ({"TERM": "xterm-direct"}, True),
        ({"TERM": "xterm-kitty"}, True),
        ({"WT_SESSION": "a-b"}, True),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, False),
        ({"TERM": "linux"}, False),
        ({"TERM": "xterm-256color", "COLORTERM": "yes"}, False),
        ({}, False),
    ],
)
def test_how_many_colours(environ: dict[str, str], many: bool) -> None:
    assert true_colour(environ) is many


@pytest.mark.parametrize("protocol", ["kitty", "iterm"])
def test_through_tmux(protocol: str) -> None:
    """Its envelope is DCS tmux; with every escape doubled (tmux(1), allow-passthrough)."""
    assert in_tmux({"TMUX": "tmux-0/default,1,0"})
    assert not in_tmux({"TERM": "xterm"})
    plain = render(noise(90, 90), protocol, 10, true_colour=True)  # type: ignore[arg-type]
    told = render(noise(90, 90), protocol, 10, true_colour=True, through_tmux=True)  # type: ignore[arg-type]
    parts = re.findall(r"\x1bPtmux;((?:\x1b\x1b|[^\x1b])*)\x1b\\", told)
    assert "".join(f"\x1bPtmux;{part}\x1b\\" for part in parts) + "\n" == told
    assert "".join(parts).replace("\x1b\x1b", "\x1b") + "\n" == plain


@pytest.mark.skipif(os.name == "nt", reason="pseudo terminals")
@pytest.mark.parametrize(
    ("answer", "found"), [("\x1b[?62;4;22c", "sixel"), ("\x1b[?62;22c", "blocks")]
)
def test_a_terminal_is_asked(answer: str, found: str) -> None:
    import pty

    master, slave = pty.openpty()
    code = "from hubtools.dataset.inspect.terminal import protocol_of as p; import sys;"
    code += "print('is', p({'TERM': 'xterm'}, ask=True), flush=True); sys.stdin.readline()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=slave, stdout=slave)
    os.close(slave)
    told = b""
    while b"\r\n" not in told:
        told += os.read(master, 100)
        if told == b"\x1b[c":
            os.write(master, answer.encode())
    os.write(master, b"\n")
    process.wait(30)
    os.close(master)
    assert f"is {found}".encode() in told


def test_labels_fit_their_pictures() -> None:
    from rich.cells import cell_len

    for name in ("a.png", "a" * 40 + ".png", "\u4e2d" * 30 + ".png", "b\x1b[31m\n.png", "x" * 23):
        label = _label(name, 24)
        assert cell_len(label) == 24
        assert label.isprintable()
        assert label.rstrip().endswith(name[-3:])
