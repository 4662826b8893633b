"""Settings resolved into numbers: how many steps, at which rate, saved how often."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from hubtools.errors import UsageError
from hubtools.models.families.noise import EPSILON, FLOW, NoiseOptions
from hubtools.models.families.protocol import BaseInfo
from hubtools.settings import TrainSettings
from hubtools.training.buckets import Buckets, one_bucket

DEFAULT_CHECKPOINT_STEPS = 250
DTYPES = {"no": "float32", "fp16": "float16", "bf16": "bfloat16"}
STATE_SECONDS = 600.0  # without checkpointing_steps, state is also saved this often


CAPTION_DROPOUT = 0.05
SNR_GAMMA = 5.0

_OF_FLOW = ("timestep_density", "timestep_mean", "timestep_deviation", "timestep_shift")


def completed(settings: TrainSettings, info: BaseInfo) -> TrainSettings:
    """The settings with what they leave to the base. Raises `UsageError` for what has no meaning
    with such a base."""
    told: dict[str, Any] = {"target_modules": settings.target_modules or list(info.targets)}
    if settings.caption_dropout is None:
        told["caption_dropout"] = CAPTION_DROPOUT if info.guided else 0.0
    flow = info.prediction_type == FLOW
    if settings.center_crop and settings.crops_per_image > 1:
        raise UsageError(
            f"crops_per_image {settings.crops_per_image} cuts a picture at several places, but"
            " center_crop cuts out its middle.",
            hint="--no-center-crop, or leave crops_per_image out",
            code="bad-setting",
        )
    if flow:
        _refuse_of_noise(settings)
        noise = NoiseOptions()
        told["snr_gamma"] = None
        told["timestep_density"] = settings.timestep_density or noise.density
        if told["timestep_density"] == "logit_normal":
            mean, deviation = settings.timestep_mean, settings.timestep_deviation
            told["timestep_mean"] = noise.mean if mean is None else mean
            told["timestep_deviation"] = noise.deviation if deviation is None else deviation
    else:
        _refuse_of_flow(settings, info.prediction_type)
        if settings.snr_gamma is None:
            # of a velocity it would take the moments of much noise away (a weight of 0.02)
            told["snr_gamma"] = SNR_GAMMA if info.prediction_type == EPSILON else 0.0
    return settings.model_copy(update=told)


def _refuse_of_noise(settings: TrainSettings) -> None:
    if settings.snr_gamma:
        raise UsageError(
            "snr_gamma: min-SNR weighs the answers of a base that predicts noise; this one predicts"
            " a flow, and all its moments count the same.",
            hint="leave snr_gamma out; timestep_density says which moments it is trained at",
            code="bad-setting",
        )
    if settings.noise_offset:
        raise UsageError(
            "noise_offset helps bases that never see pure noise while they learn; this base"
            " predicts a flow, which begins at pure noise.",
            hint="leave noise_offset out",
            code="bad-setting",
        )
    given = settings.timestep_mean is not None or settings.timestep_deviation is not None
    if settings.timestep_density == "uniform" and given:
        raise UsageError(
            "timestep_mean and timestep_deviation are those of the logit-normal density, but"
            " timestep_density is uniform.",
            hint="--timestep-density logit_normal, or leave them out",
            code="bad-setting",
        )


def _refuse_of_flow(settings: TrainSettings, prediction_type: str) -> None:
    for name in _OF_FLOW:
        if getattr(settings, name) is not None:
            raise UsageError(
                f"{name} is for bases that predict a flow; this base predicts {prediction_type},"
                " and is trained at all of its timesteps alike.",
                hint="leave it out; snr_gamma weighs the timesteps",
                code="bad-setting",
            )


def noise_options(settings: TrainSettings) -> NoiseOptions:
    """How the base's latents are noised, of `completed` settings."""
    usual = NoiseOptions()
    mean, deviation = settings.timestep_mean, settings.timestep_deviation
    return NoiseOptions(
        settings.snr_gamma,
        settings.timestep_density or usual.density,
        usual.mean if mean is None else mean,
        usual.deviation if deviation is None else deviation,
        settings.timestep_shift,
    )


@dataclass(frozen=True)
class Recipe:
    """One run's numbers. Steps are optimizer steps; `sample_every` 0 means never."""

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

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of the optimizer step with index `step` (from 0).

        Warm-up rises linearly and reaches the peak at index `warmup - 1`; its first step is not
        zero, so that no step is lost. The shapes after it are those of diffusers' `get_scheduler`.
        """
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        shape = self.settings.lr_scheduler
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
        return self.learning_rate * factor

    def resolved(self) -> dict[str, Any]:
        """The settings with every default filled in and no local path."""
        flow = self.prediction_type == FLOW
        fields = type(self.settings).model_fields
        return self.settings.model_dump(
            exclude={
                *("output_dir", "pretrained_model_name_or_path", "num_threads", "allow_pickle"),
                *(() if flow else _OF_FLOW),
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
_LATER = frozenset({"resolutions", "aspect_ratio_buckets", "bucket_reso_steps", "crops_per_image"})

# Settings that may change between a run and its continuation: they do not decide what is learned.
NOT_IN_IDENTITY = frozenset(
    {
        "base_model_repo",
        "revision",  # the commit it resolved to is compared instead
        "variant",
        "num_train_epochs",
        "checkpointing_steps",
        "checkpoints_total_limit",
        "snapshot_steps",
        "validation_steps",
        "gradient_checkpointing",
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
    if buckets is None:
        buckets = one_bucket(images, resolution)
    an_epoch = buckets.steps(settings.repeats, _pictures_a_step(settings, world_size))
    if settings.max_train_steps is not None:
        steps = settings.max_train_steps
    elif settings.num_train_epochs is not None:
        steps = settings.num_train_epochs * an_epoch
    else:
        steps = min(2000, max(600, 100 * images))
    warms_up = settings.lr_scheduler != "constant"
    warmup = settings.lr_warmup_steps
    if warmup is None:
        warmup = round(0.05 * steps)
    rate = settings.learning_rate
    if settings.scale_lr:
        rate *= _pictures_a_step(settings, world_size)
    sample_every = settings.validation_steps
    if sample_every is None:
        sample_every = max(100, steps // 8)
    return Recipe(
        settings=settings,
        resolution=resolution,
        buckets=buckets,
        world_size=world_size,
        steps=steps,
        warmup=warmup if warms_up else 0,
        learning_rate=rate,
        alpha=float(settings.lora_alpha or settings.rank),
        precision=precision,
        prediction_type=prediction_type,
        checkpoint_every=settings.checkpointing_steps or DEFAULT_CHECKPOINT_STEPS,
        snapshot_every=settings.snapshot_steps or sample_every or max(100, steps // 8),
        sample_every=sample_every,
    )
