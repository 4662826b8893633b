"""What the front matter of README.md tells `load_dataset`: `configs:` and `dataset_info:`.

Stricter and laxer than the Hub's own check: an unclosed front matter is no error here, two
default configs are. Sources: `huggingface_hub.RepoCard`, `datasets/utils/metadata.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hubtools import frontmatter
from hubtools.dataset.loaders.model import LoadError

_SPLIT_NAME = re.compile(r"\w+(\.\w+)*")

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


@dataclass(frozen=True)
class Declared:
    """All configs, and the sizes that `dataset_info` promises: config -> split -> rows."""

    configs: tuple[Config, ...] = ()
    sizes: dict[str, dict[str, int]] | None = None

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
    return Declared(_configs(found.data.get("configs")), _sizes(found.data.get("dataset_info")))


def _configs(value: Any) -> tuple[Config, ...]:
    if not value:
        return ()
    if not isinstance(value, list):
        raise LoadError("README.md: configs: is no list", rule="D214")
    found: dict[str, Config] = {}
    for item in value:
        if not isinstance(item, dict) or not isinstance(item.get("config_name"), str):
            raise LoadError("README.md: an entry of configs: has no config_name", rule="D214")
        name = item["config_name"]
        if _BAD_IN_NAME & set(name) or not name:
            raise LoadError(f"README.md: {name!r} is no name for a config", rule="D214")
        found[name] = Config(
            name,
            _patterns(item.get("data_files")),
            item.get("data_dir"),
            item.get("drop_labels"),
            item.get("drop_metadata"),
            bool(item.get("default")),
        )
    return tuple(found.values())


def _patterns(value: Any) -> dict[str, list[str]] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return {"train": [value]}
    if not isinstance(value, list) or not value:
        raise LoadError("README.md: data_files: is neither a pattern nor a list", rule="D214")
    if all(isinstance(item, str) for item in value):
        return {"train": list(value)}
    found: dict[str, list[str]] = {}
    for item in value:
        path = item.get("path") if isinstance(item, dict) else None
        split = item.get("split") if isinstance(item, dict) else None
        if not isinstance(item, dict) or len(item) != 2 or not isinstance(path, str | list):
            raise LoadError(
                "README.md: an entry of data_files: needs split and path, only those", rule="D214"
            )
        if not isinstance(split, str) or not _SPLIT_NAME.fullmatch(split):
            raise LoadError(f"README.md: {split!r} is no name for a split", rule="D214")
        if split in found:
            raise LoadError(f"README.md: the split {split} is declared twice", rule="D214")
        found[split] = [path] if isinstance(path, str) else [str(p) for p in path]
    return found


def _sizes(value: Any) -> dict[str, dict[str, int]] | None:
    infos = value if isinstance(value, list) else [value]
    found: dict[str, dict[str, int]] = {}
    for info in infos:
        if not isinstance(info, dict) or not isinstance(info.get("splits"), list):
            continue
        found[str(info.get("config_name", "default"))] = {
            str(split.get("name")): int(split.get("num_examples") or 0)
            for split in info["splits"]
            if isinstance(split, dict)
        }
    return found or None
