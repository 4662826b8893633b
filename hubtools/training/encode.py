"""From a plan to encoded pictures and captions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubtools.dataset.pictures.rgb import decoded_image, read_bytes
from hubtools.errors import HubtoolsError
from hubtools.files import sha256_of
from hubtools.models.families.batches import Tensors
from hubtools.models.families.protocol import Model
from hubtools.models.loading import Part
from hubtools.progress import Reporter
from hubtools.training.cache import Cache
from hubtools.training.crops import Geometry, geometry_of, pixels
from hubtools.training.distributed import Distributed
from hubtools.training.plan import TrainPlan
from hubtools.training.stages import Opened, Stages

if TYPE_CHECKING:
    from torch import Tensor

    from hubtools.dataset.examples import Example


@dataclass(frozen=True)
class Picture:
    """A training picture with the digest of its file, its (width, height) and how it is cut."""

    example: Example
    sha256: str
    size: tuple[int, int]
    cut: Geometry


class EncodedDataset:
    """Every picture's and caption's tensors, through the cache. Captions come first: once their
    encoder is let go, the VAE is opened."""

    def __init__(self, stages: Stages, plan: TrainPlan) -> None:
        settings = plan.recipe.settings
        self._settings, self._stages = settings, stages
        self._open: dict[Part, Opened] = {}
        self._prior_captions = [plan.prior_caption(example) for example in plan.examples]
        self._latents = Cache("latents", stages.identity("picture"))
        self._texts = Cache("text", stages.identity("text"))
        self.pictures = []
        sizes = zip(plan.examples, plan.sizes, strict=True)
        for index, (example, size) in enumerate(sizes):
            digest = example.sha256 or sha256_of(example.image)
            cut = geometry_of(
                size,
                plan.recipe.buckets.size(index),
                center_crop=settings.center_crop,
                seed=settings.seed,
                identity=digest,
            )
            self.pictures.append(Picture(example, digest, size, cut))

    def fill(
        self,
        group: Distributed,
        reporter: Reporter,
        besides: Callable[[Opened], None] = lambda text: None,
    ) -> None:
        """Encode what is missing, each process its share; all of it is there afterwards. `besides`
        may have the text encoders do something else while they are open.

        One at a time: in a batch the last bits would depend on the neighbours, and so the run on
        what happened to be cached.
        """
        flips = [False, True] if self._settings.random_flip else [False]
        captions = sorted({picture.example.caption for picture in self.pictures} | {""})
        if self._settings.with_prior_preservation:
            captions = sorted({*captions, *self._prior_captions})
        views = [(index, flip) for index in range(len(self.pictures)) for flip in flips]
        mine = slice(group.rank, None, group.world_size)
        with reporter.progress("encoding", len(captions[mine]) + len(views[mine])) as advance:
            with self._stage("text") as text:
                for caption in captions[mine]:
                    self.caption(caption)
                    advance(1, "")
                besides(text)
            with self._stage("picture"):
                for index, flip in views[mine]:
                    self.picture(index, flip)
                    advance(1, "")
        group.barrier()
        for caption in captions:
            self.caption(caption)
        for index, flip in views:
            self.picture(index, flip)
        made, found = self._latents.made, self._latents.found
        made_texts, found_texts = self._texts.made, self._texts.found
        reporter.note(
            f"Cache: {found} of {made + found} latents and {found_texts} of"
            f" {made_texts + found_texts} caption embeddings were there already."
        )

    @contextmanager
    def _stage(self, part: Part) -> Iterator[Opened]:
        """While it lasts, what is missing is encoded by one and the same opened part."""
        with self._stages.opened(part) as opened:
            self._open[part] = opened
            try:
                yield opened
            finally:
                del self._open[part]

    def _by(self, part: Part, encode: Callable[[Model], dict[str, Tensor]]) -> dict[str, Tensor]:
        if part in self._open:
            return encode(self._open[part].model)
        with self._stages.opened(part) as opened:  # an entry has gone from the disk meanwhile
            return encode(opened.model)

    def picture(self, index: int, flip: bool) -> Tensors:
        """Tensors of a picture."""
        picture = self.pictures[index]
        filter = self._settings.image_interpolation_mode
        name = f"{picture.sha256}_{picture.cut.name}_{filter}{'_flip' if flip else ''}"
        encoded = self._latents.fetch(name, lambda: self._encode(picture, filter, flip))
        framing = picture.cut.framing(picture.size, flip=flip)
        return encoded | self._stages.family.picture_conditions(framing)

    def _encode(self, picture: Picture, filter: str, flip: bool) -> dict[str, Tensor]:
        data = read_bytes(picture.example.image)
        if hashlib.sha256(data).hexdigest() != picture.sha256:
            raise HubtoolsError(
                f"{picture.example.image} has changed since the run began.",
                hint="train again: the plan is made anew from what is there now",
                code="file-changed",
            )
        with decoded_image(data, picture.example.image) as image:
            cut = pixels(image, picture.cut, filter=filter, flip=flip)
        tensors = self._by("picture", lambda model: model.encode_picture(cut))
        for tensor in tensors.values():
            if not bool(tensor.isfinite().all()):
                raise HubtoolsError(
                    f"The VAE makes no numbers of {picture.example.file_name}.",
                    hint="is the picture damaged, or the base's VAE a half-precision one?",
                    code="file-damaged",
                )
        return tensors

    def caption(self, caption: str) -> Tensors:
        """Tensors of a caption; `""` is the dropped one."""
        name = hashlib.sha256(caption.encode()).hexdigest()
        return self._texts.fetch(
            name, lambda: self._by("text", lambda model: model.encode_caption(caption))
        )

    def __call__(self, index: int, flip: bool, drop: bool) -> tuple[Tensors, Tensors]:
        """(picture's tensors, caption's tensors), as the loop asks for them."""
        caption = "" if drop else self.pictures[index].example.caption
        return self.picture(index, flip), self.caption(caption)

    def prior_caption(self, index: int) -> Tensors:
        """The caption's tensors of a picture as if it showed somebody else."""
        return self.caption(self._prior_captions[index])
