"""The program of a worker process: takes lists of files on stdin, answers on stdout.

It is started by `pool` with nothing but this module's name, so that neither the caller's main
module nor its command line are loaded again. Tasks come by name (`package.module:function`), so
that this floor knows nothing of what lies above it. Before each file the worker writes that file's
number into a small shared file: should it die, the last number names the culprit.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from hubtools.byname import named
from hubtools.dataset.pictures import tasks
from hubtools.dataset.pictures.header import pillow_limits_lifted
from hubtools.dataset.workers.protocol import PROGRESS, Task, receive, send
from hubtools.fences import same_folders


def address_space() -> int | None:
    """Bytes of this process's address space, where the system tells (Linux)."""
    try:
        statm = Path("/proc/self/statm").read_text(encoding="ascii")
        return int(statm.split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def limit_memory(extra: int) -> None:
    """Let this process's address space grow by `extra` bytes at most, where the system can."""
    now = address_space()
    try:
        import resource
    except ImportError:  # Windows
        return
    if now is not None:
        with contextlib.suppress(OSError, ValueError):
            _, hard = resource.getrlimit(resource.RLIMIT_AS)
            most = now + extra
            resource.setrlimit(
                resource.RLIMIT_AS,
                (most if hard == resource.RLIM_INFINITY else min(most, hard), hard),
            )


def _turns(file: BinaryIO, board: mmap.mmap, place: int) -> None:
    """Let only one worker at a time decode what is not plain: the memory that all may take is then
    little more than that of one. The system gives back the turn of a worker that dies."""
    try:
        import fcntl
    except ImportError:  # Windows
        return

    @contextlib.contextmanager
    def waited() -> Iterator[None]:
        (at,) = PROGRESS.unpack_from(board, place)
        PROGRESS.pack_into(board, place, -at)
        fcntl.flock(file, fcntl.LOCK_EX)
        PROGRESS.pack_into(board, place, at)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)

    tasks.turn = waited


def main(shared: str, number: int, memory: int, task: Task | None = None) -> None:
    """Answer lists of files until stdin ends. `task` overrules the tasks by name."""
    import numpy  # noqa: F401  (all that decoding needs, before memory is limited)
    from PIL import Image

    with contextlib.suppress(ImportError):
        import simplejpeg  # noqa: F401
    Image.preinit()  # the usual formats; Pillow loads others when they come
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    own: int | None = None
    with Path(shared).open("r+b") as file, mmap.mmap(file.fileno(), 0) as board:
        place = number * PROGRESS.size
        _turns(file, board, place)
        mark = partial(PROGRESS.pack_into, board, place)
        with contextlib.suppress(EOFError, BrokenPipeError), pillow_limits_lifted(), same_folders():
            while True:
                name, jobs = pickle.loads(receive(requests))  # noqa: S301 (from the parent only)
                act: Any = task or named(name)
                # What the task needs is loaded by now, and what earlier files have left behind (the
                # heap never shrinks to what it was) is not charged to these.
                limit_memory(memory)
                own = address_space() if own is None else own
                if getattr(act, "takes_lists", False):
                    results = act(jobs, mark)
                else:
                    results = []
                    for done, job in enumerate(jobs, start=1):
                        mark(done)
                        results.append(act(*job))
                mark(0)
                send(answers, results)
                if own is not None and (address_space() or 0) > own + memory:
                    break  # too much is left behind: whoever asks next gets a new worker
    # A decoder's threads or a full disk must not keep a finished worker alive.
    os._exit(0)
