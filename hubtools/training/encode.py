"""From a plan to encoded pictures and captions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from hubtools.dataset.pictures.rgb import decoded_image, read_bytes
from hubtools.errors import HubtoolsError
from hubtools.files import sha256_of
from hubtools.models.families.batches import Tensors
from hubtools.models.families.protocol import FromPictures, Model, ReadsTokens
from hubtools.models.loading import Part
from hubtools.progress import Reporter
from hubtools.training.cache import Cache
from hubtools.training.crops import Geometry, geometries_of, pixels
from hubtools.training.distributed import Distributed
from hubtools.training.draws import Chosen
from hubtools.training.given import Given
from hubtools.training.losses import WEIGHTS
from hubtools.training.masks import Masks
from hubtools.training.plan import TrainPlan
from hubtools.training.stages import Opened, Stages

if TYPE_CHECKING:
    from torch import Tensor

    from hubtools.dataset.examples import Example


# The pictures that a text encoder is shown with a caption, and whether they are mirrored.
Shown = tuple[Given, bool] | None


@dataclass(frozen=True)
class Picture:
    """A picture at one of its sizes, with the digest of its file, its own (width, height), and the
    cuts and captions of which steps draw one."""

    example: Example
    sha256: str
    size: tuple[int, int]
    cuts: tuple[Geometry, ...]
    texts: tuple[str, ...]
    given: Given


class EncodedDataset:
    """Every picture's and caption's tensors, through the cache. Captions come first: once their
    encoder is let go, the VAE is opened. What text encoders that are trained answer is not among
    them: `speak_by` says with which model's tokens captions are told then."""

    def __init__(self, stages: Stages, plan: TrainPlan) -> None:
        settings = plan.recipe.settings
        self._settings, self._stages = settings, stages
        self._open: dict[Part, Opened] = {}
        self._latents = Cache("latents", stages.identity("picture"))
        self._texts = Cache("text", stages.identity("text"))
        self._masks = Masks(plan.examples, settings)
        digests = [example.sha256 or sha256_of(example.image) for example in plan.examples]
        self._references, self._sees = plan.base.controls[1] > 0, plan.base.sees
        given = [Given.of(e.controls if self._references else ()) for e in plan.examples]
        buckets = plan.recipe.buckets
        self.pictures = []
        for item, index in enumerate(buckets.pictures):
            example, size = plan.examples[index], plan.sizes[index]
            cuts = geometries_of(
                size, buckets.size(item), settings, identity=digests[index], focus=example.focus
            )
            texts = plan.texts(example)
            self.pictures.append(Picture(example, digests[index], size, cuts, texts, given[index]))
        self._keeps_texts = plan.keeps_texts
        self._said: dict[str, dict[str, Tensor]] = {}
        self._tokens: Callable[[str], dict[str, Tensor]] | None = None
        self._captions = sorted(plan.encoded_captions) if plan.keeps_texts else []
        self._prior = plan.prior_caption

    def fill(
        self,
        group: Distributed,
        reporter: Reporter,
        besides: Callable[[Opened], None] = lambda text: None,
        also: Sequence[EncodedDataset] = (),
    ) -> None:
        """Encode what is missing, each process its share; all of it is there afterwards. `besides`
        may have the text encoders do something else while they are open, and what is missing of
        `also` is encoded by the same ones.

        One at a time: in a batch the last bits would depend on the neighbours, and so the run on
        what happened to be cached.
        """
        every = (self, *also)
        captions = [(one, *said) for one in every for said in one._all_captions(one._flips)]
        views = [(one, *view) for one in every for view in one._views()]
        mine = slice(group.rank, None, group.world_size)
        with reporter.progress("encoding", len(captions[mine]) + len(views[mine])) as advance:
            with self._stage("text", also) as text:
                for one, caption, shown in captions[mine]:
                    one.caption(caption, shown)
                    advance(1, "")
                besides(text)
            with self._stage("picture", also):
                for one, item, chosen in views[mine]:
                    one.picture(item, chosen)
                    advance(1, "")
        group.barrier()
        for one, caption, shown in captions:
            one.caption(caption, shown)
        for one, item, chosen in views:
            one.picture(item, chosen)
        for one in every:
            one._tell_of_masks(reporter)
        found = sum(one._latents.found for one in every)
        made = sum(one._latents.made for one in every)
        found_texts = sum(one._texts.found for one in every)
        made_texts = sum(one._texts.made for one in every)
        reporter.note(
            f"Cache: {found} of {made + found} latents and {found_texts} of"
            f" {made_texts + found_texts} caption embeddings were there already."
        )

    @property
    def _flips(self) -> list[bool]:
        return [False, True] if self._settings.random_flip else [False]

    def _views(self) -> list[tuple[int, Chosen]]:
        """Every item as often as it is cut and mirrored."""
        return [
            (item, Chosen(flip=flip, crop=crop))
            for item, picture in enumerate(self.pictures)
            for crop in range(len(picture.cuts))
            for flip in self._flips
        ]

    def _tell_of_masks(self, reporter: Reporter) -> None:
        """Warn of pictures of which nothing counts."""
        if not self._masks.there:
            return
        views = self._views()
        black = [item for item, how in views if not self.picture(item, how)[WEIGHTS].any()]
        names = sorted({self.pictures[item].example.file_name for item in black})
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            reporter.warn(
                f"Nothing of {', '.join(names[:3])}{more} is learnt: the mask is black all over, or"
                " where the picture is cut out. Masks are white where a picture is to be learnt."
            )

    def _all_captions(self, flips: list[bool]) -> list[tuple[str, Shown]]:
        """All that is said, with the pictures that it is said of where those are shown."""
        if not self._sees:
            return [(text, None) for text in self._captions]
        found: dict[tuple[str, Shown], None] = {}
        for item, picture in enumerate(self.pictures):
            said = ["", *picture.texts]
            if self._settings.keeps_answers:
                said += [self._prior(text) for text in picture.texts]
            for flip in flips:
                found |= dict.fromkeys((text, self._shown(item, flip)) for text in said)
        return sorted(found, key=lambda one: (one[0], one[1][0].name(one[1][1]) if one[1] else ""))

    def _shown(self, item: int, flip: bool) -> Shown:
        """What the text encoder is shown beside a caption of this picture."""
        return (self.pictures[item].given, flip) if self._sees else None

    @contextmanager
    def _stage(self, part: Part, also: Sequence[EncodedDataset]) -> Iterator[Opened]:
        """While it lasts, what is missing, and what is of `also`, is encoded by one and the same
        opened part."""
        with self._stages.opened(part) as opened:
            for one in (self, *also):
                one._open[part] = opened
            try:
                yield opened
            finally:
                for one in (self, *also):
                    del one._open[part]

    def _by(self, part: Part, encode: Callable[[Model], dict[str, Tensor]]) -> dict[str, Tensor]:
        if part in self._open:
            return encode(self._open[part].model)
        with self._stages.opened(part) as opened:  # an entry has gone from the disk meanwhile
            return encode(opened.model)

    def picture(self, item: int, chosen: Chosen) -> Tensors:
        """Tensors of a picture."""
        picture, flip = self.pictures[item], chosen.flip
        cut = picture.cuts[chosen.crop % len(picture.cuts)]
        filter = self._settings.image_interpolation_mode
        name = f"{picture.sha256}_{cut.name}_{filter}{'_flip' if flip else ''}"
        encoded = self._latents.fetch(name, lambda: self._encode(picture, cut, filter, flip))
        framing = cut.framing(picture.size, flip=flip)
        cells = (encoded["mean"].shape[-2], encoded["mean"].shape[-1])
        weights = self._masks.weights(picture.example, cut, cells, flip=flip)
        told = self._stages.family.picture_conditions(framing)
        return {**encoded, **told, **weights, **self._made_from(picture.given, flip)}

    def _made_from(self, given: Given, flip: bool) -> dict[str, Tensor]:
        """Tensors of the pictures that one is made from; nothing where there is none in the whole
        set."""
        if not self._references:
            return {}

        def encode(model: Model) -> dict[str, Tensor]:
            return cast(FromPictures, model).encode_references(given.opened(flip))

        name = f"{given.name(flip)}_reference"
        return dict(self._latents.fetch(name, lambda: self._by("picture", encode)))

    def _encode(
        self, picture: Picture, cut: Geometry, filter: str, flip: bool
    ) -> dict[str, Tensor]:
        data = read_bytes(picture.example.image)
        if hashlib.sha256(data).hexdigest() != picture.sha256:
            raise HubtoolsError(
                f"{picture.example.image} has changed since the run began.",
                hint="train again: the plan is made anew from what is there now",
                code="file-changed",
            )
        with decoded_image(data, picture.example.image) as image:
            shown = pixels(image, cut, filter=filter, flip=flip)
        tensors = self._by("picture", lambda model: model.encode_picture(shown))
        for tensor in tensors.values():
            if not bool(tensor.isfinite().all()):
                raise HubtoolsError(
                    f"The VAE makes no numbers of {picture.example.file_name}.",
                    hint="is the picture damaged, or the base's VAE a half-precision one?",
                    code="file-damaged",
                )
        return tensors

    def speak_by(self, model: ReadsTokens) -> None:
        """Captions have the tokens of this model's text encoders from now on."""
        self._tokens = model.tokens

    def caption(self, caption: str, shown: Shown = None) -> Tensors:
        """Tensors of a caption; `""` is the dropped one."""
        kept = self._kept(caption, shown) if self._keeps_texts else {}
        if self._tokens is None:
            return kept
        if caption not in self._said:
            self._said[caption] = self._tokens(caption)
        return {**kept, **self._said[caption]}

    def _kept(self, caption: str, shown: Shown) -> Tensors:
        """What the text encoders answer that are not trained."""
        name = hashlib.sha256(caption.encode()).hexdigest()
        if shown is None:
            return self._texts.fetch(
                name, lambda: self._by("text", lambda model: model.encode_caption(caption))
            )
        given, flip = shown

        def encode(model: Model) -> dict[str, Tensor]:
            return cast(FromPictures, model).encode_seen(caption, given.opened(flip))

        return self._texts.fetch(f"{name}_{given.name(flip)}", lambda: self._by("text", encode))

    def __call__(self, item: int, chosen: Chosen) -> tuple[Tensors, Tensors]:
        """(picture's tensors, caption's tensors), as the loop asks for them."""
        caption = "" if chosen.drop else self._text(item, chosen)
        shown = self._shown(item, chosen.flip)
        return self.picture(item, chosen), self.caption(caption, shown)

    def prior_caption(self, item: int, chosen: Chosen) -> Tensors:
        """The caption's tensors of a picture as if it showed somebody else."""
        shown = self._shown(item, chosen.flip)
        return self.caption(self._prior(self._text(item, chosen)), shown)

    def _text(self, item: int, chosen: Chosen) -> str:
        texts = self.pictures[item].texts
        return texts[chosen.caption % len(texts)]
