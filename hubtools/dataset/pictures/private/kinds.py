"""Kinds of private metadata."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Damaged(ValueError):
    """The structure does not hold together; nothing can be changed for certain."""


class TooMuch(Damaged):
    """It unpacks to, or names again and again, far more than anybody writes."""


class Kind(StrEnum):
    """What it leads to."""

    POSITION = "position"  # where exactly it was taken
    OWNER = "owner"  # whose camera or computer it was
    PEOPLE = "people"  # who is to be seen
    PLACE = "place"  # the name of a town or a country
    REST = "rest"  # removed along: maker notes, ids


class Found(NamedTuple):
    """`what` it is, in words, and the `name` of the tag."""

    kind: Kind
    what: str
    name: str = ""


def says(value: bytes | str) -> bool:
    """False for what is blank; cameras write zeros for a number that they do not know."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    text = text.replace("\0", "").strip()
    return bool(text) and text.strip("0 ") != ""
