"""`evaluation.json`: what was measured, on what, and what follows from it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from hubtools.evaluation.measures import Figure, per_cent
from hubtools.files import check_replaceable, json_value
from hubtools.layout import EVALUATION
from hubtools.manifest import described
from hubtools.rooted import Root
from hubtools.rooted.outputs import writing_over
from hubtools.summed import JSON_SUM, json_was_changed, summed_json

SCHEMA = 1
_MOST = 16_000_000  # bytes
_SIMILARITIES = ("subject_fidelity", "leakage")


class _Facts(BaseModel):
    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class Measured(_Facts):
    """A mean over `n` values and its 95 % bootstrap interval; None where there was nothing."""

    mean: float | None
    low: float | None
    high: float | None
    n: int

    @classmethod
    def of(cls, figure: Figure) -> Measured:
        """Rounded to four places."""
        mean, low, high = (None if math.isnan(v) else round(v, 4) for v in figure[:3])
        return cls(mean=mean, low=low, high=high, n=figure.n)


class Candidate(_Facts):
    """One LoRA at one weight, or the base (`weight` 0)."""

    label: str
    step: int | None = Field(None, description="Training step, if known.")
    weight: float
    lora_sha256: str | None = None
    figures: dict[str, Measured] = Field(default_factory=dict)
    against_base: dict[str, Measured] = Field(
        default_factory=dict, description="Differences to the base, pair by pair."
    )
    attributes: dict[str, Measured] = Field(
        default_factory=dict, description="Share of pictures with what was asked, by attribute."
    )


class Evaluation(_Facts):
    """The whole file. Nothing in it names a place on the machine."""

    schema_version: int = SCHEMA
    date: str = Field(description="UTC, ISO 8601.")
    base_model: str | None
    base_revision: str | None = None
    trigger: str | None
    class_noun: str = Field(description="What stands for the trigger where it is left out.")
    prompts: list[str]
    images: int = Field(description="Pictures of each prompt.")
    samples: dict[str, Any] = Field(description="Steps, guidance, scheduler, size and seed.")
    picture_encoder: str
    prompt_judge: str | None
    real_pictures: int = Field(description="Training pictures compared with.")
    real_nearest: float | None = Field(
        None, description="The greatest similarity of two training pictures."
    )
    real_likeness: float | None = Field(
        None, description="Mean similarity of two training pictures."
    )
    loss_pictures: int = 0
    loss_held_out: bool = Field(False, description="Whether those were never trained on.")
    blanked: int = Field(0, description="Pictures the safety checker blanked; they do not count.")
    candidates: list[Candidate] = Field(description="The base first.")
    recommended: int | None = Field(None, description="Place in `candidates`.")
    recommendation: str
    versions: dict[str, str] = Field(default_factory=dict)

    def per_cent(self, candidate: Candidate, name: str) -> Measured | None:
        """A similarity to the training pictures (`subject_fidelity`, `leakage`) on a scale on which
        that of the base's pictures is 0 and that of the training pictures among themselves 100.
        None where that cannot be said: an older file, one picture, or a base that is as near."""
        base, found = self.candidates[0].figures.get(name), candidate.figures.get(name)
        if name not in _SIMILARITIES or base is None or found is None or base.mean is None:
            return None
        mean, low, high = (
            None if value is None else per_cent(value, base.mean, self.real_likeness)
            for value in (found.mean, found.low, found.high)
        )
        return None if mean is None else Measured(mean=mean, low=low, high=high, n=found.n)

    @property
    def judged_by(self) -> str | None:
        """What judged whether prompts are followed; None if no prompt asked for what it knows."""
        judged = any(
            name in candidate.figures
            for candidate in self.candidates
            for name in ("prompt_fidelity", "plain_fidelity")
        )
        return self.prompt_judge if judged else None

    @classmethod
    def is_one(cls, data: bytes) -> bool:
        """Whether these bytes are an evaluation, perhaps of an earlier version or damaged since,
        and hold no key and no value of a person's."""
        if not all(
            f'"{name}"'.encode() in data for name in ("date", "candidates", "recommendation")
        ):
            return False
        if json_was_changed(data):
            return False
        try:
            content = json_value(data)
        except ValueError:
            return True
        known = cls.model_fields.keys() | {JSON_SUM}
        return isinstance(content, dict) and content.keys() <= known

    @classmethod
    def check_free(cls, path: Path) -> None:
        """Raises `HubtoolsError` if something else than an evaluation is there, or one that a
        person has changed."""
        check_replaceable(path, "an evaluation", cls.is_one)

    def write(self, run_dir: Path) -> None:
        """Write it to the run folder. Raises as `check_free`."""
        text = self.model_dump_json(indent=2) + "\n"
        with writing_over(run_dir / EVALUATION, self.check_free) as file:
            file.write(summed_json(text.encode("utf-8")))

    @classmethod
    def read(cls, run_dir: Path) -> Evaluation | None:
        """The run's evaluation; None if there is none. Raises `HubtoolsError` if it is damaged."""
        path = run_dir / EVALUATION
        if not run_dir.is_dir():
            return None
        with Root(run_dir) as root:
            if not root.exists(EVALUATION):
                return None
            data = root.read(EVALUATION, _MOST)
        return described(cls, data, path, "`hubtools evaluate` again")
