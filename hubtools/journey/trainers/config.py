"""What a settings file of another trainer says, in our terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from hubtools.dataset.metadata.paired import Paired
from hubtools.project import Project
from hubtools.project_file import to_toml
from hubtools.settings import SECTIONS
from hubtools.tomltext import toml_value

Values = dict[str, dict[str, Any]]
Setting = tuple[str, str]
# Of another trainer's name: our setting, and its value in ours. None is one that says nothing.
Table = Mapping[str, tuple[Setting, Callable[[Any], Any]]]


class Captions(Enum):
    """Where the captions of a folder's pictures are."""

    BESIDE = auto()  # in a text beside each picture, else in metadata
    LINES = auto()  # the same, and every line is one of several captions
    FILE_NAME = auto()
    PROMPT = auto()  # one for all
    EVERYDREAM = auto()  # a YAML or text beside each, else its name up to the first _
    KOHYA = auto()  # as BESIDE, in folders called `10_zwx dog`


@dataclass(frozen=True)
class PictureSet:
    """Pictures that a file names. `folder` and the other places are as it writes them; `prompts`
    are the captions of pictures that have none, or of all; `prefix` stands before each. `table`
    names pictures in the column `named` and their captions in `said`. `controls` are folders of
    pictures of equal names, `mask` one of masks; or each is called as its picture, with `mask_end`
    or `control_end` after the stem."""

    folder: str | None
    captions: Captions = Captions.BESIDE
    prompts: tuple[str, ...] = ()
    prefix: str = ""
    repeats: float = 1
    weight: float = 1
    of_class: bool = False
    deep: bool = True
    ending: str | None = None
    table: str | None = None
    named: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    mask: str | None = None
    control_end: str = ""
    mask_end: str = ""
    pairs: Paired | None = None  # what folders of equal names tell

    @property
    def shown(self) -> str:
        """What a person knows it by."""
        return self.folder or self.table or "?"


@dataclass
class Config:
    """What a file of another trainer says: sections of hubtools.toml, the sets of pictures that it
    names, names of what has no place here, and sentences on what is left. `placeholders` stand in
    captions for other words."""

    trainer: str
    values: Values = field(default_factory=dict)
    sets: list[PictureSet] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    placeholders: dict[str, str] = field(default_factory=dict)

    def take(self, setting: Setting, name: str, value: Any, said: Any = None) -> None:
        """Note a setting, unless our own would not take the value; `said` is what stands in the
        file, where that is another."""
        section, key = setting
        if value is None:
            return
        try:
            SECTIONS[section](**{key: value})
            Project.model_validate({section: {key: value}})
            toml_value(to_toml({section: {key: value}}))
        except ValueError:  # pydantic's among them, and half characters, which no TOML holds
            shown = str(value if said is None else said)
            self.left.append(f"{name} ({shown if len(shown) <= 60 else shown[:60] + '...'})")
            return
        self.values.setdefault(section, {})[key] = value

    def take_kind(self, said: Mapping[str, Any], conv: str, alpha: str, start: str = "") -> None:
        """Convolutions beside the other layers, with a rank and an alpha of their own (LoCon):
        `conv` and `alpha` are their names in `said`, which stand behind `start` in what is
        told."""
        rank, own = number(said.get(conv)), number(said.get(alpha))
        if not rank:
            return
        self.take(("train", "rank_pattern"), f"{start}{conv}", {"conv": rank}, rank)
        if "rank_pattern" in self.values.get("train", {}):
            self.take(("train", "target_modules"), f"{start}{conv}", ["all-linear", "conv"])
            if own:
                self.take(("train", "alpha_pattern"), f"{start}{alpha}", {"conv": own}, own)

    def take_all(
        self, table: Table, given: Mapping[str, Any], silent: tuple[str, ...] = ()
    ) -> None:
        """Note the settings of a flat table; names that it lacks are left, but those in `silent`
        and those that say nothing."""
        for name, value in given.items():
            if name in table:
                setting, convert = table[name]
                if not is_nothing(value) or name in _NOUGHT:
                    self.take(setting, name, convert(value))
            elif not is_nothing(value) and name not in silent:
                self.left.append(name)


# Where a nought is a value of its own.
_NOUGHT = {"noise_offset", "seed", "offset_noise_weight", "cond_dropout", "caption_dropout_rate"}


def is_nothing(value: Any) -> bool:
    """Interfaces write what is not set as nothing, nought or false."""
    return value in ("", 0, False, None, [], {}, "false", "False", "None", "none")


# --- values ------------------------------------------------------------------------------------


def same(value: Any) -> Any:
    """As it is."""
    return value


def number(value: Any) -> Any:
    """A number that is written as a text, as shells have them."""
    if isinstance(value, str):
        for kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
    return value


def yes(value: Any) -> Any:
    """Whether something is on."""
    if isinstance(value, str):
        return {"true": True, "on": True, "false": False, "off": False}.get(value.lower(), value)
    return value


def side(value: Any) -> Any:
    """512 of "512,512", "512x512", "512" or [512, 768]: the first."""
    if isinstance(value, str):
        value = value.replace("x", ",").split(",")
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, str) and first.strip().isascii() and first.strip().isdigit():
        return int(first) if len(first) < 10 else first
    return first


def precision(value: Any) -> Any:
    """That of a base."""
    return value if value in ("no", "fp16", "bf16") else "auto"


def velocity(value: Any) -> Any:
    """Of a switch for what the base predicts."""
    return "v_prediction" if value is True else None


def or_none(value: Any) -> Any:
    """None for nought, which says never."""
    return value or None


def as_list(value: Any) -> Any:
    """A prompt as a list of them."""
    return [value] if isinstance(value, str) else value
