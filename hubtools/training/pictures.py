"""The pictures of a run: where they lie, their captions and sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.dataset.examples import examples_of, fingerprint
from hubtools.dataset.pictures.rgb import open_image
from hubtools.dataset.sources.download import fetch_dataset
from hubtools.dataset.sources.local import HashedFolder
from hubtools.dataset.validate import validate_project
from hubtools.dataset.view import view
from hubtools.dataset.workers.guarded import shared_guard
from hubtools.errors import ChecksFailed, UsageError
from hubtools.files import sha256_of
from hubtools.progress import Reporter
from hubtools.project import Project

if TYPE_CHECKING:
    from hubtools.dataset.examples import Example
    from hubtools.dataset.view import Dataset


@dataclass(frozen=True)
class TrainingPictures:
    """The pictures: where they lie, and where they came from if that was the Hub."""

    folder: Path
    repo: str | None
    revision: str | None
    examples: list[Example]
    fingerprint: str
    sizes: list[tuple[int, int]]


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
    if from_hub or not folder.is_dir():
        if repo is None:
            raise UsageError(
                f"There is no folder {folder} to train on.",
                hint="give one with --train-data-dir DIR, or a Hub dataset with --dataset-name",
                code="file-not-found",
            )
        reporter.note(f"Pictures: {repo} on the Hub.")
        folder, revision = fetch_dataset(repo, settings.revision)
    source = HashedFolder(folder)
    with shared_guard():
        dataset = view(source, settings, resolution=project.resolution, base=project.base)
        if not skip_validation:
            _judge(dataset, project, reporter)
        examples = examples_of(dataset)[: project.train.max_train_samples]
    examples = [
        replace(e, sha256=source.digests.get(e.file_name) or sha256_of(e.image)) for e in examples
    ]
    sizes = [_upright_size(dataset, example) for example in examples]
    return TrainingPictures(folder, repo, revision, examples, fingerprint(examples), sizes)


def _judge(dataset: Dataset, project: Project, reporter: Reporter) -> None:
    report = validate_project(project, dataset)
    if report.ok and report.findings:
        reporter.note(f"Dataset: {report.summary}; `hubtools validate` shows them.")
    if not report.ok:
        reporter.report(report)
        raise ChecksFailed(
            f"{dataset.root.name} does not pass validation: {report.summary}.",
            hint="fix the errors above (`hubtools explain ID` tells how)",
        )


def _upright_size(dataset: Dataset, example: Example) -> tuple[int, int]:
    """(width, height) as the trainer sees it."""
    facts = dataset.pictures.get(example.file_name)
    if facts is None or not facts.width:  # the scan knows nothing of it, and yet it opens
        return open_image(example.image).size
    return facts.upright_size
