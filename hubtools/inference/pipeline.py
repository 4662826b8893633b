"""Load a pipeline and draw: the same shot gives the same picture, now and later."""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from inspect import signature
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.errors import is_out_of_memory
from hubtools.inference.adapters import apply_loras, remove_loras, unfuse
from hubtools.inference.at_once import Batches, as_many_as_fit
from hubtools.inference.controls import opened, used
from hubtools.inference.embeddings import Prompts
from hubtools.inference.lora import WeightedLora, said_by
from hubtools.inference.noise import same_noise
from hubtools.inference.png import check_free, record_inside
from hubtools.inference.prompts import read_prompt
from hubtools.inference.schedulers import check_steps, options_of, seed_scheduler, use_scheduler
from hubtools.inference.shots import Shot, check_size, no_rescale
from hubtools.inference.writer import Writer
from hubtools.manifest import LoraUse, SampleRecord, read_record_of
from hubtools.models.base import Base
from hubtools.models.device import let_go
from hubtools.models.families.protocol import DrawsFromPictures, family_for
from hubtools.models.loading import denoiser_of, dtypes_of
from hubtools.rooted import Root
from hubtools.version import __version__

if TYPE_CHECKING:
    from PIL import Image

_LIBRARIES = ("torch", "diffusers", "transformers", "peft")


def draw(
    pipeline: Any,
    shots: Sequence[Shot],
    folder: Path | Root,
    *,
    names: Sequence[str],
    base: Base,
    loras: Sequence[WeightedLora] = (),
    fuse: bool = False,
    train_step: int | None = None,
    batch_size: int | None = 1,
    on_step: Callable[[int, int], None] | None = None,
    on_picture: Callable[[SampleRecord, bool], None] | None = None,
    seconds: dict[str, float] | None = None,
    prompts: Prompts | None = None,
    apart: bool = False,
    note: Callable[[str], None] = lambda sentence: None,
) -> list[SampleRecord]:
    """Draw each shot to `folder/<name>.png` with its record beside it; give all records. A `Root`
    is a folder that came with others and is not left through links.

    A picture whose record is there already, equal in everything, is not drawn again. `loras` are
    loaded if given; without them an adapter that the denoiser already carries (in training) is used
    as it is. `fuse` adds them into the base's weights for the while. Noise comes from one CPU
    generator a picture, seeded with its seed, so that it is the same on every device, in every
    precision (see noise.py) and at every batch size. Leaves global randomness, train/eval mode and
    the scheduler as they were. `on_step(done, total)` is called after every denoising step,
    `on_picture(record, drawn)` once a picture and its record are on the disk, in the order in which
    they are drawn; `seconds` is filled with what each file took
    (its share of its batch). `batch_size`: pictures in one call, None for as many as memory has
    room for; where there is too little after all, half as many from there on, of which `note` is
    told. `prompts`: what the shots say, encoded before (`Prompts.keep`), for a
    pipeline whose text encoder is closed. `apart`: another picture that has a shot's name stays,
    and the new one gets a number behind its name.
    """
    if not isinstance(folder, Root):
        with Root(folder, create=True) as root:
            return draw(
                pipeline, shots, root, names=names, base=base, loras=loras, fuse=fuse,
                train_step=train_step, batch_size=batch_size, on_step=on_step,
                on_picture=on_picture, seconds=seconds, prompts=prompts, apart=apart, note=note,
            )  # fmt: skip
    if not loras:
        remove_loras(pipeline)
    divisor = family_for(pipeline).divisor
    rescales = "guidance_rescale" in signature(pipeline.__call__).parameters
    for shot in shots:
        check_size(shot.width, shot.height, divisor)
        check_steps(pipeline.scheduler.config, type(pipeline).__name__, shot.steps)
        if shot.guidance_rescale and not rescales:
            raise no_rescale(shot.guidance_rescale)
    studio = PipelineSession(pipeline, base, tuple(loras), fuse, train_step, prompts)
    wanted = [studio.record(shot, name) for shot, name in zip(shots, names, strict=True)]
    if apart:
        wanted = [_apart(folder, record) for record in wanted]
    existing = [_existing(pipeline, folder, record) for record in wanted]
    todo = [index for index, record in enumerate(existing) if record is None]
    for index in todo:  # an hour before it would be written
        check_free(folder, wanted[index].file)
    if batch_size is None:
        batch_size = as_many_as_fit(pipeline, base, [shots[index] for index in todo])
    batches = Batches(studio.groups(shots, todo), batch_size)
    total = sum(shots[index].steps for index in todo)
    batch: list[int] = []
    done = limit = 0
    results = list(existing)

    def stepped(_pipe: Any, _index: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        nonlocal done
        done = min(done + len(batch), limit)  # some schedulers tell of more steps than were asked
        if on_step:
            on_step(min(done, total), total)
        writer.look()
        return values

    def saved(index: int, record: SampleRecord) -> None:
        results[index] = record
        if on_picture:
            on_picture(record, True)

    if on_picture:
        for record in existing:
            if record is not None:
                on_picture(record, False)
    with ExitStack() as stack:
        stack.enter_context(_undisturbed(pipeline))
        if fuse:
            stack.callback(unfuse, pipeline)
        writer = stack.enter_context(Writer(folder, saved))
        for batch in batches:
            started, before, drawn = time.perf_counter(), done, None
            limit = before + shots[batch[0]].steps * len(batch)
            try:
                drawn = studio.call([shots[i] for i in batch], stepped)
            except Exception as error:
                if not is_out_of_memory(error) or not batches.halve(batch):
                    raise
            if drawn is None:  # here, not above: the error holds on to what was computed
                done = before
                let_go(str(studio.device))
                note(
                    f"{len(batch)} pictures at once did not fit into memory: from here on"
                    f" {batches.size} at once."
                )
                continue
            images, blanked = drawn
            done = limit
            share = (time.perf_counter() - started) / len(batch)
            for index, image, blank in zip(batch, images, blanked, strict=True):
                record = wanted[index].model_copy(update={"blanked": blank})
                if seconds is not None:
                    seconds[record.file] = share
                writer.add(index, image, record)
    return [record for record in results if record is not None]


class PipelineSession:
    """One `draw`: a pipeline with its base and LoRAs, and the prompts read so far."""

    def __init__(
        self,
        pipeline: Any,
        base: Base,
        loras: tuple[WeightedLora, ...],
        fuse: bool,
        train_step: int | None,
        prompts: Prompts | None = None,
    ) -> None:
        self.pipeline, self.base, self.loras, self.fuse = pipeline, base, loras, fuse
        self.train_step = train_step
        self.denoiser, self.family = denoiser_of(pipeline), family_for(pipeline)
        # asked once: diffusers goes through all layers for each
        self.dtype, self.device = self.denoiser.dtype, self.denoiser.device
        self._classes: dict[str, str] = {}
        # an adapter in training, which has no file
        self.live = not loras and bool(getattr(self.denoiser, "peft_config", None))
        self.prompts = prompts or Prompts(pipeline)

    def groups(self, shots: Sequence[Shot], todo: Sequence[int]) -> Iterator[list[int]]:
        """Indexes of shots that one call can draw: alike in all but prompt and seed."""
        groups: dict[tuple[Any, ...], list[int]] = {}
        for index in todo:
            shot = shots[index]
            key: tuple[Any, ...] = (shot.lora_weight, shot.steps, shot.guidance, shot.scheduler)
            key = (*key, shot.guidance_rescale, shot.width, shot.height)
            # a longer neighbour would lengthen a prompt, and so change its picture
            said = said_by(self.loras, shot.lora_weight)
            key += self.prompts.under(said).alike(shot)
            # what is made from others is drawn alone: a call takes them for all
            key += (index,) if shot.controls else ()
            groups.setdefault(key, []).append(index)
        yield from groups.values()

    def call(
        self, shots: list[Shot], stepped: Callable[..., dict[str, Any]]
    ) -> tuple[list[Image.Image], list[bool]]:
        """Draw one batch; pictures, and which of them the safety checker has blanked."""
        import torch

        first, pipeline = shots[0], self.pipeline
        own = pipeline.scheduler
        with ExitStack() as stack:
            stack.callback(setattr, pipeline, "scheduler", own)
            stack.enter_context(warnings.catch_warnings())
            # torchsde on the last digit of a float
            warnings.filterwarnings("ignore", "Should have t.* but got")
            # diffusers on itself
            warnings.filterwarnings("ignore", "`upcast_vae` is deprecated")
            use_scheduler(pipeline, first.scheduler)
            seed_scheduler(pipeline, [shot.seed for shot in shots])
            if self.loras:
                weighted = [(lora.file, lora.weight * first.lora_weight) for lora in self.loras]
                apply_loras(pipeline, weighted, fuse=self.fuse)
                self.prompts.under(said_by(self.loras, first.lora_weight))
            elif self.live and first.lora_weight == 0:
                self.denoiser.disable_adapters()
                stack.callback(self.denoiser.enable_adapters)
            if len(dtypes_of(pipeline)) > 1:
                kind = self.device.type
                stack.enter_context(torch.autocast(kind, dtype=self.dtype))
                if self.family.decodes_exactly(pipeline):
                    stack.enter_context(_decoding_exactly(pipeline.vae, kind))
            stack.enter_context(_decoding_one_by_one(pipeline))
            stack.enter_context(same_noise(pipeline))
            result = pipeline(
                **self._words(shots),
                **self.family.call_arguments(first),
                **self._made_from(first),
                generator=[torch.Generator("cpu").manual_seed(shot.seed) for shot in shots],
                callback_on_step_end=stepped,
            )
        blanked = getattr(result, "nsfw_content_detected", None) or [False] * len(shots)
        return list(result.images), [bool(flag) for flag in blanked]

    def _made_from(self, shot: Shot) -> dict[str, Any]:
        if not isinstance(self.family, DrawsFromPictures):
            return {}
        return self.family.control_arguments(self.pipeline, opened(shot.controls), shot)

    def _words(self, shots: list[Shot]) -> dict[str, Any]:
        if self.prompts.able or self.prompts.kept:
            return dict(self.prompts.embeddings(shots))
        words = self.base.support.words(
            [shot.prompt for shot in shots], [shot.negative_prompt for shot in shots]
        )
        return dict(words)

    def record(self, shot: Shot, name: str) -> SampleRecord:
        """Everything about the shot that can be known before it is drawn."""
        base = self.base
        uses = [
            LoraUse(
                name=lora.file.name or None,
                file=lora.file.path.name,
                sha256=lora.file.sha256,
                weight=lora.weight * shot.lora_weight,
                step=lora.file.step,
            )
            for lora in self.loras
        ]
        step = self.train_step
        if step is None and uses:
            step = uses[0].step
        applied = self.prompts.applied(shot)
        return SampleRecord(
            file=f"{name}.png",
            prompt=shot.prompt,
            negative_prompt=shot.negative_prompt,
            seed=shot.seed,
            steps=shot.steps,
            guidance=shot.guidance,
            guidance_rescale=shot.guidance_rescale,
            scheduler=shot.scheduler,
            scheduler_class=self._class_of(shot.scheduler),
            scheduler_options=options_of(shot.scheduler),
            width=shot.width,
            height=shot.height,
            base_model=base.id,
            base_revision=base.revision,
            lora_sha256=uses[0].sha256 if uses else None,
            lora_weight=uses[0].weight if uses else (shot.lora_weight if self.live else 0.0),
            loras=uses,
            fused=self.fuse and any(use.weight for use in uses),
            train_step=step,
            prompt_weights=applied,
            literals=self._literals(shot) if applied else [],
            control_images=used(shot.controls),
            dtype=str(self.dtype).removeprefix("torch."),
            device=self.device.type,
            versions=versions(),
        )

    def _class_of(self, scheduler: str) -> str:
        """Name of the class that draws where `scheduler` is asked for."""
        if scheduler not in self._classes:
            own = self.pipeline.scheduler
            try:
                self._classes[scheduler] = use_scheduler(self.pipeline, scheduler)
            finally:
                self.pipeline.scheduler = own
        return self._classes[scheduler]

    @staticmethod
    def _literals(shot: Shot) -> list[str]:
        texts = (shot.prompt, shot.negative_prompt or "")
        found = [name for text in texts for name in read_prompt(text, shot.literals).literals]
        return list(dict.fromkeys(found))


@contextmanager
def _decoding_exactly(vae: Any, kind: str) -> Iterator[None]:
    """Decode in the precision of the VAE's weights, whatever is computed around it on devices of
    this `kind`."""
    import torch

    right = vae.decode

    def decode(latents: Any, *args: Any, **options: Any) -> Any:
        with torch.autocast(kind, enabled=False):
            return right(latents.to(vae.dtype), *args, **options)

    vae.decode = decode
    try:
        yield
    finally:
        del vae.decode


@contextmanager
def _decoding_one_by_one(pipeline: Any) -> Iterator[None]:
    """The VAE takes as much memory for many pictures as for one; on a CPU it is as fast."""
    vae: Any = getattr(pipeline, "vae", None)
    before = getattr(vae, "use_slicing", True)
    if not before:
        vae.use_slicing = True
    try:
        yield
    finally:
        if not before:
            vae.use_slicing = False


@functools.cache
def _versions() -> dict[str, str]:
    return {"hubtools": __version__, **{name: version(name) for name in _LIBRARIES}}


def versions() -> dict[str, str]:
    """Of the libraries that decide how a picture comes out."""
    return dict(_versions())


@contextmanager
def _undisturbed(pipeline: Any) -> Iterator[None]:
    """Draw in eval mode without touching global randomness."""
    import torch

    denoiser = denoiser_of(pipeline)
    training = denoiser.training
    denoiser.eval()
    try:
        with torch.random.fork_rng(), torch.no_grad():
            yield
    finally:
        denoiser.train(training)


def _apart(folder: Root, wanted: SampleRecord) -> SampleRecord:
    """The record under its own name, or under the first one with a number that is free or has that
    very picture."""
    stem = wanted.file.removesuffix(".png")
    for number in count(2):
        name = wanted.file.removesuffix(".png")
        found = read_record_of(folder, f"{name}.json") or record_inside(folder, wanted.file)
        if found is None or found.identity() == wanted.identity():
            return wanted  # what is no picture of ours is refused later
        wanted = wanted.model_copy(update={"file": f"{stem}_{number}.png"})
    raise AssertionError  # numbers do not end


def _existing(pipeline: Any, folder: Root, wanted: SampleRecord) -> SampleRecord | None:
    """The record on disk if picture and record are there and say the same, else None.

    A picture of a live adapter is always drawn: its weights have no name to compare. So is one that
    the safety checker has blanked, once that is left out.
    """
    if wanted.lora_weight and wanted.lora_sha256 is None:
        return None
    found = read_record_of(folder, f"{wanted.file.removesuffix('.png')}.json")
    if found is None:
        return None
    if found.blanked and getattr(pipeline, "safety_checker", None) is None:
        return None
    return found if found.identity() == wanted.identity() and folder.is_file(wanted.file) else None
