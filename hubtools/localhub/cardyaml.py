"""The front matter of a README.md: reading it, and judging it as the Hub does.

Only what the Hub's documentation states is judged: licence ids, and the base types of known keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any

import yaml

from hubtools.limits import yaml_beyond
from hubtools.localhub.problems import Problem

EMPTY = "empty or missing yaml metadata in repo card"
_BLOCK = re.compile(r"\A\ufeff?\s*---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.M)
_REPO_ID = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)?")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)*|code|multilingual|other|unknown")
_LICENSE_NAME = re.compile(r"[a-z0-9-.]+")
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


@lru_cache(maxsize=1)
def license_ids() -> tuple[str, ...]:
    """The licence ids the Hub knows."""
    table = resources.files("hubtools").joinpath("data", "hub_licenses.json")
    return tuple(row["id"] for row in json.loads(table.read_text("utf-8"))["licenses"])


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
    for key, judge_value in _JUDGES.items():
        if card.get(key) is not None and (complaint := judge_value(key, card[key])):
            verdict.errors.append(complaint)
    configs = card.get("configs") if kind == "dataset" else None
    if configs is not None and (complaint := _configs(configs)):
        verdict.errors.append(complaint)
    if kind == "space" and not card.get("sdk"):
        verdict.errors.append('"sdk" is required')


def _string(key: str, value: Any) -> str | None:
    return None if isinstance(value, str) else f'"{key}" must be a string'


def _strings(key: str, value: Any) -> str | None:
    if not isinstance(value, list):
        return f'"{key}" must be an array'
    for index, item in enumerate(value):
        if not isinstance(item, str):
            return f'"{key}[{index}]" must be a string'
    return None


def _string_or_strings(key: str, value: Any) -> str | None:
    if isinstance(value, str):
        return None
    return (
        f'"{key}" must be a string or an array'
        if not isinstance(value, list)
        else _strings(key, value)
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _license(key: str, value: Any) -> str | None:
    if complaint := _string_or_strings(key, value):
        return complaint
    if any(item not in license_ids() for item in _list(value)):
        return f'"{key}" must be one of [{", ".join(license_ids())}]'
    return None


def _license_name(key: str, value: Any) -> str | None:
    if isinstance(value, str) and not _LICENSE_NAME.fullmatch(value):
        return f'"{key}" must only hold lower-case letters, digits, "-" and "."'
    return _string(key, value)


def _language(key: str, value: Any) -> str | None:
    if complaint := _string_or_strings(key, value):
        return complaint
    for item in _list(value):
        if not _LANGUAGE.fullmatch(item):
            return (
                f'"{key}" with value "{item}" is not valid. It must be an ISO 639-1, 639-2 or 639-3'
                ' code (two/three letters), or a special value like "code", "multilingual".'
            )
    return None


def _ids(key: str, value: Any) -> str | None:
    if complaint := _string_or_strings(key, value):
        return complaint
    for index, item in enumerate(_list(value)):
        name = f"{key}[{index}]" if isinstance(value, list) else key
        if not _REPO_ID.fullmatch(item):
            return f'"{name}" with value "{item}" is not valid. It must be a repository id.'
    return None


def _objects(key: str, value: Any) -> str | None:
    if not isinstance(value, list):
        return f'"{key}" must be an array'
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            return f'"{key}[{index}]" must be an object'
    return None


def _configs(value: Any) -> str | None:
    if complaint := _objects("configs", value):
        return complaint
    names = [item.get("config_name") for item in value]
    for index, name in enumerate(names):
        if not isinstance(name, str):
            return f'"configs[{index}].config_name" must be a string'
        if name in names[:index]:
            return f'"configs[{index}].config_name" is used twice: "{name}"'
    return None


_JUDGES: dict[str, Callable[[str, Any], str | None]] = {
    "license": _license,
    "license_name": _license_name,
    "license_link": _string,
    "language": _language,
    "tags": _strings,
    "datasets": _ids,
    "base_model": _ids,
    "base_model_relation": _string,
    "library_name": _string,
    "pipeline_tag": _string,
    "metrics": _string_or_strings,
    "instance_prompt": _string,
    "new_version": _string,
    "thumbnail": _string,
    "model-index": _objects,
    "widget": _objects,
    "pretty_name": _string,
    "size_categories": _string_or_strings,
    "task_categories": _string_or_strings,
    "task_ids": _string_or_strings,
    "annotations_creators": _string_or_strings,
    "source_datasets": _string_or_strings,
    "sdk": _string,
    "title": _string,
}
