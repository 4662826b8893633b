"""Safetensors files whose bytes depend on their content only.

The safetensors library writes its metadata in the order of a randomly seeded hash map: two runs
that learn the same would give two files. The format is simple enough to write it ourselves: eight
bytes of header length (little endian), a JSON header padded with spaces to a multiple of eight,
then the tensors (https://huggingface.co/docs/safetensors).
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from hubtools.causes import is_absent

if TYPE_CHECKING:
    from torch import Tensor

_CHECKSUM = "sha256"


def _dtypes() -> dict[Any, str]:
    import torch

    return {
        torch.float64: "F64",
        torch.float32: "F32",
        torch.float16: "F16",
        torch.bfloat16: "BF16",
        torch.int64: "I64",
        torch.int32: "I32",
        torch.uint8: "U8",
        torch.bool: "BOOL",
    }


def _raw(tensor: Tensor) -> memoryview:
    import torch

    flat = tensor.detach().cpu().contiguous().reshape(-1)
    array: Any = flat.view(torch.uint8).numpy()
    return memoryview(array)


def digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Hex SHA-256 over names, types, shapes and bytes, in the order of names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(_raw(tensor))
    return digest.hexdigest()


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    *,
    checksum: bool = False,
) -> None:
    """Write `tensors` in the order of their names; `checksum` adds a digest that
    `read_tensors(verify=True)` compares. Equal content gives equal bytes."""
    with path.open("wb") as file:
        dump_tensors(file, tensors, metadata, checksum=checksum)


def dump_tensors(
    file: BinaryIO,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
    *,
    checksum: bool = False,
) -> None:
    """`write_tensors` into an open file."""
    names = _dtypes()
    header: dict[str, Any] = {}
    notes = {"format": "pt", **(metadata or {})}
    if checksum:
        notes[_CHECKSUM] = digest_tensors(tensors)
    header["__metadata__"] = dict(sorted(notes.items()))
    offset = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        size = tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)))
    file.write(text)
    for name in sorted(tensors):
        file.write(_raw(tensors[name]))


def parse_tensors(data: bytes) -> dict[str, Tensor] | None:
    """The tensors in the bytes of a file; None if they are none."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors: dict[str, Tensor] = load(data)
    except (SafetensorError, ValueError, KeyError):
        return None
    return tensors


def read_tensors(path: Path, *, verify: bool = False) -> dict[str, Tensor] | None:
    """The tensors of a file; None if it is missing, damaged or (with `verify`) not what it was."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in list(file.keys())}
    except OSError as error:
        if not is_absent(error):
            raise
        return None
    except (SafetensorError, ValueError, KeyError):
        return None
    if verify and notes.get(_CHECKSUM) != digest_tensors(tensors):
        return None
    return tensors
