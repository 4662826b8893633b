"""EveryDream 2: train.json, and its folders with multiply.txt, local.yaml and captions in names."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePosixPath
from typing import Any

from hubtools.journey.trainers.config import (
    Captions,
    Config,
    PictureSet,
    Table,
    or_none,
    same,
    side,
)

_SETTINGS: Table = {
    "batch_size": (("train", "train_batch_size"), same),
    "clip_grad_norm": (("train", "max_grad_norm"), same),
    "cond_dropout": (("train", "caption_dropout"), same),
    "gradient_checkpointing": (("train", "gradient_checkpointing"), same),
    "grad_accum": (("train", "gradient_accumulation_steps"), same),
    "lr_scheduler": (("train", "lr_scheduler"), same),
    "lr_warmup_steps": (("train", "lr_warmup_steps"), same),
    "max_epochs": (("train", "num_train_epochs"), same),
    "max_steps": (("train", "max_train_steps"), or_none),
    "resolution": (("train", "resolution"), side),
    "resume_ckpt": (("train", "pretrained_model_name_or_path"), same),
    "seed": (("train", "seed"), lambda value: value if value != -1 else None),
    "shuffle_tags": (("train", "shuffle_caption"), same),
    "min_snr_gamma": (("train", "snr_gamma"), or_none),
    "zero_frequency_noise_ratio": (("train", "noise_offset"), same),
    "sample_steps": (("train", "validation_steps"), or_none),
    "flip_p": (("train", "random_flip"), lambda value: bool(value)),
}
_SILENT = (
    "data_root", "logdir", "project_name", "run_name", "gpuid", "log_step", "notebook",
    "save_ckpt_dir", "validation_config", "optimizer_config", "write_schedule", "amp",
    "save_every_n_epochs", "ckpt_every_n_minutes", "disable_xformers", "lowvram", "wandb",
    "disable_amp", "save_optimizer", "load_settings_every_epoch", "sample_prompts",
)  # fmt: skip
# Files of its folders. The first two say nothing of the kind elsewhere.
OWN = ("multiply.txt", "cond_dropout.txt", "flip_p.txt", "local.yaml", "local.yml", "global.yaml",
       "global.yml", "batch_id.txt", "shuffle_tags.txt", "loss_scale.txt")  # fmt: skip
# "a man in a hat_001": words, and what tells files apart.
_SAID = re.compile(r"[^_]*[^\W\d_]{2,}[^_]*\s[^_]*[^\W\d_]{2,}[^_]*_[^_]*")


def is_one(content: Mapping[str, Any]) -> bool:
    """True for its settings."""
    return "data_root" in content and bool(content.keys() & {"resume_ckpt", "max_epochs", "lr"})


def read(content: Mapping[str, Any]) -> Config:
    """The settings, and the folder of pictures."""
    found = Config("EveryDream")
    found.take_all(_SETTINGS, content, (*_SILENT, "lr"))
    # that of a whole model; a LoRA learns with a hundred times as much
    if isinstance(content.get("lr"), (int, float)) and content["lr"]:
        found.left.append(f"lr ({content['lr']}, of a whole model)")
    root = content.get("data_root")
    found.sets.append(PictureSet(root if isinstance(root, str) else None, Captions.EVERYDREAM))
    return found


def is_folder(pictures: Collection[str], names: Collection[str]) -> bool:
    """Whether a folder with pictures of these names is one of its kind: files of its own say so,
    or all pictures are called by a caption and none has a text beside it."""
    if any(PurePosixPath(name).name in OWN for name in names):
        return True
    stems = [PurePosixPath(name).stem for name in pictures]
    texts = {name for name in names if name.endswith((".txt", ".caption", ".json"))}
    beside = any(PurePosixPath(name).with_suffix(".txt").as_posix() in texts for name in pictures)
    return not beside and bool(stems) and all(_SAID.fullmatch(stem) for stem in stems)


def number_in(text: str) -> float | None:
    """What multiply.txt and the like hold."""
    try:
        found = float(text.strip())
    except ValueError:
        return None
    return found if 0 < found <= 1000 else None


def spoken(values: Any) -> tuple[str, float | None]:
    """(caption, how often) of a YAML file: its main prompt and tags."""
    if not isinstance(values, dict):
        return "", None
    inside = values.get("caption")
    values = values | inside if isinstance(inside, dict) else values
    main = values.get("main_prompt") or (inside if isinstance(inside, str) else "")
    tags = values.get("tags")
    words = (
        [one.get("tag") if isinstance(one, dict) else one for one in tags or []]
        if isinstance(tags, list)
        else []
    )
    parts = [str(one).strip() for one in (main, *words) if isinstance(one, (str, int, float))]
    often = values.get("multiply")
    if not isinstance(often, (int, float)) or isinstance(often, bool) or often <= 0:
        often = None
    return ", ".join(part for part in parts if part), often


class Folders:
    """What its files say of the pictures of a folder; `read` answers the text of a file, `parse`
    what YAML says."""

    def __init__(
        self, names: Collection[str], read: Callable[[str], str], parse: Callable[[str], Any]
    ) -> None:
        self._names, self._read, self._parse = names, read, parse
        self._known: dict[str, tuple[str, float | None]] = {}

    def caption(self, name: str) -> str:
        """Of its YAML, else its text, else its folder's files, else its own name."""
        path = PurePosixPath(name)
        for end in (".yaml", ".yml"):
            beside = path.with_suffix(end).as_posix()
            if beside in self._names:
                said, _ = spoken(self._parse(self._read(beside)))
                if said:
                    return said
        for end in (".txt", ".caption"):
            beside = path.with_suffix(end).as_posix()
            if beside in self._names:
                return " ".join(self._read(beside).split())
        return self._local(path.parent)[0] or path.stem.partition("_")[0].strip()

    def often(self, name: str) -> float:
        """How often an epoch has it."""
        path = PurePosixPath(name)
        for end in (".yaml", ".yml"):
            beside = path.with_suffix(end).as_posix()
            if beside in self._names:
                _, often = spoken(self._parse(self._read(beside)))
                if often:
                    return often
        return self._local(path.parent)[1] or 1

    def _local(self, folder: PurePosixPath) -> tuple[str, float | None]:
        """(caption, how often) that a folder says of its pictures; global.yaml of all below."""
        key = folder.as_posix()
        if key not in self._known:
            said, often = ("", None) if key == "." else self._global(folder.parent)
            mine, own = self._yaml(folder, ("global.yaml", "global.yml"))
            said, often = mine or said, own or often
            mine, own = self._yaml(folder, ("local.yaml", "local.yml"))
            said, often = mine or said, own or often
            times = (folder / "multiply.txt").as_posix()
            if times in self._names:
                often = number_in(self._read(times)) or often
            self._known[key] = (said, often)
        return self._known[key]

    def _global(self, folder: PurePosixPath) -> tuple[str, float | None]:
        above = ("", None) if folder.as_posix() == "." else self._global(folder.parent)
        mine, own = self._yaml(folder, ("global.yaml", "global.yml"))
        return mine or above[0], own or above[1]

    def _yaml(self, folder: PurePosixPath, names: tuple[str, ...]) -> tuple[str, float | None]:
        for name in names:
            place = (folder / name).as_posix()
            if place in self._names:
                return spoken(self._parse(self._read(place)))
        return "", None
