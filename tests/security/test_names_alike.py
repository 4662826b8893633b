"""Names that differ in case, or in how an accent is composed, only: some disks take them for one.
They are kept apart or refused, and no file takes the place of another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from hubtools.dataset.edits.closed import Action, check_operations
from hubtools.dataset.fix.run import fix
from hubtools.dataset.folder.names import fold
from hubtools.dataset.packing.unpack import _Unpacker
from hubtools.errors import HubtoolsError
from hubtools.journey.copying import copy_files
from hubtools.rooted import Root
from tests.typed import typed

ALIKE = [("A", "a"), ("\u00e9", "e\u0301"), ("\u00c9", "e\u0301"), ("STRASSE", "stra\u00dfe")]


def draw(path: Path, shade: int, format: str = "PNG") -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), (shade, 90, 40)).save(path, format)
    return path.read_bytes()


def records(folder: Path, *names: str) -> None:
    rows = [json.dumps({"file_name": name, "text": f"a hat, {name}"}) + "\n" for name in names]
    (folder / "metadata.jsonl").write_text("".join(rows))


def contents(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in folder.rglob("*") if path.suffix in (".png", ".jpg")}


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_a_new_name_is_no_other_file_s(tmp_path: Path, one: str, other: str) -> None:
    """A PNG called .jpg gets its ending, and not the name of the file beside it."""
    folder = tmp_path / "set"
    drawn = {draw(folder / f"{one}.jpg", 10), draw(folder / f"{other}.png", 200)}
    records(folder, f"{one}.jpg", f"{other}.png")
    done = typed("fix", folder, "--yes")
    assert done.returncode in (0, 3), done.stderr
    assert contents(folder) == drawn
    names = [path.name for path in folder.glob("*.*g")]
    assert len({fold(name) for name in names}) == len(names) == 2


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_exported_pictures_have_names_of_their_own(tmp_path: Path, one: str, other: str) -> None:
    folder, to = tmp_path / "set", tmp_path / "to"
    drawn = {draw(folder / "x" / f"{one}.png", 10), draw(folder / "y" / f"{other}.png", 200)}
    records(folder, f"x/{one}.png", f"y/{other}.png")
    done = typed("caption", folder, "--export", "kohya", to)
    assert done.returncode == 0, done.stderr
    assert contents(to) == drawn
    texts = [path for path in to.rglob("*.txt") if path.read_text().startswith("a hat")]
    assert len({fold(path.name) for path in texts}) == 2


@pytest.mark.parametrize("format", ["parquet", "webdataset"])
@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_packed_and_back(tmp_path: Path, one: str, other: str, format: str) -> None:
    folder, to, back = tmp_path / "set", tmp_path / "to", tmp_path / "back"
    drawn = {draw(folder / f"{one}.png", 10), draw(folder / f"{other}.png", 200)}
    records(folder, f"{one}.png", f"{other}.png")
    assert typed("shard", folder, "--to", to, "--as", format).returncode == 0
    done = typed("unshard", to, "--to", back)
    assert done.returncode == 0, done.stderr
    assert contents(back) == drawn


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_a_push_tells_them(tmp_path: Path, local_hub: object, one: str, other: str) -> None:
    folder = tmp_path / "set"
    draw(folder / f"{one}.png", 10)
    draw(folder / f"{other}.png", 200)
    records(folder, f"{one}.png", f"{other}.png")
    done = typed("push", folder, "me/set", "--dry-run")
    assert "P139" in done.stderr


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_a_plan_knows_a_disk_that_takes_them_for_one(one: str, other: str) -> None:
    steps = [(Action.WRITE, None, name, None) for name in (one, other)]
    check_operations(steps)
    with pytest.raises(ValueError, match="two operations"):
        check_operations(steps, folds=True)


@pytest.fixture
def one_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which `A` and `a` are one, as on a disk that takes such names for the same."""
    folder = tmp_path / "disk"
    for name in "Aa":
        (folder / name).mkdir(parents=True)
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a folder")
    words = ["mount", "--bind", str(folder / "A"), str(folder / "a")]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("no folder can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder / "a")], check=True)


def test_records_of_two_folders_that_are_one(one_folder: Path) -> None:
    """The second file of records would take the place of the first."""
    with Root(one_folder) as root:
        unpacker = _Unpacker(root)
        unpacker._table("A/metadata.jsonl").add({"file_name": "1.png"})
        with pytest.raises(HubtoolsError, match="one file on this disk"):
            unpacker._table("a/metadata.jsonl")
        unpacker._table("b/metadata.jsonl").add({"file_name": "2.png"})
        unpacker.close()
    with Root(one_folder.parent) as apart:
        unpacker = _Unpacker(apart)
        for name in "Bb":
            unpacker._table(f"{name}/metadata.jsonl").add({"file_name": f"{name}.png"})
        unpacker.close()
    assert [(one_folder.parent / n / "metadata.jsonl").is_file() for n in "Bb"] == [True, True]


class Folding(Root):
    """A folder on a disk that takes names for one which differ in case only, and counts each."""

    def stat(self, name: str) -> os.stat_result | None:
        above, slash, base = name.rpartition("/")
        listed = {one.lower(): one for one in self.list(above)}
        return super().stat(above + slash + listed.get(base.lower(), base))


def test_names_of_one_file(tmp_path: Path) -> None:
    with Folding(tmp_path) as root:
        root.write("A/b.png", b"")
        assert root.are_one("A", "a")
        assert root.are_one("A/b.png", "A/B.png")
        assert not root.are_one("A/b.png", "A/c.png")
        assert not root.are_one("A/b.png", "A")
    with Root(tmp_path) as root:
        assert not root.are_one("A", "a")
        os.link(tmp_path / "A/b.png", tmp_path / "A/B.png")  # one file, and two names of it
        assert not root.are_one("A/b.png", "A/B.png")


def test_pictures_taken_over_take_no_other_s_place(one_folder: Path, tmp_path: Path) -> None:
    """`init --from` says so, where it would have fewer pictures than it tells."""
    draw(tmp_path / "from" / "A" / "x.png", 10)
    draw(tmp_path / "from" / "a" / "x.png", 200)
    files = {name: (tmp_path / "from", name) for name in ("A/x.png", "a/x.png")}
    with pytest.raises(HubtoolsError, match="one file on this disk"):
        copy_files(files, one_folder, None, aside=None)


def test_what_is_called_after_a_time_is_found_in_small_letters(tmp_path: Path) -> None:
    """Else `fix --undo` takes its own journals for damaged ones."""
    for name in ("20260102t030405z", "20260102t030405z-2", "others"):
        (tmp_path / "fixes" / name).mkdir(parents=True)
    with Folding(tmp_path) as root:
        assert root.list_made("fixes") == ["20260102T030405Z", "20260102T030405Z-2", "others"]
    with Root(tmp_path) as root:
        assert root.list_made("fixes") == root.list("fixes")


@pytest.mark.parametrize("options", [
    {"unsafe": ["drop-rows"]}, {"select": ["D303"]}, {"unsafe": ["drop-rows"], "ignore": ["D303"]},
])  # fmt: skip
@pytest.mark.parametrize("beside", ["a.png", "b.png"])
def test_a_record_in_other_letters_goes_along(
    tmp_path: Path, options: dict[str, list[str]], beside: str
) -> None:
    """Where the disk knows no case it named the file until that was renamed; a record of nothing
    would be dropped then."""
    folder = tmp_path / "set"
    drawn = {draw(folder / "a.jpg", 10): "a hat, A.jpg", draw(folder / beside, 200): beside}
    records(folder, "A.jpg", beside)
    fix(folder, resolution=64, **options)  # type: ignore[arg-type]
    rows = [json.loads(row) for row in (folder / "metadata.jsonl").read_text().splitlines()]
    told = {(folder / row["file_name"]).read_bytes(): row["text"] for row in rows}
    assert {data: text[-len(drawn[data]) :] for data, text in told.items()} == drawn


def test_a_record_of_another_s_picture_stays(tmp_path: Path) -> None:
    """What a record names in its very letters is not what another one means."""
    folder = tmp_path / "set"
    draw(folder / "a.jpg", 10)
    records(folder, "A.jpg", "a.jpg")
    fix(folder, resolution=64, select=["D303"])
    assert '"file_name": "A.jpg"' in (folder / "metadata.jsonl").read_text()
    assert '"file_name": "a.png"' in (folder / "metadata.jsonl").read_text()
