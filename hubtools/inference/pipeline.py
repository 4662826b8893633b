"""Load a pipeline and draw: the same shot gives the same picture, now and later."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hubtools
from hubtools.errors import HubtoolsError, require_extra
from hubtools.inference.base import Base, fetch_base
from hubtools.inference.lora import LoraFile, apply_lora, remove_lora
from hubtools.inference.png import save_picture
from hubtools.inference.schedulers import options_of, seed_scheduler, use_scheduler
from hubtools.inference.shots import Shot
from hubtools.manifest import SampleRecord

if TYPE_CHECKING:
    from PIL import Image

_LIBRARIES = ("torch", "diffusers", "transformers", "peft")


def load_pipeline(
    base: Base,
    *,
    dtype: str = "float32",
    device: str | None = None,
    variant: str | None = None,
    safety_checker: bool = True,
) -> Any:
    """A diffusers pipeline of `base` on `device` (default the best there is).

    `dtype`: float32, float16 or bfloat16. `safety_checker=False` leaves the base's checker out.
    Raises `HubtoolsError` if files are missing or damaged.
    """
    require_extra("train", "Drawing pictures")
    from hubtools.inference.quiet import hush

    hush()
    import diffusers
    import torch

    from hubtools.inference.device import best_device

    options: dict[str, Any] = {"torch_dtype": getattr(torch, dtype)}
    if variant or base.variant:
        options["variant"] = variant or base.variant
    if not safety_checker:
        options |= {"safety_checker": None, "requires_safety_checker": False}
    folder = fetch_base(base)
    try:
        with warnings.catch_warnings():
            # diffusers is renaming torch_dtype; both names work over the versions we support
            warnings.simplefilter("ignore", FutureWarning)
            pipeline = diffusers.DiffusionPipeline.from_pretrained(str(folder), **options)
    except (OSError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise HubtoolsError(
            f"The base model {base.id or base.path_or_id} could not be loaded: {first}",
            hint="check --variant and --revision, or fetch the files again",
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device or best_device())


def draw(
    pipeline: Any,
    shots: Sequence[Shot],
    folder: Path,
    *,
    names: Sequence[str],
    base: Base,
    lora: LoraFile | None = None,
    train_step: int | None = None,
    batch_size: int = 1,
    on_step: Callable[[int, int], None] | None = None,
    on_picture: Callable[[SampleRecord, bool], None] | None = None,
) -> list[SampleRecord]:
    """Draw each shot to `folder/<name>.png` with its record beside it; give all records.

    A picture whose record is there already, equal in everything, is not drawn again. `lora` is
    loaded if given; without it an adapter that the UNet already carries (in training) is used as it
    is. Noise comes from one CPU generator a picture, seeded with its seed, so that it is the same
    on every device and at every batch size. Leaves global randomness, train/eval mode and the
    scheduler as they were. `on_step(done, total)` is called after every denoising step,
    `on_picture(record, drawn)` after every picture.
    """
    if lora is None:
        remove_lora(pipeline)
    live = lora is None and bool(getattr(pipeline.unet, "peft_config", None))
    wanted = [
        _record(pipeline, shot, name, base, lora, live, train_step)
        for shot, name in zip(shots, names, strict=True)
    ]
    existing = [_existing(folder, record) for record in wanted]
    todo = [index for index, record in enumerate(existing) if record is None]
    total = sum(shots[index].steps for index in todo)
    done = 0
    results = list(existing)

    def stepped(_pipe: Any, _index: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        nonlocal done
        done += 1
        if on_step:
            on_step(min(done, total), total)
        return values

    if on_picture:
        for record in existing:
            if record is not None:
                on_picture(record, False)
    with _undisturbed(pipeline):
        for batch in _batches(shots, todo, batch_size):
            images, blanked = _call(pipeline, [shots[i] for i in batch], lora, live, stepped)
            done += shots[batch[0]].steps * (len(batch) - 1)
            for index, image, blank in zip(batch, images, blanked, strict=True):
                record = wanted[index].model_copy(update={"blanked": blank})
                save_picture(image, folder / record.file, record)
                results[index] = record
                if on_picture:
                    on_picture(record, True)
    return [record for record in results if record is not None]


def _batches(shots: Sequence[Shot], todo: Sequence[int], size: int) -> Iterator[list[int]]:
    """Indexes of shots that one call can draw: alike in all but prompt and seed."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index in todo:
        shot = shots[index]
        kind = (shot.steps, shot.guidance, shot.scheduler, shot.width, shot.height)
        key = (*kind, shot.lora_weight, shot.negative_prompt is None)
        groups.setdefault(key, []).append(index)
    for group in groups.values():
        for start in range(0, len(group), max(1, size)):
            yield group[start : start + max(1, size)]


def _call(
    pipeline: Any,
    shots: list[Shot],
    lora: LoraFile | None,
    live: bool,
    stepped: Callable[..., dict[str, Any]],
) -> tuple[list[Image.Image], list[bool]]:
    import torch

    first = shots[0]
    own = pipeline.scheduler
    with ExitStack() as stack:
        stack.callback(setattr, pipeline, "scheduler", own)
        use_scheduler(pipeline, first.scheduler)
        seed_scheduler(pipeline, [shot.seed for shot in shots])
        if lora is not None:
            apply_lora(pipeline, lora, first.lora_weight)
        elif live and first.lora_weight == 0:
            pipeline.unet.disable_adapters()
            stack.callback(pipeline.unet.enable_adapters)
        if len({pipeline.unet.dtype, pipeline.vae.dtype, pipeline.text_encoder.dtype}) > 1:
            kind = pipeline.unet.device.type
            stack.enter_context(torch.autocast(kind, dtype=pipeline.unet.dtype))
        result = pipeline(
            prompt=[shot.prompt for shot in shots],
            negative_prompt=(
                None
                if first.negative_prompt is None
                else [shot.negative_prompt or "" for shot in shots]
            ),
            num_inference_steps=first.steps,
            guidance_scale=first.guidance,
            width=first.width,
            height=first.height,
            generator=[torch.Generator("cpu").manual_seed(shot.seed) for shot in shots],
            callback_on_step_end=stepped,
        )
    blanked = getattr(result, "nsfw_content_detected", None) or [False] * len(shots)
    return list(result.images), [bool(flag) for flag in blanked]


@contextmanager
def _undisturbed(pipeline: Any) -> Iterator[None]:
    """Draw in eval mode without touching global randomness."""
    import torch

    training = pipeline.unet.training
    pipeline.unet.eval()
    try:
        with torch.random.fork_rng(), torch.no_grad():
            yield
    finally:
        pipeline.unet.train(training)


def _record(
    pipeline: Any,
    shot: Shot,
    name: str,
    base: Base,
    lora: LoraFile | None,
    live: bool,
    train_step: int | None,
) -> SampleRecord:
    own = pipeline.scheduler
    try:
        class_name = use_scheduler(pipeline, shot.scheduler)
    finally:
        pipeline.scheduler = own
    active = lora is not None or live
    return SampleRecord(
        file=f"{name}.png",
        prompt=shot.prompt,
        negative_prompt=shot.negative_prompt,
        seed=shot.seed,
        steps=shot.steps,
        guidance=shot.guidance,
        scheduler=shot.scheduler,
        scheduler_class=class_name,
        scheduler_options=options_of(shot.scheduler),
        width=shot.width,
        height=shot.height,
        base_model=base.id,
        base_revision=base.revision,
        lora_sha256=lora.sha256 if lora else None,
        lora_weight=shot.lora_weight if active else 0.0,
        train_step=train_step if train_step is not None else (lora.step if lora else None),
        dtype=str(pipeline.unet.dtype).removeprefix("torch."),
        versions={"hubtools": hubtools.__version__, **{n: version(n) for n in _LIBRARIES}},
    )


def _existing(folder: Path, wanted: SampleRecord) -> SampleRecord | None:
    """The record on disk if picture and record are there and say the same, else None.

    A picture of a live adapter is always drawn: its weights have no name to compare.
    """
    if wanted.lora_weight and wanted.lora_sha256 is None:
        return None
    picture = folder / wanted.file
    try:
        found = SampleRecord.model_validate_json(picture.with_suffix(".json").read_bytes())
    except (OSError, ValueError):
        return None
    same = found.model_dump(exclude={"blanked"}) == wanted.model_dump(exclude={"blanked"})
    return found if same and picture.is_file() else None


_WEIGHTED = re.compile(r"\([^()]+:\s*\d*\.?\d+\s*\)")


def prompt_notes(pipeline: Any, prompt: str) -> list[str]:
    """What this pipeline will not read as meant: weights written as `(word:1.3)`, and words past
    the end of the text encoder's window. Empty if all is well."""
    notes = []
    if match := _WEIGHTED.search(prompt):
        notes.append(
            f"{match[0]!r} looks like a prompt weight; it is read as plain words, number included."
        )
    tokenizer = pipeline.tokenizer
    room = tokenizer.model_max_length
    tokens = tokenizer(prompt, truncation=False).input_ids
    if len(tokens) > room:
        cut = tokenizer.decode(tokens[room - 1 : -1]).strip()
        notes.append(f"The prompt has {len(tokens) - 2} tokens, {room - 2} fit; unread: {cut!r}.")
    return notes
