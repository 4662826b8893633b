"""Licences: the Hub's ids, what a base model's licence asks of a LoRA, and what it allows.

Policy, not legal advice. The id list is that of the Hub's documentation page "Licenses"
(`data/hub_licenses.json` says of which day); base models are in `data/base_licenses.json`, each
row with its source.
"""

from __future__ import annotations

import difflib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any, Literal

LicenseClass = Literal["permissive", "openrail", "restricted", "unknown"]


@cache
def _hub_list() -> dict[str, dict[str, Any]]:
    text = (files("hubtools") / "data" / "hub_licenses.json").read_text(encoding="utf-8")
    return {entry["id"]: entry for entry in json.loads(text)["licenses"]}


def known_ids() -> frozenset[str]:
    """All licence ids that the Hub accepts."""
    return frozenset(_hub_list())


def is_license(id: str) -> bool:
    """True if the Hub accepts `id` as it stands."""
    return id in _hub_list()


def name_of(id: str) -> str:
    """The licence's name in words; the id itself if it is unknown."""
    entry = _hub_list().get(id)
    return str(entry["name"]) if entry else id


def suggest(text: str) -> str | None:
    """The id somebody probably means: `Apache 2.0` -> `apache-2.0`. None if nothing is near."""
    folded = _fold(text)
    by_form: dict[str, str] = {}
    for id, entry in _hub_list().items():
        by_form.setdefault(_fold(str(entry["name"])), id)
        by_form[_fold(id)] = id
    if folded in by_form:
        return by_form[folded]
    near = difflib.get_close_matches(folded, by_form, n=1, cutoff=0.7)
    return by_form[near[0]] if near else None


def _fold(text: str) -> str:
    words = re.sub(r"[^a-z0-9]+", " ", text.lower().replace("+", "plus")).split()
    return "".join(word for word in words if word not in ("license", "licence", "the", "v"))
