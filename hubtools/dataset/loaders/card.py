"""What the front matter of README.md tells `load_dataset`: `configs:` and `dataset_info:`.

Stricter and laxer than the Hub's own check: an unclosed front matter is no error here, two
default configs are. Sources: `huggingface_hub.RepoCard`, `datasets/utils/metadata.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hubtools import frontmatter
from hubtools.dataset.loaders.model import LoadError
from hubtools.patterns import regex

_SPLIT_NAME = regex(r"\w+(\.\w+)*")

# datasets.naming.INVALID_WINDOWS_CHARACTERS_IN_PATH
_BAD_IN_NAME = set(r"<>:/\|?*")


@dataclass(frozen=True)
class Config:
    """One entry of `configs:`. `patterns` is split -> patterns, None if it names no files."""

    name: str
    patterns: dict[str, list[str]] | None
    folder: str | None = None
    drop_labels: bool | None = None
    drop_metadata: bool | None = None
    default: bool = False
    # names of metadata files in place of metadata.*: a list, or a text that holds them
    metadata_names: tuple[str, ...] | str | None = None
    restricted: bool = False  # it names columns, features or filters of tables


@dataclass(frozen=True)
class Declared:
    """All configs, and what `dataset_info` promises: the sizes, config -> split -> rows, and the
    `features:` of each config."""

    configs: tuple[Config, ...] = ()
    sizes: dict[str, dict[str, int]] | None = None
    features: Mapping[str, Any] = field(default_factory=dict)

    @property
    def default(self) -> Config | None:
        """The config that a call without a name loads. Raises `LoadError` if that is unclear."""
        if len(self.configs) <= 1:
            return self.configs[0] if self.configs else None
        chosen = [c for c in self.configs if c.name == "default" or c.default]
        if len(chosen) > 1:
            raise LoadError("README.md: two entries of configs: are the default", rule="D214")
        if not chosen:
            names = ", ".join(config.name for config in self.configs)
            raise LoadError(
                f"README.md: none of the configs {names} is the default, and the call names none",
                rule="D214",
            )
        return chosen[0]


def declared(text: str) -> Declared:
    """Read a card. Raises `LoadError` where `load_dataset` raises."""
    found = frontmatter.parse(text)
    if found.block is None:
        return Declared()  # what nearly is front matter is none
    if found.error is not None:
        raise LoadError(f"README.md: the front matter is not YAML: {found.error}", rule="D605")
    try:
        info = found.data.get("dataset_info")
        return Declared(_configs(found.data.get("configs")), _sizes(info), _features(info))
    except _Wrong as wrong:
        line = frontmatter.line_of(found, *wrong.keys)
        place = "README.md" if line is None else f"README.md:{line}"
        raise LoadError(f"{place}: {wrong}", sure=wrong.sure, rule=wrong.rule) from None


class _Wrong(Exception):
    """A value of the front matter that is none of those that may stand there; `keys` lead to it."""

    def __init__(
        self, message: str, *keys: str | int, sure: bool = True, rule: str | None = "D214"
    ) -> None:
        super().__init__(message)
        self.keys, self.sure, self.rule = keys, sure, rule


_KINDS = {
    bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list",
    dict: "a mapping", type(None): "nothing",
}  # fmt: skip


def _is(value: Any) -> str:
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def _configs(value: Any) -> tuple[Config, ...]:
    if not value:
        return ()
    if not isinstance(value, list):
        raise _Wrong(f"configs: must be a list, and is {_is(value)}", "configs")
    found: dict[str, Config] = {}
    for place, item in enumerate(value):
        at = ("configs", place)
        if not isinstance(item, dict):
            raise _Wrong(f"an entry of configs: must be a mapping, and is {_is(item)}", *at)
        name = item.get("config_name")
        if not isinstance(name, str):
            wrong = "has no config_name" if name is None else f"has {_is(name)} as config_name"
            raise _Wrong(f"an entry of configs: {wrong}", *at, "config_name")
        if _BAD_IN_NAME & set(name) or not name:
            raise _Wrong(f"{name!r} is no name for a config", *at, "config_name")
        folder = item.get("data_dir")
        if folder is not None and not isinstance(folder, str):
            raise _Wrong(f"data_dir: must be a text, and is {_is(folder)}", *at, "data_dir")
        found[name] = Config(
            name,
            _patterns(item.get("data_files"), (*at, "data_files")),
            folder,
            item.get("drop_labels"),
            item.get("drop_metadata"),
            bool(item.get("default")),
            _names(item.get("metadata_filenames"), (*at, "metadata_filenames")),
            any(item.get(key) is not None for key in ("columns", "features", "filters")),
        )
    return tuple(found.values())


def _names(value: Any, at: tuple[str | int, ...]) -> tuple[str, ...] | str | None:
    if not value or isinstance(value, str):
        return value or None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _Wrong("metadata_filenames: is no list of names", *at, sure=False)
    return tuple(value)


def _patterns(value: Any, at: tuple[str | int, ...]) -> dict[str, list[str]] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return {"train": [value]}
    if not isinstance(value, list):
        raise _Wrong(f"data_files: must be a pattern or a list, and is {_is(value)}", *at)
    if not value:
        raise _Wrong("data_files: is an empty list", *at)
    if all(isinstance(item, str) for item in value):
        return {"train": list(value)}
    found: dict[str, list[str]] = {}
    for place, item in enumerate(value):
        if not isinstance(item, dict) or set(item) != {"split", "path"}:
            said = "" if isinstance(item, dict) else f", and is {_is(item)}"
            wrong = "an entry of data_files: needs split and path, only those"
            raise _Wrong(wrong + said, *at, place)
        path, split = item["path"], item["split"]
        if not isinstance(path, str) and not (
            isinstance(path, list) and all(isinstance(one, str) for one in path)
        ):
            raise _Wrong(f"path: must be a pattern or a list of them, and is {_is(path)}",
                         *at, place, "path")  # fmt: skip
        if not isinstance(split, str) or not _SPLIT_NAME.fullmatch(split):
            raise _Wrong(f"{split!r} is no name for a split", *at, place, "split")
        if split in found:
            raise _Wrong(f"the split {split} is declared twice", *at, place, "split")
        found[split] = [path] if isinstance(path, str) else list(path)
    return found


def _sizes(value: Any) -> dict[str, dict[str, int]] | None:
    infos = value if isinstance(value, list) else [value]
    found: dict[str, dict[str, int]] = {}
    for info in infos:
        if not isinstance(info, dict) or not isinstance(info.get("splits"), list):
            continue
        sizes = found[str(info.get("config_name", "default"))] = {}
        for split in info["splits"]:
            if not isinstance(split, dict):
                continue
            rows = split.get("num_examples") or 0
            if (
                isinstance(rows, bool)
                or not isinstance(rows, (int, float, str))
                or (isinstance(rows, str) and not rows.strip().isdecimal())
            ):
                raise _Wrong(f"num_examples: must be a number, and is {_is(rows)}",
                             "dataset_info", sure=False, rule=None)  # fmt: skip
            sizes[str(split.get("name"))] = int(rows)
    return found or None


def _features(value: Any) -> dict[str, Any]:
    infos = value if isinstance(value, list) else [value]
    return {
        str(info.get("config_name", "default")): info["features"]
        for info in infos
        if isinstance(info, dict) and info.get("features")
    }
