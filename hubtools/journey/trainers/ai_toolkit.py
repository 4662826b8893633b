"""ai-toolkit: a YAML or JSON file with a job and its processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hubtools.journey.trainers.config import Config, PictureSet, Setting, same, side
from hubtools.journey.trainers.optimizers import table, take_average, take_optimizer
from hubtools.limits import FRONT_MATTER

# True for a DoRA; nothing is said by a plain LoRA; others ours does not take.
_KINDS = {"dora": True, "lora": None, "locon": None}

# Below a process: section, key.
_SETTINGS: dict[tuple[str, str], tuple[Setting, Callable[[Any], Any]]] = {
    ("network", "linear"): (("train", "rank"), same),
    ("network", "linear_alpha"): (("train", "lora_alpha"), same),
    ("network", "dropout"): (("train", "lora_dropout"), same),
    ("network", "type"): (("train", "use_dora"), lambda value: _KINDS.get(str(value), value)),
    ("model", "name_or_path"): (("train", "pretrained_model_name_or_path"), same),
    ("train", "steps"): (("train", "max_train_steps"), same),
    ("train", "lr"): (("train", "learning_rate"), same),
    ("train", "batch_size"): (("train", "train_batch_size"), same),
    ("train", "gradient_accumulation"): (("train", "gradient_accumulation_steps"), same),
    ("train", "gradient_accumulation_steps"): (("train", "gradient_accumulation_steps"), same),
    ("train", "gradient_checkpointing"): (("train", "gradient_checkpointing"), same),
    ("train", "lr_scheduler"): (("train", "lr_scheduler"), same),
    ("save", "save_every"): (("train", "snapshot_steps"), same),
    ("logging", "use_wandb"): (("train", "report_to"), lambda value: ["wandb"] if value else None),
    ("logging", "project_name"): (("train", "tracker_project_name"), lambda value: value or None),
    ("logging", "run_name"): (("train", "tracker_run_name"), lambda value: value or None),
    ("sample", "sample_every"): (("train", "validation_steps"), same),
    ("sample", "sample_steps"): (("samples", "steps"), same),
    ("sample", "guidance_scale"): (("samples", "guidance"), same),
    ("sample", "seed"): (("samples", "seed"), same),
    ("sample", "neg"): (("samples", "negative_prompt"), lambda value: value or None),
    ("sample", "prompts"): (("samples", "prompts"), same),
    ("datasets", "caption_dropout_rate"): (("train", "caption_dropout"), same),
    ("datasets", "shuffle_tokens"): (("train", "shuffle_caption"), same),
    ("datasets", "resolution"): (("train", "resolution"), side),
    ("datasets", "flip_x"): (("train", "random_flip"), same),
}
_APART = {
    *(("network", name) for name in ("conv", "conv_alpha")),
    *(("train", name) for name in ("optimizer", "optimizer_params", "ema_config")),
}
_OF_SETS = (
    "folder_path", "dataset_path", "num_repeats", "is_reg", "caption_ext", "default_caption",
    "control_path", "mask_path", "network_weight", "loss_multiplier",
)  # fmt: skip


def read(process: Mapping[str, Any]) -> Config:
    """The settings of a process, and its datasets."""
    found = Config("ai-toolkit")
    found.take(("dataset", "trigger"), "trigger_word", process.get("trigger_word"))
    network = process.get("network")
    if isinstance(network, dict):
        found.take_kind(network, "conv", "conv_alpha", "network.")
    train = process.get("train")
    if isinstance(train, dict):
        given = "optimizer_params"
        arguments = table(train.get(given))
        take_optimizer(
            found, "train.optimizer", train.get("optimizer"), arguments, f"train.{given}"
        )
        ema = dict(table(train.get("ema_config")))
        take_average(found, ema.get("use_ema") is True, ema.get("ema_decay"), "ema_config")
    for section, tables in process.items():
        for one in tables if isinstance(tables, list) else [tables]:
            if not isinstance(one, dict):
                continue
            for key, value in one.items():
                if (section, key) in _APART:
                    continue
                if (section, key) in _SETTINGS:
                    setting, convert = _SETTINGS[section, key]
                    found.take(setting, f"{section}.{key}", convert(value))
                elif value not in ("", None, []) and not (
                    section == "datasets" and key in _OF_SETS
                ):
                    found.left.append(f"{section}.{key}")
            if section == "datasets":
                found.sets.append(_set(one))
    prompts = found.values.get("samples", {}).get("prompts", [])
    trigger = found.values.get("dataset", {}).get("trigger")
    if trigger:
        found.placeholders["[trigger]"] = trigger
    if prompts and trigger:
        often = sum(one.count("[trigger]") for one in prompts)
        if often * len(trigger) > FRONT_MATTER:
            del found.values["samples"]["prompts"]
            found.left.append("sample.prompts (too long)")
        else:
            found.values["samples"]["prompts"] = [
                one.replace("[trigger]", trigger) for one in prompts
            ]
    return found


def _set(table: Mapping[str, Any]) -> PictureSet:
    folder = table.get("folder_path") or table.get("dataset_path")
    often, weight = table.get("num_repeats"), table.get("loss_multiplier")
    words, mask = table.get("default_caption"), table.get("mask_path")
    ending = table.get("caption_ext")
    given = table.get("control_path")
    controls = given if isinstance(given, list) else [given]
    return PictureSet(
        folder if isinstance(folder, str) else None,
        prompts=(words,) if isinstance(words, str) and words else (),
        repeats=often if isinstance(often, int) and often > 0 else 1,
        weight=weight if isinstance(weight, (int, float)) and weight > 0 else 1,
        of_class=table.get("is_reg") is True,
        ending=f".{ending.lstrip('.')}" if isinstance(ending, str) and ending else None,
        controls=tuple(one for one in controls if isinstance(one, str) and one),
        mask=mask if isinstance(mask, str) and mask else None,
    )
