"""Another process exchanges the folder that was given, or one above it, for a link to somebody's
own folder: nothing of what lies there is packed, copied, shown or written to."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import hubtools
from hubtools import entrance
from hubtools.errors import HubtoolsError
from hubtools.fences import HANDED, LeadsOut, handed, keep_same, open_kept, same_folders
from hubtools.files import LinkedOut, open_inside, open_regular
from tests.drawing import write_pictures
from tests.typed import typed

MARK = "private-words-of-somebody"
COLOUR = (201, 13, 177)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """Pictures of the same names that show one colour, with words in their files and beside."""
    folder = tmp_path / "theirs" / "set"
    folder.mkdir(parents=True)
    told = PngInfo()
    told.add_text("parameters", MARK)
    for number in range(3):
        Image.new("RGB", (80, 96), COLOUR).save(folder / f"picture{number}.png", pnginfo=told)
        (folder / f"picture{number}.txt").write_text(MARK)
    (folder / "metadata.jsonl").write_text(
        "".join(f'{{"file_name": "picture{n}.png", "text": "{MARK}"}}\n' for n in range(3))
    )
    return folder


Act = Callable[[Path, Path], object]
ACTS: dict[str, Act] = {
    "shard": lambda given, out: typed("shard", given, "--to", out / "made"),
    "webdataset": lambda given, out: typed(
        "shard", given, "--to", out / "made", "--format", "webdataset"
    ),
    "init": lambda given, out: typed("init", out / "made", "--from", given),
    "export": lambda given, out: typed("caption", given, "--export", "kohya", out / "made"),
    "sheet": lambda given, out: typed("inspect", given, "--sheet", out / "sheet.png"),
    "report": lambda given, out: typed("validate", given, "--report", out / "report.html"),
    "of Python: shard": lambda given, out: hubtools.shard(given, out / "made"),
    "of Python: sheet": lambda given, out: hubtools.inspect(given, sheet=out / "sheet.png"),
    "of Python: card": lambda given, out: hubtools.card(given),
    "of Python: fix": lambda given, out: hubtools.fix(given),
}


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("name", ACTS)
def test_what_lies_in_the_place_of_a_folder_is_not_read(
    tmp_path: Path, theirs: Path, monkeypatch: pytest.MonkeyPatch, name: str, above: bool
) -> None:
    before, real = _bytes_of(theirs.parent), os.open
    for moment in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89):
        place, out = tmp_path / f"{moment}" / "place", tmp_path / f"{moment}" / "out"
        given = write_pictures(place / "set", 3)
        for number in range(3):
            (given / f"picture{number}.txt").write_text("a hat")
        out.mkdir()
        opened = -1

        def opening(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            nonlocal opened
            if opened >= 0:
                opened += 1
            if opened == moment:  # noqa: B023 - the loop's own
                one, other = (place, theirs.parent) if above else (given, theirs)  # noqa: B023
                one.rename(one.with_name("moved"))
                one.symlink_to(other)
            found = real(path, flags, mode, dir_fd=dir_fd)
            if opened < 0 and str(path) == str(given):  # noqa: B023
                opened = 0
            return found

        monkeypatch.setattr(os, "open", opening)
        try:
            done = ACTS[name](given, out)
        except HubtoolsError as error:
            done = error
        finally:
            monkeypatch.setattr(os, "open", real)
        assert "bug in hubtools" not in str(done)
        assert MARK not in str(done)
        assert _bytes_of(theirs.parent) == before, moment
        for file, data in _bytes_of(out).items():
            assert MARK.encode() not in data, (moment, file)
            if file.endswith("sheet.png"):
                with Image.open(out / file) as sheet:
                    assert COLOUR not in dict.fromkeys(sheet.convert("RGB").getdata())
        if opened < moment:
            break
    assert moment > 1


def _bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def test_a_process_that_is_started_is_told_which_folders(
    tmp_path: Path, theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `rehearse` and the demo start `ship`, and every command its workers."""
    given, before = write_pictures(tmp_path / "given", 3), _bytes_of(theirs)
    with same_folders():
        keep_same(given)
        told = handed()
    assert typed("card", given, **told).returncode == 0
    given.rename(tmp_path / "moved")
    given.symlink_to(theirs)
    for words in (("card",), ("fix", "--yes"), ("validate",), ("shard", "--to", "made")):
        done = typed(words[0], given, *words[1:], cwd=tmp_path, **told)
        assert done.returncode == 1
        assert "is another folder than it was" in done.stderr
    assert _bytes_of(theirs) == before
    assert not (tmp_path / "made").exists()


def test_what_is_handed_on_is_taken_over_once(tmp_path: Path) -> None:
    with same_folders():
        keep_same(tmp_path)
        told = handed()
    os.environ |= told
    with same_folders():
        assert HANDED not in os.environ
        assert handed() == told
    assert not handed()


def test_a_link_in_an_open_folder(tmp_path: Path, theirs: Path) -> None:
    given = write_pictures(tmp_path / "given", 2)
    (given / "own.png").symlink_to("picture0.png")
    (given / "out.png").symlink_to(theirs / "picture0.png")
    (given / "below").symlink_to(theirs)
    for kept in (False, True):
        with same_folders() if kept else nullcontext():
            keep_same(given)
            with open_inside(given, "own.png") as file:
                assert file.read() == (given / "picture0.png").read_bytes()
            for name in ("out.png", "below/picture1.png"):
                with pytest.raises(LinkedOut):
                    open_inside(given, name)


def test_a_snapshot_of_the_hub_s_cache_is_one_place_with_its_blobs(tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "models--a--b/snapshots/1", tmp_path / "models--a--b/blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "abc").write_text("x")
    (snapshot / "a.txt").symlink_to("../../blobs/abc")
    with open_inside(snapshot, "a.txt") as file:
        assert file.read() == b"x"


def test_where_the_system_does_not_say_where_a_file_lies(
    tmp_path: Path, theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubtools.files.real_place", lambda descriptor: None)
    test_a_link_in_an_open_folder(tmp_path, theirs)


def test_a_file_that_is_away_is_told_as_always(tmp_path: Path, theirs: Path) -> None:
    given = write_pictures(tmp_path / "given", 1)
    with same_folders():
        keep_same(given)
        with pytest.raises(FileNotFoundError) as raised:
            open_regular(given / "none.png")
        assert raised.value.filename == str(given / "none.png")
        given.rename(tmp_path / "moved")
        given.symlink_to(theirs)
        with open_regular(given / "picture0.png") as file:  # of the folder that was given
            assert MARK.encode() not in file.read()
        with pytest.raises(LeadsOut, match="is another folder"):
            open_regular(given / "none.png")
        with pytest.raises(LeadsOut, match="is another folder"):
            open_kept(given / "picture2.png", os.O_RDONLY)


def test_calls_within_one_another_end_with_the_last(tmp_path: Path, theirs: Path) -> None:
    given = write_pictures(tmp_path / "given", 1)
    with same_folders():
        with same_folders():
            keep_same(given)
        given.rename(tmp_path / "moved")
        given.symlink_to(theirs)
        with pytest.raises(LeadsOut, match="is another folder"):
            keep_same(given)
    with same_folders():
        keep_same(given)


def _functions() -> Iterator[str]:
    for name in hubtools.__all__:
        if callable(getattr(hubtools, name)) and not isinstance(getattr(hubtools, name), type):
            yield name


def test_every_function_of_python_has_the_same_entrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [*_functions()]
    assert len(names) > 50
    for name in names:
        function = getattr(hubtools, name)
        assert function.__wrapped__ is not None
        assert pickle.loads(pickle.dumps(function)) is function  # noqa: S301
    kept: list[Path] = []
    monkeypatch.setattr(entrance, "keep_same", kept.append)

    def looks(path: Any, *, to: Any = None, repo: str = "") -> list[Path]:
        return [*kept]

    called = entrance.entered(looks, "looks")
    assert called(tmp_path, to=str(tmp_path), repo="me/people") == [tmp_path, tmp_path]
    assert len(called("\0", to=Path("none"))) == 3
