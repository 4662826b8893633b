"""The Hub's schema of a card's front matter: one table, `data/card_schema.json`, for the card
rules, the gate of a push and the embedded Hub.

The table is a JSON Schema (draft 2020-12, https://json-schema.org) of which a small part is read
here: type, enum, pattern (of the whole text), items, minItems, properties, required,
additionalProperties, anyOf, $ref into $defs. Keys with `x-` are ours; its $comment says what they
mean and where the facts are from.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

MOST = 200  # violations that are told of one card
_LONGEST = 100  # letters of a key or a value that may be a misspelt one
_WORDS = {
    "string": "a string",
    "array": "an array",
    "object": "an object",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "empty",
}


@dataclass(frozen=True)
class Violation:
    """A value that the Hub does not take, or takes and does not understand (`refused` False).

    `path` leads to it ("tags", 2); `says` is what it must be, as the end of a sentence; `rule` is
    the card rule that tells it; `meant` the value that was probably meant; `fix` what to do.
    """

    path: tuple[str | int, ...]
    value: Any
    says: str
    rule: str
    refused: bool = True
    meant: str | None = None
    fix: str | None = None

    @property
    def place(self) -> str:
        """The path as people write it: model-index[0].name."""
        return "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" if number else str(part)
            for number, part in enumerate(self.path)
        )


@cache
def _table(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((files("hubtools") / "data" / name).read_text("utf-8"))
    return read


def schema() -> dict[str, Any]:
    """The table, as JSON Schema."""
    return _table("card_schema.json")


def keys(kind: str | None = None) -> frozenset[str]:
    """The keys that the Hub knows on cards of a kind ("model", "dataset", "space"), or on any."""
    return frozenset(
        key
        for key, form in schema()["properties"].items()
        if kind is None or kind in form.get("x-kinds", (kind,))
    )


def licenses() -> list[dict[str, Any]]:
    """The licences of the Hub's documentation, a row each (`id`, `name`, ...)."""
    rows: list[dict[str, Any]] = _table("hub_licenses.json")["licenses"]
    return rows


def license_id(text: str) -> str | None:
    """The id of that list that a text is, but for capitals and spaces around it."""
    said = text.strip().lower()
    return said if any(row["id"] == said for row in licenses()) else None


@cache
def values_of(name: str) -> tuple[str, ...]:
    """The values of a list of the table: "license", "languages", "tasks"."""
    if name == "license":
        return tuple(row["id"] for row in licenses())
    return tuple(schema()["x-lists"][name])


def violations(data: Mapping[str, Any], kind: str) -> tuple[Violation, ...]:
    """What in a front matter is not of the Hub's form, in the order of the card: at most `MOST`.
    Keys without a value, and keys that the Hub does not know, are not judged."""
    found = []
    for key, value in data.items():
        form = schema()["properties"].get(key)
        if form is None or value is None or kind not in form.get("x-kinds", (kind,)):
            continue
        for violation in _judge(form, value, (key,), _Manner.of(form)):
            found.append(violation)
            if len(found) == MOST:
                return tuple(found)
    return tuple(found)


@cache
def _forms(kind: str) -> dict[str, str]:
    """The keys of a kind as they are compared."""
    return {re.sub(r"[_-]+", "_", known): known for known in sorted(keys(kind))}


def nearest_key(key: str, kind: str) -> str | None:
    """The key of the Hub that was probably meant: `licence` -> `license`; None if none is near."""
    if len(key) > _LONGEST:
        return None
    folded = re.sub(r"[\s_-]+", "_", key.strip().lower())
    forms = _forms(kind)
    if folded in forms:
        return forms[folded]
    near = difflib.get_close_matches(folded, forms, n=1, cutoff=0.84)
    return forms[near[0]] if near else None


# --- the part of JSON Schema that the table needs -------------------------------------------------


@dataclass(frozen=True)
class _Manner:
    """What the forms on the way to a value say of how it is told."""

    rule: str = "C127"
    told: bool = False
    free: bool = False
    fix: str | None = None

    @classmethod
    def of(cls, form: Mapping[str, Any], outer: _Manner | None = None) -> _Manner:
        outer = outer or cls()
        return cls(
            form.get("x-rule", outer.rule),
            outer.told or form.get("x-told", False),
            outer.free or form.get("x-free", False),
            form.get("x-fix", outer.fix),
        )


_Path = tuple[str | int, ...]


def _judge(
    form: Mapping[str, Any], value: Any, path: _Path, manner: _Manner
) -> Iterator[Violation]:
    if "$ref" in form:
        name = form["$ref"].rpartition("/")[2]
        form = {**schema()["$defs"][name], **{k: v for k, v in form.items() if k != "$ref"}}
    manner = _Manner.of(form, manner)
    if "anyOf" in form:
        yield from _any(form["anyOf"], value, path, manner)
        return
    types = form["type"] if isinstance(form["type"], list) else [form["type"]]
    if not any(_is(value, name) for name in types):
        yield _violation(path, value, _must_be(types, value), manner, of_type=True)
    elif isinstance(value, str):
        yield from _text(form, value, path, manner)
    elif isinstance(value, list):
        yield from _list(form, value, path, manner)
    elif isinstance(value, Mapping):
        yield from _object(form, value, path, manner)


def _any(forms: list[Any], value: Any, path: _Path, manner: _Manner) -> Iterator[Violation]:
    """The form that is of the value's type judges it."""
    types = []
    for form in forms:
        whole = schema()["$defs"][form["$ref"].rpartition("/")[2]] if "$ref" in form else form
        if "anyOf" in whole:
            yield from _judge(form, value, path, manner)
            return
        own = whole["type"] if isinstance(whole["type"], list) else [whole["type"]]
        if any(_is(value, name) for name in own):
            yield from _judge(form, value, path, manner)
            return
        types += own
    yield _violation(path, value, _must_be(types, value), manner, of_type=True)


def _text(form: Mapping[str, Any], value: str, path: _Path, manner: _Manner) -> Iterator[Violation]:
    known = values_of(form["x-list"]) if "x-list" in form else tuple(form.get("enum", ()))
    pattern = form.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        says = form.get("x-says", f"must match {pattern}")
        yield _violation(path, value, says, manner, _meant(value))
    elif known and not _listed(form, value, known):
        says = form.get("x-says", f"must be one of [{', '.join(known)}]")
        yield _violation(path, value, says, manner, _meant(value, known))


def _listed(form: Mapping[str, Any], value: str, known: tuple[str, ...]) -> bool:
    # Three letters are of ISO 639-2 and 639-3, of which there are thousands.
    return value in known or (form.get("x-list") == "languages" and len(value) != 2)


def _list(form: Mapping[str, Any], value: list[Any], path: _Path, manner: _Manner) -> Any:
    if len(value) < form.get("minItems", 0):
        yield _violation(path, value, "must not be empty", manner)
    unique, seen = form.get("x-unique"), set()
    for index, item in enumerate(value):
        yield from _judge(form["items"], item, (*path, index), manner)
        name = item.get(unique) if unique and isinstance(item, Mapping) else None
        if unique and isinstance(name, str):
            if name in seen:
                yield _violation((*path, index, unique), name, "is used twice", manner)
            seen.add(name)


def _object(form: Mapping[str, Any], value: Mapping[Any, Any], path: _Path, manner: _Manner) -> Any:
    for key in form.get("required", ()):
        if value.get(key) is None:
            yield _violation((*path, key), None, "is required", manner)
    known = form.get("properties", {})
    others = form.get("additionalProperties")
    for key, item in value.items():
        inner = known.get(key, others)
        if inner is not None and (item is not None or others is not None):
            yield from _judge(inner, item, (*path, str(key)), manner)


def _violation(
    path: _Path,
    value: Any,
    says: str,
    manner: _Manner,
    meant: str | None = None,
    *,
    of_type: bool = False,
) -> Violation:
    refused = not (manner.free or (manner.told and not of_type))
    fix = f"write {meant}" if meant else manner.fix
    return Violation(path, value, says, manner.rule, refused, meant, fix)


def _meant(value: str, known: tuple[str, ...] = ()) -> str | None:
    folded = value.strip().lower()
    if folded in schema()["x-means"]:
        return str(schema()["x-means"][folded])
    if folded in known:
        return folded
    if len(folded) > _LONGEST:
        return None
    near = difflib.get_close_matches(folded, known, n=1, cutoff=0.75)
    return near[0] if near and len(folded) > 2 else None


def _must_be(types: list[str], value: Any) -> str:
    words = list(dict.fromkeys(_WORDS[name] for name in types if name != "null"))
    says = f"must be {' or '.join(words)}"
    if "string" in types and isinstance(value, bool):
        says += " (YAML reads words such as on, no and yes as true or false: write it in quotes)"
    elif "string" in types and not isinstance(value, list | Mapping) and value is not None:
        says += " (write it in quotes)"
    return says


def _is(value: Any, name: str) -> bool:
    if name == "string":
        return isinstance(value, str)
    if name == "array":
        return isinstance(value, list)
    if name == "object":
        return isinstance(value, Mapping)
    if name == "boolean":
        return isinstance(value, bool)
    if name == "null":
        return value is None
    number = isinstance(value, int) or (name == "number" and isinstance(value, float))
    return number and not isinstance(value, bool)
