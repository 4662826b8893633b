"""C2: rules of the text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hubtools.cardlinks import linked_files, loaded_files, prose, scheme_of
from hubtools.cards.view import CARD_RULES, CardView, at, bytes_of
from hubtools.errors import HubtoolsError
from hubtools.findings import Problem, Severity, shortened
from hubtools.layout import CARD
from hubtools.leaks import local_paths, tokens
from hubtools.licensing.advice import card_command
from hubtools.runfolders.main_file import lora_in


@CARD_RULES.rule("C201", "A placeholder was left", Severity.ERROR)
def placeholder(view: CardView) -> Iterator[Problem]:
    """[More Information Needed], TODO and the like tell readers that nobody looked.

    Fix: write it, or remove the section.
    """
    pattern = re.compile(
        r"\[more information needed\]|\[?\bTODO\b|lorem ipsum|<your[- ]|\[your ", re.IGNORECASE
    )
    for match in pattern.finditer(prose(view.body)):
        yield Problem(
            f"{match[0]!r} was left in the card",
            "write it, or remove the section",
            CARD,
            view.body_line_of(match.start()),
        )


@CARD_RULES.rule("C202", "The card names a path of this machine", Severity.ERROR)
def path(view: CardView) -> Iterator[Problem]:
    """It tells the account's name and means nothing to anybody else.

    Fix: remove it.
    """
    for found, offset in local_paths(view.text):
        line = view.text_line_of(offset)
        yield Problem(f"{found!r} is a path of this machine", "remove it", CARD, line)


@CARD_RULES.rule("C203", "The card holds an access token", Severity.ERROR)
def secret(view: CardView) -> Iterator[Problem]:
    """Everybody could use it.

    Fix: remove it, and revoke the token.
    """
    for what, offset in tokens(view.text):
        line = view.text_line_of(offset)
        yield Problem(f"this looks like {what}", "remove it, and revoke it", CARD, line)


@CARD_RULES.rule("C204", "Gallery and widget do not go together", Severity.WARNING)
def gallery(view: CardView) -> Iterator[Problem]:
    """`<Gallery />` shows the widget's pictures: one without the other shows nothing.

    Fix: run `hubtools card --renew`; where you wrote it yourself, add the other or remove it.
    """
    if view.kind != "model" or view.front.error:
        return
    tag = "<Gallery />" in view.body
    if tag and not view.widget:
        offset = view.body.index("<Gallery />")
        yield Problem(
            "<Gallery /> has no widget to show",
            view.renewed_at(offset, "write one into the front matter, or remove it"),
            CARD,
            view.body_line_of(offset),
        )
    elif view.widget and not tag:
        yield at(
            view,
            "widget",
            "there is no <Gallery /> to show the widget",
            f"add it, or run {card_command(view.root, '--renew')}",
        )


@CARD_RULES.rule("C205", "A picture or file that the card links does not exist", Severity.ERROR)
def links(view: CardView) -> Iterator[Problem]:
    """Readers get a broken picture or a 404.

    Fix: correct the link.
    """
    for target, offset in linked_files(view.body):
        if bytes_of(view, target) is None:
            yield Problem(
                f"there is no {target}", "correct the link", CARD, view.body_line_of(offset)
            )


@CARD_RULES.rule("C206", "The code snippet loads a file that does not exist", Severity.ERROR)
def snippet(view: CardView) -> Iterator[Problem]:
    """Whoever copies the snippet gets an error.

    Fix: run `hubtools card --renew`; in code of your own name the file that is there.
    """
    if view.kind != "model":
        return
    for name, offset in loaded_files(view.body):
        if bytes_of(view, name) is None and name != _published_as(view):
            yield Problem(
                f"there is no {name}",
                view.renewed_at(offset, "name a file that is there"),
                CARD,
                view.body_line_of(offset),
            )


def _published_as(view: CardView) -> str | None:
    """The name that a LoRA which lies deeper in the folder gets in the repository."""
    try:
        return lora_in(view.root)[1]
    except (HubtoolsError, OSError):
        return None


@CARD_RULES.rule("C207", "The card has no text", Severity.WARNING)
def empty_body(view: CardView) -> Iterator[Problem]:
    """A page without a word.

    Fix: run `hubtools card --renew`.
    """
    if len(view.body.split()) < 5:
        yield Problem(
            "the card has no text",
            f"run {card_command(view.root, '--renew')}",
            CARD,
            view.body_line,
        )


@CARD_RULES.rule("C208", "An e-mail address is in the card", Severity.INFO)
def email(view: CardView) -> Iterator[Problem]:
    """It will be collected. That may be what you want.

    Fix: remove it if not.
    """
    for match in re.finditer(
        r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,255}\.[a-z]{2,}\b", prose(view.body)
    ):
        yield Problem(
            f"{match[0]} will be collected", "remove it unless you mean it", CARD,
            view.body_line_of(match.start()),
        )  # fmt: skip


# What a picture or link of a card may begin with; a path of the repository has no scheme.
_SCHEMES = frozenset({"http", "https", "mailto"})
_PICTURES = re.compile(r"data:image/(png|jpe?g|gif|webp);base64,")


@CARD_RULES.rule("C114", "A link runs code or leads to this machine", Severity.ERROR)
def schemes(view: CardView) -> Iterator[Problem]:
    """`javascript:`, `data:` and `vbscript:` addresses run code where a page does not take them
    out, and `file:` names a place of the reader's machine.

    Fix: write an https address, or the path of a file of the repository.
    """
    pattern = r"\]\(\s{0,20}<?([^)\s>]+)|\b(?:src|href)\s{0,9}=\s{0,9}[\"']?([^\"'>\n]{1,2000})"
    for match in re.finditer(pattern, prose(view.body), re.IGNORECASE):
        address = match[1] or match[2]
        scheme = scheme_of(address)
        if scheme is None or scheme in _SCHEMES or _PICTURES.match(address):
            continue
        yield Problem(
            f"{shortened(address, 80)!r} is a {scheme}: address",
            "write an https address or a path", CARD,
            view.body_line_of(match.start()),
        )  # fmt: skip


@CARD_RULES.rule("C115", "HTML in the card would run code", Severity.ERROR)
def active_html(view: CardView) -> Iterator[Problem]:
    """Scripts, frames and handlers (`<img onerror=...>`) run with the reader's rights where a page
    does not take them out, and are no part of a card anywhere.

    Fix: remove it; a name or prompt with such signs belongs between backticks.
    """
    tags = r"<(script|iframe|object|embed|svg|form|base|meta|link|style)\b"
    handlers = r"<[a-z][^<>]{0,2000}?[\s/\"']on[a-z]{3,30}\s{0,9}="
    for match in re.finditer(f"{tags}|{handlers}", prose(view.body), re.IGNORECASE):
        yield Problem(
            f"{shortened(match[0], 80)!r} would run code", "remove it", CARD,
            view.body_line_of(match.start()),
        )  # fmt: skip
