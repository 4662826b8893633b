"""Samples during training: same prompts, same noise, on disk, and never the end of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.hub.errors import as_sentence
from hubtools.inference.shots import shots_of
from hubtools.layout import SAMPLES_DIR
from hubtools.rooted import Root
from hubtools.settings import SampleSettings

if TYPE_CHECKING:
    import torch

    from hubtools.models.base import Base
    from hubtools.models.families.protocol import Model


class Interrupted(Exception):
    """The user wants to stop; sampling gives way."""


def draw_samples(
    model: Model,
    base: Base,
    settings: SampleSettings,
    prompts: Sequence[str],
    run_dir: Path,
    *,
    size: int,
    step: int,
    device: torch.device,
    warn: Callable[[str], None],
    stopping: Callable[[], bool],
    trigger: str | None = None,
) -> int:
    """Draw each prompt with the LoRA as it is after `step`; answers how many pictures there are.

    Before the first step the bare base is drawn. The brackets of `trigger` are no prompt weights.
    Encoders visit `device` for the while. Whatever goes wrong is a warning: hours of training are
    worth more than a picture.
    """
    import torch

    from hubtools.inference.pipeline import draw

    weight = settings.lora_weight if step else 0.0

    def stepped(done: int, total: int) -> None:
        if stopping():
            raise Interrupted

    try:
        literals = (trigger,) if trigger else ()
        shots, names = shots_of(settings, prompts, size, lora_weight=weight, literals=literals)
        move_encoders(model, device)
        with Root(run_dir, create=True) as run, run.inside(SAMPLES_DIR, create=True) as folder:
            records = draw(
                model.pipeline,
                shots,
                folder,
                names=[f"step{step:06d}_{name}" for name in names],
                base=base,
                train_step=step,
                on_step=stepped,
            )
        return len(records)
    except Interrupted:
        return 0
    except Exception as error:
        sentence = as_sentence(error)
        why = sentence.message if sentence else f"{type(error).__name__}: {_line(error)}"
        warn(f"No samples at step {step:,}: {why} Training goes on.")
        return 0
    finally:
        move_encoders(model, torch.device("cpu"))
        _free(device)


def move_encoders(model: Model, device: torch.device) -> None:
    """VAE and text encoders to `device`; the loop does without them."""
    for module in model.encoders():
        module.to(device)


def _free(device: Any) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.empty_cache()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or "no further word"
