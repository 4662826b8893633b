"""What to type where a card lacks something: commands that work as they stand."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from hubtools.findings import Problem, Severity
from hubtools.layout import CARD, RUN_MANIFEST
from hubtools.licensing.ids import BaseLicense, is_license, license_of_base, problems_of_derived
from hubtools.lorafile.provenance import base_of_card
from hubtools.whereabouts import from_here


def card_command(folder: Path, *options: str) -> str:
    """`hubtools card FOLDER OPTIONS`, as one types it here."""
    return command_of("card", folder, *options)


def command_of(name: str, folder: Path, *options: str) -> str:
    """`hubtools NAME FOLDER OPTIONS`, as one types it here."""
    return " ".join([f"`hubtools {name}", shlex.quote(from_here(folder)), *options]) + "`"


def license_advice(
    folder: Path, kind: Literal["model", "dataset", "space"], front: dict[str, Any]
) -> str:
    """How the card of `folder` gets a licence. `front`: what stands in its front matter."""
    option = "--dataset-license" if kind == "dataset" else "--license"
    named = f"{card_command(folder, option, 'ID')} (an id of the Hub's list, such as cc-by-4.0)"
    base = base_of_card(front)
    asked = license_of_base(base) if base else None
    unnamed = front.get("base_model") is None
    if kind == "model" and (options := _as_asked(asked)):
        named = f"{card_command(folder, *options)}, as its base asks"
    elif kind == "model" and unnamed and not (folder / RUN_MANIFEST).is_file():
        named = f"name the base first (C103), whose licence decides; then {named}"
    return f"{named}; or {kind}.license in hubtools.toml, and {card_command(folder)}"


def _as_asked(asked: BaseLicense | None) -> tuple[str, ...]:
    """The options that give a LoRA the licence that its base asks for; none if that is not
    known."""
    if asked is None or asked.id is None or not is_license(asked.id):
        return ()
    named = {"--license": asked.id}
    if asked.id == "other":
        named |= {"--license-name": asked.name or "NAME", "--license-link": asked.link or "ADDRESS"}
    return tuple(word for option, value in named.items() for word in (option, shlex.quote(value)))


def missing_license(
    folder: Path, kind: Literal["model", "dataset", "space"], front: dict[str, Any]
) -> Iterator[Problem]:
    """What is said of a card that names no licence, by C301 and P108 alike. Of a model it is an
    error: it is made of a base, whose licence says what may be done with it."""
    if not front.get("license"):
        severity = Severity.ERROR if kind == "model" else None
        advice = license_advice(folder, kind, front)
        yield Problem("the card names no licence", advice, CARD, 1, severity=severity)


def derived_license(folder: Path, front: dict[str, Any], line: int | None) -> Iterator[Problem]:
    """What a model card promises beyond the licences of its bases, as C304 and P149 say it."""
    for problem, excused, asked in problems_of_derived(front):
        options = _as_asked(asked)
        fix = "take the base's licence" + (f": {card_command(folder, *options)}" if options else "")
        yield Problem(problem, fix, CARD, line, severity=Severity.INFO if excused else None)
