"""Write a LoRA for other programs, and prove that it is the same one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, BinaryIO

from hubtools.conversion.adapter import Adapter, read_adapter, whole_name
from hubtools.conversion.checks import check_widths
from hubtools.conversion.formats import Format, peft_parts, tensors_for
from hubtools.conversion.reduction import (
    DTYPES,
    Difference,
    Precision,
    check_finite,
    difference,
    folded,
    in_precision,
    reduced,
)
from hubtools.dataset.folder.appearing import appearing, is_left_whole
from hubtools.disks import is_private
from hubtools.errors import HubtoolsError, UsageError
from hubtools.fences import make_folder
from hubtools.files import StrPath, leads_out
from hubtools.layout import PEFT_CONFIG, PEFT_WEIGHTS
from hubtools.lorafile.provenance import header_facts
from hubtools.models.rows import Target
from hubtools.models.tensors import dump_tensors
from hubtools.rooted import Root
from hubtools.rooted.outputs import writing_over

if TYPE_CHECKING:
    from torch import Tensor

_FOLDED = " with the alpha in the weights"


@dataclass(frozen=True)
class Exported:
    """A LoRA that was written. `layers` of it, `rank` that of the largest, `bytes` of all its
    files; `mended` is what was wrong with the names, `difference` how far its changes are from
    those of the file that it was made of, `base` the name of the base, where something tells;
    `idle` where it changes nothing; `stated`: what a card of it begins with, (key, value);
    `strange_widths`: those of its layers, where no published model of `family` has them."""

    path: Path
    format: Format
    family: str
    layers: int
    rank: int
    precision: str
    bytes: int
    mended: tuple[str, ...]
    difference: Difference
    base: str | None = None
    idle: bool = False
    stated: tuple[tuple[str, str], ...] = ()
    strange_widths: tuple[int, ...] = ()

    @property
    def whose(self) -> str:
        """What it is for, in words."""
        if self.strange_widths:  # its base only names its layers as the family does
            widths = " and ".join(map(str, self.strange_widths))
            return self.base or (
                f"a model that is not published: {widths} wide, with layers called as those of"
                f" {self.family}"
            )
        return f"{self.base} ({self.family})" if self.base else self.family


def export(
    source: Path,
    to: StrPath,
    *,
    format: Format = "diffusers",
    precision: Precision | None = None,
    rank: int | None = None,
    base: Target | None = None,
    family: str | None = None,
    named: str | None = None,
    base_place: str | None = None,
    allow_pickle: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write the LoRA in the file `source` as the file `to` (of `peft`: as a folder), with alphas in
    the weights, and read it back. `precision`: of its numbers, default what they are in; `rank`: at
    most so many a layer; `base`, `family`: as in `read_adapter`;
    `named`: name of the base, for the header; `base_place`: its folder or name, to compare
    widths with.

    Raises `UsageError` if something else lies at `to`, and what `read_adapter` and `tensors_for`
    raise."""
    place = Path(to).expanduser()
    _check_free(place, source, format, overwrite)
    before = _with_texts(
        read_adapter(source, base, family=family, allow_pickle=allow_pickle), source
    )
    downs = {name: layer.down for name, layer in before.layers.items()}
    check_widths(source, downs, before.target, base_place)
    now: Adapter = replace(folded(before), base=named)
    check_finite(source, _numbers(now), "fp32", _FOLDED)
    if rank is not None:
        now = reduced(now, rank)
    now = in_precision(now, precision or _precision_of(before))
    check_finite(source, _numbers(now), precision or _precision_of(before), _FOLDED)
    private = is_private(source)
    if format == "peft":
        size = _write_folder(now, place, private, overwrite)
    else:

        def free(_: Path) -> None:  # it may have taken minutes
            _check_free(place, source, format, overwrite)

        size = _write_file(now, place, format, private, free)
    after = _read_back(place, now.target, format)
    return Exported(
        path=place,
        format=format,
        family=now.whose or now.target.title,
        layers=len(now.layers),
        rank=max(layer.rank for layer in now.layers.values()),
        precision=precision or _precision_of(before),
        bytes=size,
        mended=before.mended,
        difference=difference(before.layers, after.layers),
        base=named or header_facts(before.metadata).base_model,
        idle=not any(layer.up.any() for layer in before.layers.values()),
        strange_widths=before.strange_widths,
    )


def _numbers(adapter: Adapter) -> Iterator[tuple[str, Tensor]]:
    for name, layer in adapter.layers.items():
        yield from ((name, half) for half in (layer.up, layer.down))


def _check_free(place: Path, source: Path, format: Format, overwrite: bool) -> None:
    if place.exists() and any(
        one.exists() and one.samefile(source)
        for one in (place, place / PEFT_WEIGHTS, *place.glob(f"text_encoder*/{PEFT_WEIGHTS}"))
    ):
        raise UsageError(
            f"{place} is the LoRA itself.", hint="give another name with --to", code="file-exists"
        )
    folder = format == "peft"
    if place.is_dir() != folder and os.path.lexists(place):
        what = "a folder" if place.is_dir() else "a file"
        raise UsageError(
            f"{place} is {what}, and {format} is {'a folder' if folder else 'a file'}.",
            hint="give another name with --to",
            code="file-exists",
        )
    there = any(place.iterdir()) if folder and place.is_dir() else place.exists()
    if there and not overwrite and not (folder and is_left_whole(place.absolute(), "export")):
        raise UsageError(
            f"{place} is there already.",
            hint="give another name with --to, or add --overwrite",
            code="file-exists",
        )
    if not folder and place.suffix != ".safetensors":
        raise UsageError(
            f"{place} has no name of a weight file.",
            hint=f"--to {quote(f'{place.stem}.safetensors')}",
        )


def _precision_of(adapter: Adapter) -> Precision:
    names = {str(layer.up.dtype).removeprefix("torch.") for layer in adapter.layers.values()}
    return next((one for one, dtype in DTYPES.items() if names == {dtype}), "fp32")


def _write_file(
    adapter: Adapter, place: Path, format: Format, private: bool, free: Callable[[Path], None]
) -> int:
    tensors, header = tensors_for(adapter, format)
    make_folder(place.parent)
    with writing_over(place, free, private=private) as file:
        _put(file, tensors, header)
    return place.stat().st_size


def _write_folder(adapter: Adapter, place: Path, private: bool, overwrite: bool) -> int:
    """A new folder appears when it is whole, and the same again goes on after a kill."""
    if overwrite and place.is_dir() and any(place.iterdir()):
        with Root(place) as root:
            return _fill_folder(adapter, root, private)
    with appearing(place.absolute(), "export") as made:
        return _fill_folder(adapter, made, private)


def _fill_folder(adapter: Adapter, root: Root, private: bool) -> int:
    """Raises `LeadsOut` for a link in the place of a folder for a text encoder."""
    size = 0
    root.private = private
    for number, (part, (tensors, config)) in enumerate(peft_parts(adapter).items()):
        folder = f"{part}/" if number else ""
        with root.replacing(folder + PEFT_WEIGHTS) as file:
            _put(file, tensors, {"format": "pt"})
            size += file.tell()
        root.write_json(folder + PEFT_CONFIG, config | {"inference_mode": True})
    return size


def _put(file: BinaryIO, tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
    dump_tensors(file, {name: one.contiguous() for name, one in tensors.items()}, dict(header))


def _read_back(place: Path, target: Target, format: Format) -> Adapter:
    if format != "peft":
        return read_adapter(place, target)
    return _with_texts(read_adapter(place / PEFT_WEIGHTS, target), place / PEFT_WEIGHTS)


def _with_texts(adapter: Adapter, source: Path) -> Adapter:
    """With what lies below the file of peft's folder `source` for text encoders, as `export` puts
    it there."""
    if source.name != PEFT_WEIGHTS:
        return adapter
    layers = dict(adapter.layers)
    for config in sorted(source.parent.glob(f"text_encoder*/{PEFT_CONFIG}")):
        part = config.parent.name
        weights = config.parent / PEFT_WEIGHTS
        if leads_out(source.parent, f"{part}/{PEFT_WEIGHTS}"):
            raise HubtoolsError(
                f"{weights} lies behind a link out of {source.parent}: not read.",
                hint="put the file itself there",
                code="link-refused",
            )
        found = read_adapter(weights, adapter.target).layers
        for name, layer in found.items():
            layers[f"{part}.{whole_name(name.partition('.')[2])}"] = layer
    return replace(adapter, layers=layers)
