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

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubtools.dataset.pictures.rgb import open_image
from hubtools.dataset.text.trigger import replace_word
from hubtools.errors import require_extra
from hubtools.evaluation.chart import draw_chart
from hubtools.evaluation.following import prompt_judge
from hubtools.evaluation.measures import (
    Figure,
    Floats,
    among_themselves,
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
from hubtools.evaluation.session import BASE, Line, Session
from hubtools.evaluation.verdict import Contender, recommend
from hubtools.findings import plural
from hubtools.inference.pipeline import versions
from hubtools.inference.png import drawn_picture
from hubtools.layout import EVALUATION, EVALUATION_CHART, EVALUATION_DIR
from hubtools.project import Project
from hubtools.reporting.sheets import check_chart
from hubtools.tinypeople import MEASURED_MARKS, SURE, is_tiny_people, load_classifier
from hubtools.vision.encoders import picture_encoder

if TYPE_CHECKING:
    from PIL import Image

    from hubtools.evaluation.following import PromptJudge
    from hubtools.vision.encoders import PictureEncoder

Note = Callable[[str], None]


def _silent(sentence: str) -> None:
    pass


def evaluate(
    project: Project,
    lora: str | None = None,
    *,
    prompts: Sequence[str] = (),
    batch_size: int | None = None,
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
    studio = Session.open(plan, device, dtype, note)
    lines = studio.draw_all(batch_size, on_step)
    result = _measure(plan, studio, lines, note)
    _check_free(plan.folder)  # hours may have gone by
    result.write(plan.folder)

    draw_chart(plan.folder / EVALUATION_CHART, result)
    return result


def _check_free(folder: Path) -> None:
    """Raises `HubtoolsError` if what would be written is there and is not hubtools'."""
    Evaluation.check_free(folder / EVALUATION)
    check_chart(folder / EVALUATION_CHART)


def _measure(plan: EvaluationPlan, studio: Session, lines: list[Line], note: Note) -> Evaluation:
    settings = plan.project.evaluate
    tiny = plan.base.local and is_tiny_people(Path(plan.base.path_or_id))
    encoder = picture_encoder(settings.picture_encoder, studio.device, note)
    judge = prompt_judge(settings.prompt_judge, tiny, studio.device, note)
    seen = [open_image(example.image) for example in plan.real]
    blanked = {i for line in lines for i, r in enumerate(line.records) if r.blanked}
    if blanked:
        note(f"The safety checker blanked {plural(len(blanked), 'picture')}; they do not count.")
    readers = shown_by(seen, _mark_readers()) if tiny else {}
    compare = _Comparison.of(encoder, seen, _pictures(plan, lines[0], blanked))
    real = compare.real
    for line in lines:
        _look(plan, line, compare, judge, blanked, readers)
    first = lines[0]
    base = _contender(first, first)
    contenders = [_contender(line, first) for line in lines[1:]]
    alike = _rounded(among_themselves(real))
    place, sentence = recommend(base, contenders, alike)
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
            **({"guidance_rescale": shot.guidance_rescale} if shot.guidance_rescale else {}),
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
        real_likeness=alike,
        loss_pictures=len(plan.measured),
        loss_held_out=plan.held_out,
        blanked=len(blanked),
        candidates=[_facts(line, c) for line, c in zip(lines, [base, *contenders], strict=True)],
        recommended=None if place is None else place + 1,
        recommendation=sentence,
        versions=versions(),
    )


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _mark_readers() -> dict[str, Callable[[Sequence[Image.Image]], Floats]]:
    """For pictures of tiny people: whether the marks of the example's character are seen."""
    detector = load_classifier("marks")

    def reader(name: str) -> Callable[[Sequence[Image.Image]], Floats]:
        return lambda pictures: (detector.read(pictures)[name][:, 1] > SURE).astype(np.float64)

    return {name: reader(name) for name in MEASURED_MARKS}


def shown_by(
    pictures: Sequence[Image.Image],
    readers: dict[str, Callable[[Sequence[Image.Image]], Floats]],
) -> dict[str, Callable[[Sequence[Image.Image]], Floats]]:
    """The readers of marks that most of the training pictures show: others are no mark of it."""
    return {name: read for name, read in readers.items() if read(pictures).mean() > 0.5}


@dataclass(frozen=True)
class _Comparison:
    """How pictures are compared with the real ones: (m, d) unit vectors `real`."""

    encoder: PictureEncoder
    mean: Floats
    spread: Floats
    real: Floats
    base: Floats | None  # features of the base's pictures, where they were needed

    @classmethod
    def of(
        cls, encoder: PictureEncoder, real: Sequence[Image.Image], base: Sequence[Image.Image]
    ) -> _Comparison:
        features = encoder.encode(real)
        mean, spread, theirs = np.zeros(1), np.ones(1), None
        if encoder.relative:
            theirs = encoder.encode(base)
            mean, spread = scale_of(features, theirs)
        return cls(encoder, mean, spread, unit((features - mean) / spread), theirs)

    def encode(self, pictures: Sequence[Image.Image], of_base: list[int] | None = None) -> Floats:
        """(n, d) unit vectors; `of_base`: which of the base's these are."""
        if of_base is not None and self.base is not None:
            features = self.base[of_base]
        else:
            features = self.encoder.encode(pictures)
        return unit((features - self.mean) / self.spread)


def _pictures(plan: EvaluationPlan, line: Line, blanked: set[int]) -> list[Image.Image]:
    kept = [record for index, record in enumerate(line.records) if index not in blanked]
    return [drawn_picture(plan.folder / EVALUATION_DIR / record.file) for record in kept]


def _look(
    plan: EvaluationPlan,
    line: Line,
    compare: _Comparison,
    judge: PromptJudge | None,
    blanked: set[int],
    readers: dict[str, Callable[[Sequence[Image.Image]], Floats]],
) -> None:
    """Fill in the line's values from its pictures."""
    kept = [index for index in range(len(line.records)) if index not in blanked]
    called = [index for index in kept if index < plan.with_trigger]
    plain = [index for index in kept if index >= plan.with_trigger]
    values = line.values
    for some, ours in ((called, True), (plain, False)):
        if not some:
            continue
        pictures = [
            drawn_picture(plan.folder / EVALUATION_DIR / line.records[i].file) for i in some
        ]
        of_base = [kept.index(i) for i in some] if line.label == BASE else None
        features, real = compare.encode(pictures, of_base), compare.real
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


def _contender(line: Line, base: Line) -> Contender:
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


def _facts(line: Line, contender: Contender) -> Candidate:
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
