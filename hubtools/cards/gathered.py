"""What a card shows of a LoRA in a folder, whoever has trained it: its files, the pictures that
were drawn with it and without, what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hubtools.cards.evaluation import EvaluationCard, evaluation_card
from hubtools.cards.model_card import (
    File,
    Sample,
    beside,
    file_of,
    gallery,
    image_name,
    sample_of,
)
from hubtools.cards.showing import Comparison, Shown, base_image_name, drawn_for, pairs
from hubtools.lorafile.companions import Companion
from hubtools.lorafile.made_of import MadeOf
from hubtools.manifest import SampleRecord
from hubtools.project import Project
from hubtools.weights import read_header


@dataclass(frozen=True)
class Gathered:
    """`files`: the LoRA first, then the `companions` that are loaded with it. `records`: the
    pictures of the gallery; `bare`: (place in it, the base's picture of the same noise);
    `made_of`: the file that a LoRA in half precision was made of."""

    files: tuple[File, ...]
    companions: tuple[Companion, ...]
    records: tuple[SampleRecord, ...]
    bare: tuple[tuple[int, SampleRecord], ...]
    folders: tuple[tuple[SampleRecord, Path], ...]
    notes: tuple[str, ...]
    measured: EvaluationCard | None
    made_of: MadeOf | None

    @property
    def first(self) -> SampleRecord | None:
        """The picture that is shown first."""
        return self.records[0] if self.records else None

    @property
    def adapters(self) -> tuple[str, ...]:
        """Further LoRA files of the release."""
        return tuple(one.file for one in self.companions if one.kind == "adapter")

    @property
    def words(self) -> tuple[str, ...]:
        """Words that the embeddings bring, each once."""
        return tuple(dict.fromkeys(word for one in self.companions for word in one.words))

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The pictures of the gallery."""
        return tuple(sample_of(record, index) for index, record in enumerate(self.records))

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Pairs of base and LoRA."""
        return tuple(
            Comparison(record.prompt, base_image_name(index), image_name(index))
            for index, record in self.bare
        )

    @property
    def prompts(self) -> list[tuple[str, str | None]]:
        """(prompt, negative prompt) of the pictures of the gallery."""
        return [(record.prompt, record.negative_prompt) for record in self.records]

    @cached_property
    def shown(self) -> list[Shown]:
        """The pictures that go beside the card, those of the gallery first."""
        folder_of = {id(record): folder for record, folder in self.folders}
        named = [(image_name(index), record) for index, record in enumerate(self.records)]
        named += [(base_image_name(index), record) for index, record in self.bare]
        return [Shown(name, r.file, r, folder_of[id(r)]) for name, r in named]

    @property
    def precision(self) -> list[tuple[str, str]]:
        """A line on a LoRA that was brought into half precision."""
        if self.made_of is None:
            return []
        origin = f"half; made of the file with SHA-256 {self.made_of.sha256[:12]}"
        return [("precision of the LoRA", f"{origin}, {self.made_of.words}")]


def gathered(
    folder: Path,
    weights: Path,
    project: Project,
    trigger: str | None,
    *,
    name: str | None = None,
    sha256: str | None = None,
) -> Gathered:
    """Look at the LoRA in the file `weights` of `folder`, published as `name`. `sha256`: of the
    LoRA that pictures and figures are to be of, default that of the file; those of the file that
    it was made of count as well."""
    repo = project.model.repo
    companions = beside(folder, weights.name, project.model.adapters)
    files = [file_of(weights, repo, name)]
    files += [file_of(folder / one.file, repo) for one in companions]
    made_of = MadeOf.of(read_header(weights).metadata)
    hashes = [sha256 or files[0].sha256, *([made_of.sha256] if made_of else [])]
    drawn = drawn_for(folder, project, hashes)
    records = gallery([record for record, _ in drawn.shown], trigger)
    return Gathered(
        tuple(files),
        companions,
        tuple(records),
        tuple(pairs(records, [record for record, _ in drawn.every])),
        tuple(drawn.every),
        tuple(drawn.said),
        evaluation_card(folder, *hashes),
        made_of,
    )
