"""Secrets that stand on several lines: which of them may not be shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hubtools.leaks.text import secrets
from hubtools.patterns import regex

HIDDEN = "***"
_NEEDLES = ("PRIVATE KEY", "PRIVATE+KEY")
_BEGIN = regex(r"BEGIN[ +][A-Z0-9 +]{0,30}PRIVATE[ +]KEY(?:[ +]BLOCK)?")
_END = regex(r"END[ +][A-Z0-9 +]{0,30}PRIVATE[ +]KEY")
# what a key that nothing ends is made of: headers, base64, what quotes it, and line breaks, also
# escaped
_LETTERS = regex(
    r"(?:(?:Proc-Type|DEK-Info|Version|Comment): [^\r\n\\]{0,200}|[A-Za-z0-9+/=\s\"',>|#*-]"
    r"|\\{1,4}[rn])+"
)
_LONGEST = 1 << 16  # characters of a key
_ENOUGH = 1 << 17  # characters of lines that are looked at together


def without_keys(text: str) -> str:
    """A text with `***` for the letters of private keys. The rule that finds one (`shapes`) looks
    at its first letters only; here all of them go."""
    if not _may(text):
        return text
    parts, place = [], 0
    for begin, end in _keys(text):
        parts += [text[place:begin], HIDDEN]
        place = end
    return "".join((*parts, text[place:]))


def _may(text: str) -> bool:
    return any(needle in text for needle in _NEEDLES)


def _keys(text: str) -> Iterator[tuple[int, int]]:
    """Where the letters of private keys stand, from the word that announces one to the word that
    ends it, or else as far as the letters may be of one."""
    place = 0
    while (begin := _BEGIN.search(text, place)) is not None:
        start = place = begin.end()
        end = _END.search(text, start, start + _LONGEST)
        if end is not None and _BEGIN.search(text, start, end.start()) is None:
            place = end.start()
        else:
            found = _LETTERS.match(text, start, start + _LONGEST)
            place = start if found is None else found.end()
        if text[start:place].strip():
            yield start, place


def key_lines(lines: Iterable[str]) -> frozenset[str]:
    """Those of the lines of a text that hold letters of a private key. None alone looks like it."""
    text = "\n".join(lines)
    found: set[str] = set()
    for begin, end in _keys(text) if _may(text) else ():
        found.update(text[begin:end].split("\n"))
        found.add(text[text.rfind("\n", 0, end) + 1 :].partition("\n")[0])
    return frozenset(line for line in found if len(line.strip()) > 1)


def without_pieces(diff: Sequence[str]) -> list[str]:
    """Lines of a diff, with `***` for those over which a token was cut, before or after."""
    hidden: set[str] = set()
    for sign in "-+":
        text = "\n".join(line[1:] for line in diff if line[:1] in (sign, " "))
        for start in range(0, len(text), _ENOUGH):
            part = text[start : start + _ENOUGH + 2_000]
            for secret in secrets(part):
                hidden.update(_of_pieces(part, secret.start, secret.value))
    return [f"{line[0]}{HIDDEN}" if line[1:] in hidden else line for line in diff]


def _of_pieces(text: str, start: int, value: str) -> list[str]:
    """The lines over which the letters of a value are spread, if it is on more than one."""
    if value in text and "\n" not in value:
        return []
    place = text.rfind("\n", 0, start) + 1
    left, lines = [c for c in value if c.isalnum()][::-1], []
    for line in text[place : place + 4 * len(value) + 4_000].split("\n"):
        lines.append(line)
        for letter in line[start - place :] if len(lines) == 1 else line:
            if left and letter == left[-1]:
                left.pop()
        if not left:
            return lines
    return []  # it was packed, and its letters are others
