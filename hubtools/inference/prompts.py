r"""Reading `(word:1.3)`: which words of a prompt count more and which less.

The notation is that of AUTOMATIC1111's web UI, which most published prompts use: `(word)` counts
1.1 times, `((word))` 1.21 times, `[word]` 1/1.1 times, `(word:1.3)` 1.3 times, `\(` and `\[` are
brackets to be read. Differences, all towards "what is not notation is text": a bracket without its
partner is a character (there it weighs all that follows), and so is every occurrence of a literal,
which is how a trigger token such as `(lora-misato-token)` keeps the brackets it was trained with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

ROUND, SQUARE = 1.1, 1 / 1.1
LIMIT = 1000.0  # what nested brackets can add up to; keeps arithmetic finite

_PARTNER = {")": "(", "]": "["}
# Up to three digits: `:1234)` is rather a year than a weight.
_NUMBER = re.compile(r":\s*([+-]?(?:\d{1,3}(?:\.\d*)?|\.\d+))\s*\)")


@dataclass(frozen=True)
class Fragment:
    """A piece of a prompt and how much it counts; 1 is as usual."""

    text: str
    weight: float


@dataclass(frozen=True)
class Reading:
    """A prompt as it is understood. `loose`: a bracket has no partner and is read as text.
    `literals`: those that occur, brackets and all."""

    fragments: tuple[Fragment, ...]
    loose: bool = False
    literals: tuple[str, ...] = ()

    @property
    def weighted(self) -> bool:
        """True if some words count more or less than others."""
        return any(fragment.weight != 1 for fragment in self.fragments)

    @property
    def text(self) -> str:
        """All words, without the notation."""
        return "".join(fragment.text for fragment in self.fragments)


@dataclass
class _Piece:
    """Text, or a bracket, which is text as well unless it finds its partner."""

    text: str
    bracket: bool = False
    factor: float | None = None  # of the group that begins here
    closes: bool = False


class _Scan:
    """The pieces so far, and the opening brackets among them that wait for a partner."""

    def __init__(self) -> None:
        self.pieces: list[_Piece] = []
        self.waiting: list[int] = []
        self.count = {"(": 0, "[": 0}
        self.loose = False

    def text(self, text: str) -> None:
        if self.pieces and not self.pieces[-1].bracket:
            self.pieces[-1].text += text
        else:
            self.pieces.append(_Piece(text))

    def open(self, bracket: str) -> None:
        self.waiting.append(len(self.pieces))
        self.count[bracket] += 1
        self.pieces.append(_Piece(bracket, bracket=True))

    def close(self, bracket: str, text: str, factor: float) -> bool:
        """End the innermost group that `bracket` can end; False if there is none."""
        partner = _PARTNER[bracket]
        if not self.count[partner]:
            return False
        while True:
            opening = self.pieces[self.waiting.pop()]
            self.count[opening.text] -= 1
            if opening.text == partner:
                break
            self.loose = True  # a bracket of the other kind, never closed
        opening.factor = factor
        self.pieces.append(_Piece(text, bracket=True, closes=True))
        return True


def read_prompt(prompt: str, literals: Sequence[str] = ()) -> Reading:
    """Parse `prompt`. Never fails: whatever is not notation is text. `literals` are taken as they
    are wherever they stand, the longest first."""
    scan = _Scan()
    found: list[str] = []
    known = sorted({literal for literal in literals if literal}, key=len, reverse=True)
    at = 0
    while at < len(prompt):
        character = prompt[at]
        literal = next((text for text in known if prompt.startswith(text, at)), None)
        if literal is not None:
            scan.text(literal)
            found.append(literal)
            at += len(literal)
        elif character == "\\" and prompt[at + 1 : at + 2] in ("(", ")", "[", "]"):
            scan.text(prompt[at + 1])
            at += 2
        elif character in "([":
            scan.open(character)
            at += 1
        elif character in ")]":
            if not scan.close(character, character, ROUND if character == ")" else SQUARE):
                scan.text(character)
                scan.loose = True
            at += 1
        elif (
            character == ":"
            and (match := _NUMBER.match(prompt, at))
            and scan.close(")", match[0], float(match[1]))
        ):
            at = match.end()
        else:
            scan.text(character)
            at += 1
    return Reading(
        tuple(_fragments(scan.pieces)),
        scan.loose or bool(scan.waiting),
        tuple(dict.fromkeys(found)),
    )


def _fragments(pieces: Sequence[_Piece]) -> list[Fragment]:
    """Nested factors multiply; neighbours of equal weight become one."""
    weights = [1.0]
    result: list[Fragment] = []
    for piece in pieces:
        if piece.factor is not None:
            weights.append(max(-LIMIT, min(LIMIT, weights[-1] * piece.factor)))
        elif piece.closes:
            weights.pop()
        elif result and result[-1].weight == weights[-1]:
            result[-1] = Fragment(result[-1].text + piece.text, weights[-1])
        else:
            result.append(Fragment(piece.text, weights[-1]))
    return result
