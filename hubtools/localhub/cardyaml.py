"""The front matter of a README.md: reading it, and judging it as the Hub does.

What is judged is the Hub's schema of a card (`hubtools.cardschema`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from hubtools.cardschema import violations
from hubtools.limits import yaml_beyond
from hubtools.localhub.problems import Problem

EMPTY = "empty or missing yaml metadata in repo card"
_BLOCK = re.compile(r"\A\ufeff?\s*---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.M)
_MOST_VALUES, _MOST_DEPTH = 100_000, 50


@dataclass
class Verdict:
    """What is wrong (the Hub refuses the card) and what is doubtful (it tells)."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def split(text: str) -> tuple[str | None, str]:
    """(front matter without its fences or None, the rest)."""
    match = _BLOCK.match(text)
    return (match.group(1), text[match.end() :]) if match else (None, text.lstrip("\ufeff"))


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a date stays text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(block: str) -> Any:
    """The value of a front matter. Raises `yaml.YAMLError`, also if aliases make it enormous."""
    if (beyond := yaml_beyond(block)) is not None:
        raise yaml.YAMLError(beyond)
    try:
        value = yaml.load(block, Loader=_Loader)
        _count(value, 0)
    except (ValueError, RecursionError, OverflowError) as error:
        raise yaml.YAMLError(str(error) or "too deeply nested") from error
    return value


def _count(value: Any, seen: int, depth: int = 0) -> int:
    """How many values there are once every alias is written out; ValueError if too many."""
    seen += 1
    if seen > _MOST_VALUES or depth > _MOST_DEPTH:
        raise ValueError("too large or too deeply nested")
    if isinstance(value, dict):
        for item in value.values():
            seen = _count(item, seen, depth + 1)
    elif isinstance(value, list):
        for item in value:
            seen = _count(item, seen, depth + 1)
    return seen


def metadata(text: str) -> dict[str, Any]:
    """The front matter as a mapping; {} if there is none or it is not one."""
    block, _ = split(text)
    try:
        value = load(block) if block is not None else None
    except yaml.YAMLError:
        return {}
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else {}


def judge(text: str, kind: str) -> Verdict:
    """Judge the front matter of a README of a `kind` of repository."""
    verdict = Verdict()
    block, _ = split(text)
    if block is None:
        verdict.warnings.append(EMPTY)
        return verdict
    try:
        value = load(block)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error).split("\n")[0]
        place = f" (line {mark.line + 2}, column {mark.column + 1})" if mark else ""
        verdict.errors.append(f"Invalid YAML metadata: {what}{place}")
        return verdict
    if value is None:
        verdict.warnings.append(EMPTY)
    elif not isinstance(value, dict):
        verdict.errors.append("YAML metadata must be a mapping of keys to values")
    else:
        _judge_mapping({str(key): item for key, item in value.items()}, kind, verdict)
    return verdict


def check_card(data: bytes, kind: str) -> None:
    """Raise `Problem` 400 if the Hub would refuse a commit with this README.md."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(400, "Invalid metadata in README.md: it is not UTF-8.") from None
    if errors := judge(text, kind).errors:
        raise Problem(
            400,
            "Invalid metadata in README.md.",
            body={"errors": [{"message": message} for message in errors]},
        )


def _judge_mapping(card: Mapping[str, Any], kind: str, verdict: Verdict) -> None:
    for found in violations(card, kind):
        valued = isinstance(found.value, str) and not found.says.startswith("must be one of")
        complaint = (
            f'"{found.place}" with value "{found.value}" is not valid. It {found.says}.'
            if valued
            else f'"{found.place}" {found.says}'
        )
        (verdict.errors if found.refused else verdict.warnings).append(complaint)
    if kind == "space" and not card.get("sdk"):
        verdict.errors.append('"sdk" is required')
