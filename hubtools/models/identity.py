"""What tells the weights of one module from those of another."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.files import sha256_of
from hubtools.modelfiles import read_json
from hubtools.models.base import Base, wanted_files
from hubtools.models.tensors import digest_tensors

if TYPE_CHECKING:
    from torch import nn

# Part of every key: grows by one when the way from file to tensor changes.
VERSION = 1


def identity_of(module: nn.Module, extra: bytes = b"") -> str:
    """Hex digest over a module's class, configuration, weights and `extra`."""
    config: Any = getattr(module, "config", {})
    text = _told(config.to_dict() if hasattr(config, "to_dict") else dict(config))
    digest = hashlib.sha256(f"{VERSION} {type(module).__name__} {text} ".encode() + extra)
    digest.update(digest_tensors(module.state_dict()).encode())
    return digest.hexdigest()[:32]


def identity_of_files(base: Base, folder: Path, components: Sequence[str], extra: str) -> str:
    """Hex digest over the files in `folder` that decide what `components` answer, and `extra`:
    nothing is opened, and what the Hub's cache has is known by the name of its blob."""
    digest = hashlib.sha256(f"{VERSION} files {extra}\n".encode())
    for component in components:
        names = [f"{component}/{path.name}" for path in sorted((folder / component).glob("*"))]
        for name in sorted(wanted_files(names, base.variant, pickled=base.allow_pickle)):
            if not name.endswith(".md"):
                digest.update(f"{name} {_content(folder / name)}\n".encode())
    return digest.hexdigest()[:32]


def _content(path: Path) -> str:
    if path.name == "config.json":
        return _told(read_json(path))
    blob = Path(os.path.realpath(path))
    if blob.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", blob.name):
        return blob.name
    return sha256_of(path)


def _told(config: dict[str, Any]) -> str:
    """Where a model was loaded from and by what does not change its answers."""
    told = {
        key: value
        for key, value in config.items()
        if not key.startswith("_") and key not in ("transformers_version", "dtype", "torch_dtype")
    }
    return json.dumps(told, sort_keys=True, default=str)
