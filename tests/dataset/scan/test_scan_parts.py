"""The parts of a scan: progress, a look ahead, and what goes to a worker in batches."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.pictures.facts import PictureFacts
from hubtools.dataset.pictures.probe import probe_bytes
from hubtools.dataset.pictures.reading import Unreadable
from hubtools.dataset.pictures.scan_cache import ScanCache
from hubtools.dataset.pictures.table import PictureTable
from hubtools.dataset.scan import scanning as scan
from hubtools.dataset.scan.scanning import _few, _Told, results_of
from hubtools.dataset.sources.model import Read
from hubtools.dataset.workers.pool import PROGRAM

sys.path.insert(0, str(Path(__file__).parents[3] / "tools"))

from hostile import pictures

# --- progress -----------------------------------------------------------------------------------


def test_progress_is_told_now_and_then_and_at_the_end() -> None:
    said: list[tuple[int, int]] = []
    told = _Told(lambda done, total: said.append((done, total)), 1000)
    for done in range(1, 1001):
        told(done)
    told(1000, last=True)
    assert said[0] == (1, 1000)
    assert said[-1] == (1000, 1000)
    assert said == sorted(said)
    assert len(said) < 100


def test_progress_of_what_nobody_has_counted() -> None:
    said: list[tuple[int, int]] = []
    told = _Told(lambda done, total: said.append((done, total)), 0)
    told(7, last=True)
    assert said == [(7, 7)]
    _Told(None, 3)(3, last=True)


# --- a look ahead -------------------------------------------------------------------------------


def stream(count: int, size: int = 1) -> Iterator[Read]:
    for number in range(count):
        yield Entry(f"{number}.png", size, 0), bytes(size)


@pytest.mark.parametrize("count", [0, 1, scan.POOL_FILES - 1])
def test_a_few_are_few(count: int) -> None:
    same, few = _few(stream(count))
    assert few
    assert [entry.name for entry, _ in same] == [f"{number}.png" for number in range(count)]


def test_many_are_not_read_to_the_end() -> None:
    source = stream(3 * scan.POOL_FILES)
    same, few = _few(source)
    assert not few
    assert next(source)[0].name == f"{scan.POOL_FILES}.png"  # the next that nobody has taken yet
    names = [entry.name for entry, _ in same]
    assert len(names) == 3 * scan.POOL_FILES - 1
    assert names[: scan.POOL_FILES] == [f"{number}.png" for number in range(scan.POOL_FILES)]


def test_a_few_large_ones_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "POOL_BYTES", 400)
    same, few = _few(stream(5, size=60))
    assert not few
    assert len(list(same)) == 5
    paths: Iterator[Read] = iter([(Entry("a.png", 10**9, 0), "a.png")])
    assert _few(paths)[1]  # a path holds nothing


# --- batches ------------------------------------------------------------------------------------


class Asked(ScanCache):
    """Counts what it is asked for."""

    def __init__(self, table: PictureTable, times: list[tuple[int, int]]) -> None:
        super().__init__(table, times)
        self.asked: Counter[str] = Counter()

    def digest(self, entry: Entry) -> tuple[int, str] | None:
        self.asked[entry.name] += 1
        return super().digest(entry)


DATA = {
    "a.png": pictures.plain("PNG"),
    "b.tif": pictures.plain("TIFF"),
    "c.jpg": pictures.plain("JPEG"),
    "d.tif": pictures.plain("TIFF", hue=91),
    "e.avif": pictures.plain("AVIF"),
    "f.tif": pictures.plain("TIFF", "L")[:-300],
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("room", [1, 64_000_000])
def test_each_is_looked_at_wherever_it_is(
    monkeypatch: pytest.MonkeyPatch, workers: int, room: int
) -> None:
    """Not plain are b, d, e and f; with no room in a batch, each goes to a worker at once."""
    monkeypatch.setattr(scan, "POOL_BYTES", room)
    known = probe_bytes(DATA["d.tif"], "d.tif")
    memory = Asked(PictureTable([replace(known, name="d.tif")]), [(1, 1)])
    lost = Unreadable(9, "it cannot be read: no")
    reads: list[Read] = [(Entry(name, len(data), 5, 5), data) for name, data in DATA.items()]
    reads.insert(3, (Entry("x.tif", 9, 5, 5), lost))
    previews: dict[str, bytes] = {}
    found = {
        entry.name: result
        for entry, result in results_of(iter(reads), memory, workers, None, PROGRAM, previews)
    }
    assert found.pop("x.tif") == PictureFacts("x.tif", 9, "", problem="it cannot be read: no")
    assert found.pop("d.tif") == 0  # its row in the memory: only its times have changed
    assert found == {
        name: probe_bytes(data, name) for name, data in DATA.items() if name != "d.tif"
    }
    assert set(previews) == {"a.png", "b.tif", "c.jpg", "e.avif"}
    assert set(memory.asked.values()) == {1}
