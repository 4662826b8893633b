"""One pass over the pictures: each is read once, hashed, decoded and measured.

A few are looked at right here, since starting processes would take longer; many are shared out to
worker processes. What is unlikely to be harmless goes to a worker in any case: a crash, a hang or
a flood of memory then costs a finding, not the run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

import xxhash

from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.pictures.facts import PictureFacts
from hubtools.dataset.pictures.probe import NeedsIsolation, OnPreview, probe_bytes
from hubtools.dataset.pictures.reading import Unreadable, read_picture
from hubtools.dataset.pictures.scan_cache import ScanCache, merged
from hubtools.dataset.pictures.table import PictureTable
from hubtools.dataset.pictures.tasks import PROBE_ALL, PROBE_AND_PREVIEW
from hubtools.dataset.sources.local import LocalFolder
from hubtools.dataset.sources.model import Contents, Read, Source
from hubtools.dataset.workers.guarded import shared_crew
from hubtools.dataset.workers.pool import PROGRAM, Failure, Job, Limits, WorkerPool, cpus

Progress = Callable[[int, int], None]
# What a file may still be, if only its times changed: row in the memory, digest.
_Maybe = tuple[int, str] | None
# Looks at pictures of a source in a way of its own.
Engine = Callable[["Source", Sequence[Entry]], Iterator[PictureFacts]]

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
    source: Path | Source,
    entries: Sequence[Entry],
    *,
    seen: PictureTable | None = None,
    on_picture: Progress | None = None,
    begun_ns: int | None = None,
    workers: int | None = None,
    limits: Limits | None = None,
    remember: bool = True,
    keep: bool = True,
    program: str = PROGRAM,
    previews: dict[str, bytes] | None = None,
    engine: Engine | None = None,
) -> PictureTable:
    """Facts about the pictures `entries` of a source (or a folder), in their order.

    What an earlier scan found of files that did not change is not read again (`remember`; see
    `pictures.scan_cache`), nor is what `scan_stream` has `seen`. `begun_ns` is when `entries` began
    to be listed; default now. `workers`: number of processes; default one for each processor if
    there are many files, none for a few. `program` is the module that they run (see
    `workers.pool`). `engine` looks at what is new instead of them. `on_picture(done, total)` is
    called now and then, and at the end.
    When it is interrupted, what was found so far is kept, unless `keep` is false. `previews` gets
    the `decode.preview` of each whole picture that is read now, if they are no more than
    `MOST_PREVIEWS`.
    """
    if isinstance(source, Path):
        source = LocalFolder(source)
    begun_ns = begun_ns or time.time_ns()
    place = source.memory_place
    memory = ScanCache.load(place) if remember else ScanCache()
    fresh = seen if seen is not None else PictureTable()
    known: dict[int, int] = {}
    new: list[Entry] = []
    numbers: dict[str, int] = {}
    already = set(fresh.names)
    for number, entry in enumerate(entries):
        if entry.name in already:
            continue
        row = memory.row(entry)
        if row is not None:
            known[number] = row
        else:
            numbers[entry.name] = number
            new.append(entry)
    made = previews if previews is not None and len(new) <= MOST_PREVIEWS else None
    told = _Told(on_picture, len(entries))
    kept_at, patience = time.monotonic(), _KEEP_EVERY
    if workers is None:
        total = sum(entry.size for entry in new)
        many = len(new) >= POOL_FILES or (len(new) > 1 and total >= POOL_BYTES)
        workers = min(cpus(), MOST_WORKERS, len(new)) if many else 0
    try:
        if engine is not None:
            results: Iterable[tuple[Entry, PictureFacts | int]] = _by(engine, source, new)
        else:
            stream = source.stream(new) if new else iter(())
            results = results_of(stream, memory, workers, limits, program, made)
        for entry, result in results:
            if isinstance(result, int):
                known[numbers[entry.name]] = result
            else:
                fresh.add(result)
            told(len(known) + len(fresh))
            if remember and keep and time.monotonic() - kept_at > patience:
                _keep(place, entries, merged(entries, known, memory, fresh), begun_ns)
                # keeping a million takes a while: let it be a small share of the whole
                patience = max(_KEEP_EVERY, 20 * (time.monotonic() - kept_at - patience))
                kept_at = time.monotonic()
    finally:
        table = merged(entries, known, memory, fresh)
        changed = (
            len(new) + len(already) >= WORTH_KEEPING or len(memory.table) > len(entries) * 2 + 1000
        )
        if remember and keep and changed:
            _keep(place, entries, table, begun_ns)
    told(len(entries), last=True)
    return table


def scan_source(
    source: Source,
    begun_ns: int,
    wanted: Callable[[Entry], bool] | None = None,
    *,
    on_picture: Progress | None = None,
    previews: dict[str, bytes] | None = None,
    engine: Engine | None = None,
    seen: PictureTable | None = None,
) -> tuple[Contents, PictureTable]:
    """What a source holds, and the facts about those of its pictures that are `wanted`. What was
    `seen` before, under the names of the source, is not looked at again."""
    passing = source.first()
    if passing is not None and wanted is None and engine is None:
        memory = ScanCache.load(source.memory_place)
        seen = scan_stream(memory, passing, on_picture=on_picture)
    contents = source.look()
    if seen is not None and passing is not None:
        seen.cut(contents.top)
    pictures = [entry for entry in contents.pictures if wanted is None or wanted(entry)]
    table = scan(
        source,
        pictures,
        seen=seen,
        on_picture=on_picture,
        begun_ns=begun_ns,
        previews=previews,
        engine=engine,
        keep=wanted is None,  # a share's memory would replace that of all
    )
    return contents, table


def scan_stream(
    memory: ScanCache,
    stream: Iterable[Read],
    *,
    on_picture: Progress | None = None,
    workers: int | None = None,
) -> PictureTable:
    """Facts about pictures as they pass by: of a source that cannot be listed before (see
    `Source.first`), or that are read for something else as well. `memory` knows them by their
    bytes. While workers decode what has passed, the stream goes on."""
    seen = PictureTable()
    told = _Told(on_picture, 0)
    if workers is None:
        stream, few = _few(iter(stream))
        workers = 0 if few else min(cpus(), MOST_WORKERS)
    for entry, result in results_of(stream, memory, workers, None, PROGRAM, None):
        if isinstance(result, int):
            result = replace(memory.table.row(result), name=entry.name)
        seen.add(result)
        told(len(seen))
    return seen


def _few(stream: Iterator[Read]) -> tuple[Iterator[Read], bool]:
    """The same stream, and whether there is little in it."""
    head: list[Read] = []
    held = 0
    for one in stream:
        head.append(one)
        held += len(one[1]) if isinstance(one[1], bytes) else 0
        if len(head) >= POOL_FILES or held >= POOL_BYTES // 4:
            return chain(head, stream), False
    return iter(head), True


def _by(
    engine: Engine, source: Source, new: Sequence[Entry]
) -> Iterator[tuple[Entry, PictureFacts]]:
    by_name = {entry.name: entry for entry in new}
    for facts in engine(source, new) if new else ():
        yield by_name[facts.name], facts


def _keep(place: Path, entries: Sequence[Entry], table: PictureTable, begun_ns: int) -> None:
    there = [entry for entry in entries if entry.name in table]
    ScanCache.save(place, table, there, begun_ns)


class _Told:
    """Tells the progress ten times a second."""

    def __init__(self, on_picture: Progress | None, total: int) -> None:
        self._on_picture, self._total = on_picture, total
        self._at = 0.0

    def __call__(self, done: int, *, last: bool = False) -> None:
        if self._on_picture is not None and (last or time.monotonic() - self._at > 0.1):
            self._on_picture(done, max(self._total, done))
            self._at = time.monotonic()


def results_of(
    stream: Iterable[Read],
    memory: ScanCache,
    workers: int,
    limits: Limits | None,
    program: str,
    made: dict[str, bytes] | None,
) -> Iterator[tuple[Entry, PictureFacts | int]]:
    """(entry, its facts or its row in `memory`), in no order. `made` gets previews by name."""
    if workers:
        with_digest = ((entry, what, memory.digest(entry)) for entry, what in stream)
        yield from _shared_out(with_digest, workers, limits, program, made)
        return
    rest: list[tuple[Entry, str | bytes | Unreadable, _Maybe]] = []
    held = 0
    for entry, what in stream:
        maybe = memory.digest(entry)
        try:
            on_preview = None if made is None else partial(made.__setitem__, entry.name)
            facts = _here(what, entry.name, maybe[1] if maybe else None, on_preview)
        except NeedsIsolation:
            rest.append((entry, what, maybe))
            held += len(what) if isinstance(what, bytes) else 0
            if held >= POOL_BYTES:
                yield from _shared_out(rest, 1, limits, program, made)
                rest, held = [], 0
            continue
        yield entry, maybe[0] if facts is None and maybe else facts  # type: ignore[misc]
    if rest:
        yield from _shared_out(rest, 1, limits, program, made)


def _shared_out(
    stream: Iterable[tuple[Entry, str | bytes | Unreadable, _Maybe]],
    workers: int,
    limits: Limits | None,
    program: str,
    made: dict[str, bytes] | None,
) -> Iterator[tuple[Entry, PictureFacts | int]]:
    out: dict[int, tuple[Entry, _Maybe]] = {}
    unreadable: list[tuple[Entry, PictureFacts]] = []
    sizes: list[int] = []

    def jobs() -> Iterator[Job]:
        for entry, what, maybe in stream:
            if isinstance(what, Unreadable):
                unreadable.append((entry, replace(what.facts, name=entry.name)))
                continue
            out[len(sizes)] = (entry, maybe)
            sizes.append(entry.size)
            # a worker may stand elsewhere
            place = os.path.abspath(what) if isinstance(what, str) else what  # noqa: PTH100
            yield place, maybe[1] if maybe else None

    alone = workers == 1 and limits is None and program == PROGRAM
    with shared_crew() if alone else WorkerPool(workers, limits, program=program) as crew:
        task = PROBE_ALL if made is None else PROBE_AND_PREVIEW
        for place, answer in crew.run(task, jobs(), sizes):
            entry, maybe = out.pop(place)
            result = answer
            if made is not None and not isinstance(answer, Failure):
                result, preview = answer
                if preview is not None:
                    made[entry.name] = preview
            if isinstance(result, Failure):
                yield entry, PictureFacts(entry.name, entry.size, "", problem=result.reason)
            elif result is None and maybe:
                yield entry, maybe[0]
            else:
                yield entry, PictureFacts(entry.name, *result)
            while unreadable:
                yield unreadable.pop()
    while unreadable:
        yield unreadable.pop()


def _here(
    what: bytes | str | Unreadable, name: str, known: str | None, on_preview: OnPreview | None
) -> PictureFacts | None:
    """Facts of a picture looked at in this process; None if its digest is `known`. Raises
    `NeedsIsolation` if it should rather be looked at in another process."""
    if isinstance(what, Unreadable):
        return replace(what.facts, name=name)
    try:
        data = read_picture(what)
    except Unreadable as error:
        return replace(error.facts, name=name)
    if known is not None and xxhash.xxh3_128_hexdigest(data) == known:
        return None
    return probe_bytes(data, name, plain_only=True, on_preview=on_preview)
