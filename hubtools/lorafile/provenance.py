"""What the header of a LoRA file says of its training, as far as it is about no person, no folder
and no machine: numbers, names that are known, the base's id. And what lies beside the file and says
which base it is for.

Keys: of sd-scripts (`ss_*`, docs/train_network_README in its repository), of ai-toolkit
(`training_info`, `software`), of OneTrainer (`ot_config`), of ModelSpec
(https://github.com/Stability-AI/ModelSpec), of hubtools (`base_model`: of what it converted).
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError
from hubtools.files import json_value
from hubtools.findings import shortened
from hubtools.frontmatter import read_card
from hubtools.layout import CARD
from hubtools.lorafile.trainer_files import trainer_file, trigger_in
from hubtools.modelfiles import peft_config
from hubtools.models.registry import DENOISERS
from hubtools.patterns import regex
from hubtools.rooted import Root
from hubtools.tinypeople import REPO_NAME
from hubtools.weights import read_header

_ID = regex(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
# How paths of a machine begin that look like an id.
_FOLDERS = frozenset([
    *DENOISERS,
    "base", "bases", "checkpoint", "checkpoints", "ckpt", "content", "data", "diffusers", "home",
    "huggingface", "lora", "loras", "mnt", "model", "models", "output", "outputs", "pretrained",
    "root", "runs", "sd", "stable-diffusion", "tmp", "train", "training", "weights",
    "workspace",
])  # fmt: skip
_EXAMPLE = "owner/name"  # as hints write ids
_FILES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".sft")
_SIDES = re.compile(r"\(?\s*(\d{2,5})\s*(?:,\s*|x\s*)(\d{2,5})\s*\)?|(\d{2,5})")
_OPTIMIZER = re.compile(r"(?:[\w.]{1,100}\.)?([A-Za-z]\w{1,39})(?:\(.{0,1000})?", re.DOTALL)
_PRECISIONS = ("no", "fp16", "bf16", "fp8", "float", "float16", "bfloat16", "float32")
_BASE = "base_model"
# Where `header_facts` finds what its rows say.
_KEYS = {
    "steps": "ss_steps", "epochs": "ss_epoch", "pictures": "ss_num_train_images",
    "pictures a step": "ss_total_batch_size", "resolution": "ss_resolution",
    "learning rate": "ss_learning_rate", "optimizer": "ss_optimizer",
    "precision": "ss_mixed_precision", "seed": "ss_seed",
}  # fmt: skip
_BY = {
    "sd-scripts": {"ss_network_module": "networks.lora"},
    "ai-toolkit": {"software": json.dumps({"name": "ai-toolkit"})},
    "OneTrainer": {"ot_config": "{}"},
}
# As the block "about" of a model card begins.
_ABOUT_BUNDLED = re.compile(
    rf"^A [A-Za-z]{{1,20}} for {REPO_NAME}, the small .{{1,80}} that comes with hubtools",
    re.MULTILINE,
)
_MOST_CARD = 1_000_000  # bytes
_STATED = ("license", "license_name", "license_link", "instance_prompt")
_LONGEST_STATED = 500  # letters
_LONGEST = 20_000_000  # letters of a value that is read as JSON


Stated = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class HeaderFacts:
    """What a header says. `trainer`: the program; `base_model`: a name as `base_named` gives it;
    `trigger`: what the header calls the trigger, for a question to the author and no more."""

    trainer: str | None
    base_model: str | None
    trigger: str | None
    numbers: tuple[tuple[str, str], ...]
    resolution: int | None = None

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """(what, value) of all of it that a card may show."""
        return (("written by", self.trainer), *self.numbers) if self.trainer else self.numbers


def header_facts(metadata: Mapping[str, str]) -> HeaderFacts:
    """Read the free part of a header. What is not of the form that it should be is passed by."""
    config = _object(metadata.get("ot_config", ""))
    training = _object(metadata.get("training_info", ""))
    sides = _sides(metadata.get("ss_resolution") or metadata.get("modelspec.resolution") or "")
    rows: list[tuple[str, str | None]] = [
        ("steps", _whole(metadata, "ss_steps", "hubtools_step") or _number(training.get("step"))),
        ("epochs", _whole(metadata, "ss_epoch") or _number(training.get("epoch"))),
        ("pictures", _whole(metadata, "ss_num_train_images")),
        ("pictures a step", _whole(metadata, "ss_total_batch_size")),
        ("resolution", " x ".join(map(str, sides)) + " px" if sides else None),
        ("learning rate", _rate(metadata, "ss_learning_rate", "ss_unet_lr")),
        ("optimizer", _optimizer(metadata.get("ss_optimizer", ""))),
        ("precision", _one_of(metadata.get("ss_mixed_precision"), _PRECISIONS)),
        ("seed", _whole(metadata, "ss_seed")),
    ]
    return HeaderFacts(
        _trainer(metadata),
        hub_id(metadata.get("ss_sd_model_name"))
        or hub_id(config.get("base_model_name"))
        or base_named(metadata.get(_BASE)),
        _trigger(metadata.get("modelspec.trigger_phrase")),
        tuple((name, value) for name, value in rows if value is not None),
        max(sides) if sides else None,
    )


def trigger_offered(metadata: Mapping[str, str]) -> tuple[str, str] | None:
    """(a word that may be the trigger, why, as the end of a sentence), for a question to the author
    and no more: what the header calls so, else what sd-scripts' folder of the pictures is called
    after, else the one tag that every caption had. It may be a person's name."""
    if (named := header_facts(metadata).trigger) is not None:
        return named, f"its file calls {named!r} the trigger"
    folders = _object(metadata.get("ss_dataset_dirs", ""))
    tags = _object(metadata.get("ss_tag_frequency", ""))
    if (word := trigger_in((*folders, *tags))) is not None:
        after = f"it was trained on a folder called after {shortened(word)!r}"
        return word[:_LONGEST_STATED], after
    counts = [one.get("img_count") for one in folders.values() if isinstance(one, dict)]
    pictures = sum(count for count in counts if isinstance(count, int))
    often = Counter[str]()
    for one in tags.values():
        for tag, times in one.items() if isinstance(one, dict) else ():
            often[tag.strip()] += times if isinstance(times, int) else 0
    found = [tag for tag, times in often.items() if times == pictures > 1]
    if len(found) == 1 and (tag := _trigger(found[0])) is not None:
        return tag, f"every caption that it was trained on had {shortened(tag)!r}"
    return None


def kept_of(metadata: Mapping[str, str], base: str | None = None) -> dict[str, str]:
    """Entries of a header that say of the training what `header_facts` reads in `metadata`, and
    nothing besides: for a file that is made of that one. `base`: name of the base that it is for,
    where something else tells it."""
    told = header_facts(metadata)
    numbers = {name: value.removesuffix(" px") for name, value in told.numbers}
    if "hubtools_step" in metadata:
        numbers.pop("steps", None)  # that entry is kept itself
    kept = {_KEYS[name]: value for name, value in numbers.items()}
    base = base_named(base) or told.base_model
    return kept | _BY.get(told.trainer or "", {}) | ({_BASE: base} if base else {})


@dataclass(frozen=True)
class Beside:
    """What lies beside a LoRA's file says of it. Names of bases: `card`, by README.md; `config`, by
    peft's adapter_config.json; `settings`, by those of another trainer. `trigger`: by the card,
    else by those settings. `stated`: as `stated_in`."""

    card: str | None = None
    config: str | None = None
    settings: str | None = None
    trigger: str | None = None
    stated: Stated = ()

    @classmethod
    def of(cls, folder: Path) -> Beside:
        data = read_card(folder / CARD).data
        base = base_of_card(data)
        if base is None and "base_model" not in data and data:
            with Root(folder) as root:
                base = bundled_in(root.read(CARD, _MOST_CARD).decode(errors="replace"))
        other = trainer_file(folder)
        trigger = trigger_of_card(data) or (other.trigger if other is not None else None)
        settings = hub_id(other.base) if other is not None else None
        return cls(base, base_of_config(folder), settings, trigger, stated_in(data))


def base_model_of(file: Path) -> str | None:
    """The name of the base of a LoRA: by what lies beside it, else by its header."""
    beside = Beside.of(file.parent)
    if base := beside.card or beside.config or beside.settings:
        return base
    return (
        header_facts(read_header(file).metadata).base_model
        if file.suffix == ".safetensors"
        else None
    )


def base_of_card(data: Mapping[str, Any]) -> str | None:
    """The Hub id that a card's front matter names as the base; None if it names several."""
    theirs = data.get("base_model")
    return hub_id(theirs[0] if isinstance(theirs, list) and len(theirs) == 1 else theirs)


def trigger_of_card(data: Mapping[str, Any]) -> str | None:
    """The trigger that a card's front matter names."""
    said = data.get("instance_prompt")
    return said if isinstance(said, str) else None


def stated_in(data: Mapping[str, Any]) -> Stated:
    """(key, value) of a card's front matter that hold of every file which is made of this LoRA;
    empty where the card names neither a base nor a trigger, so that it may be of something else."""
    if not {"base_model", "instance_prompt"} & data.keys():
        return ()
    return tuple(
        (key, value)
        for key in _STATED
        if isinstance(value := data.get(key), str)
        and value.strip()
        and len(value) <= _LONGEST_STATED
    )


def base_of_config(folder: Path) -> str | None:
    """The Hub id of the base that peft's adapter_config.json in `folder` names; None if it cannot
    be read. A link out of the folder is not read."""
    try:
        content = peft_config(folder) or {}
    except (HubtoolsError, OSError):
        return None
    return hub_id(content.get("base_model_name_or_path"))


def bundled_in(card: str) -> str | None:
    """The base that comes with hubtools, which has no Hub id, if the block of a card that hubtools
    wrote names it."""
    return REPO_NAME if _ABOUT_BUNDLED.search(card) else None


def base_named(value: object) -> str | None:
    """The name of a base that means the same everywhere: an id of the Hub, or the one that comes
    with hubtools."""
    return REPO_NAME if value == REPO_NAME else hub_id(value)


def hub_id(value: object) -> str | None:
    """A text that is an id of the Hub, owner/name; None for all others, paths and files that look
    like one included."""
    if not isinstance(value, str) or not _ID.fullmatch(value.strip()):
        return None
    name = value.strip()
    is_path = name.partition("/")[0].lower() in _FOLDERS or name.lower().endswith(_FILES)
    return None if is_path or name.lower() == _EXAMPLE else name


def _trainer(metadata: Mapping[str, str]) -> str | None:
    software = _object(metadata.get("software", "")).get("name")
    if software == "ai-toolkit":
        return "ai-toolkit"
    if any(key.startswith("hubtools_") for key in metadata):
        return "hubtools"
    if any(key.startswith("ot_") for key in metadata):
        return "OneTrainer"
    if any(key.startswith("ss_network_") or key == "ss_sd_model_name" for key in metadata):
        return "sd-scripts"
    return None


def _trigger(value: str | None) -> str | None:
    text = " ".join((value or "").split())
    return text if 0 < len(text) <= 200 else None


def _object(text: str) -> dict[str, Any]:
    try:
        content = json_value(text) if 0 < len(text) < _LONGEST else None
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _sides(text: str) -> tuple[int, ...]:
    """Of `(512, 768)`, `512x768` or `512`."""
    found = _SIDES.fullmatch(text.strip()[:40])
    if found is None:
        return ()
    sides = (int(found[1]), int(found[2])) if found[1] else (int(found[3]),) * 2
    return sides if all(16 <= side <= 16_384 for side in sides) else ()


def _whole(metadata: Mapping[str, str], *keys: str) -> str | None:
    for key in keys:
        text = metadata.get(key, "").strip()
        if text.isascii() and text.isdecimal() and len(text) < 13:
            return f"{int(text)}"
    return None


def _number(value: object) -> str | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return f"{value}" if whole and 0 <= int(str(value)) < 10**12 else None


def _rate(metadata: Mapping[str, str], *keys: str) -> str | None:
    for key in keys:
        try:
            value = float(metadata.get(key, "")[:40])
        except ValueError:
            continue
        if math.isfinite(value) and 0 < value < 1e6:
            return f"{value:g}"
    return None


def _optimizer(text: str) -> str | None:
    """The name of a class; what it was given may hold more than numbers."""
    found = _OPTIMIZER.fullmatch(text.strip()[:1100])
    return found[1] if found else None


def _one_of(value: str | None, known: tuple[str, ...]) -> str | None:
    return value if value in known and value != "no" else None
