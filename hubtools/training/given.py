"""The pictures that a training picture is made from, as they lie in the dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.dataset.pictures.rgb import decoded_image, read_bytes
from hubtools.errors import HubtoolsError
from hubtools.files import sha256_of

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Given:
    """Control pictures in their order, with the digests of their files."""

    paths: tuple[Path, ...] = ()
    sha256: tuple[str, ...] = ()

    @classmethod
    def of(cls, paths: Sequence[Path]) -> Given:
        """Those at `paths`."""
        return cls(tuple(paths), tuple(sha256_of(path) for path in paths))

    def name(self, flip: bool) -> str:
        """What tells them from others, in the names of what is made of them."""
        digest = hashlib.sha256(" ".join(self.sha256).encode()).hexdigest()
        return f"{digest}{'_flip' if flip else ''}"

    def opened(self, flip: bool) -> list[Image.Image]:
        """The pictures, RGB and upright, mirrored if the one that is made from them is. Raises
        `HubtoolsError` for one that cannot be read, or has changed."""
        from PIL import ImageOps

        found = []
        for path, digest in zip(self.paths, self.sha256, strict=True):
            data = read_bytes(path)
            if hashlib.sha256(data).hexdigest() != digest:
                raise HubtoolsError(
                    f"{path} has changed since the run began.",
                    hint="train again: the plan is made anew from what is there now",
                    code="file-changed",
                )
            with decoded_image(data, path) as image:
                found.append(ImageOps.mirror(image) if flip else image.copy())
        return found
