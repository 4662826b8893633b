"""`--engine daft`: the same look at each picture, spread by daft over threads or a Ray cluster.

daft gets the names in batches and hands each to wherever it runs; there the source is opened again
and its pictures go through the very function that the local engine uses. What comes back are plain
values. Where they run is daft's own matter: its native runner, or Ray if the user has set it
(`DAFT_RUNNER=ray`, or `daft.set_runner_ray()`); a folder must then lie at the same path everywhere.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.pictures.facts import FIELDS, PictureFacts
from hubtools.dataset.pictures.scan_cache import ScanCache
from hubtools.dataset.scan.scanning import results_of
from hubtools.dataset.sources.model import Source
from hubtools.dataset.workers.pool import PROGRAM, PlainUnpickler
from hubtools.errors import HubtoolsError, UsageError, require_extra

ENGINES = ("local", "daft")
# Pictures looked at in one go, and names in one partition.
_BATCH = 256
_PARTITION = 4096

_values = attrgetter(*FIELDS)


def engine_named(name: str) -> Any:
    """The engine for `scan`; None for the local one. Raises `UsageError` for an unknown name,
    `HubtoolsError` if its package is missing."""
    if name == "local":
        return None
    if name != "daft":
        raise UsageError(f"There is no engine {name!r}.", hint=f"one of {', '.join(ENGINES)}")
    require_extra("daft", "--engine daft")
    return by_daft


def by_daft(source: Source, entries: Sequence[Entry]) -> Iterator[PictureFacts]:
    """Facts about the pictures `entries`, in no order. Raises `HubtoolsError` if daft fails."""
    import daft

    payload = pickle.dumps(source)

    def answers(rows: Any) -> list[bytes]:
        return looked_at(payload, rows.to_pylist())

    look = daft.udf(return_dtype=daft.DataType.binary(), batch_size=_BATCH)(answers)
    rows = [pickle.dumps((entry.name, entry.size)) for entry in entries]
    frame = daft.from_pydict({"row": rows})
    if len(rows) > _PARTITION:
        frame = frame.into_partitions(-(-len(rows) // _PARTITION))
    try:
        for answer in frame.select(look(daft.col("row")).alias("facts")).iter_rows():
            values = PlainUnpickler(io.BytesIO(answer["facts"])).load()
            name, *facts = values
            yield PictureFacts(name, **dict(zip(FIELDS, facts, strict=True)))
    except HubtoolsError:
        raise
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise HubtoolsError(
            f"daft stopped: {lines[-1].strip() if lines else type(error).__name__}",
            hint="run it again, or with --engine local, which names the picture at fault",
        ) from error


def looked_at(payload: bytes, rows: Sequence[bytes]) -> list[bytes]:
    """One batch, wherever it runs: (name, fields of `PictureFacts`) of each row, pickled."""
    entries = [Entry(name, size, 0) for name, size in map(pickle.loads, rows)]
    found: dict[str, bytes] = {}
    for entry, facts in results_of(
        _source(payload).stream(entries), ScanCache(), 0, None, PROGRAM, None
    ):
        assert isinstance(facts, PictureFacts)
        found[entry.name] = pickle.dumps((entry.name, *_values(facts)))
    return [found[entry.name] for entry in entries]


@lru_cache(maxsize=4)
def _source(payload: bytes) -> Source:
    """Opened once in each process: the sources only read, and hold no place in a file."""
    source: Source = pickle.loads(payload)  # noqa: S301 (from `by_daft` only)
    return source
