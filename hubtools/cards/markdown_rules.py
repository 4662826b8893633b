"""C2: rules of the Markdown itself: what a page would show otherwise than it is meant."""

from __future__ import annotations

import re
import shlex
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator

from hubtools.cardlinks import fenced, prose
from hubtools.cards.view import CARD_RULES, CardView, at, draw_command
from hubtools.findings import Problem, Severity, shortened
from hubtools.layout import CARD, SAMPLES_DIR
from hubtools.licensing.advice import card_command
from hubtools.weights import Holds
from hubtools.whereabouts import from_here

_DELIMITER = re.compile(r"\s*+(?:\|\s*+)?:?-++:?\s*+(?:\|\s*+:?-++:?\s*+)*+(?:\|\s*+)?")
_BLOCK = re.compile(
    r"\s*$| {0,3}(#{1,6}(\s|$)|>|[-*+]\s|\d{1,9}[.)]\s|(`{3}|~{3})|<|([-*_]\s*){3,}$)"
)
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)")
_PICTURE = re.compile(
    r"!\[([^\[\]\n]{0,500}+(?:\[[^\[\]\n]{0,100}+\][^\[\]\n]{0,500}+){0,9}+)\]\(\s{0,20}<?([^)\s>]{1,2000})"
)
_IMG = re.compile(r"<img\b([^<>]{0,2000})>", re.IGNORECASE)
_SRC = re.compile(r"\bsrc\s{0,9}=\s{0,9}[\"']?([^\"'\s>]{1,2000})", re.IGNORECASE)
_SHOWN_PAGE = re.compile(
    r"https?://(?:huggingface\.co|hf\.co)/(?:[^/\s]+/){2,3}blob/|https?://github\.com/[^/\s]+/[^/\s]+/blob/"
    r"(?!.*[?&]raw=)"
)


def pictures(view: CardView) -> Iterator[tuple[str, str, int]]:
    """(alternative text, address, offset) of each picture of the text."""
    text = prose(view.body)
    for match in _PICTURE.finditer(text):
        yield match[1], match[2], match.start()
    for match in _IMG.finditer(text):
        source = _SRC.search(match[1])
        alt = re.search(r"\balt\s*=\s*([\"'])(.*?)\1", match[1], re.IGNORECASE)
        yield alt[2] if alt else "", source[1] if source else "", match.start()


def _heading(line: str) -> tuple[int, str] | None:
    """(level, words) of a line that is a heading."""
    found = _HEADING.match(line)
    return found and (len(found[1]), found[2].rstrip(" \t#").strip())


def _lines(view: CardView) -> list[str]:
    return prose(view.body).split("\n")


def _here(view: CardView, number: int, message: str, fix: str) -> Problem:
    return Problem(message, fix, CARD, view.body_line + number)


@CARD_RULES.rule("C209", "A picture's address is that of a page", Severity.ERROR)
def picture_of_a_page(view: CardView) -> Iterator[Problem]:
    """Addresses with /blob/ show the page about a file, not the file: the picture is broken.

    Example: ![a man](https://huggingface.co/me/x/blob/main/a.png)
    Fix: write /resolve/ in place of /blob/.
    """
    advice = "write /resolve/ (GitHub: /raw/) in place of /blob/"
    for _, address, offset in pictures(view):
        if _SHOWN_PAGE.match(address):
            line = view.body_line_of(offset)
            yield Problem(f"{address[:120]} is a page, no picture", advice, CARD, line)
    for entry in view.widget:
        output = entry.get("output")
        url = output.get("url") if isinstance(output, dict) else None
        if isinstance(url, str) and _SHOWN_PAGE.match(url):
            yield at(view, "widget", f"{url[:120]} is a page, no picture", advice)


@CARD_RULES.rule("C210", "Two files may be the card", Severity.WARNING)
def twins(view: CardView) -> Iterator[Problem]:
    """The Hub shows README.md, in capitals; on disks that do not tell case apart one of the two is
    lost.

    Example: readme.md beside README.md
    Fix: remove the other one.
    """
    for name in view.names:
        if name.lower() == CARD.lower() and name != CARD:
            yield Problem(f"{name} lies beside {CARD}", "remove the one that is not meant", CARD, 1)


@CARD_RULES.rule("C211", "A table swallows the text behind it", Severity.WARNING)
def table_end(view: CardView) -> Iterator[Problem]:
    """A table goes on until an empty line: text right below becomes its last row.

    Fix: put an empty line behind the table.
    """
    lines = _lines(view)
    inside = False
    for number, line in enumerate(lines):
        if inside and _BLOCK.match(line):
            inside = False
        elif inside and "|" not in line:
            yield _here(view, number, "this becomes a row of the table above", "put an empty line")
            inside = False
        elif not inside and number and "|" in line and "|" in lines[number - 1]:
            inside = _DELIMITER.fullmatch(line) is not None


@CARD_RULES.rule("C212", "A block of code is not closed", Severity.WARNING)
def open_fence(view: CardView) -> Iterator[Problem]:
    """Everything below it is shown as code.

    Fix: close it with as many backticks as opened it.
    """
    _, opened = fenced(view.body)
    if opened is not None:
        fence, since = opened
        yield _here(view, since, "all below this line is shown as code", f"add a line of {fence}")


@CARD_RULES.rule("C213", "The card of a model shows no picture", Severity.WARNING)
def no_picture(view: CardView) -> Iterator[Problem]:
    """Nobody downloads a LoRA of which they have seen nothing.

    Fix: `hubtools generate PROMPT --lora FOLDER --output FOLDER/samples` draws some, and `hubtools
    card FOLDER` puts them into the card. Those that another program drew with the LoRA lie
    in the folder's `samples/`.
    """
    if view.kind != "model" or not view.data or view.widget:
        return
    if next(pictures(view), None) is None:
        drawn = not view.adapters or any(one.holds is Holds.LORA for one in view.adapters)
        draw = f"draw some ({draw_command(view, 'PROMPT')}) or " if drawn else ""
        yield Problem(
            "there is no picture in the card",
            f"{draw}put those that you have into"
            f" {shlex.quote(from_here(view.root / SAMPLES_DIR))}; then"
            f" {card_command(view.root)}",
            CARD,
            view.body_line,
        )


@CARD_RULES.rule("C214", "A link within the card leads nowhere", Severity.WARNING)
def anchors(view: CardView) -> Iterator[Problem]:
    """A click on it does nothing.

    Example: [Licence](#licence) where the heading is called License
    Fix: write the heading's words, in small letters and joined by hyphens.
    """
    text = prose(view.body)
    links = list(re.finditer(r"\]\(\s{0,20}#([^)\s]{1,300})\)", text))
    if not links:
        return
    targets = set(re.findall(r"\b(?:id|name)\s{0,9}=\s{0,9}[\"']([^\"'\s]{1,300})[\"']", text))
    seen: Counter[str] = Counter()
    for line in text.split("\n"):
        if heading := _heading(line):
            slug = re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-")
            targets.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    for link in links:
        if link[1].lower() not in targets and link[1] not in targets:
            where = view.body_line_of(link.start())
            yield Problem(f"there is no heading #{link[1]}", "correct the link", CARD, where)


@CARD_RULES.rule("C215", "A <details> is not closed", Severity.WARNING)
def open_details(view: CardView) -> Iterator[Problem]:
    """All that follows is folded away with it.

    Fix: write </details> where it ends.
    """
    open_at: list[int] = []
    for match in re.finditer(r"<(/?)details\b", prose(view.body), re.IGNORECASE):
        if not match[1]:
            open_at.append(match.start())
        elif open_at:
            open_at.pop()
    for offset in open_at:
        line = view.body_line_of(offset)
        yield Problem("<details> is not closed", "write </details> where it ends", CARD, line)


@CARD_RULES.rule("C216", "A section has no text", Severity.WARNING)
def empty_section(view: CardView) -> Iterator[Problem]:
    """A heading that nothing follows tells readers that the card was not finished.

    Fix: write the section, or remove its heading.
    """
    code = [number for number, line in enumerate(view.body.split("\n")) if line.strip()]
    headings = [
        (number, *found) for number, line in enumerate(_lines(view)) if (found := _heading(line))
    ]
    for (number, level, words), following in zip(headings, [*headings[1:], None], strict=False):
        end = following[0] if following else None
        if following and following[1] > level:
            continue  # its sections follow
        upto = bisect_right(code, number)
        if upto == len(code) or (end is not None and code[upto] >= end):
            yield _here(
                view, number, f"{shortened(words)!r} has no text", "write it, or remove the heading"
            )


@CARD_RULES.rule("C217", "A picture has no alternative text", Severity.INFO)
def alternative(view: CardView) -> Iterator[Problem]:
    """Who cannot see the picture is read its alternative text, as is who searches for it.

    Fix: write what it shows between the brackets of ![...], or as alt="..." of an <img>.
    """
    for alt, address, offset in pictures(view):
        if not alt.strip():
            where = view.body_line_of(offset)
            yield Problem(f"{address[:80]} has no words", "say what it shows", CARD, where)
