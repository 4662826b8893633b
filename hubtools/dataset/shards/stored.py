"""What both kinds of shards are to the rest: something rows go into and come out of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hubtools.dataset.shards.rows import Sample


@dataclass(frozen=True, slots=True)
class Stored:
    """A row as it comes out of a shard. `values` names the pictures (in file columns, relative to
    the dataset); `pictures` has their bytes by the same keys."""

    values: dict[str, Any]
    pictures: dict[str, bytes]


class Writer(Protocol):
    """Writes one shard."""

    def add(self, sample: Sample, pictures: Mapping[str, bytes]) -> None:
        """Append a row with the bytes of its pictures, by file column."""

    def close(self) -> None:
        """Write what is still held, and the end of the file."""

    def abandon(self) -> None:
        """Let go of the file, whatever state it is in."""


class Reader(Protocol):
    """Reads one shard, row by row."""

    description: dict[str, Any] | None  # what hubtools wrote of it; None for a shard of others
    skipped: list[str]  # sentences about what is in it and was passed by, once all is read

    def __iter__(self) -> Iterator[Stored]: ...


def fingerprint(values: Mapping[str, Any], pictures: Mapping[str, bytes]) -> bytes:
    """A row and its pictures' SHA-256 in 32 bytes; what stays equal from folder to shard.

    A number is the same with and without `.0`, and a key of an object without a value is the same
    as none: one type a column cannot tell them apart.
    """
    digest = hashlib.sha256(json.dumps(_plain(dict(values)), sort_keys=True, default=str).encode())
    for key in sorted(pictures):
        digest.update(key.encode("utf-8", "surrogatepass") + b"\0")
        digest.update(hashlib.sha256(pictures[key]).digest())
    return digest.digest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
