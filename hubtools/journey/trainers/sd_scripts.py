"""sd-scripts (kohya), its interfaces, and musubi-tuner: a TOML or JSON file of settings, or one of
datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hubtools.journey.trainers.config import (
    Captions,
    Config,
    PictureSet,
    Table,
    or_none,
    precision,
    same,
    side,
    velocity,
)
from hubtools.journey.trainers.optimizers import take_optimizer, texts

_SAME = (
    "pretrained_model_name_or_path", "learning_rate", "max_train_steps", "noise_offset",
    "train_batch_size", "gradient_accumulation_steps", "gradient_checkpointing", "seed",
    "prior_loss_weight", "shuffle_caption", "keep_tokens", "loss_type", "huber_c",
    "huber_schedule", "debiased_estimation_loss", "max_grad_norm", "lr_warmup_steps",
    "multires_noise_iterations", "multires_noise_discount", "caption_tag_dropout_rate",
    "lr_scheduler", "validation_split",
)  # fmt: skip
SETTINGS: Table = {
    **{name: (("train", name), same) for name in _SAME},
    "network_dim": (("train", "rank"), same),
    "network_alpha": (("train", "lora_alpha"), same),
    "network_dropout": (("train", "lora_dropout"), same),
    "unet_lr": (("train", "learning_rate"), same),
    "max_train_epochs": (("train", "num_train_epochs"), same),
    "epoch": (("train", "num_train_epochs"), same),
    "batch_size": (("train", "train_batch_size"), same),
    "resolution": (("train", "resolution"), side),
    "max_resolution": (("train", "resolution"), side),
    "min_snr_gamma": (("train", "snr_gamma"), or_none),
    "ip_noise_gamma": (("train", "input_perturbation"), same),
    "caption_dropout_rate": (("train", "caption_dropout"), same),
    "enable_bucket": (("train", "aspect_ratio_buckets"), same),
    "flip_aug": (("train", "random_flip"), same),
    "mixed_precision": (("train", "mixed_precision"), precision),
    "lr_scheduler_num_cycles": (("train", "lr_num_cycles"), same),
    "lr_scheduler_power": (("train", "lr_power"), same),
    "v_parameterization": (("train", "prediction_type"), velocity),
    "save_every_n_steps": (("train", "snapshot_steps"), or_none),
    "sample_every_n_steps": (("train", "validation_steps"), or_none),
    "log_with": (("train", "report_to"), lambda value: [value] if value else None),
    "log_tracker_name": (("train", "tracker_project_name"), or_none),
    "wandb_run_name": (("train", "tracker_run_name"), or_none),
}
# What says where pictures are; caches lie beside ours.
FOLDERS = ("train_data_dir", "image_dir", "image_directory", "image_jsonl_file", "metadata_file")
_OF_SETS = (
    *FOLDERS, "reg_data_dir", "num_repeats", "class_tokens", "is_reg", "caption_extension",
    "control_directory", "conditioning_data_dir", "cache_directory", "dataset_repeats",
)  # fmt: skip


def is_one(content: Mapping[str, Any]) -> bool:
    """True for settings that have some of these names."""
    return bool(dict(_flat(content)).keys() & (SETTINGS.keys() | {*FOLDERS, "optimizer_type"}))


def read(content: Mapping[str, Any]) -> Config:
    """The settings, and the datasets if it names some."""
    found = Config("sd-scripts")
    flat = dict(_flat(content))
    arguments, left = _network(flat.pop(_ARGUMENTS, None))
    found.left += [f"{_ARGUMENTS} {word}" for word in left]
    found.take_kind({**flat, **arguments}, "conv_dim", "conv_alpha")
    for name, value in arguments.items():
        if name == "dora_wd":
            found.take(("train", "use_dora"), name, value.lower() == "true" or None)
        elif name not in ("conv_dim", "conv_alpha") and (name, value) != ("algo", "lora"):
            found.left.append(f"{_ARGUMENTS} {name[:60]}")
    take_optimizer(
        found,
        "optimizer_type",
        flat.pop("optimizer_type", None) or None,
        texts(flat.pop("optimizer_args", None)),
        "optimizer_args",
    )
    _take_texts(found, flat)
    found.take_all(SETTINGS, flat, (*_OF_SETS, "conv_dim", "conv_alpha"))
    for values in _subsets(content):
        found.sets += _sets(values)
    words = {one.prompts[0] for one in found.sets if one.prompts and not one.of_class}
    first = {one.partition(" ")[0] for one in words}
    if len(first) == 1 and all(" " in one for one in words):  # class_tokens "zwx dog"
        found.take(("dataset", "trigger"), "class_tokens", first.pop())
        nouns = {one.partition(" ")[2] for one in words}
        if len(nouns) == 1:
            found.take(("dataset", "class_noun"), "class_tokens", nouns.pop())
    return found


def _take_texts(found: Config, flat: dict[str, Any]) -> None:
    """Text encoders are trained where they have a rate and are not left out."""
    rate, alone = flat.get("text_encoder_lr"), flat.pop("network_train_unet_only", False)
    if isinstance(rate, list) and len(set(map(str, rate))) == 1:
        rate = rate[0]  # one for each of them
    if not isinstance(rate, int | float) or (rate and alone):
        return
    del flat["text_encoder_lr"]
    if rate:
        found.take(("train", "train_text_encoder"), "text_encoder_lr", True)
        found.take(("train", "text_encoder_lr"), "text_encoder_lr", rate)


_ARGUMENTS = "network_args"  # "conv_dim=8", "dora_wd=True"


def _network(words: Any) -> tuple[dict[str, str], list[str]]:
    """{argument: value} of the network, and the words that are none."""
    if isinstance(words, str):
        words = words.split()
    pairs, left = {}, []
    for word in map(str, words if isinstance(words, list) else [words] if words else []):
        name, equals, value = word.partition("=")
        if equals:
            pairs[name.strip()] = value.strip().strip("\"'")
        else:
            left.append(word[:60])
    return pairs, left


def _flat(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """All values of nested tables and lists of tables, by their own names."""
    for key, value in content.items():
        tables = value if isinstance(value, list) else [value]
        if tables and all(isinstance(one, dict) for one in tables):
            for one in tables:
                yield from _flat(one)
        else:
            yield str(key), value


def _subsets(content: Mapping[str, Any], above: Mapping[str, Any] = {}) -> Iterator[dict[str, Any]]:
    """Tables that name pictures, with what the tables around them say."""
    plain = {
        k: v for k, v in content.items() if not isinstance(v, (dict, list)) or k == "resolution"
    }
    general = content.get("general")
    inherited = dict(above) | (general if isinstance(general, dict) else {})
    values = inherited | plain
    if plain.keys() & set(FOLDERS):
        yield values
        return
    for key, value in content.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict) and key != "general":
                yield from _subsets(one, values)


def _sets(values: Mapping[str, Any]) -> Iterator[PictureSet]:
    if isinstance(values.get("train_data_dir"), str) and values["train_data_dir"]:
        table = values.get("in_json")
        yield PictureSet(
            values["train_data_dir"],
            Captions.KOHYA,
            table=table if isinstance(table, str) else None,
        )
        if isinstance(values.get("reg_data_dir"), str) and values["reg_data_dir"]:
            yield PictureSet(values["reg_data_dir"], Captions.KOHYA, of_class=True)
        return
    folder = values.get("image_dir") or values.get("image_directory")
    table = values.get("image_jsonl_file") or values.get("metadata_file")
    often, words = values.get("num_repeats"), values.get("class_tokens")
    control = values.get("control_directory") or values.get("conditioning_data_dir")
    ending = values.get("caption_extension")
    yield PictureSet(
        folder if isinstance(folder, str) else None,
        prompts=(words,) if isinstance(words, str) and words else (),
        repeats=often if isinstance(often, int) and often > 0 else 1,
        of_class=values.get("is_reg") is True,
        # a folder of musubi-tuner and of sd-scripts is flat
        deep=False,
        ending=ending if isinstance(ending, str) else None,
        table=table if isinstance(table, str) else None,
        named=("image_path", "file_name"),
        said=("caption",),
        controls=(control,) if isinstance(control, str) else (),
    )
