"""What the settings of another trainer, which it leaves beside its LoRA, say of base and trigger:
ai-toolkit's config.yaml, the .toml of sd-scripts. Files that `hubtools init --from` reads whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubtools.layout import PROJECT_FILE
from hubtools.limits import FRONT_MATTER
from hubtools.rooted import Root
from hubtools.safe_yaml import load_yaml
from hubtools.tomltext import toml_value

_YAML = ("config.yaml", "config.yml")
_OTHERS = frozenset({PROJECT_FILE, "pyproject.toml"})
_LONGEST = 200  # letters of a trigger
# How sd-scripts call a folder, "10_zwx dog": how often, and the words that its pictures without a
# caption get.
_SET = re.compile(r"([1-9]\d{0,2})_(\S.*)")


@dataclass(frozen=True)
class TrainerFile:
    """`file`: its name. `base`: as it names it, an id or a path; `trigger` likewise."""

    file: str
    base: str | None
    trigger: str | None


def trainer_file(folder: Path) -> TrainerFile | None:
    """The settings in `folder` that name a base or a trigger; None if there are none, if several
    files may be them, or if they cannot be read. A link out of the folder is not read."""
    try:
        with Root(folder) as root:
            names = list(root.list())
            found = [name for name in names if name in _YAML]
            found += [n for n in names if n.endswith(".toml") and n not in _OTHERS]
            if len(found) != 1:
                return None
            text = root.read(found[0], FRONT_MATTER).decode("utf-8-sig")
        content = toml_value(text) if found[0].endswith(".toml") else load_yaml(text)
    except Exception:  # another program's file: whatever is wrong with it, it tells nothing
        return None
    if not isinstance(content, dict):
        return None
    process = process_of(content)
    if process is None:
        base, trigger = content.get("pretrained_model_name_or_path"), None
    else:
        model = process.get("model")
        base = model.get("name_or_path") if isinstance(model, dict) else None
        trigger = process.get("trigger_word")
    said = TrainerFile(found[0], _text(base), _text(trigger))
    return said if said.base or said.trigger else None


def picture_set(folder: str) -> tuple[int, str] | None:
    """(how often, words) of a folder that is called as those of sd-scripts are."""
    match = _SET.fullmatch(folder)
    return None if match is None else (int(match[1]), match[2].replace("_", " "))


def trigger_in(folders: Iterable[str]) -> str | None:
    """The first word of such folders of several words, if it is the same in all of them: a
    trigger before a noun, as people call them, and no more than likely."""
    told = {words for _, words in filter(None, map(picture_set, folders))}
    firsts = {words.partition(" ")[0] for words in told if " " in words}
    return firsts.pop() if len(firsts) == 1 else None


def process_of(content: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first process of a job of ai-toolkit; None if the file is of another trainer."""
    config = content.get("config")
    processes = config.get("process") if isinstance(config, dict) else None
    if isinstance(processes, list) and processes and isinstance(processes[0], dict):
        return processes[0]
    return None


def _text(value: object) -> str | None:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= _LONGEST or "\n" in value:
        return None
    return value.strip()
