"""How the parent and its workers speak: values with their length before them, and a small shared
file that says which picture is in work."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

HEADER = struct.Struct("<Q")
# Number of the file in work, from 1; negative while it waits for its turn; 0 between lists.
PROGRESS = struct.Struct("<q")


def send(pipe: BinaryIO, value: Any) -> None:
    """Write a value with its length before it."""
    data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(HEADER.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def receive(pipe: BinaryIO) -> bytes:
    """Read what `send` wrote. Raises `EOFError` if the other side is gone."""
    head = pipe.read(HEADER.size)
    if len(head) < HEADER.size:
        raise EOFError
    (length,) = HEADER.unpack(head)
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return data


# What a worker can be asked to do: path or bytes, digest that is known already -> plain values
Task = Callable[[str | bytes, str | None], Any]
