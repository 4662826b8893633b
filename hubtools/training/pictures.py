"""The pictures of a run: where they lie, their captions and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.dataset.examples import examples_of, fingerprint, numbered
from hubtools.dataset.folder.loras import refuse_lora
from hubtools.dataset.pictures.rgb import open_image
from hubtools.dataset.sources.download import fetch_dataset
from hubtools.dataset.sources.local import HashedFolder
from hubtools.dataset.validate import (
    Further,
    further_folders,
    judged_beside,
    validate_project,
    validate_words,
)
from hubtools.dataset.view import view
from hubtools.dataset.workers.guarded import shared_guard
from hubtools.errors import ChecksFailed, UsageError
from hubtools.files import sha256_of
from hubtools.models.seeds import seed_of
from hubtools.progress import Reporter
from hubtools.project import Project
from hubtools.reporting.placing import beside_placed
from hubtools.settings import DatasetSettings
from hubtools.whereabouts import from_here

if TYPE_CHECKING:
    from hubtools.dataset.examples import Example
    from hubtools.dataset.view import Dataset


@dataclass(frozen=True)
class TrainingPictures:
    """The pictures: where they lie, and where they came from if that was the Hub.

    `fingerprint` counts the pictures of the class, `fingerprint_of_own` does not."""

    folder: Path
    repo: str | None
    revision: str | None
    examples: list[Example]
    fingerprint: str
    fingerprint_of_own: str
    sizes: list[tuple[int, int]]
    held_out: list[Example] = field(default_factory=list)  # not trained on
    held_out_sizes: list[tuple[int, int]] = field(default_factory=list)


def find_pictures(
    project: Project, reporter: Reporter, *, from_hub: bool, skip_validation: bool
) -> TrainingPictures:
    """Read the local folder, or `dataset.repo` if there is none or `from_hub`: once, for the rules
    and for the training.

    Raises `ChecksFailed` if the folder does not pass `validate`, `HubtoolsError` if there are no
    pictures.
    """
    settings = project.dataset
    folder, repo, revision = project.dataset_dir, settings.repo, None
    if not from_hub:
        project.to_draw_from("dataset", "path", settings.path, "trained")
    if from_hub or not folder.is_dir():
        if repo is None:
            raise UsageError(
                f"There is no folder {folder} to train on.",
                hint="give one with --train-data-dir DIR, or a Hub dataset with --dataset-name",
                code="file-not-found",
                missing=folder,
            )
        reporter.note(f"Pictures: {repo} on the Hub.")
        folder, revision = fetch_dataset(repo, settings.revision)
    for name in settings.other_folders:
        project.to_draw_from("dataset", "other_folders", name, "trained")
    examples, sizes = _read(project, folder, settings, reporter, skip_validation)
    for further in further_folders(project)[: len(settings.other_folders)]:
        reporter.note(f"Further pictures: {from_here(further.folder)}")
        found, theirs = _read(
            project, further.folder, further.settings, reporter, skip_validation, further
        )
        examples += [replace(e, file_name=f"{further.folder.name}/{e.file_name}") for e in found]
        sizes += theirs
    examples = numbered(examples, settings)
    most = project.train.max_train_samples
    examples, sizes = examples[:most], sizes[:most]
    held = held_out(examples, project.train.validation_split, project.train.seed)
    apart = sorted(held)
    trained = [n for n in range(len(examples)) if n not in held]
    of_class, their_sizes = _of_class(
        project, [examples[n] for n in trained], reporter, skip_validation
    )
    return TrainingPictures(
        folder, repo, revision,
        [*(examples[n] for n in trained), *of_class],
        fingerprint([*examples, *of_class]),
        fingerprint(examples),
        [*(sizes[n] for n in trained), *their_sizes],
        [examples[n] for n in apart], [sizes[n] for n in apart],
    )  # fmt: skip


def _read(
    project: Project,
    folder: Path,
    settings: DatasetSettings,
    reporter: Reporter,
    skip_validation: bool,
    further: Further | None = None,
) -> tuple[list[Example], list[tuple[int, int]]]:
    """The pictures of a folder and their sizes, judged unless that is to be skipped: the dataset's
    own, or one beside it."""
    refuse_lora(folder)
    source = HashedFolder(folder)
    with shared_guard():
        dataset = view(source, settings, resolution=project.resolution, base=project.base)
        if not skip_validation:
            _judge(dataset, project, reporter, further)
        examples = examples_of(dataset)
    examples = [
        replace(e, sha256=source.digests.get(e.file_name) or sha256_of(e.image)) for e in examples
    ]
    return examples, [_upright_size(dataset, example) for example in examples]


def _of_class(
    project: Project, examples: Sequence[Example], reporter: Reporter, skip_validation: bool
) -> tuple[list[Example], list[tuple[int, int]]]:
    """Pictures of the class for prior preservation, as DreamBooth has it (arXiv:2208.12242): an
    epoch has them as often as those of the subject, and their errors count prior_loss_weight."""
    train = project.train
    if train.class_data_dir is None:
        return [], []
    if not train.with_prior_preservation:
        raise UsageError(
            f"class_data_dir {train.class_data_dir} is for prior preservation, which is off.",
            hint="--with-prior-preservation, or leave --class-data-dir out",
            code="bad-setting",
        )
    project.to_draw_from("train", "class_data_dir", train.class_data_dir, "trained")
    further = further_folders(project)[-1]
    folder = further.folder
    reporter.note(f"Pictures of the class: {from_here(folder)}")
    found, sizes = _read(project, folder, further.settings, reporter, skip_validation, further)
    often = sum(example.repeats for example in examples) / max(1, len(found))
    weighed = [
        replace(
            one,
            file_name=f"{folder.name}/{one.file_name}",
            repeats=often,
            weight=train.prior_loss_weight,
            of_class=True,
        )
        for one in found
    ]
    return (weighed, sizes) if train.prior_loss_weight else ([], [])


def held_out(examples: Sequence[Example], split: float, seed: int) -> frozenset[int]:
    """Which of the examples, by number, are not trained on: `split` says how many, or below 1 which
    share of them. Chosen by `seed` and by what the pictures are, not by their order; the same
    picture twice is held out twice. Raises `UsageError` if none is left to train on."""
    wanted = round(split * len(examples)) if split < 1 else int(split)
    wanted = max(wanted, 1 if split else 0)
    if wanted and wanted >= len(examples):
        raise UsageError(
            f"validation_split {split:g} holds out {wanted} of {len(examples)} pictures: none is"
            " left to train on.",
            hint="--validation-split 0.1 holds out a tenth",
            code="bad-setting",
        )
    alike: dict[str, list[int]] = {}
    for number, example in enumerate(examples):
        alike.setdefault(example.sha256 or example.file_name, []).append(number)
    held: list[int] = []
    for digest in sorted(alike, key=lambda digest: seed_of("held out", seed, digest)):
        if len(held) + len(alike[digest]) <= wanted:
            held += alike[digest]
    if wanted and not held:
        raise UsageError(
            "No picture can be held out: those that are alike would be trained on.",
            hint="`hubtools validate` names pictures that are there twice",
            code="bad-setting",
        )
    return frozenset(held)


def _judge(dataset: Dataset, project: Project, reporter: Reporter, further: Further | None) -> None:
    if further is None:
        report = validate_project(project, dataset)
    else:
        report = beside_placed(judged_beside(project, further, dataset), project.dataset_dir)
    look = validate_words(project, dataset.root)
    if report.ok and report.findings:
        reporter.note(f"Dataset: {report.summary}; {look} shows them.")
    if not report.ok:
        reporter.report(report)
        raise ChecksFailed(
            f"{dataset.root.name} does not pass validation: {report.summary}.",
            hint=f"fix the errors: {look} says what to type next, `hubtools explain ID` tells how",
        )


def _upright_size(dataset: Dataset, example: Example) -> tuple[int, int]:
    """(width, height) as the trainer sees it."""
    facts = dataset.pictures.get(example.file_name)
    if facts is None or not facts.width:  # the scan knows nothing of it, and yet it opens
        return open_image(example.image).size
    return facts.upright_size
