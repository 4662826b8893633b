"""One pass over the pictures: each file is read once, hashed, decoded and measured.

A few files are looked at right here, since starting processes would take longer; many are shared
out to worker processes. What is unlikely to be harmless goes to a worker in any case: a crash, a
hang or a flood of memory then costs a finding, not the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import xxhash

from hubtools.dataset.crew import PROGRAM, Crew, Failure, Job, Limits, cpus
from hubtools.dataset.files import Unreadable, read_picture
from hubtools.dataset.folder import Entry
from hubtools.dataset.memory import Memory, merged, place_of
from hubtools.dataset.probe import NotPlain, OnPreview, PictureFacts, probe_bytes
from hubtools.dataset.table import PictureTable
from hubtools.dataset.worker import FIELDS

Progress = Callable[[int, int], None]

# From here on worker processes pay for their start (a third of a second each).
POOL_FILES = 100
POOL_BYTES = 64_000_000
MOST_WORKERS = 8  # 40 MB each
# Fewer new facts than this are quicker found again than kept.
WORTH_KEEPING = 64
_KEEP_EVERY = 30.0  # seconds
# Previews are made along with the scan of so many pictures; of more, most would be made in vain.
MOST_PREVIEWS = 400


def scan(
    root: Path,
    entries: Sequence[Entry],
    *,
    on_picture: Progress | None = None,
    begun_ns: int | None = None,
    workers: int | None = None,
    limits: Limits | None = None,
    remember: bool = True,
    program: str = PROGRAM,
    previews: dict[str, bytes] | None = None,
) -> PictureTable:
    """Facts about the files `entries` below `root`, in their order.

    What an earlier scan found of files that did not change is not read again (`remember`; see
    `memory`). `begun_ns` is when `entries` began to be listed; default now. `workers`: number of
    processes; default one for each processor if there are many files, none for a few.
    `program` is the module that they run (see `crew`). `on_picture(done, total)` is called now and
    then, and at the end. When it is interrupted, what
    was found so far is kept. `previews` gets the `decode.preview` of each whole picture that is
    read now, if they are no more than `MOST_PREVIEWS`.
    """
    begun_ns = begun_ns or time.time_ns()
    place = place_of(root)
    memory = Memory.load(place) if remember else Memory()
    known: dict[int, int] = {}
    for number, entry in enumerate(entries):
        row = memory.row(entry)
        if row is not None:
            known[number] = row
    new = [number for number in range(len(entries)) if number not in known]
    fresh = PictureTable()
    made: dict[int, bytes] | None = None
    if previews is not None and len(new) <= MOST_PREVIEWS:
        made = {}
    told = _Told(on_picture, len(entries))
    kept_at, patience = time.monotonic(), _KEEP_EVERY
    try:
        for number, result in _results(root, entries, new, memory, workers, limits, program, made):
            if isinstance(result, int):
                known[number] = result
            else:
                fresh.add(replace(result, name=entries[number].name))
            told(len(known) + len(fresh))
            if remember and time.monotonic() - kept_at > patience:
                _keep(place, entries, known, memory, fresh, begun_ns)
                # keeping a million takes a while: let it be a small share of the whole
                patience = max(_KEEP_EVERY, 20 * (time.monotonic() - kept_at - patience))
                kept_at = time.monotonic()
    finally:
        changed = len(new) >= WORTH_KEEPING or len(memory.table) > len(entries) * 2 + 1000
        if remember and changed:
            _keep(place, entries, known, memory, fresh, begun_ns)
    told(len(entries), last=True)
    if previews is not None and made:
        previews |= {entries[number].name: preview for number, preview in made.items()}
    return merged(entries, known, memory, fresh)


def _keep(
    place: Path,
    entries: Sequence[Entry],
    known: dict[int, int],
    memory: Memory,
    fresh: PictureTable,
    begun_ns: int,
) -> None:
    table = merged(entries, known, memory, fresh)
    there = [entry for entry in entries if entry.name in table]
    Memory.save(place, table, there, begun_ns)


class _Told:
    """Tells the progress ten times a second."""

    def __init__(self, on_picture: Progress | None, total: int) -> None:
        self._on_picture, self._total = on_picture, total
        self._at = 0.0

    def __call__(self, done: int, *, last: bool = False) -> None:
        if self._on_picture is not None and (last or time.monotonic() - self._at > 0.1):
            self._on_picture(done, self._total)
            self._at = time.monotonic()


def _results(
    root: Path,
    entries: Sequence[Entry],
    new: Sequence[int],
    memory: Memory,
    workers: int | None,
    limits: Limits | None,
    program: str,
    made: dict[int, bytes] | None,
) -> Iterator[tuple[int, PictureFacts | int]]:
    """(number of the entry, its facts or its row in `memory`), in no order. `made` gets previews
    by number."""
    if workers is None:
        total = sum(entries[number].size for number in new)
        many = len(new) >= POOL_FILES or (len(new) > 1 and total >= POOL_BYTES)
        workers = min(cpus(), MOST_WORKERS, len(new)) if many else 0
    # what each file may still be, if only its times changed: row in the memory, digest
    maybe = {number: memory.digest(entries[number]) for number in new}
    jobs: list[Job] = [
        (str(root / entries[number].name), known[1] if (known := maybe[number]) else None)
        for number in new
    ]
    rest = list(range(len(jobs)))
    if not workers:
        rest = []
        for job, number in enumerate(new):
            try:
                facts = _here(
                    *jobs[job], None if made is None else partial(made.__setitem__, number)
                )
            except NotPlain:
                rest.append(job)
                continue
            known = maybe[number]
            yield number, known[0] if facts is None and known else facts  # type: ignore[misc]
    if not rest:
        return
    sizes = [entries[new[job]].size for job in rest]
    with Crew(workers or 1, limits, program=program) as crew:
        task = "probe" if made is None else "probe_and_preview"
        for place, answer in crew.run(task, [jobs[job] for job in rest], sizes):
            number = new[rest[place]]
            known = maybe[number]
            result = answer
            if made is not None and not isinstance(answer, Failure):
                result, preview = answer
                if preview is not None:
                    made[number] = preview
            if isinstance(result, Failure):
                yield number, PictureFacts("", entries[number].size, "", problem=result.reason)
            elif result is None and known:
                yield number, known[0]
            else:
                yield number, PictureFacts("", **dict(zip(FIELDS, result, strict=True)))


def _here(path: str, known: str | None, on_preview: OnPreview | None) -> PictureFacts | None:
    """Facts of a file looked at in this process; None if its digest is `known`. Raises `NotPlain`
    if it should rather be looked at in another process."""
    try:
        data = read_picture(path)
    except Unreadable as error:
        return error.facts
    if known is not None and xxhash.xxh3_128_hexdigest(data) == known:
        return None
    return probe_bytes(data, "", plain_only=True, on_preview=on_preview)
