"""`evaluate`: did it learn, did it forget, which checkpoint and which weight are best?

Base and LoRA draw the same prompts from the same noise, with the trigger and with a plain noun in
its place. What is measured, each with its mean, 95 % interval and paired difference to the base:

subject_fidelity   similarity to the training pictures (DINO-I of DreamBooth, arXiv:2208.12242; of
                   features standardised over training and base pictures where the encoder is
                   EfficientNet, so that 0 is what all have in common)
prompt_fidelity    what the prompt asks for is there (CLIP-T of DreamBooth, or an attribute reader)
diversity          difference between pictures of one prompt (DIV of DreamBooth): 0 is collapse
nearest            similarity to the nearest training picture
memorised          share of pictures nearer to a training picture than any two of those are to
                   each other (the nearest-neighbour test of arXiv:2301.13188, with these features)
leakage            subject_fidelity without the trigger: above the base's, the subject shows unasked
plain_fidelity     prompt_fidelity without the trigger: below the base's, the LoRA has forgotten
denoising_loss     error of the prediction on the same noise at the same moments
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hubtools.dataset.pictures.rgb import open_image
from hubtools.dataset.text.trigger import replace_word
from hubtools.errors import require_extra
from hubtools.evaluation.chart import draw_chart
from hubtools.evaluation.denoising import Encoded, encode, encode_captions, losses
from hubtools.evaluation.following import prompt_judge
from hubtools.evaluation.measures import (
    Figure,
    Floats,
    difference,
    diversity,
    fidelity,
    figure,
    nearest,
    nearest_neighbours,
    scale_of,
    unit,
)
from hubtools.evaluation.plan import EvaluationPlan, plan_evaluation
from hubtools.evaluation.result import Candidate, Evaluation, Measured
from hubtools.evaluation.verdict import Contender, recommend
from hubtools.files import check_replaceable
from hubtools.inference.adapters import apply_lora
from hubtools.inference.pipeline import draw, versions
from hubtools.inference.staged import open_staged
from hubtools.layout import EVALUATION, EVALUATION_CHART, EVALUATION_DIR
from hubtools.models.base import fetch_base
from hubtools.models.device import best_dtype, checked_device, use_threads
from hubtools.models.families.protocol import family_of
from hubtools.project import Project
from hubtools.reporting.sheets import check_chart
from hubtools.rooted import Root
from hubtools.tinypeople import MEASURED_MARKS, SURE, is_tiny_people, load_classifier
from hubtools.training.choices import completed, noise_options
from hubtools.vision.encoders import picture_encoder

if TYPE_CHECKING:
    from PIL import Image

    from hubtools.evaluation.following import PromptJudge
    from hubtools.inference.embeddings import Prompts
    from hubtools.manifest import SampleRecord
    from hubtools.models.families.batches import Tensors
    from hubtools.models.families.protocol import Model
    from hubtools.models.loading import Part
    from hubtools.vision.encoders import PictureEncoder

Note = Callable[[str], None]
BASE = "the base"


def _silent(sentence: str) -> None:
    pass


def evaluate(
    project: Project,
    lora: str | None = None,
    *,
    prompts: Sequence[str] = (),
    batch_size: int = 8,
    device: str | None = None,
    dtype: str | None = None,
    note: Note = _silent,
    on_step: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Measure a LoRA (default the project's run) against its base as `project.evaluate` says.

    Pictures go to `evaluation/` in the run folder, and those that are there already are kept;
    `evaluation.json` and `evaluation.png` are written beside it. Raises `HubtoolsError` if base,
    LoRA or training pictures are missing, `UsageError` for settings that make no sense.
    """
    require_extra("train", "Evaluating")
    plan = plan_evaluation(project, lora, prompts=prompts, note=note)
    _check_free(plan.folder)
    studio = _PipelineSession.open(plan, device, dtype, note)
    lines = studio.draw_all(batch_size, on_step)
    result = _measure(plan, studio, lines, note)
    _check_free(plan.folder)  # hours may have gone by
    result.write(plan.folder)

    draw_chart(plan.folder / EVALUATION_CHART, result)
    return result


def _check_free(folder: Path) -> None:
    """Raises `HubtoolsError` if what would be written is there and is not hubtools'."""
    check_replaceable(folder / EVALUATION, "an evaluation", Evaluation.is_one)
    check_chart(folder / EVALUATION_CHART)


@dataclass
class _Line:
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
class _PipelineSession:
    """The base without its text encoders, which are let go when all is encoded."""

    plan: EvaluationPlan
    model: Any
    encoded: Encoded
    prompts: Prompts
    device: str
    dtype: str

    @classmethod
    def open(
        cls, plan: EvaluationPlan, device: str | None, dtype: str | None, note: Note
    ) -> _PipelineSession:
        import torch

        device = checked_device(device)
        threads = use_threads(plan.project.train.num_threads)
        if device == "cpu":
            note(f"Drawing on the CPU with {threads} thread{'s' if threads > 1 else ''}.")
        dtype = dtype or best_dtype(device)
        base = plan.base
        folder = fetch_base(base)
        family = family_of(folder, base.id or str(folder))
        info = family.info(folder, plan.project.train.prediction_type)
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

        captions: dict[str, Tensors] = {}

        def with_text(pipeline: Any) -> None:
            # before the pipeline goes to half precision: a caption is encoded once
            captions.update(encode_captions(opened.pop(), plan.measured))
            pipeline.to(dtype=precision)

        pipeline, prompts = open_staged(load, plan.wanted, with_text=with_text)
        model = opened.pop()
        # before it goes to half precision, as above
        encoded = encode(family, model, plan.measured, captions, plan.project.resolution)
        pipeline.to(dtype=precision)
        return cls(plan, model, encoded, prompts, device, dtype)

    def draw_all(self, batch_size: int, on_step: Callable[[int, int], None] | None) -> list[_Line]:
        """Draw base and candidates, and take the loss of each while its LoRA is in."""
        plan = self.plan
        each = sum(shot.steps for shot in plan.shots)
        lines: list[_Line] = []
        with Root(plan.folder) as run, run.inside(EVALUATION_DIR, create=True) as below:
            self._draw_each(below, each, lines, batch_size, on_step)
        return lines

    def _draw_each(
        self,
        folder: Root,
        each: int,
        lines: list[_Line],
        batch_size: int,
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
                prompts=self.prompts,
                batch_size=batch_size,
                on_step=stepped,
            )
            if choice:
                apply_lora(pipeline, choice.lora, choice.weight)
            found = losses(self.model, self.encoded, self.device)
            lines.append(
                _Line(
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


def _measure(
    plan: EvaluationPlan, studio: _PipelineSession, lines: list[_Line], note: Note
) -> Evaluation:
    settings = plan.project.evaluate
    tiny = plan.base.local and is_tiny_people(Path(plan.base.path_or_id))
    encoder = picture_encoder(settings.picture_encoder, studio.device, note)
    judge = prompt_judge(settings.prompt_judge, tiny, studio.device, note)
    seen = [open_image(example.image) for example in plan.real]
    blanked = {i for line in lines for i, r in enumerate(line.records) if r.blanked}
    if blanked:
        note(f"{len(blanked)} pictures were blanked by the safety checker and do not count.")
    readers = _mark_readers() if tiny else {}
    compare = _Comparison.of(encoder, seen, _pictures(plan, lines[0], blanked))
    real = compare.real
    for line in lines:
        _look(plan, line, compare, judge, blanked, readers)
    first = lines[0]
    base = _contender(first, first)
    contenders = [_contender(line, first) for line in lines[1:]]
    place, sentence = recommend(base, contenders)
    shot = plan.shots[0]
    return Evaluation(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        base_model=plan.base.id,
        base_revision=plan.base.revision,
        trigger=plan.trigger,
        class_noun=plan.project.dataset.class_noun,
        prompts=list(plan.texts),
        images=plan.images,
        samples={
            "steps": shot.steps,
            "guidance": shot.guidance,
            "scheduler": shot.scheduler,
            "width": shot.width,
            "height": shot.height,
            "seed": plan.project.samples.seed,
            "negative_prompt": shot.negative_prompt,
            "dtype": studio.dtype,
        },
        picture_encoder=encoder.name,
        prompt_judge=judge.name if judge else None,
        real_pictures=len(plan.real),
        real_nearest=round(float(nearest_neighbours(real).max()), 4),
        loss_pictures=len(plan.measured),
        loss_held_out=plan.held_out,
        blanked=len(blanked),
        candidates=[_facts(line, c) for line, c in zip(lines, [base, *contenders], strict=True)],
        recommended=None if place is None else place + 1,
        recommendation=sentence,
        versions=versions(),
    )


def _mark_readers() -> dict[str, Callable[[Sequence[Image.Image]], Floats]]:
    """For pictures of tiny people: whether the marks of the example's character are seen."""
    detector = load_classifier("marks")

    def reader(name: str) -> Callable[[Sequence[Image.Image]], Floats]:
        return lambda pictures: (detector.read(pictures)[name][:, 1] > SURE).astype(np.float64)

    return {name: reader(name) for name in MEASURED_MARKS}


@dataclass(frozen=True)
class _Comparison:
    """How pictures are compared with the real ones: (m, d) unit vectors `real`."""

    encoder: PictureEncoder
    mean: Floats
    spread: Floats
    real: Floats

    @classmethod
    def of(
        cls, encoder: PictureEncoder, real: Sequence[Image.Image], base: Sequence[Image.Image]
    ) -> _Comparison:
        features = encoder.encode(real)
        mean, spread = np.zeros(1), np.ones(1)
        if encoder.relative:
            mean, spread = scale_of(features, encoder.encode(base))
        return cls(encoder, mean, spread, unit((features - mean) / spread))

    def encode(self, pictures: Sequence[Image.Image]) -> Floats:
        """(n, d) unit vectors."""
        return unit((self.encoder.encode(pictures) - self.mean) / self.spread)


def _pictures(plan: EvaluationPlan, line: _Line, blanked: set[int]) -> list[Image.Image]:
    from PIL import Image

    folder = plan.folder / EVALUATION_DIR
    kept = [record for index, record in enumerate(line.records) if index not in blanked]
    return [Image.open(folder / record.file).convert("RGB") for record in kept]


def _look(
    plan: EvaluationPlan,
    line: _Line,
    compare: _Comparison,
    judge: PromptJudge | None,
    blanked: set[int],
    readers: dict[str, Callable[[Sequence[Image.Image]], Floats]],
) -> None:
    """Fill in the line's values from its pictures."""
    from PIL import Image

    folder = plan.folder / EVALUATION_DIR
    kept = [index for index in range(len(line.records)) if index not in blanked]
    called = [index for index in kept if index < plan.with_trigger]
    plain = [index for index in kept if index >= plan.with_trigger]
    values = line.values
    for some, ours in ((called, True), (plain, False)):
        if not some:
            continue
        pictures = [Image.open(folder / line.records[i].file).convert("RGB") for i in some]
        features, real = compare.encode(pictures), compare.real
        groups = [line.records[i].prompt for i in some]
        if ours:
            values["subject_fidelity"] = fidelity(features, real)
            values["nearest"] = nearest(features, real)
            limit = nearest_neighbours(real).max()
            values["memorised"] = (values["nearest"] > limit).astype(np.float64)
            values["diversity"] = diversity(features, groups)
        else:
            values["leakage"] = fidelity(features, real)
        for name, read in readers.items():
            values[name if ours else f"{name}_unasked"] = read(pictures)
        if judge is not None:
            noun = plan.project.dataset.class_noun
            texts = [replace_word(t, plan.trigger, noun) if plan.trigger else t for t in groups]
            judged = judge.judge(pictures, texts)
            values["prompt_fidelity" if ours else "plain_fidelity"] = judged.scores
            for name, found in judged.attributes.items():
                line.attributes[name if ours else f"{name} (plain)"] = found
    values["denoising_loss"] = line.losses


def _contender(line: _Line, base: _Line) -> Contender:
    figures = {name: figure(_there(values)) for name, values in line.values.items()}
    against = {}
    if line is not base:
        for name, values in line.values.items():
            theirs = base.values[name]
            both = ~(np.isnan(values) | np.isnan(theirs))
            against[name] = difference(values[both], theirs[both])
    return Contender(
        line.label, line.step, line.weight, _known(figures), _known(against),
        line.values.get("subject_fidelity"),
    )  # fmt: skip


def _there(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _known(figures: dict[str, Figure]) -> dict[str, Figure]:
    return {name: found for name, found in figures.items() if found.n}


def _facts(line: _Line, contender: Contender) -> Candidate:
    return Candidate(
        label=line.label,
        step=line.step,
        weight=line.weight,
        lora_sha256=line.sha256,
        figures={name: Measured.of(value) for name, value in contender.figures.items()},
        against_base={name: Measured.of(value) for name, value in contender.against_base.items()},
        attributes={
            name: Measured.of(figure(_there(values))) for name, values in line.attributes.items()
        },
    )
