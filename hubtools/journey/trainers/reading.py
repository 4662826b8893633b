"""From a file, or a folder that holds one, to what another trainer's settings say."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError
from hubtools.files import json_value, read_within
from hubtools.journey.trainers import ai_toolkit, everydream, onetrainer, sd_scripts, simpletuner
from hubtools.journey.trainers.config import Config
from hubtools.journey.trainers.places import place_of
from hubtools.limits import FRONT_MATTER
from hubtools.lorafile.trainer_files import process_of
from hubtools.safe_yaml import load_yaml
from hubtools.tomltext import toml_value

# Where the settings of those trainers lie that have a folder of their own.
_USUAL = (
    "config/config.json", "config/config.env", "config.json", "config.env",
    "config/multidatabackend.json", "multidatabackend.json", "training_concepts/concepts.json",
    "concepts.json", "train.json",
)  # fmt: skip


def read_config(path: Path, home: Path | None = None) -> Config:
    """Read the file at `path`; others that it names are looked for below `home`, default its
    folder. Raises `HubtoolsError` if it is none of those."""
    home = home or path.absolute().parent
    content = _content(path)
    if isinstance(content, list):
        if simpletuner.are_backends(content):
            return simpletuner.read({}, content)
        if onetrainer.are_concepts(content):
            found = Config("OneTrainer")
            onetrainer.add_concepts(found, content)
            return found
        raise _unknown(path)
    process = process_of(content)
    if process is not None:
        return ai_toolkit.read(process)
    if onetrainer.is_one(content):
        concepts = _besides(home, content.get("concepts"), content.get("concept_file_name"))
        samples = _besides(
            home, content.get("samples"), content.get("sample_definition_file_name"), needed=False
        )
        return onetrainer.read(content, concepts, samples)
    if simpletuner.is_one(content):
        backends = _besides(home, None, simpletuner.backends_of(content))
        return simpletuner.read(content, backends)
    if everydream.is_one(content):
        return everydream.read(content)
    if sd_scripts.is_one(content):
        return sd_scripts.read(content)
    raise _unknown(path)


def config_in(folder: Path) -> tuple[Path, Config] | None:
    """The settings file that a project folder of another trainer has at its usual place, and what
    it says; None where there is none."""
    for name in _USUAL:
        place = folder / name
        if place.is_symlink() or not place.is_file():
            continue
        try:
            found = read_config(place, folder)
        except HubtoolsError:
            continue
        if any(_is_there(folder, one.folder or one.table) for one in found.sets):
            return place, found
    return None


def _is_there(home: Path, name: str | None) -> bool:
    return name is not None and place_of(home, name) is not None


def _besides(home: Path, inside: Any, name: Any, *, needed: bool = True) -> list[Any]:
    """A list that is in the settings, or in a file that they name."""
    if isinstance(inside, list) and inside:
        return inside
    if not isinstance(name, str) or not name:
        return []
    place = place_of(home, name)
    if place is None or not place.is_file():
        if not needed:
            return []
        raise HubtoolsError(
            f"There is no {name[:200]} below {home}, which the settings name.",
            hint="give the folder that holds both: hubtools init NAME --from FOLDER",
            code="file-not-found",
        )
    content = _content(place)
    return content if isinstance(content, list) else []


def _content(path: Path) -> Any:
    data = read_within(path, FRONT_MATTER)
    try:
        if path.suffix == ".toml":
            found: Any = toml_value(data.decode("utf-8-sig"))
        elif path.suffix == ".json":
            found = json_value(data.removeprefix(codecs.BOM_UTF8))
        elif path.suffix == ".env":
            found = simpletuner.from_env(data.decode("utf-8-sig"))
        elif path.suffix not in (".yaml", ".yml"):
            raise _unknown(path)
        else:
            found = load_yaml(data)
    except HubtoolsError:
        raise
    except Exception as error:  # whatever the reader's own is called
        raise HubtoolsError(
            f"{path} cannot be read as {path.suffix.lstrip('.').upper()}.",
            hint="is it whole?",
            code="file-damaged",
        ) from error
    if not isinstance(found, (Mapping, list)):
        raise _unknown(path)
    return found


def _unknown(path: Path) -> HubtoolsError:
    return HubtoolsError(
        f"{path} is no settings file of a trainer that is known here.",
        hint="known: sd-scripts, kohya_ss and musubi-tuner (.toml, .json), ai-toolkit (.yaml),"
        " OneTrainer, SimpleTuner and EveryDream (.json, .env); or give the folder of pictures",
        code="wrong-kind",
    )
