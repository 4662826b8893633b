"""A LoRA's file in half precision: the same tensors under the same names, with the same header, and
how far its changes are from what they were."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hubtools.conversion.adapter import layers_of, read_layers
from hubtools.conversion.reduction import DTYPES, check_finite, difference
from hubtools.errors import HubtoolsError
from hubtools.files import replacing, sha256_of
from hubtools.lorafile.made_of import MadeOf
from hubtools.models.tensors import dump_tensors
from hubtools.weights import Header

if TYPE_CHECKING:
    from torch import Tensor

Half = Literal["fp16", "bf16"]

_FULL = ("F32", "F64")
# Beyond that numbers were lost: rounding alone is 5e-4 of a number in fp16, 4e-3 in bf16.
_FARTHEST = 0.02
# Entries of headers that are hashes of the numbers.
_HASHES = ("sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256", "sha256")


@dataclass(frozen=True)
class Halved:
    """A file that was written in half precision, and what it was made of."""

    bytes: int
    sha256: str
    made_of: MadeOf


def is_full(header: Header) -> bool:
    """True for a file with numbers of more than 16 bits; single ones (alphas) do not count."""
    return any(
        entry["dtype"] in _FULL and prod(entry["shape"]) > 1 for entry in header.tensors.values()
    )


def halve(source: Path, to: Path, precision: Half) -> Halved:
    """Write the LoRA in the file `source` as the file `to`, with numbers of `precision`, read it
    back and measure. Equal files give equal bytes.

    Raises `HubtoolsError` for what is no LoRA or is damaged (as `read_adapter`), and for numbers
    that are too large or too small for that precision; then nothing is written."""
    from safetensors.torch import load_file

    weights, tensors, before = read_layers(source)
    now = {name: _cast(tensor, precision) for name, tensor in tensors.items()}
    check_finite(source, now.items(), precision)
    after = layers_of(source, weights, now)
    far = difference(before, after)
    if far.whole > _FARTHEST:
        raise HubtoolsError(
            f"{source}: its changes would differ by {far.whole:.2g} of their size in {precision};"
            f" numbers of {far.worst_layer[:120]} are too small for it.",
            hint="--dtype bf16, or leave it in full precision",
            code="not-supported",
        )
    made_of = MadeOf(sha256_of(source), far.whole, far.worst, far.worst_layer[:120])
    kept = {k: v for k, v in weights.header.metadata.items() if k not in _HASHES}
    with replacing(to) as file:
        dump_tensors(file, now, kept | made_of.entry)
    written = load_file(to)
    if written.keys() != now.keys() or not all(written[n].equal(now[n]) for n in now):
        raise HubtoolsError(f"{to} is not what was written.", code="file-damaged")
    return Halved(to.stat().st_size, sha256_of(to), made_of)


def _cast(tensor: Tensor, precision: Half) -> Tensor:
    import torch

    full = tensor.dtype in (torch.float32, torch.float64) and tensor.numel() > 1
    return tensor.to(getattr(torch, DTYPES[precision])) if full else tensor
