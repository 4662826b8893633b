"""SimpleTuner: config.json or config.env, and the datasets in multidatabackend.json."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hubtools.journey.trainers.config import (
    Captions,
    Config,
    PictureSet,
    Setting,
    as_list,
    number,
    or_none,
    precision,
    side,
    yes,
)
from hubtools.journey.trainers.optimizers import take_average, take_optimizer

_SAME = (
    "learning_rate", "max_train_steps", "train_batch_size", "gradient_accumulation_steps", "seed",
    "snr_gamma", "lr_warmup_steps", "max_grad_norm", "noise_offset", "input_perturbation",
    "lora_alpha", "lora_dropout",
)  # fmt: skip
_AS_TEXT = ("lr_scheduler", "pretrained_model_name_or_path")


def _text(value: Any) -> Any:
    return value or None


def _bits(value: Any) -> Any:
    """No quantisation, or one of ours."""
    return {"nf4-bnb": "nf4", "int8-quanto": "int8", "fp8-quanto": "fp8"}.get(value)


_SETTINGS: dict[str, tuple[Setting, Callable[[Any], Any]]] = {
    **{name: (("train", name), number) for name in _SAME},
    **{name: (("train", name), _text) for name in _AS_TEXT},
    "lora_rank": (("train", "rank"), number),
    "num_train_epochs": (("train", "num_train_epochs"), lambda value: number(value) or None),
    "max_train_steps": (("train", "max_train_steps"), lambda value: number(value) or None),
    "gradient_checkpointing": (("train", "gradient_checkpointing"), yes),
    "caption_dropout_probability": (("train", "caption_dropout"), number),
    "gradient_checkpointing_interval": (
        ("train", "gradient_checkpointing_interval"),
        lambda value: number(value) or None,
    ),
    "mixed_precision": (("train", "mixed_precision"), precision),
    "base_model_precision": (("train", "quantize"), _bits),
    "checkpointing_steps": (("train", "checkpointing_steps"), number),
    "checkpoint_step_interval": (("train", "checkpointing_steps"), number),
    "checkpoints_total_limit": (("train", "checkpoints_total_limit"), number),
    "validation_steps": (("train", "validation_steps"), lambda value: or_none(number(value))),
    "validation_step_interval": (("train", "validation_steps"), lambda v: or_none(number(v))),
    "validation_prompt": (("samples", "prompts"), as_list),
    "validation_negative_prompt": (("samples", "negative_prompt"), _text),
    "validation_guidance": (("samples", "guidance"), number),
    "validation_num_inference_steps": (("samples", "steps"), number),
    "validation_seed": (("samples", "seed"), number),
    "validation_resolution": (("samples", "size"), side),
    "flow_schedule_shift": (("train", "timestep_shift"), number),
}
# Names of config.env.
_ENV = {
    "MODEL_NAME": "pretrained_model_name_or_path", "MAX_NUM_STEPS": "max_train_steps",
    "NUM_EPOCHS": "num_train_epochs", "LR_SCHEDULE": "lr_scheduler", "TRAINING_SEED": "seed",
    "MIN_SNR_GAMMA": "snr_gamma", "CHECKPOINTING_LIMIT": "checkpoints_total_limit",
    "USE_GRADIENT_CHECKPOINTING": "gradient_checkpointing",
    "DATALOADER_CONFIG": "data_backend_config",
}  # fmt: skip
_SILENT = {
    "data_backend_config", "resolution", "resolution_type", "instance_prompt", "output_dir",
    "resume_from_checkpoint", "model_type", "model_family", "report_to", "tracker_project_name",
    "tracker_run_name", "push_to_hub", "hub_model_id", "minimum_image_size", "caption_strategy",
    "aspect_bucket_rounding", "metadata_update_interval", "disable_benchmark", "model_flavour",
}  # fmt: skip
_EXPORT = re.compile(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]{0,99})=(.*)")


def is_one(content: Mapping[str, Any]) -> bool:
    """True for its settings, whose names may begin with dashes."""
    names = {name.lstrip("-") for name in content}
    return "data_backend_config" in names or {"model_family", "lora_rank"} <= names


def are_backends(content: Any) -> bool:
    """True for the list of its datasets."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(one, dict) and "id" in one and "type" in one for one in content)
    )


def from_env(text: str) -> dict[str, Any]:
    """What a config.env sets, by the names of config.json; nothing is run, and what is put together
    of variables is left out."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        match = _EXPORT.fullmatch(line)
        if match is None:
            continue
        try:
            words = shlex.split(match[2], comments=True)
        except ValueError:
            continue
        value = words[0] if words else ""
        if len(words) <= 1 and "$" not in value:
            found[_ENV.get(match[1], match[1].lower())] = value
    return found


def backends_of(content: Mapping[str, Any]) -> str | None:
    """The file of datasets that settings name."""
    named = {name.lstrip("-"): value for name, value in content.items()}.get("data_backend_config")
    return named if isinstance(named, str) and named else None


def read(content: Mapping[str, Any], backends: Sequence[Any]) -> Config:
    """The settings; `backends` the datasets."""
    found = Config("SimpleTuner")
    given = {name.lstrip("-"): value for name, value in content.items()}
    take_optimizer(found, "optimizer", given.pop("optimizer", None) or None)
    ema = yes(given.pop("use_ema", False)) is True
    take_average(found, ema, number(given.pop("ema_decay", None)), "ema_decay")
    found.take_all(_SETTINGS, given, tuple(_SILENT))
    if given.get("resolution_type", "pixel_area") != "area":
        found.take(("train", "resolution"), "resolution", side(number(given.get("resolution"))))
    add_backends(found, backends, given)
    return found


def add_backends(found: Config, backends: Sequence[Any], given: Mapping[str, Any]) -> None:
    """Note the sets of a list of datasets."""
    known = {
        one["id"]: one for one in backends if isinstance(one, dict) and _is_text(one.get("id"))
    }
    for one in known.values():
        kind, name = one.get("dataset_type", "image"), str(one["id"])[:100]
        if kind != "image":
            if kind in ("video", "eval"):
                found.said.append(f"{name} is a dataset of kind {kind}, and is left.")
            continue
        if one.get("disabled") in (True, "true"):
            found.said.append(f"{name} is switched off, and is left.")
        elif one.get("type", "local") not in ("local", "parquet", "csv"):
            found.said.append(
                f"{name} lies elsewhere (type {one.get('type')!r}), and is left: fetch it first."
            )
        else:
            found.sets.append(_set(one, known, given))
    sizes = [
        one.get("resolution")
        for one in known.values()
        if one.get("dataset_type", "image") == "image"
    ]
    pixels = [size for size in sizes if isinstance(size, (int, float)) and size >= 64]
    if pixels and "resolution" not in found.values.get("train", {}):
        found.take(("train", "resolution"), "resolution", int(pixels[0]))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _set(
    one: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]
) -> PictureSet:
    strategy = one.get("caption_strategy", given.get("caption_strategy", "filename"))
    prompt = one.get("instance_prompt") or given.get("instance_prompt")
    prompt = prompt if isinstance(prompt, str) and prompt else ""
    only = one.get("only_instance_prompt") is True or strategy == "instanceprompt"
    table: Mapping[str, Any] = {}
    if strategy == "parquet" or one.get("metadata_backend") == "parquet":
        told = one.get("parquet")
        table = told if isinstance(told, dict) else {}
        file, columns = (
            table.get("path"),
            [table.get("caption_column"), table.get("fallback_caption_column")],
        )
        named = table.get("filename_column")
    elif strategy == "csv" or one.get("type") == "csv":
        file, named = (
            one.get("csv_file"),
            one.get("csv_filename_column") or one.get("csv_url_column"),
        )
        columns = [one.get("csv_caption_column")]
    else:
        file, named, columns = None, None, []
    often = one.get("repeats", 0)
    captions = {"textfile": Captions.LINES, "filename": Captions.FILE_NAME}.get(
        str(strategy), Captions.BESIDE
    )
    folder = one.get("instance_data_dir") or one.get("instance_data_root")
    given_pictures, masks = _conditions(one, known)
    return PictureSet(
        folder if isinstance(folder, str) else None,
        captions=Captions.PROMPT if only else captions,
        prompts=(prompt,) if prompt else (),
        prefix=prompt if one.get("prepend_instance_prompt") is True and not only else "",
        # it counts how often more
        repeats=1 + often if isinstance(often, (int, float)) and often > 0 else 1,
        of_class=one.get("is_regularisation_data", one.get("is_regularization_data")) is True,
        table=file if isinstance(file, str) else None,
        named=(named,) if isinstance(named, str) else (),
        said=tuple(column for column in _flat(columns) if isinstance(column, str)),
        controls=given_pictures,
        mask=masks,
    )


def _flat(columns: Sequence[Any]) -> list[Any]:
    return [one for column in columns for one in (column if isinstance(column, list) else [column])]


def _conditions(
    one: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]
) -> tuple[tuple[str, ...], str | None]:
    """(folders of control pictures, that of masks) that a dataset is paired with."""
    names = one.get("conditioning_data")
    others = [
        known[str(name)]
        for name in (names if isinstance(names, list) else [names])
        if name in known
    ]
    folders = [
        (str(other.get("conditioning_type")), other.get("instance_data_dir")) for other in others
    ]
    told = [(kind, folder) for kind, folder in folders if isinstance(folder, str)]
    masks = [folder for kind, folder in told if kind in ("mask", "segmentation")]
    return tuple(folder for kind, folder in told if folder not in masks), masks[
        0
    ] if masks else None
