"""The pictures of a run: where they lie, their captions and sizes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.dataset.examples import fingerprint, read_examples
from hubtools.dataset.sources.download import fetch_dataset
from hubtools.errors import ChecksFailed, HubtoolsError, UsageError
from hubtools.files import open_regular
from hubtools.progress import Reporter
from hubtools.project import Project

if TYPE_CHECKING:
    from hubtools.dataset.examples import Example


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
    """Read the captions of the local folder, or of `dataset.repo` if there is none or `from_hub`.

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
    if not skip_validation:
        from hubtools.dataset.validate import validate

        report = validate(
            folder,
            settings,
            resolution=project.train.resolution,
            base=project.base,
            **project.rule_choice,
        )
        if report.ok and report.findings:
            reporter.note(f"Dataset: {report.summary}; `hubtools validate` shows them.")
        if not report.ok:
            reporter.report(report)
            raise ChecksFailed(
                f"{folder.name} does not pass validation: {report.summary}.",
                hint="fix the errors above (`hubtools explain ID` tells how)",
            )
    examples = read_examples(folder, settings.caption_column)
    examples = examples[: project.train.max_train_samples]
    if not examples:
        raise HubtoolsError(
            f"{folder} holds no picture with a caption.",
            hint="`hubtools validate` tells why",
            code="nothing-there",
        )
    sizes = [_size_of(example.image) for example in examples]
    return TrainingPictures(folder, repo, revision, examples, fingerprint(examples), sizes)


def _size_of(path: Path) -> tuple[int, int]:
    """(width, height) as the trainer sees it, from the header alone."""
    from PIL import Image

    with open_regular(path) as file, Image.open(file) as image:
        width, height = image.size
        # EXIF orientations 5 to 8 lie on their side
        turned = image.getexif().get(0x0112) in (5, 6, 7, 8)
    return (height, width) if turned else (width, height)
