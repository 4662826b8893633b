"""The program of a worker process: takes lists of files on stdin, answers on stdout.

It is started by `crew` with nothing but this module's name, so that neither the caller's main
module nor its command line are loaded again. Before each file it writes that file's number into a
small shared file: should it die, the last number names the culprit.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import struct
import sys
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO

from hubtools.dataset.decode import pixel_digest, preview, thumbnail
from hubtools.dataset.files import Unreadable, read_picture
from hubtools.dataset.probe import OnPreview, PictureFacts, probe_bytes, quietly

HEADER = struct.Struct("<Q")
SLOT = struct.Struct("<q")  # number of the file in work, from 1; 0 between lists

FIELDS = tuple(field.name for field in fields(PictureFacts) if field.name != "name")
_values = attrgetter(*FIELDS)

# What a worker can be asked to do: path or bytes, digest that is known already -> plain values
Task = Callable[[str | bytes, str | None], Any]


def probe(path: str | bytes, known: str | None, on_preview: OnPreview | None = None) -> Any:
    """The fields of `PictureFacts` without the name; None if the file is the known one."""
    try:
        data = read_picture(path)
    except Unreadable as error:
        return _values(error.facts)
    if known is not None:
        import xxhash

        if xxhash.xxh3_128_hexdigest(data) == known:
            return None
    return _values(probe_bytes(data, "", on_preview=on_preview))


def probe_and_preview(path: str | bytes, known: str | None) -> tuple[Any, bytes | None]:
    """What `probe` answers, and the `decode.preview` if the picture was looked at."""
    previews: list[bytes] = []
    facts = probe(path, known, previews.append)
    return facts, previews[0] if previews else None


def look_again(path: str | bytes, known: str | None) -> bytes | None:
    """`decode.preview` of a picture that was found whole before; None if it cannot be read now."""
    try:
        return preview(read_picture(path))
    except Exception:
        return None


def thumb(path: str | bytes, known: str | None) -> bytes | None:
    """Bytes of `decode.thumbnail`; None if the picture cannot be read."""
    try:
        result: bytes = thumbnail(read_picture(path)).tobytes()
    except Exception:
        return None
    return result


def pixels(path: str | bytes, known: str | None) -> str | None:
    """`decode.pixel_digest`; None if the picture cannot be read."""
    try:
        return pixel_digest(read_picture(path))
    except Exception:
        return None


TASKS: dict[str, Task] = {
    "probe": probe,
    "probe_and_preview": probe_and_preview,
    "look_again": look_again,
    "thumb": thumb,
    "pixels": pixels,
}


def send(pipe: BinaryIO, value: Any) -> None:
    """Write a value with its length before it."""
    data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(HEADER.pack(len(data)) + data)
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


def limit_memory(extra: int) -> None:
    """Let this process's address space grow by `extra` bytes at most, where the system can."""
    try:
        import resource

        statm = Path("/proc/self/statm").read_text(encoding="ascii")
        now = int(statm.split()[0]) * resource.getpagesize()
    except (ImportError, OSError, ValueError):
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (now + extra, resource.RLIM_INFINITY))


def main(shared: str, number: int, memory: int, task: Task | None = None) -> None:
    """Answer lists of files until stdin ends. `task` overrules the tasks by name."""
    import numpy  # noqa: F401  (all that decoding needs, before memory is limited)
    from PIL import Image

    import hubtools.dataset.looks  # noqa: F401

    with contextlib.suppress(ImportError):
        import simplejpeg  # noqa: F401
    Image.preinit()  # the usual formats; Pillow loads others when they come
    limit_memory(memory)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    with Path(shared).open("r+b") as file, mmap.mmap(file.fileno(), 0) as board:
        place = number * SLOT.size
        with contextlib.suppress(EOFError, BrokenPipeError), quietly():
            while True:
                name, jobs = pickle.loads(receive(requests))  # noqa: S301 (from the parent only)
                act = task or TASKS[name]
                results = []
                for done, (path, known) in enumerate(jobs, start=1):
                    SLOT.pack_into(board, place, done)
                    results.append(act(path, known))
                SLOT.pack_into(board, place, 0)
                send(answers, results)
    # A decoder's threads or a full disk must not keep a finished worker alive.
    os._exit(0)
