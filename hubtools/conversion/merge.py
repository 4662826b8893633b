"""A base with LoRAs added to its weights, as a pipeline folder of its own."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubtools.dataset.folder.appearing import appearing, copy_own, is_left_whole
from hubtools.dataset.sources.download import sweep
from hubtools.disks import is_private
from hubtools.errors import HubtoolsError, UsageError
from hubtools.fences import make_folder
from hubtools.files import StrPath, human_bytes, json_within
from hubtools.inference.adapters import apply_loras
from hubtools.inference.lora import WeightedLora
from hubtools.layout import cache_dir
from hubtools.modelfiles import components_of
from hubtools.models.base import Base, as_folder, wanted_files
from hubtools.models.loading import Part, load_pipeline
from hubtools.models.merged import INDEX, with_merged
from hubtools.models.registry import TEXT_ENCODERS
from hubtools.rooted import Root
from hubtools.weights import read_header

# Files beside the parts that go along with them; a person's notes do not.
_TERMS = ("LICENSE", "LICENCE", "NOTICE", "COPYING")
_TORCH = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}


@dataclass(frozen=True)
class Merged:
    """A pipeline folder that was written: `changed` components of the base, `precision` of their
    numbers, `bytes` of all."""

    path: Path
    changed: tuple[str, ...]
    precision: str
    bytes: int


def merge(
    base: Base, loras: Sequence[WeightedLora], to: StrPath, *, precision: str | None = None
) -> Merged:
    """Add the LoRAs, at their weights, to the weights of `base` and write it as the folder `to`.
    `precision`: of what is changed, default that of the base's files; sums are made in float32.

    Raises `UsageError` if `to` is there and not empty, `HubtoolsError` if a LoRA does not fit or if
    the disk is too small. A kill leaves no half folder under that name, and the same again goes on.
    """
    place = Path(to).expanduser().absolute()
    taken = place.is_symlink() or (place.exists() and (not place.is_dir() or any(place.iterdir())))
    if taken and not is_left_whole(place, "merge"):
        raise UsageError(f"{place} is there already.", hint="give another --to", code="file-exists")
    folder = Path(as_folder(base).path_or_id)
    make_folder(place.parent)
    names = _names(folder, base.variant)
    _check_room(sum((folder / name).stat().st_size for name in names), place.parent)
    with appearing(place, "merge") as made:
        changed, precision = _write(base, folder, loras, made, precision)
        for name in names:
            if name.split("/")[0] not in changed and name != INDEX:
                copy_own(folder, name, made, name)
        added = {lora.file.sha256: lora.weight for lora in loras}
        made.write_json(INDEX, with_merged(json_within(folder / INDEX), added))
        if any(is_private(one) for one in (folder, *(lora.file.path for lora in loras))):
            for name, found in made.walk():
                if stat.S_ISREG(found.st_mode):
                    made.chmod(name, 0o600)
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    return Merged(place, changed, precision, size)


def _names(folder: Path, variant: str | None) -> list[str]:
    """The pipeline's files, without those that no loader would open: what lies in other folders
    than its parts' was not judged, and may be a link to anything."""
    parts = components_of(json_within(folder / INDEX))
    names = [
        f"{part}/{path.name}"
        for part, kind in parts.items()
        if any(kind) and (folder / part).is_dir()
        for path in sorted((folder / part).iterdir())
        if path.is_file()
    ]
    own = [path.name for path in folder.iterdir() if path.is_file()]
    own = [name for name in own if name == INDEX or name.upper().startswith(_TERMS)]
    return wanted_files([*names, *own], variant)


def _check_room(needed: int, place: Path) -> None:
    free = shutil.disk_usage(place).free
    if needed > free:
        raise HubtoolsError(
            f"The merged base takes {human_bytes(needed)}, and {human_bytes(free)} are free.",
            hint="give a folder on another disk with --to",
            code="disk-full",
        )


def _write(
    base: Base, folder: Path, loras: Sequence[WeightedLora], made: Root, precision: str | None
) -> tuple[tuple[str, ...], str]:
    import torch

    parts: list[Part] = ["denoiser"]
    if any(lora.file.of_text for lora in loras):
        parts.append("text")
    pipeline: Any = load_pipeline(base, dtype="float32", device="cpu", parts=parts)
    apply_loras(pipeline, [(lora.file, lora.weight) for lora in loras], fuse=True)
    components = [base.support.denoiser]
    if "text" in parts:
        adapters = pipeline.get_list_adapters()
        components += [name for name in TEXT_ENCODERS if adapters.get(name)]
    pipeline.unload_lora_weights()
    precision = precision or _stored(folder / base.support.denoiser)
    for name in components:
        module = getattr(pipeline, name)
        module.to(getattr(torch, precision))
        if not all(one.isfinite().all() for one in module.parameters()):
            raise HubtoolsError(
                f"The base's {name} with the LoRAs has numbers that are too large for {precision},"
                " or NaN.",
                hint="give a LoRA a smaller weight, or --dtype bf16 or fp32",
                code="not-supported",
            )
        _put(module, made, name)
    return tuple(components), precision


def _put(module: Any, made: Root, name: str) -> None:
    """Write a component. Libraries write by a path, so they do where nobody else can put a link in
    the way."""
    place = cache_dir() / "merging"
    place.mkdir(parents=True, exist_ok=True)
    sweep(place)
    _check_room(sum(one.numel() * one.element_size() for one in module.parameters()), place)
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=place) as own:
        module.save_pretrained(own, safe_serialization=True)
        for path in sorted(Path(own).iterdir()):
            made.take(path, f"{name}/{path.name}")


def _stored(folder: Path) -> str:
    """The precision of a component's files."""
    for path in sorted(folder.glob("*.safetensors")):
        for entry in read_header(path).tensors.values():
            if entry["dtype"] in _TORCH:
                return _TORCH[entry["dtype"]]
    return "float32"
