"""Worker processes that may crash, hang or run out of memory without taking the scan along.

Each is a fresh Python (nothing is forked, no main module is loaded twice) with a limit on its
memory. A worker that dies or takes too long over a file is replaced, its file is named, and the
rest of its list is done by the others.
"""

from __future__ import annotations

import contextlib
import io
import json
import mmap
import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubtools.causes import is_at_limit, named
from hubtools.dataset.workers.protocol import PROGRESS, receive, send
from hubtools.errors import HubtoolsError
from hubtools.fences import handed
from hubtools.interpreter import code, places

Job = tuple[str | bytes, str | None]  # path (or the bytes), digest that is already known

FILES_IN_A_LIST = 64
BYTES_IN_A_LIST = 4_000_000
HELD_IN_A_LIST = 1_000_000  # of pictures that are sent themselves; several lists wait in memory
PROGRAM = "hubtools.dataset.workers.worker"
# Lists that wait for each worker.
_AHEAD = 2
# A worker may need long to start on a busy machine; one that never answers must not hang the scan.
_START_LIMIT = 120.0
_PAUSES = (0.1, 0.5, 2.0)  # seconds before a process is started again
_STARTER = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]);"
    " from importlib import import_module;"
    " getattr(import_module(sys.argv[2]), 'main')(*json.loads(sys.argv[3]))"
)


@dataclass(frozen=True)
class Failure:
    """A file that a worker did not survive. `reason` ends a sentence that begins with the file."""

    reason: str


@dataclass(frozen=True)
class Limits:
    """What one file may take: `seconds` of wall time, `memory` bytes beyond a worker's own."""

    seconds: float = 60.0
    memory: int = 2 << 30


def cpus() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class PlainUnpickler(pickle.Unpickler):
    """Reads plain values only: a worker has seen hostile files, its answers run no code here."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"an answer names {module}.{name}")


class WorkerPool:
    """`workers` processes; use as a context manager. `program` is the module whose `main` they run
    (tests put a hostile one in its place)."""

    def __init__(
        self,
        workers: int,
        limits: Limits | None = None,
        *,
        program: str = PROGRAM,
    ) -> None:
        self.limits = limits or Limits()
        self._program = program
        self._lists: deque[tuple[str, list[int], list[Job]]] = deque()
        self._results: queue.Queue[list[tuple[int, Any]] | Exception] = queue.Queue(4 * workers)
        self._open = True
        self._failed_starts = 0
        self._more = threading.Condition()
        handle, shared = tempfile.mkstemp(prefix="hubtools-")
        os.write(handle, bytes(PROGRESS.size * workers))
        self._board = mmap.mmap(handle, 0)
        os.close(handle)
        self._shared = Path(shared)
        self._seats = [_WorkerSlot(self, number) for number in range(workers)]

    def __enter__(self) -> WorkerPool:
        for seat in self._seats:
            seat.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._more:
            self._open = False
            self._lists.clear()
            self._more.notify_all()
        for seat in self._seats:
            seat.kill()
        while alive := [seat for seat in self._seats if seat.thread.is_alive()]:
            with contextlib.suppress(queue.Empty):  # so that each can put what it still has
                self._results.get_nowait()
            for seat in alive:
                seat.kill()
            alive[0].thread.join(0.05)
        self._board.close()
        self._shared.unlink(missing_ok=True)

    def run(
        self, task: str, jobs: Iterable[Job], sizes: Sequence[int] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Give (number of the job, result or `Failure`) as they come, in no order.

        `jobs` are taken a few lists ahead of the work, so that they may be more than memory holds.
        `sizes` in bytes balances the lists. Raises `HubtoolsError` if no worker can be started.
        """
        lists = _lists(task, jobs, sizes)
        left, more = 0, True
        while more or left:
            while more and len(self._lists) < _AHEAD * len(self._seats):
                taken = next(lists, None)
                more = taken is not None
                if taken is not None:
                    left += len(taken[1])
                    with self._more:
                        self._lists.append(taken)
                        self._more.notify()
            if not left:
                break
            try:
                results = self._results.get(timeout=0.2)
            except queue.Empty:
                results = []
            if isinstance(results, Exception):
                raise results
            left -= len(results)
            yield from results
            for seat in self._seats:
                seat.watch()

    def _take(self) -> tuple[str, list[int], list[Job]] | None:
        with self._more:
            while self._open and not self._lists:
                self._more.wait()
            return self._lists.popleft() if self._open else None

    def _give_back(self, task: str, numbers: list[int], jobs: list[Job]) -> None:
        with self._more:
            if self._open and jobs:
                self._lists.appendleft((task, numbers, jobs))
                self._more.notify()


class _WorkerSlot:
    """One worker's place: a thread that talks to it, and the process that sits there now."""

    def __init__(self, crew: WorkerPool, number: int) -> None:
        self._crew, self._number = crew, number
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._busy = False
        self._late = False
        self._seen = (0, -1)  # (lists done, file in work) and since when
        self._since = time.monotonic()
        self._lists_done = 0
        self.thread = threading.Thread(target=self._work, daemon=True)

    # --- the thread --------------------------------------------------------------------------

    def _work(self) -> None:
        crew = self._crew
        while (taken := crew._take()) is not None:
            task, numbers, jobs = taken
            try:
                answers = self._ask(task, jobs)
            except Exception as error:  # whoever waits for the answers would wait for ever
                crew._results.put(error)
                return
            if answers is not None:
                crew._failed_starts = 0
                crew._results.put(list(zip(numbers, answers, strict=True)))
            else:
                self._handle_crash(task, numbers, jobs)
        self.kill()

    def _ask(self, task: str, jobs: list[Job]) -> list[Any] | None:
        """The answers, or None if the worker is gone."""
        process = self._seated()
        assert process.stdin is not None
        assert process.stdout is not None
        self._lists_done += 1
        self._busy = True
        try:
            send(process.stdin, (task, jobs))  # type: ignore[arg-type]
            data = receive(process.stdout)  # type: ignore[arg-type]
            answers = PlainUnpickler(io.BytesIO(data)).load()
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            return None
        finally:
            self._busy = False
        return answers if isinstance(answers, list) and len(answers) == len(jobs) else None

    def _handle_crash(self, task: str, numbers: list[int], jobs: list[Job]) -> None:
        """A worker is gone: name its file, hand on the rest."""
        crew = self._crew
        process, self._process = self._process, None
        late, self._late = self._late, False
        if not crew._open or process is None:
            return
        process.kill()
        code = process.wait()
        at = abs(self._slot()) - 1
        self._set_slot(0)
        if not 0 <= at < len(jobs):
            crew._failed_starts += 1
            if crew._failed_starts > 3:
                crew._results.put(_not_started())
                return
            crew._give_back(task, numbers, jobs)
            return
        crew._failed_starts = 0
        crew._results.put([(numbers[at], Failure(_why(code, late, crew.limits)))])
        # What came before the file is asked for again: the answers died with the worker.
        crew._give_back(task, numbers[:at] + numbers[at + 1 :], jobs[:at] + jobs[at + 1 :])

    def _seated(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._process is None and self._crew._open:
                self._process = self._started()
            if self._process is None:
                raise HubtoolsError("The scan was stopped.")
            return self._process

    def _started(self) -> subprocess.Popen[bytes]:
        """A new process. Raises `HubtoolsError`, and `OSError` at a limit of this machine."""
        for pause in _PAUSES:
            try:
                return self._begun()
            except BlockingIOError:  # there are too many processes, of all programs, just now
                time.sleep(pause)
            except OSError as error:
                if is_at_limit(error):
                    raise named(error, sys.executable) from None
                raise _not_started(error.strerror) from None
        raise _not_started("there are too many processes")

    def _begun(self) -> subprocess.Popen[bytes]:
        crew = self._crew
        arguments = [str(crew._shared), self._number, crew.limits.memory]
        # One thread each: the processes are the parallelism. Each thread's stack counts as memory.
        alone = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "RAYON")}
        # Else glibc gives the memory of each picture back, and gets it anew for the next.
        kept = {"MALLOC_MMAP_THRESHOLD_": "8388608", "MALLOC_TRIM_THRESHOLD_": "16777216"}
        own_group: dict[str, Any] = (
            {"creationflags": 0x200} if os.name == "nt" else {"process_group": 0}
        )  # Ctrl-C is for the parent to answer
        return subprocess.Popen(
            code(_STARTER, json.dumps(places()), crew._program, json.dumps(arguments)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # decoders written in C talk there
            env={**kept, **os.environ, **alone, **handed()},
            **own_group,
        )

    def _slot(self) -> int:
        return int(PROGRESS.unpack_from(self._crew._board, self._number * PROGRESS.size)[0])

    def _set_slot(self, value: int) -> None:
        PROGRESS.pack_into(self._crew._board, self._number * PROGRESS.size, value)

    # --- the main thread ---------------------------------------------------------------------

    def watch(self) -> None:
        """End a worker that has been at one file for too long."""
        now = (self._lists_done, self._slot())
        # one that waits for its turn waits for another that is watched
        if now != self._seen or not self._busy or now[1] < 0:
            self._seen, self._since = now, time.monotonic()
            return
        limit = self._crew.limits.seconds if now[1] else _START_LIMIT
        if time.monotonic() - self._since > limit:
            self._late = True
            self.kill()
            self._since = time.monotonic()

    def kill(self) -> None:
        """End the process that sits here now; its thread notices."""
        with self._lock:
            if self._process is not None:
                self._process.kill()


def _not_started(why: str | None = None) -> HubtoolsError:
    return HubtoolsError(
        f"The processes that look at the pictures cannot be started{f': {why}' if why else ''}.",
        hint="is there memory left, and may this user start processes?",
    )


def _why(code: int, late: bool, limits: Limits) -> str:
    if late:
        return f"decoding it took longer than {limits.seconds:g} seconds"
    if code < 0:
        return f"decoding it crashed the decoder (signal {-code})"
    return f"decoding it stopped the decoder (exit code {code})"


def _lists(
    task: str, jobs: Iterable[Job], sizes: Sequence[int] | None
) -> Iterator[tuple[str, list[int], list[Job]]]:
    numbers: list[int] = []
    listed: list[Job] = []
    total = held = 0
    for number, job in enumerate(jobs):
        numbers.append(number)
        listed.append(job)
        if isinstance(job[0], bytes):
            held += len(job[0])
        else:
            total += sizes[number] if sizes else 0
        full = total >= BYTES_IN_A_LIST or held >= HELD_IN_A_LIST
        if full or len(numbers) == FILES_IN_A_LIST:
            yield task, numbers, listed
            numbers, listed, total, held = [], [], 0, 0
    if numbers:
        yield task, numbers, listed
