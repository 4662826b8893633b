"""Samples during training: same prompts, same noise, on disk, and never the end of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.hub.errors import as_sentence
from hubtools.inference.embeddings import Prompts
from hubtools.inference.shots import Shot, shots_of
from hubtools.layout import SAMPLES_DIR
from hubtools.rooted import Root
from hubtools.settings import SampleSettings
from hubtools.training.texts import at_rest, trained_texts

if TYPE_CHECKING:
    import torch

    from hubtools.models.base import Base
    from hubtools.models.families.protocol import Model
    from hubtools.training.stages import Stages


class Interrupted(Exception):
    """The user wants to stop; sampling gives way."""


class SamplePrompts:
    """What the samples of a run say, encoded while the text encoder is open."""

    def __init__(
        self,
        settings: SampleSettings,
        prompts: Sequence[str],
        size: int,
        trigger: str | None,
        controls: Sequence[tuple[Path, ...]] = (),
    ) -> None:
        self.settings, self.prompts, self.size = settings, prompts, size
        self.controls = controls
        self.literals = (trigger,) if trigger else ()
        self.read: Prompts | None = None

    def shots(self, weight: float) -> tuple[list[Shot], list[str]]:
        """What to draw with the LoRA at `weight`, and names."""
        return shots_of(
            self.settings,
            self.prompts,
            self.size,
            lora_weight=weight,
            literals=self.literals,
            controls=self.controls,
        )

    def encode(self, model: Model, precision: torch.dtype) -> None:
        """Have the text encoder of `model` say them, computing as a pipeline does whose denoiser
        has this `precision`."""
        import torch

        read = Prompts(model.pipeline)
        encoder = next(one for one in model.encoders() if one is not model.pipeline.vae)
        kind = next(encoder.parameters()).device.type
        exact = {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
        mixed = exact and precision != torch.float32
        with torch.no_grad(), torch.autocast(kind, dtype=precision, enabled=mixed):
            read.keep(self.shots(self.settings.lora_weight)[0], precision)
        self.read = read


def draw_samples(
    model: Model,
    base: Base,
    stages: Stages,
    said: SamplePrompts,
    run_dir: Path,
    *,
    step: int,
    warn: Callable[[str], None],
    stopping: Callable[[], bool],
    resumed: bool = False,
) -> int:
    """Draw each prompt with the LoRA as it is after `step`; answers how many pictures there are, 0
    if a `resumed` run has drawn them all before.

    Before the first step the bare base is drawn. The VAE is opened for the while. Whatever goes
    wrong is a warning: hours of training are worth more than a picture.
    """
    from hubtools.inference.pipeline import draw

    weight = said.settings.lora_weight if step else 0.0

    def stepped(done: int, total: int) -> None:
        if stopping():
            raise Interrupted

    try:
        shots, names = said.shots(weight)
        names = [f"step{step:06d}_{name}" for name in names]
        if resumed and _are_there(run_dir, names):
            return 0
        spoken = trained_texts(model) if step else {}
        if said.read is None or spoken:  # words are read anew by encoders that have learned
            with at_rest(model), stages.opened("text", spoken) as text:
                said.encode(text.model, next(model.denoiser.parameters()).dtype)
        assert said.read is not None
        given = {model.prefix: model.denoiser}
        with (
            stages.opened("picture", given) as opened,
            Root(run_dir, create=True) as run,
            run.inside(SAMPLES_DIR, create=True) as folder,
        ):
            pipeline = opened.model.pipeline
            said.read.close(pipeline)
            records = draw(
                pipeline,
                shots,
                folder,
                names=names,
                base=base,
                train_step=step,
                on_step=stepped,
                prompts=said.read.move(stages.device),
            )
        return len(records)
    except Interrupted:
        return 0
    except Exception as error:
        sentence = as_sentence(error)
        why = sentence.message if sentence else f"{type(error).__name__}: {_line(error)}"
        warn(f"No samples at step {step:,}: {why} Training goes on.")
        return 0


def _are_there(run_dir: Path, names: Sequence[str]) -> bool:
    """Whether there is a record of each, which is written when its picture is whole."""
    with Root(run_dir) as run:
        return all(run.is_file(f"{SAMPLES_DIR}/{name}.json") for name in names)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or "no further word"
