"""The scan names what is bad, forgets nothing and remembers what has not changed."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from photos import put_photo

from hubtools.dataset.folder.listing import walk
from hubtools.dataset.pictures import scan_cache as memory
from hubtools.dataset.pictures.probe import MAX_PIXELS
from hubtools.dataset.pictures.table import PictureTable
from hubtools.dataset.scan.scanning import scan
from hubtools.dataset.workers.pool import Limits
from hubtools.layout import WORK_DIR

MANY = 70  # enough to be remembered


def look(root: Path, **options: Any) -> PictureTable:
    """Scan as if all files were written long ago."""
    later = time.time_ns() + 10**11
    return scan(root, walk(root).pictures, **({"begun_ns": later} | options))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn")
    for number in range(MANY):
        put_photo(root, f"{number:02d}.png", number, (40, 30))
    return root


@pytest.fixture
def many(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "many", ignore=shutil.ignore_patterns(WORK_DIR)))


_opened: list[str] | None = None


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is not None and event == "open" and isinstance(arguments[0], str):
        _opened.append(Path(arguments[0]).name)


@cache  # a hook stays, and is called for whatever all later tests of the process do
def _listen() -> None:
    sys.addaudithook(_hear)


@contextmanager
def opened() -> Iterator[list[str]]:
    """Names of the files that are opened meanwhile."""
    global _opened
    _listen()
    _opened = []
    try:
        yield _opened
    finally:
        _opened = None


def png(width: int, height: int, pixels: bytes = b"", depth: int = 8, colour: int = 0) -> bytes:
    """A PNG that says it has this size, with these bytes before compression."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels, 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


# --- what is bad -----------------------------------------------------------------------------


def test_a_bomb_is_not_decoded(many: Path) -> None:
    (many / "bomb.png").write_bytes(png(30_000, 30_000))
    facts = look(many)["bomb.png"]
    assert facts.too_large
    assert facts.width * facts.height > MAX_PIXELS
    assert not facts.seen


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
@pytest.mark.parametrize("workers", [None, 1])
def test_what_takes_too_much_memory_is_named(tmp_path: Path, workers: int | None) -> None:
    side = 13_000
    (tmp_path / "greedy.png").write_bytes(png(side, side, bytes((side + 1) * side)))
    put_photo(tmp_path, "a.png", 1)
    found = look(tmp_path, limits=Limits(memory=64 << 20), workers=workers)
    assert "memory" in str(found["greedy.png"].problem)
    assert found["a.png"].seen
    assert look(tmp_path)["greedy.png"].seen  # which was all that was wrong with it


def test_crashes_and_hangs_are_findings(many: Path) -> None:
    for name in ("crash.png", "hang.png"):
        put_photo(many, name, 1)
    found = look(many, workers=2, limits=Limits(seconds=2), program="hostile_worker")
    assert len(found) == MANY + 2
    assert "crashed" in str(found["crash.png"].problem)
    assert "longer than 2 seconds" in str(found["hang.png"].problem)
    assert sum(facts.problem is None for facts in found.values()) == MANY
    # what went wrong once is tried again, by a better decoder
    assert look(many)["crash.png"].problem is None


def test_pipes_folders_and_missing_files_do_not_stop_it(tmp_path: Path) -> None:
    put_photo(tmp_path, "a.png", 1)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "lost.png").symlink_to("nowhere.png")
    found = look(tmp_path)
    assert found["pipe.png"].problem == "it is no regular file"
    assert "cannot be read" in str(found["lost.png"].problem)
    assert found["a.png"].problem is None


def test_here_and_in_processes_it_is_the_same(many: Path) -> None:
    (many / "cut.png").write_bytes((many / "00.png").read_bytes()[:200])
    (many / "page.jpg").write_bytes(b"<!DOCTYPE html>")
    here = look(many, remember=False)
    there = look(many, remember=False, workers=2)
    assert list(here) == list(there) == sorted(here)
    assert list(here.values()) == list(there.values())


def test_progress_ends_at_the_end(many: Path) -> None:
    told: list[tuple[int, int]] = []
    look(many, on_picture=lambda done, total: told.append((done, total)))
    assert told[-1] == (MANY, MANY)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


# --- what is remembered ----------------------------------------------------------------------


def test_a_second_run_opens_no_picture(many: Path) -> None:
    first = look(many)
    with opened() as names:
        second = look(many)
    assert list(first.values()) == list(second.values())
    assert [name for name in names if name.endswith(".png")] == []
    assert memory.place_of(many).name in names


def test_a_small_set_leaves_nothing_behind(tmp_path: Path) -> None:
    put_photo(tmp_path, "a.png", 1)
    look(tmp_path)
    assert not (tmp_path / WORK_DIR).exists()


def keep_times(path: Path, data: bytes) -> None:
    """Write another content, and set the time of change back."""
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(path: Path, data: bytes) -> None:
    """Put another file in its place, of the same size and time."""
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(data)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def test_changes_are_seen_whatever_the_times_say(many: Path) -> None:
    look(many)
    whole = (many / "00.png").read_bytes()
    keep_times(many / "00.png", whole + b"more")  # another size
    flipped = bytearray((many / "01.png").read_bytes())
    flipped[-20] ^= 1
    replaced(many / "01.png", bytes(flipped))  # the same size
    keep_times(many / "02.png", bytes(len((many / "02.png").read_bytes())))
    (many / "03.png").unlink()
    put_photo(many, "new.png", 99)
    found = look(many)
    assert found["00.png"].bytes == len(whole) + 4
    assert "damaged" in str(found["01.png"].problem)
    assert found["02.png"].kind == "a file of zeros"
    assert "03.png" not in found
    assert found["new.png"].seen
    assert list(found.values()) == list(look(many, remember=False).values())


def test_touched_and_renamed_files_keep_their_facts(many: Path) -> None:
    before = look(many)
    (many / "00.png").touch()
    (many / "01.png").rename(many / "renamed.png")
    after = look(many)
    assert after["00.png"] == before["00.png"]
    assert after["renamed.png"].digest == before["01.png"].digest
    assert after["renamed.png"].hash == before["01.png"].hash


def test_a_file_that_changed_just_now_is_not_trusted(many: Path) -> None:
    look(many, begun_ns=time.time_ns())
    with opened() as names:
        look(many)
    assert len([name for name in names if name.endswith(".png")]) == MANY


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_damaged_memory_is_no_memory(drawn: Path, data: st.DataObject) -> None:
    entries = walk(drawn).pictures
    truth = look(drawn, remember=True)
    place = memory.place_of(drawn)
    whole = place.read_bytes()
    kind = data.draw(st.sampled_from(["cut", "byte", "noise", "other"]))
    if kind == "cut":
        place.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    elif kind == "byte":
        at = data.draw(st.integers(0, len(whole) - 1))
        place.write_bytes(whole[:at] + data.draw(st.binary(max_size=4)) + whole[at + 1 :])
    elif kind == "noise":
        place.write_bytes(data.draw(st.binary(max_size=300)))
    else:
        place.write_bytes(b"hubtools pictures\n{}\n")
    try:
        found = scan(drawn, entries, begun_ns=time.time_ns() + 10**11)
        assert list(found.values()) == list(truth.values())
    finally:
        place.write_bytes(whole)


def test_where_the_dataset_takes_nothing_the_users_cache_does(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "elsewhere").mkdir()
    (many / WORK_DIR).symlink_to(tmp_path / "elsewhere")
    first = look(many)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    with opened() as names:
        assert list(look(many).values()) == list(first.values())
    assert not [name for name in names if name.endswith(".png")]


SCRIPT = """
import sys, time
from pathlib import Path
from hubtools.dataset.folder.listing import walk
from hubtools.dataset.scan.scanning import scan
root = Path(sys.argv[1])
sys.path += [sys.argv[2], str(root.parent)]
scan(root, walk(root).pictures, workers=2, program=sys.argv[3],
     on_picture=lambda done, total: print(done, flush=True))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_ends_the_workers_and_keeps_what_was_found(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for number in range(400):
        put_photo(root, f"slow{number}.png", number % 5, (32, 24))
    here = str(Path(__file__).parents[1])
    own = f"worker_{os.getpid()}"  # other tests may have such workers too
    (tmp_path / f"{own}.py").write_text("from hostile_worker import main\n")
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(root), here, own],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    done = int(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    assert process.wait() != 0
    kept = memory.ScanCache.load(memory.place_of(root)).table
    assert done <= len(kept) < 400
    assert not [pid for pid in Path("/proc").glob("[0-9]*") if own.encode() in _command(pid)]


def _command(pid: Path) -> bytes:
    try:
        return (pid / "cmdline").read_bytes()
    except OSError:
        return b""
