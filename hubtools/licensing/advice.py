"""What to type where a card lacks something: commands that work as they stand."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Literal

from hubtools.licensing.ids import is_license, license_of_base


def card_command(folder: Path, *options: str) -> str:
    """`hubtools card FOLDER OPTIONS`, as one types it here."""
    place = folder.absolute()
    here = Path.cwd()
    shown = str(place.relative_to(here)) if place.is_relative_to(here) else str(place)
    return " ".join(["`hubtools card", shlex.quote(shown), *options]) + "`"


def license_advice(
    folder: Path, kind: Literal["model", "dataset", "space"], front: dict[str, Any]
) -> str:
    """How the card of `folder` gets a licence. `front`: what stands in its front matter."""
    option = "--dataset-license" if kind == "dataset" else "--license"
    named = f"{card_command(folder, option, 'ID')} (an id of the Hub's list, such as cc-by-4.0)"
    base = front.get("base_model")
    asked = license_of_base(base) if isinstance(base, str) else None
    if kind == "model" and asked is not None and asked.id and is_license(asked.id):
        named = f"{card_command(folder, option, asked.id)}, as its base asks"
    return f"{named}; or {kind}.license in hubtools.toml, and {card_command(folder)}"
