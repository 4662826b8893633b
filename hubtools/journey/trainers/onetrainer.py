"""OneTrainer: a JSON file of settings, with its concepts inside or in a file of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubtools.journey.trainers.config import (
    Captions,
    Config,
    PictureSet,
    Table,
    is_nothing,
    same,
    side,
    yes,
)
from hubtools.journey.trainers.optimizers import table, take_average, take_optimizer

_SCHEDULERS = {
    "CONSTANT": "constant", "LINEAR": "linear", "COSINE": "cosine",
    "COSINE_WITH_RESTARTS": "cosine_with_restarts",
}  # fmt: skip


def _scheduler(value: Any) -> Any:
    return _SCHEDULERS.get(value, value)


def _checkpointing(value: Any) -> Any:
    return True if value in ("ON", "CPU_OFFLOADED") else yes(value)


_SETTINGS: Table = {
    "base_model_name": (("train", "pretrained_model_name_or_path"), same),
    "learning_rate": (("train", "learning_rate"), same),
    "learning_rate_scheduler": (("train", "lr_scheduler"), _scheduler),
    "learning_rate_warmup_steps": (("train", "lr_warmup_steps"), lambda v: int(v) if v >= 1 else v),
    "epochs": (("train", "num_train_epochs"), same),
    "batch_size": (("train", "train_batch_size"), same),
    "gradient_accumulation_steps": (("train", "gradient_accumulation_steps"), same),
    "gradient_checkpointing": (("train", "gradient_checkpointing"), _checkpointing),
    "resolution": (("train", "resolution"), side),
    "aspect_ratio_bucketing": (("train", "aspect_ratio_buckets"), same),
    "lora_rank": (("train", "rank"), same),
    "lora_alpha": (("train", "lora_alpha"), same),
    "lora_decompose": (("train", "use_dora"), same),
    "dropout_probability": (("train", "lora_dropout"), same),
    "clip_grad_norm": (("train", "max_grad_norm"), same),
    "offset_noise_weight": (("train", "noise_offset"), same),
    "perturbation_noise_weight": (("train", "input_perturbation"), same),
    "unmasked_weight": (("train", "unmasked_weight"), same),
    "timestep_shift": (("train", "timestep_shift"), same),
}
# Where it stores and how it shows, and what is told with the concepts.
_SILENT = (
    "__version", "workspace_dir", "cache_dir", "debug_dir", "concept_file_name", "concepts",
    "tensorboard", "tensorboard_port", "output_model_destination", "output_model_format",
    "sample_definition_file_name", "samples", "optimizer_defaults", "secrets", "cloud",
    "training_method", "loss_weight_fn", "loss_weight_strength", "masked_training",
    "ema", "ema_decay", "ema_update_step_interval", "custom_conditioning_image",
    "normalize_masked_area_loss", "unmasked_probability",
)  # fmt: skip


def is_one(content: Mapping[str, Any]) -> bool:
    """True for its settings."""
    return "base_model_name" in content and (
        "concept_file_name" in content or "concepts" in content or "training_method" in content
    )


def are_concepts(content: Any) -> bool:
    """True for a list of its concepts."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(one, dict) and "path" in one and "text" in one for one in content)
    )


def read(content: Mapping[str, Any], concepts: Sequence[Any], samples: Sequence[Any]) -> Config:
    """The settings; `concepts` and `samples` those of their files."""
    found = Config("OneTrainer")
    scalars = {k: v for k, v in content.items() if not isinstance(v, dict)}
    shift = not scalars.get("dynamic_timestep_shifting") and scalars.get("timestep_shift") != 1
    if not shift:
        scalars.pop("timestep_shift", None)
    if not content.get("masked_training"):
        scalars.pop("unmasked_weight", None)
    if scalars.get("lora_alpha") and not scalars.get("lora_rank"):
        scalars.pop("lora_alpha")
    warm = scalars.get("learning_rate_warmup_steps")
    if not isinstance(warm, (int, float)) or isinstance(warm, bool):
        scalars.pop("learning_rate_warmup_steps", None)
    found.take_all(_SETTINGS, scalars, _SILENT)
    if content.get("loss_weight_fn") == "MIN_SNR_GAMMA":
        found.take(
            ("train", "snr_gamma"), "loss_weight_strength", content.get("loss_weight_strength")
        )
    if content.get("loss_weight_fn") == "DEBIASED_ESTIMATION":
        found.take(("train", "debiased_estimation_loss"), "loss_weight_fn", True)
    part = content.get("unet") or content.get("transformer")
    if isinstance(part, dict) and part.get("learning_rate"):
        found.take(("train", "learning_rate"), "unet.learning_rate", part["learning_rate"])
    if content.get("training_method") not in (None, "LORA"):
        found.left.append(f"training_method ({content['training_method']})")
    chosen = dict(table(content.get("optimizer")))
    take_optimizer(found, "optimizer", chosen.pop("optimizer", None), chosen.items())
    ema = content.get("ema") not in (None, "", "OFF")
    take_average(found, ema, content.get("ema_decay"), "ema_decay")
    found.left += [k for k in ("text_encoder",) if _says(content.get(k))]
    prompts = [one.get("prompt") for one in samples if isinstance(one, dict) and one.get("prompt")]
    found.take(("samples", "prompts"), "samples", prompts or None)
    add_concepts(found, concepts, masks=content.get("masked_training") is True)
    return found


def _says(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get("train") is not False and any(
            not is_nothing(one) for one in value.values()
        )
    return not is_nothing(value) and value != "OFF"


def add_concepts(found: Config, concepts: Sequence[Any], *, masks: bool = True) -> None:
    """Note the sets that concepts name."""
    for concept in concepts:
        if not isinstance(concept, dict):
            continue
        path, shown = concept.get("path"), concept.get("name") or concept.get("path")
        kind = concept.get("type") or ("VALIDATION" if concept.get("validation_concept") else "")
        if concept.get("enabled") is False or kind == "VALIDATION" or not isinstance(path, str):
            why = "is for validation" if kind == "VALIDATION" else "is switched off"
            found.said.append(f"The concept {str(shown)[:100]} {why}, and is left.")
            continue
        found.sets.append(_set(concept, path, kind, masks))
        text, image = concept.get("text"), concept.get("image")
        if isinstance(text, dict) and text.get("enable_tag_shuffling"):
            found.take(("train", "shuffle_caption"), "enable_tag_shuffling", True)
            found.take(("train", "keep_tokens"), "keep_tags_count", text.get("keep_tags_count"))
        if isinstance(image, dict) and image.get("enable_random_flip"):
            found.take(("train", "random_flip"), "enable_random_flip", True)


def _set(concept: Mapping[str, Any], path: str, kind: str, masks: bool) -> PictureSet:
    text = concept.get("text")
    text = text if isinstance(text, dict) else {}
    source, prompts = text.get("prompt_source"), text.get("prompt_path")
    often = concept.get("balancing", concept.get("repeats", 1))
    if concept.get("balancing_strategy") == "SAMPLES":  # that many pictures of it an epoch
        often = 1
    weight = concept.get("loss_weight", 1)
    shared = source == "concept" and isinstance(prompts, str) and bool(prompts)
    return PictureSet(
        path,
        captions={"filename": Captions.FILE_NAME, "concept": Captions.PROMPT}.get(
            str(source), Captions.LINES
        ),
        repeats=often if isinstance(often, (int, float)) and often > 0 else 1,
        weight=weight if isinstance(weight, (int, float)) and weight > 0 else 1,
        of_class=kind == "PRIOR_PREDICTION",
        deep=concept.get("include_subdirectories") is True,
        table=prompts if shared else None,
        mask_end="-masklabel" if masks else "",
        control_end="-condlabel",
    )
