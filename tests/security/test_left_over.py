"""What a kill leaves in the instant in which files change places: a person's file stays, and is
seen; the rest goes with the next sweep."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from errno import EIO
from pathlib import Path
from typing import Any

import pytest

from hubtools import leftovers, renaming
from hubtools.dataset.packing.write import shard
from hubtools.errors import HubtoolsError
from hubtools.files import replacing, write_text
from hubtools.rooted import Root
from hubtools.unfinished import LEFT_OVER, changing_places, is_somebodys, place_of, temporary_for
from tests.drawing import write_pictures

OLD, NEW, MINE = b"of an hour ago\n", b"by hubtools\n", b"a person saved this\n"
Write = Callable[[Path], None]


def _accepted(place: Path) -> None:
    assert place.read_bytes() == OLD


def _by_path(place: Path) -> None:
    with replacing(place, check=_accepted) as file:
        file.write(NEW)


def _by_root(place: Path) -> None:
    with Root(place.parent) as root:
        root.write(place.name, NEW, check=lambda: _accepted(place))


def _over_bytes(place: Path) -> None:
    with Root(place.parent) as root:
        root.write_over(place.name, NEW, OLD)


def _moved(place: Path) -> None:
    with Root(place.parent) as root:
        root.write("made", NEW)
        root.rename("made", place.name, check=lambda: _accepted(place))


def _removed(place: Path) -> None:
    with Root(place.parent) as root:
        root.unlink(place.name, check=lambda: _accepted(place))


def _set_apart(place: Path) -> None:
    os.link(place, place.with_name("twin"))
    with Root(place.parent) as root:
        root.append(place.name, NEW)


def killed_at_the_rename(
    write: Write, place: Path, act: Callable[[Path], object], *, before: bool = False
) -> None:
    """Write in a process that acts when the names of a temporary file and `place` are about to
    change, and ends right behind that (or `before` it) with no chance to do anything."""
    if (child := os.fork()) == 0:
        real = renaming._renamed

        def dying(old: str, new: str, here: Any, there: Any, flag: int) -> bool:
            ends = {Path(old).name, Path(new).name}
            if place.name not in ends:
                return real(old, new, here, there, flag)
            act(place)
            if not before:
                real(old, new, here, there, flag)
            os._exit(9)

        renaming._renamed = dying
        try:
            write(place)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def _nothing(place: Path) -> None:
    pass


def _saved(place: Path) -> None:
    beside = place.with_name("editor")
    beside.write_bytes(MINE)
    beside.replace(place)


def _edited(place: Path) -> None:
    with place.open("ab") as file:
        file.write(MINE)


def _swept(folder: Path) -> None:
    with Root(folder) as root:
        root.sweep(older_than=0)


def _swept_by_a_write(folder: Path) -> None:
    later = time.time() + 7200
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: later)
        patch.setattr(leftovers, "_SWEPT", set())
        write_text(folder / "another.txt", "x")
    (folder / "another.txt").unlink()


WRITES = [_by_path, _by_root, _over_bytes, _moved, _removed, _set_apart]
SWEEPS = [_swept, _swept_by_a_write]


@pytest.mark.skipif(renaming._renameat2() is None, reason="nothing changes places here")
@pytest.mark.parametrize("sweep", SWEEPS)
@pytest.mark.parametrize("save", [_saved, _edited])
@pytest.mark.parametrize("write", WRITES)
def test_what_was_saved_in_that_instant_is_seen_again(
    tmp_path: Path, write: Write, save: Write, sweep: Write
) -> None:
    place = tmp_path / "README.md"
    place.write_bytes(OLD)
    killed_at_the_rename(write, place, save)
    sweep(tmp_path)
    seen = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert any(path.read_bytes().endswith(MINE) for path in seen)
    if write is not _moved:  # there it has the name that the other file had
        assert {path.name for path in seen} >= {"README.md"}
        assert not [path for path in tmp_path.iterdir() if path not in seen]


@pytest.mark.skipif(renaming._renameat2() is None, reason="nothing changes places here")
def test_shards_that_are_written_again(tmp_path: Path) -> None:
    source = write_pictures(tmp_path / "in", 3)
    shard(source, tmp_path / "out", format="webdataset")
    (source / "README.md").write_text("# Another card\n")
    place = tmp_path / "out/README.md"
    killed_at_the_rename(
        lambda place: shard(source, place.parent, format="webdataset"), place, _saved
    )
    shard(source, place.parent, format="webdataset")
    assert place.with_name("README.old0.md").read_bytes() == MINE


@pytest.mark.parametrize("sweep", SWEEPS)
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("write", [_by_path, _by_root, _over_bytes, _removed])
def test_the_rest_goes(tmp_path: Path, write: Write, before: bool, sweep: Write) -> None:
    place = tmp_path / "README.md"
    place.write_bytes(OLD)
    killed_at_the_rename(write, place, _nothing, before=before)
    sweep(tmp_path)
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    if before:
        assert left == {"README.md": OLD}
    else:
        assert left == ({} if write is _removed else {"README.md": NEW})


@pytest.mark.parametrize("name", ["a.md", "a", ".env", "a\nb.txt", "ä" * 120 + ".jpeg", "b" * 255])
def test_names(name: str) -> None:
    given = changing_places(name, (1, 2, 3), (4, 5, 6))
    assert LEFT_OVER.fullmatch(given)
    assert len(os.fsencode(given)) <= 255
    assert place_of(given) == name or len(os.fsencode(name)) > 180
    assert not is_somebodys(given, (1, 2, 3))
    assert not is_somebodys(given, (4, 5, 6))
    assert is_somebodys(given, (1, 2, 4))
    assert LEFT_OVER.fullmatch(temporary_for(name))
    assert not is_somebodys(temporary_for(name), (1, 2, 4))


@pytest.mark.skipif(renaming._renameat2() is None, reason="nothing changes places here")
@pytest.mark.parametrize("save", [_saved, _edited])
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("fault", ["once", "always", "Ctrl-C"])
def test_what_was_saved_is_kept_and_told_if_the_names_cannot_change_back(
    tmp_path: Path, write: Write, save: Write, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "README.md"
    place.write_bytes(OLD)
    real, renames = renaming._renamed, [0]

    def failing(old: str, new: str, here: Any, there: Any, flag: int) -> bool:
        if place.name in {Path(old).name, Path(new).name} or renames[0]:
            renames[0] += 1
            if renames[0] == 1:
                save(place)
            elif renames[0] == 2 or fault == "always":
                raise KeyboardInterrupt if fault == "Ctrl-C" else OSError(EIO, os.strerror(EIO))
        return real(old, new, here, there, flag)

    monkeypatch.setattr(renaming, "_renamed", failing)
    said = ""
    try:
        write(place)
    except KeyboardInterrupt:
        assert fault == "Ctrl-C"
    except (AssertionError, HubtoolsError) as error:
        said = str(error)
    monkeypatch.undo()
    assert renames[0] > 1
    kept = [path for path in tmp_path.iterdir() if MINE in path.read_bytes()]
    if fault == "always":
        assert str(kept[0]) in said
    else:
        assert place in kept
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
