"""How a plan tells its optimizer and its learning rate."""

from __future__ import annotations

from collections.abc import Sequence

from hubtools.files import human_bytes
from hubtools.setting_types import parsed_step_rules
from hubtools.training.averages import decay_after
from hubtools.training.optimizer_kinds import kind_of, schedule_of
from hubtools.training.recipe import Recipe


def optimizer_told(recipe: Recipe, parameters: int, size: int) -> str:
    """The optimizer, and the bytes (`size`) that it and an average remember of so many
    parameters."""
    settings = recipe.settings
    kind = kind_of(settings)
    told = [f"{kind.title} ({kind.told})" if kind.told else kind.title]
    if "adam_beta1" in kind.adam:
        told.append(f"betas {settings.adam_beta1:g} and {settings.adam_beta2:g}")
    told.append(f"weight decay {settings.adam_weight_decay:g}")
    what = "it and the average remember" if settings.use_ema else "it remembers"
    each = f"{size / max(1, parameters):.3g} bytes a parameter"
    return f"{', '.join(told)}; {what} {each}, {human_bytes(size)}"


def texts_told(recipe: Recipe, encoders: Sequence[str]) -> str:
    """The text encoders that are trained, and how fast."""
    if not encoders or recipe.text_rate is None:
        return ""
    share = recipe.text_rate / recipe.learning_rate
    same = "as fast" if share == 1 else f"{share:.3g} times as fast"
    many = len(encoders) > 1
    decay = recipe.settings.adam_weight_decay_text_encoder
    own = "" if decay is None else f", weight decay {decay:g}"
    return (
        f"{' and '.join(encoders)} {'are' if many else 'is'} trained too, at {recipe.text_rate:g}"
        f" ({same}{own}), and {'read' if many else 'reads'} the captions in every step"
    )


def average_told(recipe: Recipe) -> str:
    """What is published in place of the last step, if anything is."""
    if recipe.ema_decay is None:
        return ""
    last = decay_after(recipe.steps, recipe.ema_decay)
    return (
        "samples, snapshots and the LoRA are the moving average of the steps, decay 0 at first and"
        f" {last:.4g} at the end"
    )


def _steps_told(recipe: Recipe) -> str:
    """`times 1 before step 500, times 0.1 before step 1,000, then times 0.01`."""
    rules = parsed_step_rules(recipe.settings.lr_step_rules or "1")
    told = [f"times {factor:g} before step {step:,}" for factor, step in rules if step is not None]
    return ", ".join([*told, f"then times {rules[-1][0]:g}"])


def rate_told(recipe: Recipe) -> str:
    """The learning rate over the run."""
    shape = {
        "constant": "constant",
        "piecewise_constant": _steps_told(recipe),
        "constant_with_warmup": "then constant",
        "linear": "then linear to 0",
        "cosine": "then cosine to 0",
        "cosine_with_restarts": f"then {recipe.settings.lr_num_cycles} cosine waves to 0",
        "polynomial": f"then to 0 by the power of {recipe.settings.lr_power:g}",
    }[schedule_of(recipe.settings)]
    rate = f"{recipe.learning_rate:g}"
    if recipe.settings.scale_lr and recipe.pictures_a_step > 1:
        rate += f" ({recipe.settings.learning_rate:g} x {recipe.pictures_a_step} pictures a step)"
    if recipe.settings.optimizer == "prodigy":
        rate += " times what Prodigy finds"
    if recipe.warmup:
        steps = "1 step" if recipe.warmup == 1 else f"{recipe.warmup:,} steps"
        return f"up to {rate} in {steps}, {shape}"
    return f"{rate}, {shape}"
