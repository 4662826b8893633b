"""What settings leave to the base, and what has no meaning with it."""

from __future__ import annotations

from typing import Any

from hubtools.errors import UsageError
from hubtools.models.families.noise import EPSILON, FLOW, NoiseOptions
from hubtools.models.families.protocol import BaseInfo
from hubtools.models.lookup import widest_of
from hubtools.models.registry import SUPPORTED
from hubtools.train_settings import TrainSettings
from hubtools.training import optimizer_kinds

CAPTION_DROPOUT = 0.05
SNR_GAMMA = 5.0
MULTIRES_DISCOUNT = 0.3

# Settings that mean nothing with bases of the other kind.
OF_FLOW = ("timestep_density", "timestep_mean", "timestep_deviation", "timestep_shift")
OF_NOISE = (
    *("snr_gamma", "debiased_estimation_loss", "noise_offset"),
    *("multires_noise_iterations", "multires_noise_discount"),
)


def completed(settings: TrainSettings, info: BaseInfo) -> TrainSettings:
    """The settings with what they leave to the base. Raises `UsageError` for what has no meaning
    with such a base, or with another of them."""
    told: dict[str, Any] = {"target_modules": settings.target_modules or list(info.targets)}
    if settings.caption_dropout is None:
        told["caption_dropout"] = CAPTION_DROPOUT if info.guided else 0.0
    _refuse_pairs(settings)
    _refuse_of_texts(settings, info)
    optimizer_kinds.refuse_pairs(settings)
    usual = NoiseOptions()
    if info.prediction_type == FLOW:
        _refuse_of_noise(settings)
        told["snr_gamma"] = None
        told["timestep_density"] = settings.timestep_density or usual.density
        if told["timestep_density"] == "logit_normal":
            mean, deviation = settings.timestep_mean, settings.timestep_deviation
            told["timestep_mean"] = usual.mean if mean is None else mean
            told["timestep_deviation"] = usual.deviation if deviation is None else deviation
    else:
        _refuse_of_flow(settings, info.prediction_type)
        if settings.debiased_estimation_loss:
            told["snr_gamma"] = 0.0
        elif settings.snr_gamma is None:
            # of a velocity it would take the moments of much noise away (a weight of 0.02)
            told["snr_gamma"] = SNR_GAMMA if info.prediction_type == EPSILON else 0.0
    if settings.loss_type != "l2":
        told["huber_schedule"] = settings.huber_schedule or usual.huber_schedule
        told["huber_c"] = usual.huber_c if settings.huber_c is None else settings.huber_c
    if settings.multires_noise_iterations and settings.multires_noise_discount is None:
        told["multires_noise_discount"] = MULTIRES_DISCOUNT
    return settings.model_copy(update=told)


def _refused(message: str, hint: str) -> UsageError:
    return UsageError(message, hint=hint, code="bad-setting")


def _refuse_pairs(settings: TrainSettings) -> None:
    if settings.center_crop and settings.crops_per_image > 1:
        raise _refused(
            f"crops_per_image {settings.crops_per_image} cuts a picture at several places, but"
            " center_crop cuts out its middle.",
            "--no-center-crop, or leave crops_per_image out",
        )
    interval = settings.gradient_checkpointing_interval
    if interval > 1 and not settings.gradient_checkpointing:
        raise _refused(
            f"gradient_checkpointing_interval {interval} chooses blocks that are computed again,"
            " but gradient_checkpointing is off.",
            "--gradient-checkpointing, or leave the interval out",
        )
    tags = settings.shuffle_caption or settings.caption_tag_dropout_rate
    if settings.keep_tokens and not tags:
        raise _refused(
            f"keep_tokens {settings.keep_tokens} keeps tags in their place, but none is moved.",
            "--shuffle-caption, or leave keep_tokens out",
        )
    if settings.debiased_estimation_loss and settings.snr_gamma:
        raise _refused(
            f"snr_gamma {settings.snr_gamma:g} and debiased_estimation_loss are two weightings of"
            " the same timesteps.",
            "leave one of them out",
        )
    if settings.noise_offset and settings.multires_noise_iterations:
        raise _refused(
            "noise_offset and multires_noise_iterations are two ways to noise of few frequencies.",
            "leave one of them out",
        )
    for name in ("huber_schedule", "huber_c"):
        if settings.loss_type == "l2" and getattr(settings, name) is not None:
            raise _refused(
                f"{name} is of the losses huber and smooth_l1, but loss_type is l2.",
                f"--loss-type huber, or leave {name} out",
            )
    if settings.multires_noise_discount is not None and not settings.multires_noise_iterations:
        raise _refused(
            "multires_noise_discount is that of noise of several sizes, of which there is none.",
            "--multires-noise-iterations 6, or leave it out",
        )


def _refuse_of_texts(settings: TrainSettings, info: BaseInfo) -> None:
    for name in ("text_encoder_lr", "adam_weight_decay_text_encoder"):
        if not settings.train_text_encoder and getattr(settings, name) is not None:
            raise _refused(
                f"{name} is that of a text encoder's LoRA, but train_text_encoder is off.",
                f"--train-text-encoder, or leave {name} out",
            )
    if settings.train_text_encoder and not info.clips:
        support = SUPPORTED[info.family]
        raise UsageError(
            f"train_text_encoder: captions for {support.title} are read by"
            f" {widest_of(support).name}, and programs that draw read no LoRA of it; of text"
            " encoders only CLIP is trained.",
            hint="leave it out: the LoRA of the denoiser learns the words",
            code="not-supported",
        )


def _refuse_of_noise(settings: TrainSettings) -> None:
    weighting = "snr_gamma: min-SNR" if settings.snr_gamma else "debiased_estimation_loss"
    if settings.snr_gamma or settings.debiased_estimation_loss:
        raise _refused(
            f"{weighting} weighs the answers of a base that predicts noise; this one predicts"
            " a flow, and all its moments count the same.",
            f"leave {weighting.partition(':')[0]} out; timestep_density says which moments it is"
            " trained at",
        )
    for name in ("noise_offset", "multires_noise_iterations"):
        if getattr(settings, name):
            raise _refused(
                f"{name} helps bases that never see pure noise while they learn; this base"
                " predicts a flow, which begins at pure noise.",
                f"leave {name} out",
            )
    given = settings.timestep_mean is not None or settings.timestep_deviation is not None
    if settings.timestep_density == "uniform" and given:
        raise _refused(
            "timestep_mean and timestep_deviation are those of the logit-normal density, but"
            " timestep_density is uniform.",
            "--timestep-density logit_normal, or leave them out",
        )


def _refuse_of_flow(settings: TrainSettings, prediction_type: str) -> None:
    for name in OF_FLOW:
        if getattr(settings, name) is not None:
            raise _refused(
                f"{name} is for bases that predict a flow; this base predicts {prediction_type},"
                " and is trained at all of its timesteps alike.",
                "leave it out; snr_gamma weighs the timesteps",
            )


def noise_options(settings: TrainSettings) -> NoiseOptions:
    """How the base's latents are noised and its answers judged, of `completed` settings."""
    usual = NoiseOptions()
    mean, deviation, c = settings.timestep_mean, settings.timestep_deviation, settings.huber_c
    return NoiseOptions(
        settings.snr_gamma,
        settings.timestep_density or usual.density,
        usual.mean if mean is None else mean,
        usual.deviation if deviation is None else deviation,
        settings.timestep_shift,
        debiased=settings.debiased_estimation_loss,
        loss=settings.loss_type,
        huber_schedule=settings.huber_schedule or usual.huber_schedule,
        huber_c=usual.huber_c if c is None else c,
    )
