"""The program of a worker process: takes lists of files on stdin, answers on stdout.

It is started by `crew` with nothing but this module's name, so that neither the caller's main
module nor its command line are loaded again. Before each file it writes that file's number into a
small shared file: should it die, the last number names the culprit.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import pickle
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO

import xxhash

from hubtools.dataset.pictures import decode
from hubtools.dataset.pictures.decode import pixel_digest, preview, thumbnail
from hubtools.dataset.pictures.header import plain, quietly
from hubtools.dataset.pictures.probe import (
    Begun,
    NotPlain,
    OnPreview,
    PictureFacts,
    begin,
    probe_bytes,
)
from hubtools.dataset.pictures.reading import Unreadable, read_picture

HEADER = struct.Struct("<Q")
# Number of the file in work, from 1; negative while it waits for its turn; 0 between lists.
SLOT = struct.Struct("<q")

FIELDS = tuple(field.name for field in fields(PictureFacts) if field.name != "name")
_values = attrgetter(*FIELDS)

# What a worker can be asked to do: path or bytes, digest that is known already -> plain values
Task = Callable[[str | bytes, str | None], Any]


# Entered to decode what is not plain. In a worker: wait until no other worker decodes such.
_turn: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext


def _turn_for(data: bytes) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if _turn is contextlib.nullcontext or plain(data) else _turn()


def probe(path: str | bytes, known: str | None, on_preview: OnPreview | None = None) -> Any:
    """The fields of `PictureFacts` without the name; None if the file is the known one."""
    try:
        data = read_picture(path)
    except Unreadable as error:
        return _values(error.facts)
    if known is not None and xxhash.xxh3_128_hexdigest(data) == known:
        return None
    return _probed(data, on_preview)


def _probed(data: bytes, on_preview: OnPreview | None = None) -> Any:
    try:
        return _values(probe_bytes(data, "", plain_only=True, on_preview=on_preview))
    except NotPlain:
        with _turn():
            return _values(probe_bytes(data, "", on_preview=on_preview))


def probe_all(jobs: Sequence[tuple[str | bytes, str | None]], mark: Callable[[int], None]) -> Any:
    """`probe` of each, told to `mark` before. Plain pictures are decoded one after the other and
    measured then: either half has its code in the processor's cache, which saves a tenth."""
    results: list[Any] = []
    for number, (path, known) in enumerate(jobs, start=1):
        mark(number)
        try:
            data = read_picture(path)
        except Unreadable as error:
            results.append(_values(error.facts))
            continue
        digest = xxhash.xxh3_128_hexdigest(data)
        begun = None if digest == known else begin(data, "", digest)
        if isinstance(begun, Begun):
            results.append(begun)
        elif begun is not None:
            results.append(_values(begun))
        else:
            results.append(None if digest == known else _probed(data))
    for number, begun in enumerate(results, start=1):
        if isinstance(begun, Begun):
            mark(number)
            results[number - 1] = _values(begun.finished())
    return results


def probe_and_preview(path: str | bytes, known: str | None) -> tuple[Any, bytes | None]:
    """What `probe` answers, and the `decode.preview` if the picture was looked at."""
    previews: list[bytes] = []
    facts = probe(path, known, previews.append)
    return facts, previews[0] if previews else None


def look_again(path: str | bytes, known: str | None) -> bytes | None:
    """`decode.preview` of a picture that was found whole before; None if it cannot be read now."""
    try:
        data = read_picture(path)
        with _turn_for(data):
            return preview(data)
    except Exception:
        return None


def thumb(path: str | bytes, known: str | None) -> bytes | None:
    """Bytes of `decode.thumbnail`; None if the picture cannot be read."""
    try:
        data = read_picture(path)
        with _turn_for(data):
            result: bytes = thumbnail(data).tobytes()
    except Exception:
        return None
    return result


def pixels(path: str | bytes, known: str | None) -> str | None:
    """`decode.pixel_digest`; None if the picture cannot be read."""
    try:
        data = read_picture(path)
        with _turn_for(data):
            return pixel_digest(data)
    except Exception:
        return None


def trouble(path: str | bytes, known: str | None) -> str | None:
    """`loaders.source.picture_trouble`; `known` is "header" if no more is asked for."""
    from hubtools.dataset.loaders.source import picture_trouble

    return picture_trouble(read_picture(path), header_only=known == "header")


def edit(path: str | bytes, known: str | None) -> tuple[bytes, str | None] | str:
    """`fix.pixels.apply_edits`, or why it was refused; `known` names the edits, one a line."""
    from hubtools.dataset.edits.pixels import Refused, apply_edits

    try:
        return apply_edits(read_picture(path), (known or "").splitlines())
    except Refused as error:
        return str(error)


def upright(path: str | bytes, known: str | None) -> tuple[int, int, bytes] | None:
    """Width, height and RGB bytes of `decode.upright`, `known` pixels its short side; None if it
    cannot be read."""
    try:
        side = int(known or 0)
        picture = decode.upright(read_picture(path), side, side)
    except Exception:
        return None
    return picture.width, picture.height, picture.tobytes()


def parquet(path: str | bytes, known: str | None) -> dict[str, Any]:
    """`parquet_rows.rows_within`; `known` is JSON: what the rows may cost, and how many."""
    from hubtools.dataset.metadata.parquet_rows import rows_within

    cost, records = json.loads(known or "[0, 0]")
    return rows_within(read_picture(path), cost, records)


TASKS: dict[str, Task] = {
    "parquet": parquet,
    "probe": probe,
    "probe_and_preview": probe_and_preview,
    "look_again": look_again,
    "thumb": thumb,
    "pixels": pixels,
    "trouble": trouble,
    "upright": upright,
    "edit": edit,
}


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


def _turns(file: BinaryIO, board: mmap.mmap, place: int) -> None:
    """Let only one worker at a time decode what is not plain: the memory that all may take is then
    little more than that of one. The system gives back the turn of a worker that dies."""
    global _turn
    try:
        import fcntl
    except ImportError:  # Windows
        return

    @contextlib.contextmanager
    def turn() -> Iterator[None]:
        (at,) = SLOT.unpack_from(board, place)
        SLOT.pack_into(board, place, -at)
        fcntl.flock(file, fcntl.LOCK_EX)
        SLOT.pack_into(board, place, at)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)

    _turn = turn


def main(shared: str, number: int, memory: int, task: Task | None = None) -> None:
    """Answer lists of files until stdin ends. `task` overrules the tasks by name."""
    import numpy  # noqa: F401  (all that decoding needs, before memory is limited)
    from PIL import Image

    import hubtools.dataset.pictures.appearance  # noqa: F401

    with contextlib.suppress(ImportError):
        import simplejpeg  # noqa: F401
    Image.preinit()  # the usual formats; Pillow loads others when they come
    limit_memory(memory)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    with Path(shared).open("r+b") as file, mmap.mmap(file.fileno(), 0) as board:
        place = number * SLOT.size
        _turns(file, board, place)
        with contextlib.suppress(EOFError, BrokenPipeError), quietly():
            while True:
                name, jobs = pickle.loads(receive(requests))  # noqa: S301 (from the parent only)
                if task is None and name == "probe":
                    results = probe_all(jobs, partial(SLOT.pack_into, board, place))
                else:
                    act = task or TASKS[name]
                    results = []
                    for done, (path, known) in enumerate(jobs, start=1):
                        SLOT.pack_into(board, place, done)
                        results.append(act(path, known))
                SLOT.pack_into(board, place, 0)
                send(answers, results)
    # A decoder's threads or a full disk must not keep a finished worker alive.
    os._exit(0)
