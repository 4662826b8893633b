"""Settings resolved into numbers: how many steps, at which rate, saved how often."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from hubtools.models.families.noise import FLOW
from hubtools.setting_types import parsed_step_rules
from hubtools.settings import TrainSettings
from hubtools.training.buckets import Buckets, one_bucket
from hubtools.training.choices import OF_FLOW
from hubtools.training.optimizer_kinds import NO_WARM_UP, kind_of, schedule_of, with_rates

DEFAULT_CHECKPOINT_STEPS = 250
DTYPES = {"no": "float32", "fp16": "float16", "bf16": "bfloat16"}
STATE_SECONDS = 600.0  # without checkpointing_steps, state is also saved this often


@dataclass(frozen=True)
class Recipe:
    """One run's numbers. Steps are optimizer steps; `sample_every` 0 means never; `text_rate`: the
    learning rate of text encoders, if they are trained."""

    settings: TrainSettings
    resolution: int  # pixels
    buckets: Buckets
    world_size: int
    steps: int
    warmup: int
    learning_rate: float
    alpha: float
    precision: str
    prediction_type: str
    checkpoint_every: int
    snapshot_every: int
    sample_every: int
    text_rate: float | None = None

    @property
    def images(self) -> int:
        """Pictures in all buckets."""
        return self.buckets.images

    @property
    def items(self) -> int:
        """Pictures in one epoch, repeats and resolutions counted."""
        return self.buckets.counts(self.settings.repeats).total()

    @property
    def pictures_a_step(self) -> int:
        """Pictures in a full optimizer step over all processes."""
        return _pictures_a_step(self.settings, self.world_size)

    @property
    def steps_an_epoch(self) -> int:
        """Optimizer steps in one epoch; the last one of a bucket takes what is left."""
        return self.buckets.steps(self.settings.repeats, self.pictures_a_step)

    @property
    def epochs(self) -> float:
        """Passes over the pictures."""
        return self.steps / self.steps_an_epoch

    @property
    def validate_every(self) -> int:
        """Steps between two looks at the held-out pictures: those of samples, if there are any; 0
        if nothing is held out."""
        if not self.settings.validation_split:
            return 0
        return self.sample_every or max(100, self.steps // 8)

    @property
    def scale(self) -> float:
        """What the LoRA is multiplied by: alpha over the rank, or over its root (rsLoRA)."""
        rank = self.settings.rank
        return self.alpha / (math.sqrt(rank) if self.settings.use_rslora else rank)

    @property
    def ema_decay(self) -> float | None:
        """Decay of the moving average of the LoRA at most; None: there is none."""
        return self.settings.ema_decay if self.settings.use_ema else None

    def learning_rate_at(self, step: int, peak: float | None = None) -> float:
        """Learning rate of the optimizer step with index `step` (from 0), or that of what is
        trained at another `peak`.

        Warm-up rises linearly and reaches the peak at index `warmup - 1`; its first step is not
        zero, so that no step is lost. The shapes after it are those of diffusers' `get_scheduler`;
        steps of piecewise_constant are counted from the first, warm-up or not.
        """
        peak = self.learning_rate if peak is None else peak
        if step < self.warmup:
            return peak * (step + 1) / self.warmup
        shape = schedule_of(self.settings)
        left = max(1, self.steps - self.warmup)
        progress = min(1.0, (step - self.warmup) / left)
        factor = 1.0
        if shape == "linear":
            factor = 1.0 - progress
        elif shape == "polynomial":
            factor = (1.0 - progress) ** self.settings.lr_power
        elif shape == "cosine":
            factor = 0.5 * (1.0 + math.cos(math.pi * progress))
        elif shape == "cosine_with_restarts":
            factor = 0.5 * (1.0 + math.cos(math.pi * (progress * self.settings.lr_num_cycles % 1)))
        elif shape == "piecewise_constant":
            factor = self._step_factor(step)
        return peak * factor

    def _step_factor(self, step: int) -> float:
        rules = parsed_step_rules(self.settings.lr_step_rules or "1")
        return next(factor for factor, before in rules if before is None or step < before)

    def resolved(self) -> dict[str, Any]:
        """The settings with every default filled in and no local path."""
        flow = self.prediction_type == FLOW
        fields = type(self.settings).model_fields
        return self.settings.model_dump(
            exclude={
                *("output_dir", "pretrained_model_name_or_path", "base_config", "num_threads"),
                "class_data_dir",
                *("allow_pickle", "price_per_hour", "init_from"),
                *("report_to", "logging_dir", "tracker_project_name", "tracker_run_name"),
                *(() if flow else OF_FLOW),
                *(n for n in _LATER if getattr(self.settings, n) == fields[n].default),
            }
        ) | {
            "resolution": self.resolution,
            "num_train_epochs": None,
            "max_train_steps": self.steps,
            "lr_warmup_steps": self.warmup,
            "lora_alpha": self.alpha,
            "mixed_precision": self.precision,
            # of a flow base nothing can be chosen
            "prediction_type": None if flow else self.prediction_type,
            "checkpointing_steps": self.checkpoint_every,
            "snapshot_steps": self.snapshot_every,
            "validation_steps": self.sample_every,
            "target_modules": sorted(self.settings.target_modules),
        }


# Settings that runs of earlier versions know nothing of: written down only where they are set, so
# that such a run goes on.
_LATER = frozenset(
    {
        *("resolutions", "aspect_ratio_buckets", "bucket_reso_steps", "crops_per_image"),
        *("debiased_estimation_loss", "loss_type", "huber_schedule", "huber_c"),
        *("multires_noise_iterations", "multires_noise_discount", "input_perturbation"),
        *("shuffle_caption", "keep_tokens", "caption_separator", "caption_tag_dropout_rate"),
        *("caption_variants", "unmasked_weight", "quantize"),
        *("validation_split", "fsdp", "gradient_checkpointing_interval", "compile_blocks"),
        "attention",
        *("use_rslora", "use_dora", "rank_pattern", "alpha_pattern"),
        *("optimizer", "lr_step_rules", "prodigy_beta3", "prodigy_d_coef", "prodigy_decouple"),
        *("train_text_encoder", "text_encoder_lr", "adam_weight_decay_text_encoder"),
        *("prodigy_use_bias_correction", "prodigy_safeguard_warmup", "use_ema", "ema_decay"),
    }
)

WARM_UP = 0.05  # of the steps, unless lr_warmup_steps says otherwise

# Schedules whose rate does not hang on where a run ends.
ENDLESS = frozenset({"constant", "constant_with_warmup", "piecewise_constant"})

# Settings that may change between a run and its continuation: they do not decide what is learned.
NOT_IN_IDENTITY = frozenset(
    {
        "base_model_repo",
        "base_config",  # what it led to is compared
        "revision",  # the commit it resolved to is compared instead
        "variant",
        "num_train_epochs",
        "checkpointing_steps",
        "checkpoints_total_limit",
        "snapshot_steps",
        "validation_steps",
        *("gradient_checkpointing", "gradient_checkpointing_interval", "fsdp"),
        *("compile_blocks", "attention"),
        "enable_xformers_memory_efficient_attention",
        "allow_tf32",
        "cuda_graph",
    }
)


def _pictures_a_step(settings: TrainSettings, world_size: int) -> int:
    return settings.train_batch_size * settings.gradient_accumulation_steps * world_size


def make_recipe(
    settings: TrainSettings,
    *,
    resolution: int,
    images: int,
    world_size: int,
    precision: str,
    prediction_type: str,
    buckets: Buckets | None = None,
) -> Recipe:
    """Fill in every default. `resolution` in pixels; `images` at least 1; `precision` is `no`,
    `fp16` or `bf16`; without `buckets` all pictures are in one."""
    settings = with_rates(settings)
    if buckets is None:
        buckets = one_bucket(images, resolution)
    an_epoch = buckets.steps(settings.repeats, _pictures_a_step(settings, world_size))
    if settings.max_train_steps is not None:
        steps = settings.max_train_steps
    elif settings.num_train_epochs is not None:
        steps = settings.num_train_epochs * an_epoch
    else:
        steps = min(2000, max(600, 100 * images))
    schedule, kind = schedule_of(settings), kind_of(settings)
    warmup = settings.lr_warmup_steps
    if warmup is None:
        warms_up = kind.warms_up and schedule not in NO_WARM_UP
        warmup = round(WARM_UP * steps) if warms_up else 0
    rate = kind.rate if settings.learning_rate is None else settings.learning_rate
    text_rate = settings.text_encoder_lr
    if settings.scale_lr:
        rate *= _pictures_a_step(settings, world_size)
        text_rate = text_rate and text_rate * _pictures_a_step(settings, world_size)
    sample_every = settings.validation_steps
    if sample_every is None:
        sample_every = 0 if settings.fsdp else max(100, steps // 8)
    return Recipe(
        settings=settings,
        resolution=resolution,
        buckets=buckets,
        world_size=world_size,
        steps=steps,
        warmup=0 if schedule == "constant" else warmup,
        learning_rate=rate,
        alpha=float(settings.lora_alpha or settings.rank),
        precision=precision,
        prediction_type=prediction_type,
        checkpoint_every=settings.checkpointing_steps or DEFAULT_CHECKPOINT_STEPS,
        snapshot_every=settings.snapshot_steps or sample_every or max(100, steps // 8),
        sample_every=sample_every,
        text_rate=text_rate,
    )
