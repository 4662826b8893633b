"""Shards of strangers write nothing outside the folder that is asked for, and state that came with
a folder is not believed."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hubtools.dataset.examples import _unpack
from hubtools.dataset.packing.unpack import unshard
from hubtools.dataset.packing.write import shard
from hubtools.errors import HubtoolsError
from hubtools.trust import ForeignState
from tests.drawing import write_pictures
from tests.typed import typed


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    return buffer.getvalue()


PICTURE = png()
NAMES = (
    "../x.png", "/etc/x.png", "a/../../x.png", "..", ".", "", "x\0.png", "a//b.png", ".hubtools/x",
    ".HUBTOOLS/fixes/x.png", "..\\x.png", "x" * 300 + ".png", "README.md", "metadata.jsonl",
)  # fmt: skip


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def tar(
    path: Path, members: dict[str, bytes], comment: Any = None, links: dict[str, str] | None = None
) -> Path:
    headers = {} if comment is None else {"comment": json.dumps({"hubtools": comment})}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.TarFile(path, "w", format=tarfile.PAX_FORMAT, pax_headers=headers) as archive:
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def description(**facts: Any) -> dict[str, Any]:
    usual = {
        "hubtools": 1,
        "split": "train",
        "first": 0,
        "sources": [["metadata.jsonl", 1]],
        "files": {"file_name": "file_name"},
        "absent": [],
        "card": {},
        "ending": "png",
    }
    return usual | facts


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty folder; what lies beside it must stay as it is."""
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "precious").write_text("mine")
    return folder


def outside(place: Path) -> list[str]:
    return sorted(path.name for path in place.parent.iterdir())


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_names_in_tars(place: Path, name: str, own: bool) -> None:
    row = json.dumps({"file_name": name, "text": "x"}).encode()
    path = tar(
        place / "in" / "train-00000-of-00001.tar",
        {"000000000.json": row, "000000000.png": PICTURE},
        description() if own else None,
    )
    done = typed("unshard", path, "--to", place / "out")
    assert done.returncode in (0, 1), done.stderr
    assert "bug" not in done.stderr
    assert outside(place) == ["precious", "work"]
    assert set(tree(place)) - {"out", "in", "in/train-00000-of-00001.tar"} <= {
        f"out/{entry}" for entry in ("metadata.jsonl", "000000000.png", "x.png", "..\\x.png")
    }


@pytest.mark.parametrize("name", NAMES)
def test_names_in_parquet(place: Path, name: str) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    (place / "in").mkdir()
    table = arrow.table({"image": [{"bytes": PICTURE, "path": name}], "text": ["x"]})
    parquet.write_table(table, place / "in" / "train-00000-of-00001.parquet")
    done = typed("unshard", place / "in", "--to", place / "out")
    assert done.returncode in (0, 1), done.stderr
    assert "bug" not in done.stderr
    assert outside(place) == ["precious", "work"]
    (place / "unpacked").mkdir()
    _unpack(place / "in", ["train-00000-of-00001.parquet"], place / "unpacked")
    assert tree(place / "unpacked") == ["000000.png", "metadata.jsonl"]
    assert outside(place) == ["precious", "work"]


@pytest.mark.parametrize(
    "comment",
    [
        description(sources=[["../precious", 1]]),
        description(sources=[["pictures/x.png", 1]]),
        description(sources=[["metadata.jsonl", 10**15]]),
        description(sources=[["metadata.jsonl", -1]]),
        description(sources=7),
        description(split=None),
        description(card=[]),
        {"hubtools": 1},
        {"hubtools": 2},
        ["hubtools"],
    ],
    ids=str,
)
def test_what_a_shard_says_of_itself(place: Path, comment: Any) -> None:
    row = json.dumps({"file_name": "x.png", "text": "x"}).encode()
    path = tar(place / "in.tar", {"0.json": row, "0.png": PICTURE}, comment)
    done = typed("unshard", path, "--to", place / "out")
    assert done.returncode == 1
    assert "bug" not in done.stderr
    assert done.stderr.startswith("Error: ")
    assert tree(place) == ["in.tar"]
    assert (place.parent / "precious").read_text() == "mine"


def test_links_in_tars_are_no_pictures(place: Path) -> None:
    row = json.dumps({"file_name": "x.png"}).encode()
    path = tar(
        place / "in.tar",
        {"0.json": row, "0.png": PICTURE},
        links={"0.jpg": "../../precious", "out": "/etc"},
    )
    typed("unshard", path, "--to", place / "out")
    assert not [entry for entry in place.rglob("*") if entry.is_symlink()]
    assert outside(place) == ["precious", "work"]


def test_a_name_inside_another_picture(place: Path) -> None:
    members = {}
    for number, name in enumerate(("a.png", "a.png/b.png")):
        members[f"{number}.json"] = json.dumps({"file_name": name}).encode()
        members[f"{number}.png"] = PICTURE
    path = tar(place / "in.tar", members, description(sources=[["metadata.jsonl", 2]]))
    with pytest.raises(HubtoolsError, match="inside another"):
        unshard(path, place / "out")
    assert tree(place) == ["in.tar"]


def test_a_split_that_leads_out(place: Path) -> None:
    tar(place / "in" / "..-00000-of-00001.tar", {"0.json": b'{"text": "x"}', "0.png": PICTURE})
    with pytest.raises(HubtoolsError):
        unshard(place / "in" / "..-00000-of-00001.tar", place / "out")
    assert tree(place) == ["in", "in/..-00000-of-00001.tar"]


def test_files_beside_the_shards_come_from_the_folder(place: Path) -> None:
    tar(place / "in" / "train-00000-of-00001.tar", {"0.json": b"{}", "0.png": PICTURE})
    (place / "in" / "notes.txt").symlink_to("../../precious")
    with pytest.raises(HubtoolsError, match="link out of the folder"):
        unshard(place / "in", place / "out")
    (place / "in" / "notes.txt").unlink()
    (place / "in" / "README.md").symlink_to("../../precious")
    with pytest.raises(HubtoolsError, match="link out of the folder"):
        unshard(place / "in", place / "out")
    assert not (place / "out").exists()


@pytest.mark.parametrize("command", ["unshard", "export"])
def test_a_work_folder_that_is_somebody_elses(place: Path, command: str) -> None:
    source = write_pictures(place / "in", 2)
    if command == "unshard":
        source = tar(place / "in.tar", {"0.json": b"{}", "0.png": PICTURE})
    words = {
        "unshard": ("unshard", source, "--to", place / "out"),
        "export": ("caption", source, "--export", "kohya", place / "out"),
    }[command]
    theirs = place / f".out.{command}"
    theirs.symlink_to(place.parent)
    told = typed(*words)
    assert (told.returncode, "in the way" in told.stderr) == (1, True)
    theirs.unlink()
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("mine")
    assert typed(*words).returncode == 1
    assert (theirs / "thesis.txt").read_text() == "mine"
    (theirs / "thesis.txt").unlink()
    done = typed(*words)
    assert done.returncode == 0, done.stderr
    assert not theirs.exists()
    assert outside(place) == ["precious", "work"]


# --- shard -----------------------------------------------------------------------------------


def test_state_of_others_is_not_believed(place: Path) -> None:
    source = write_pictures(place / "in", 3)
    shard(source, place / "out", format="webdataset")
    again = shard(source, place / "out", format="webdataset")
    assert [one.kept for one in again.shards] == [True]
    state = place / "out" / ".hubtools" / "shard.json"
    content = json.loads(state.read_text())
    (name,) = content["done"]
    evil = tar(place / "evil.tar", {"0.json": b"{}", "0.png": PICTURE}).read_bytes()
    before = (place / "out" / name).read_bytes()
    (place / "out" / name).write_bytes(evil)
    import hashlib

    content["done"][name] |= {"bytes": len(evil), "sha256": hashlib.sha256(evil).hexdigest()}
    state.write_text(json.dumps(content))
    with pytest.raises(ForeignState):
        shard(source, place / "out", format="webdataset")
    assert (place / "out" / name).read_bytes() == evil
    state.unlink()  # without state, what lies there is not ours
    with pytest.raises(HubtoolsError, match="holds"):
        shard(source, place / "out", format="webdataset")
    for text in ("[" * 100_000, "{}", "", '{"schema": 1, "done": 3}'):
        state.write_text(text)
        with pytest.raises(HubtoolsError, match="damaged"):
            shard(source, place / "out", format="webdataset")
    shard(source, place / "out2", format="webdataset")
    assert (place / "out2" / name).read_bytes() == before


def test_nothing_is_written_over(place: Path) -> None:
    source = write_pictures(place / "in", 3)
    out = place / "out"
    out.mkdir()
    for name in ("README.md", ".tmp-holidays.png", "data/train-00000-of-00001.tar"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("mine")
        with pytest.raises(HubtoolsError, match="holds"):
            shard(source, out, format="webdataset")
        assert (out / name).read_text() == "mine"
        (out / name).unlink()


@pytest.mark.parametrize("name", ["data", ".hubtools", "README.md"])
def test_links_in_the_folder_of_shards(place: Path, name: str) -> None:
    source = write_pictures(place / "in", 3)
    out = place / "out"
    out.mkdir()
    (out / name).symlink_to(place.parent if name != "README.md" else place.parent / "precious")
    with pytest.raises(HubtoolsError):
        shard(source, out, format="webdataset")
    assert outside(place) == ["precious", "work"]
    assert (place.parent / "precious").read_text() == "mine"


def test_a_licence_that_is_a_link_out(place: Path) -> None:
    source = write_pictures(place / "in", 3)
    (source / "LICENSE").symlink_to("../../precious")
    with pytest.raises(HubtoolsError, match="link out of the folder"):
        shard(source, place / "out", format="webdataset")
