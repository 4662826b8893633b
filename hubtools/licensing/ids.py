"""Licences: the Hub's ids, what a base model's licence asks of a LoRA, and what it allows.

Policy, not legal advice. The id list is that of the Hub's documentation page "Licenses"
(`data/hub_licenses.json` says of which day); base models are rows of the
registry of model families, each with its source.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, Literal

from hubtools.cardschema import licenses
from hubtools.models.lookup import license_row
from hubtools.patterns import regex
from hubtools.tomltext import toml_value

LicenseClass = Literal["permissive", "openrail", "restricted", "unknown"]


@cache
def _hub_list() -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry for entry in licenses()}


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
    longer = {id for form, id in by_form.items() if len(folded) > 2 and form.startswith(folded)}
    if len(longer) == 1:  # a version was left out: CC0
        return longer.pop()
    near = difflib.get_close_matches(folded, by_form, n=1, cutoff=0.7)
    return by_form[near[0]] if near else None


def _fold(text: str) -> str:
    words = re.sub(r"[^a-z0-9]+", " ", text.lower().replace("+", "plus")).split()
    return "".join(word for word in words if word not in ("license", "licence", "the", "v"))


# --- what a base model asks of a LoRA ------------------------------------------------------------


@dataclass(frozen=True)
class BaseLicense:
    """A base model's licence. `id` None: known to be contradictory or to have its own terms."""

    id: str | None
    kind: LicenseClass
    source: str
    name: str | None = None  # for `other`
    link: str | None = None  # for `other`


_OPENRAIL = regex(r"openrail|-rail-")
_RESTRICTED = regex(r"-nc\b|-nc-|-nd\b|^other$|llama|gemma|^cc-by-nc|research|community")
# Ids that say a family but not which licence.
_VAGUE = frozenset({"cc", "bsd", "openrail", "unknown", "gpl", "lgpl", "llama"})


def class_of(id: str) -> LicenseClass:
    """How free a licence id leaves those who build on it."""
    if id in _VAGUE or not is_license(id):
        return "openrail" if id == "openrail" else "unknown"
    if _OPENRAIL.search(id):
        return "openrail"
    return "restricted" if _RESTRICTED.search(id) else "permissive"


def license_of_base(base_id: str) -> BaseLicense | None:
    """The shipped table's row for a Hub id; None if it has none."""
    row = license_row(base_id)
    return BaseLicense(row.id, row.kind, row.source, row.name, row.link) if row else None


def license_of_card(card: dict[str, Any], source: str) -> BaseLicense | None:
    """What a card's front matter says; None if it names no licence."""
    value = card.get("license")
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    if not isinstance(value, str) or not value:
        return None
    return BaseLicense(
        value, class_of(value), source, card.get("license_name"), card.get("license_link")
    )


def check_derived(
    base: BaseLicense | None, chosen: str, name: str | None, of: str = "the base model's"
) -> str | None:
    """Why a LoRA of this base may not carry the licence `chosen` (with `name` for `other`), as a
    sentence; None if it may. `of`: whose licence `base` is.

    Permissive bases allow any. OpenRAIL licences carry use restrictions that must travel, so the
    same id is asked for. Non-commercial and community licences must be passed on by name.
    """
    if base is None or base.id is None or base.kind in ("permissive", "unknown"):
        return None
    if base.kind == "openrail":
        if class_of(chosen) == "openrail" and chosen == base.id:
            return None
        return (
            f"{of} licence {base.id} has use restrictions that must travel with the"
            f" LoRA; {chosen} drops them"
        )
    same = chosen == base.id and (base.name is None or name in (None, base.name))
    if same:
        return None
    wanted = f"{base.id} ({base.name})" if base.name else base.id
    return f"{of} licence {wanted} must be passed on; {chosen} would promise more"


def problems_of_derived(
    front: Mapping[str, Any],
) -> Iterator[tuple[str, bool, BaseLicense | None]]:
    """What a model card's front matter promises beyond its bases' licences, as sentences, each with
    whether license_details says by what right, and with that licence of a base."""
    said = front.get("license_details")
    excused = isinstance(said, str) and bool(said.strip())
    for base, chosen in product(_texts(front.get("base_model")), _texts(front.get("license"))):
        asked = license_of_base(base)
        problem = check_derived(asked, chosen, front.get("license_name"))
        if problem:
            yield problem, excused, asked


def problems_of_pictures(
    pictures: str | None, front: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """What a model card's front matter promises beyond the licence of the pictures that the LoRA
    was trained on, as sentences, each with what to do."""
    said = (pictures or "").lower()
    for licence in _texts(front.get("license")):
        if re.search(r"-nd(-|$)", said):
            text = f"the pictures' licence {said} allows nothing made of them"
            yield text, "ask those who made the pictures"
        elif re.search(r"-nc(-|$)", said) and class_of(licence) in ("permissive", "openrail"):
            text = f"the pictures are under {said}, for non-commercial use; {licence} allows more"
            yield text, f"write {said}, or ask those who made the pictures"


def license_of_pictures(settings: bytes) -> str | None:
    """`dataset.license` of the hubtools.toml of a run; None if it says none."""
    try:
        section = toml_value(settings.decode("utf-8")).get("dataset")
    except ValueError:
        return None
    value = section.get("license") if isinstance(section, dict) else None
    return value if isinstance(value, str) else None


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str)]
