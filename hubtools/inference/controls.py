"""The pictures that others are made from, where they are drawn: `samples.validation_images`, else
those of the dataset's rows that the prompts are the captions of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.causes import cannot_be
from hubtools.dataset.examples import Example
from hubtools.dataset.pictures.rgb import decoded_image, read_bytes
from hubtools.errors import HubtoolsError, UsageError
from hubtools.limits import PICTURE
from hubtools.manifest import ControlUse
from hubtools.models.base import Base, configs_of
from hubtools.models.families.protocol import family_of
from hubtools.project import Project
from hubtools.rooted import Root

if TYPE_CHECKING:
    from PIL import Image

Controls = tuple[Path, ...]


def taken_by(base: Base) -> tuple[int, int]:
    """How many pictures one is made from, at least and at most."""
    folder = configs_of(base)
    return family_of(folder, base.shown).info(folder, None).controls


def controls_for(
    project: Project,
    prompts: Sequence[str],
    takes: tuple[int, int],
    examples: Sequence[Example] = (),
) -> list[Controls]:
    """For each prompt the pictures to make from; `takes` as `taken_by` answers, `examples` those
    whose captions prompts may be.

    Raises `UsageError` for pictures that the base does not take, a number of them that does not fit
    the prompts, and a base that needs one where there is none.
    """
    given = project.samples.validation_images
    least, most = takes
    if not most:
        if given:
            raise UsageError(
                "The base draws from words alone; samples.validation_images does nothing.",
                hint="leave it out, or take a base that makes pictures from others",
                code="bad-setting",
            )
        return [()] * len(prompts)
    if given:
        if len(given) not in (1, len(prompts)):
            raise UsageError(
                f"There are {len(given)} validation images for {len(prompts)} prompts.",
                hint="give one for all, or one for each prompt: --image A --image B",
                code="bad-setting",
            )
        paths = [found_image(project, name) for name in given]
        return [(path,) for path in (paths * len(prompts) if len(paths) == 1 else paths)]
    own = {example.caption: example.controls[:most] for example in reversed(examples)}
    found = [own.get(prompt, ()) for prompt in prompts]
    for prompt, controls in zip(prompts, found, strict=True):
        if len(controls) < least:
            raise UsageError(
                f"The base makes pictures from others, and there is none for {prompt!r}.",
                hint="--image FILE, or samples.validation_images in hubtools.toml",
                code="bad-setting",
            )
        _check_inside(project, controls)
    return found


def _check_inside(project: Project, controls: Controls) -> None:
    """Raise `UsageError` for a link in the folder that leads out of it: what is drawn may be
    published."""
    folders = (project.root, project.dataset_dir)
    ends = [folder.resolve() for folder in folders]
    for path in controls:
        if any(path.is_relative_to(folder) for folder in (*folders, *ends)):
            _ENDS[path] = tuple(ends)
            _end_of(path, path.resolve())


# Pictures that nobody has named, and the folders in one of which each must lie when it is opened.
_ENDS: dict[Path, tuple[Path, ...]] = {}


def _end_of(path: Path, real: Path) -> Path:
    """The folder in which a picture must lie and does. Raises `UsageError` if it lies in none."""
    for end in _ENDS[path]:
        if real.is_relative_to(end):
            return end
    raise UsageError(
        f"{path} is a link that leads out of the project's folder to {real}; nothing is drawn from"
        " it.",
        hint="put the picture in its place, or say so yourself: --image FILE",
        code="bad-setting",
    )


def _bytes(path: Path) -> bytes:
    """Those of a picture, opened where it must lie: a link may have taken its place since it was
    judged."""
    if path not in _ENDS:
        return read_bytes(path)
    real = path.resolve()
    end = _end_of(path, real)
    with Root(end) as root:
        try:
            return root.read(real.relative_to(end).as_posix(), PICTURE)
        except OSError as error:
            raise cannot_be("read", path, error) from None


def found_image(project: Project, name: str) -> Path:
    """The picture of that name, from here or from the project. Raises `HubtoolsError` if there is
    none, `UsageError` for one outside of the project that its file alone names."""
    path = project.to_draw_from("samples", "validation_images", name)
    if path is not None and path.is_file():
        root, real = project.root.resolve(), path.resolve()
        if "samples.validation_images" not in project.given and real.is_relative_to(root):
            _ENDS[path] = (root,)
        return path
    raise HubtoolsError(
        f"There is no picture {name}.",
        hint="correct samples.validation_images (--image)",
        code="file-not-found",
        missing=name if "samples.validation_images" in project.given else None,
    )


def used(controls: Controls) -> list[ControlUse]:
    """What a record says of them."""
    return [
        ControlUse(file=path.name, sha256=hashlib.sha256(_bytes(path)).hexdigest())
        for path in controls
    ]


def opened(controls: Controls) -> list[Image.Image]:
    """The pictures, RGB and upright. Raises `HubtoolsError` for one that cannot be read."""
    return [decoded_image(_bytes(path), path) for path in controls]
