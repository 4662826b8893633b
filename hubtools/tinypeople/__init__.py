"""Tiny people: a small Stable Diffusion base that hubtools brings along, and its readers.

The pipeline in `tiny-people/` draws people of the world of `hubtools.world` at 128 px; stock
diffusers loads it. `attributes.safetensors` reads a drawn person's attributes off a picture,
`marks.safetensors` the two marks of the built-in example's character, which no word of that world
can say. All were trained by `base/` in the repository, from drawn pictures alone.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.errors import HubtoolsError
from hubtools.rooted import Root
from hubtools.rooted.outputs import filled
from hubtools.sums import check_sums
from hubtools.unfinished import TEMPORARY

if TYPE_CHECKING:
    from hubtools.tinypeople.classifier import AttributeClassifier

HERE = Path(__file__).parent
REPO_NAME = "tiny-people"
MODEL = HERE / REPO_NAME  # the folder's name is shown as the base's
SIZE = 128

# Marks of the example's character: hair that changes colour at its tips, a star on each cheek.
MARKS = ("hair_tip", "star")
# Those that the detector tells well enough to be measured, and how sure it must be.
MEASURED_MARKS = ("hair_tip", "star")
SURE = 0.65


def bundled(name: str) -> Path | None:
    """The folder of the base that `name` stands for, if that is this one: `tiny-people`."""
    return MODEL if name == REPO_NAME else None


def is_tiny_people(folder: Path) -> bool:
    """True if the pipeline in `folder` is this one, by its sums."""
    ours, theirs = MODEL / "SHA256SUMS", folder / "SHA256SUMS"
    return ours.is_file() and theirs.is_file() and ours.read_bytes() == theirs.read_bytes()


def copy_model(folder: Path) -> Path:
    """Put the pipeline into `folder` unless it is there already.

    Raises `HubtoolsError` if the installed files are not what was shipped, or if something else is
    at `folder`: nothing is deleted.
    """
    check_sums(MODEL)
    if folder.is_symlink() or (folder.exists() and not is_tiny_people(folder)):
        if folder.is_symlink() or not folder.is_dir() or any(folder.iterdir()):
            raise HubtoolsError(
                f"{folder} is there and is not the base model of the demo.",
                hint="give --dir another folder, or move it away",
                code="file-exists",
            )
    elif folder.exists():
        _check(folder)
        return folder
    with Root(folder.parent) as parent:
        name = f"{TEMPORARY}{folder.name}-{secrets.token_hex(4)}"
        with filled(parent, name, folder.name) as work:
            for path in sorted(MODEL.rglob("*")):
                if path.is_file():
                    with work.create(path.relative_to(MODEL).as_posix()) as copy:
                        copy.write(path.read_bytes())
    return folder


def _check(folder: Path) -> None:
    try:
        check_sums(folder)
    except HubtoolsError as error:
        raise HubtoolsError(
            f"The demo's base model is damaged: {error.message}",
            hint=f"delete {folder} and run it again; it is copied anew",
            code="file-damaged",
        ) from None


def load_classifier(name: str = "attributes") -> AttributeClassifier:
    """The network of `NAME.safetensors`, float32, in eval mode: `attributes` or `marks`."""
    from hubtools.tinypeople.classifier import read_classifier

    return read_classifier(HERE / f"{name}.safetensors")
