"""The base and each candidate drawn, and the loss of each while its LoRA is in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hubtools.evaluation.denoising import Encoded, captions_under, encode, losses
from hubtools.evaluation.measures import Floats
from hubtools.evaluation.plan import EvaluationPlan
from hubtools.inference.adapters import apply_loras
from hubtools.inference.at_once import fuses_unasked
from hubtools.inference.embeddings import Said
from hubtools.inference.lora import said_by
from hubtools.inference.pipeline import draw
from hubtools.inference.project_base import size_on
from hubtools.inference.staged import open_staged
from hubtools.layout import EVALUATION_DIR
from hubtools.models.base import fetch_base
from hubtools.models.device import best_dtype, drawing_on
from hubtools.models.families.clip import with_encoders
from hubtools.models.families.protocol import family_of
from hubtools.rooted import Root
from hubtools.training.choices import completed, noise_options

if TYPE_CHECKING:
    from hubtools.inference.embeddings import Prompts
    from hubtools.manifest import SampleRecord
    from hubtools.models.families.batches import Tensors
    from hubtools.models.families.protocol import Model
    from hubtools.models.loading import Part

Note = Callable[[str], None]
BASE = "the base"


@dataclass
class Line:
    """The base or a candidate, and all that was seen of it."""

    label: str
    step: int | None
    weight: float
    sha256: str | None
    records: list[SampleRecord]
    losses: Floats = field(default_factory=lambda: np.zeros(0))
    values: dict[str, Floats] = field(default_factory=dict)
    attributes: dict[str, Floats] = field(default_factory=dict)


@dataclass
class Session:
    """The base without its text encoders, which are let go when all is encoded."""

    plan: EvaluationPlan
    model: Any
    encoded: Mapping[Said, Encoded]
    prompts: Prompts
    device: str
    dtype: str
    fuse: bool
    note: Note

    @classmethod
    def open(
        cls, plan: EvaluationPlan, device: str | None, dtype: str | None, note: Note
    ) -> Session:
        import torch

        device = drawing_on(device, plan.project.train.num_threads, note)
        dtype = dtype or best_dtype(device)
        base = plan.base
        folder = fetch_base(base)
        family = family_of(folder, base.shown)
        info = with_encoders(family.info(folder, plan.project.train.prediction_type), folder)
        precision = getattr(torch, dtype)
        opened: list[Model] = []

        def load(parts: tuple[Part, ...], given: Mapping[str, Any]) -> Any:
            model = family.load(
                base,
                info,
                variant=plan.project.train.variant,
                dtype=precision,
                noise=noise_options(completed(plan.project.train, info)),
                parts=parts,
                given=given,
            )
            model.pipeline.to(device)
            opened[:] = [model]
            return model.pipeline

        captions: dict[Said, dict[str, Tensors]] = {}

        def with_text(pipeline: Any) -> None:
            # before the pipeline goes to half precision: a caption is encoded once
            captions.update(captions_under(opened.pop(), plan.wanted, plan.measured, info))
            pipeline.to(dtype=precision)

        drawing = [one for one in plan.wanted if one.loras]
        fuse = all(fuses_unasked(one.loras, one.shots, dtype) for one in drawing)
        pipeline, prompts = open_staged(load, plan.wanted, fuse=fuse, with_text=with_text)
        model = opened.pop()
        # before it goes to half precision, as above
        bare = encode(family, model, plan.measured, captions[()], size_on(plan.project, base), info)
        encoded = {
            said: bare.with_captions(plan.measured, found, info) for said, found in captions.items()
        }
        pipeline.to(dtype=precision)
        return cls(plan, model, encoded, prompts, device, dtype, fuse, note)

    def draw_all(
        self, batch_size: int | None, on_step: Callable[[int, int], None] | None
    ) -> list[Line]:
        """Draw base and candidates, and take the loss of each while its LoRA is in."""
        plan = self.plan
        each = sum(shot.steps for shot in plan.shots)
        lines: list[Line] = []
        with Root(plan.folder) as run, run.inside(EVALUATION_DIR, create=True) as below:
            self._draw_each(below, each, lines, batch_size, on_step)
        return lines

    def _draw_each(
        self,
        folder: Root,
        each: int,
        lines: list[Line],
        batch_size: int | None,
        on_step: Callable[[int, int], None] | None,
    ) -> None:
        plan, pipeline = self.plan, self.model.pipeline
        total = each * (1 + len(plan.choices))
        for choice, wanted in zip((None, *plan.choices), plan.wanted, strict=True):
            before = each * len(lines)

            def stepped(done: int, of: int, before: int = before) -> None:
                if on_step:
                    on_step(before + each - of + done, total)

            weight = choice.weight if choice else 0.0
            prefix = choice.prefix if choice else "base"
            records = draw(
                pipeline,
                wanted.shots,
                folder,
                names=[f"{prefix}_{name}" for name in plan.names],
                base=plan.base,
                loras=wanted.loras,
                fuse=self.fuse and choice is not None,
                prompts=self.prompts,
                batch_size=batch_size,
                on_step=stepped,
                note=self.note,
            )
            if choice:
                apply_loras(pipeline, [(choice.lora, choice.weight)], fuse=self.fuse)
            said = said_by(wanted.loras, wanted.shots[0].lora_weight)
            found = losses(self.model, self.encoded[said], self.device)
            lines.append(
                Line(
                    choice.label if choice else BASE,
                    choice.lora.step if choice else None,
                    weight,
                    choice.lora.sha256 if choice else None,
                    records,
                    found,
                )
            )
            if on_step:
                on_step(before + each, total)
