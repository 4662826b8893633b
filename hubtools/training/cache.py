"""Latents and text embeddings, kept on disk under what they were made of.

A file's place is a digest of the encoder's weights and of the picture or caption, so an entry can
be missing or damaged but never stale. Damaged ones are noticed by a checksum and made again.

    <cache>/latents/<vae digest>/<picture sha256>_<cut>_<filter>[_flip].safetensors
    <cache>/text/<encoder digest>/<sha256 of caption>.safetensors
    <cache>/masks/cells/<mask sha256>_<cut>_<cells>[_flip].safetensors
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.files import replacing
from hubtools.layout import cache_dir
from hubtools.models.tensors import dump_tensors, read_tensors
from hubtools.shelves import hold

if TYPE_CHECKING:
    from torch import Tensor

# Entries beyond this many bytes are read from disk each time they are needed.
MEMORY = 4 << 30
# An entry of so many bytes stays mapped from its file: processes of one machine share its pages,
# and the system can drop them. Smaller ones are copied: a process of Linux has 65,530 maps
# (vm.max_map_count), and a dataset can have more entries.
MAPPED = 1 << 18


class Cache:
    """Entries of one encoder. `found` and `made` count what `fetch` had to do."""

    def __init__(self, kind: str, identity: str) -> None:
        self.folder = cache_dir() / kind / identity
        self.found = 0
        self.made = 0
        self._memory: dict[str, dict[str, Tensor]] = {}
        self._bytes = 0
        # nobody empties it meanwhile
        if (held := hold(self.folder)) is not None:
            weakref.finalize(self, os.close, held)

    def path(self, name: str) -> Path:
        """Where the entry `name` lies."""
        return self.folder / f"{name}.safetensors"

    def fetch(self, name: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """The entry, from memory, from disk, or made, checked and stored."""
        if name in self._memory:
            return self._memory[name]
        entry = read_tensors(self.path(name), verify=True)
        if entry is None:
            entry = {key: value.contiguous() for key, value in make().items()}
            with replacing(self.path(name)) as file:
                dump_tensors(file, entry, checksum=True)
            self.made += 1
            if _size(entry) >= MAPPED:
                entry = read_tensors(self.path(name)) or entry
        else:
            self.found += 1
            with suppress(OSError):  # when it was used last, for whoever tidies up
                os.utime(self.path(name))
        if (size := _size(entry)) < MAPPED:
            entry = {key: value.clone() for key, value in entry.items()}
        if self._bytes + size <= MEMORY:
            self._memory[name] = entry
            self._bytes += size
        return entry


def _size(entry: dict[str, Tensor]) -> int:
    return sum(value.numel() * value.element_size() for value in entry.values())
