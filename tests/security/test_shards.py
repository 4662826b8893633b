"""Shards of strangers write nothing outside the folder that is asked for, and state that came with
a folder is not believed."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hubtools.dataset.packing.unpack import unshard
from hubtools.dataset.packing.write import shard
from hubtools.dataset.sources.download import _unpack
from hubtools.dataset.validate import validate
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


@pytest.mark.parametrize(
    "name",
    [
        ".git/config", ".git/hooks/pre-commit", "a/.git/x.png", ".GIT/x.png", ".gi\u200ct/x.png",
        ".git./x.png", "GIT~1/x.png", ".git:x/x.png", ".vscode/x.png", "__x/x.png", ".x.png",
        "conftest.py", "hubtools.toml", "x.png.sh", "HUBTOO~1/x.png", "Thumbs.db",
    ],
)  # fmt: skip
def test_what_is_no_picture_of_a_dataset_is_not_unpacked(place: Path, name: str) -> None:
    """A file in `.git` makes the next git command run programs."""
    row = json.dumps({"file_name": name, "text": "x"}).encode()
    path = tar(place / "in.tar", {"0.json": row, "0.png": PICTURE}, description())
    done = typed("unshard", path, "--to", place / "out")
    assert done.returncode == 1
    assert "no name of a" in done.stderr
    assert tree(place) == ["in.tar"]


def test_what_lies_beside_shards_stays_but_for_the_card_and_the_licence(place: Path) -> None:
    """A stranger's hubtools.toml became one that this user has written."""
    folder = place / "in"
    folder.mkdir()
    row = json.dumps({"file_name": "x.png", "text": "x"}).encode()
    tar(folder / "a.tar", {"0.json": row, "0.png": PICTURE}, description())
    along = (".gitattributes", "LICENSE", "README.md", "licence.txt", "NOTICE")
    acted_on = ("hubtools.toml", "conftest.py", "Makefile", "run.sh", "setup.py", "license.sh")
    for name in (*along, *acted_on, ".env", "x.exe", "license.png"):
        (folder / name).write_text("# x\n")
    done = typed("unshard", folder, "--to", place / "out")
    assert done.returncode == 0, done.stderr
    assert "Makefile and 7 more stayed there" in done.stderr
    names = {path.name for path in (place / "out").rglob("*")}
    assert names == {"x.png", "metadata.jsonl", *along}


def test_metadata_of_hidden_folders_is_not_unpacked(place: Path) -> None:
    row = json.dumps({"file_name": ".x/x.png", "text": "x"}).encode()
    members = {"0.json": row, "0.png": PICTURE}
    path = tar(place / "in.tar", members, description(sources=[[".x/metadata.jsonl", 1]]))
    done = typed("unshard", path, "--to", place / "out")
    assert done.returncode == 1
    assert tree(place) == ["in.tar"]


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
    (place / "in" / "LICENSE").symlink_to("../../precious")
    with pytest.raises(HubtoolsError, match="link out of the folder"):
        unshard(place / "in", place / "out")
    (place / "in" / "LICENSE").unlink()
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


# --- what anybody may write into a shard -----------------------------------------------------

DEEP = b"[" * 100_000
ODD_JSON = {
    "deep": DEEP,
    "deep objects": b'{"a":' * 100_000,
    "deep and whole": b"[" * 50_000 + b"]" * 50_000,
    "below the limit of Python": b'{"a":' * 900 + b"1" + b"}" * 900,
    "long number": b'{"a": ' + b"1" * 100_000 + b"}",
    "not a number": b'{"a": NaN, "b": -Infinity}',
    "keys twice": b'{"text": "a", "text": "b"}',
    "half a character": b'{"text": "\\ud800"}',
    "half a key": b'{"\\udfff": 1}',
    "not UTF-8": b'{"text": "\xff"}',
    "a list": b"[1, 2]",
    "UTF-16": '{"text": "a"}'.encode("utf-16"),
}
GOOD_JSON = ("not a number", "a list", "UTF-16")


def plain(done: Any) -> None:
    """One sentence or none, whatever was asked for."""
    assert done.returncode in (0, 1, 2, 3), done.stderr
    assert "bug" not in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("kind", ODD_JSON)
def test_json_in_tars(place: Path, kind: str, own: bool) -> None:
    members = {"000000000.json": ODD_JSON[kind], "000000000.png": PICTURE}
    path = tar(place / "in.tar", members, description() if own else None)
    done = typed("unshard", path, "--to", place / "out")
    plain(done)
    assert (done.returncode == 0) == (not own and kind in GOOD_JSON), done.stderr
    plain(validated := typed("validate", path, "--format", "json"))
    told = json.loads(validated.stdout)
    assert ("D802" in {f["rule"] for f in told["findings"]}) == (kind not in GOOD_JSON)
    plain(typed("validate", path))  # from what is remembered
    for command in ("fix", "shard"):
        plain(typed(command, path, *(["--to", place / "o"] if command == "shard" else ["--yes"])))


@pytest.mark.parametrize("kind", ODD_JSON)
def test_what_a_shard_says_of_itself_is_json(place: Path, kind: str) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"image": [{"bytes": PICTURE, "path": "a.png"}], "text": ["x"]})
    said = table.replace_schema_metadata({b"hubtools": ODD_JSON[kind]})
    parquet.write_table(said, place / "in.parquet")
    done = typed("unshard", place / "in.parquet", "--to", place / "out")
    plain(done)
    assert done.returncode == 1
    plain(typed("validate", place / "in.parquet"))
    headers = {"comment": '{"hubtools": ' + ODD_JSON[kind].decode("latin-1")}
    with tarfile.TarFile(
        place / "in.tar", "w", format=tarfile.PAX_FORMAT, pax_headers=headers
    ) as archive:
        info = tarfile.TarInfo("0.png")
        info.size = len(PICTURE)
        archive.addfile(info, io.BytesIO(PICTURE))
    done = typed("unshard", place / "in.tar", "--to", place / "out")
    plain(done)
    assert done.returncode == 1


def test_texts_of_parquet_that_are_not_utf_8(place: Path) -> None:
    """Arrow takes any bytes for a text; Python does not. Found by the fuzzer."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    words = arrow.array([b"a man", b"a w\xffman"], arrow.binary()).view(arrow.string())
    images = [{"bytes": PICTURE, "path": f"{number}.png"} for number in range(2)]
    files = {
        "records/metadata.parquet": {"file_name": ["0.png", "1.png"], "text": words},
        "shards/train.parquet": {"image": images, "text": words},
    }
    for name, columns in files.items():
        (place / name).parent.mkdir()
        parquet.write_table(arrow.table(columns), place / name)
    (place / "records/0.png").write_bytes(PICTURE)
    commands = [("validate", place / "records"), ("validate", place / "shards")]
    for command in (*commands, ("unshard", place / "shards", "--to", place / "out")):
        done = typed(*command)
        plain(done)
        assert "a text in it is not UTF-8" in done.stdout + done.stderr, command


@pytest.mark.parametrize(
    "facts",
    [
        {"order": ["none"]}, {"order": 5}, {"order": [[]]}, {"files": {"text": "file_name"}},
        {"files": {"image": 5}}, {"files": []}, {"absent": None}, {"absent": [[]]},
    ],
    ids=str,
)  # fmt: skip
def test_columns_that_a_parquet_shard_does_not_have(place: Path, facts: dict[str, Any]) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"image": [{"bytes": PICTURE, "path": "a.png"}], "text": ["x"]})
    known = description(files={"image": "file_name"}, order=["image", "text"]) | facts
    said = table.replace_schema_metadata({b"hubtools": json.dumps(known).encode()})
    parquet.write_table(said, place / "in.parquet")
    done = typed("unshard", place / "in.parquet", "--to", place / "out")
    plain(done)
    assert done.returncode == 1


def test_names_that_are_not_utf8(place: Path) -> None:
    path = place / "in.tar"
    tar(path, {"NAME.json": b'{"text": "a"}', "NAME.png": PICTURE})
    path.write_bytes(_renamed(path.read_bytes(), b"NAME", b"N\xe4\xffE"))
    done = typed("unshard", path, "--to", place / "out")
    plain(done)
    assert done.returncode == 0
    assert "not UTF-8" in done.stderr
    (row,) = (place / "out" / "metadata.jsonl").read_text().splitlines()
    assert json.loads(row)["text"] == "a"
    assert (place / "out" / json.loads(row)["file_name"]).read_bytes() == PICTURE
    done = typed("validate", path)
    plain(done)
    assert "not UTF-8" in done.stdout
    plain(typed("validate", path, "--format", "json"))
    folder = place / "folder"
    folder.mkdir()
    (folder / "n\udce4.png").write_bytes(PICTURE)
    (folder / "metadata.jsonl").write_bytes(b'{"file_name": "n\\udce4.png", "text": "a"}\n')
    for words in (
        ("validate", folder), ("fix", folder), ("fix", folder, "--yes"),
        ("shard", folder, "--to", place / "t", "--format", "webdataset"),
        ("shard", folder, "--to", place / "p"),
    ):  # fmt: skip
        plain(typed(*words))
    (folder / "metadata.jsonl").unlink(missing_ok=True)
    for format in ("webdataset", "parquet"):
        plain(typed("shard", folder, "--to", place / format, "--format", format))


def _renamed(data: bytes, old: bytes, new: bytes) -> bytes:
    """A tar file with other names of the same length, and right checksums."""
    found = bytearray(data)
    for start in range(0, len(found), 512):
        header = found[start : start + 512]
        if header[257:262] == b"ustar" and old in header[:100]:
            header = header.replace(old, new)
            header[148:156] = b" " * 8
            header[148:156] = b"%06o\0 " % sum(header)
            found[start : start + 512] = header
    return bytes(found)


TYPES = {
    "hard link": tarfile.LNKTYPE,
    "link": tarfile.SYMTYPE,
    "pipe": tarfile.FIFOTYPE,
    "device": tarfile.CHRTYPE,
    "disk": tarfile.BLKTYPE,
    "unknown": b"Z",
}
BAD_NAMES = ("/a.png", "../a.png", "x/../../a.png", "C:\\a.png", "C:a.png", "..\\a.png", "\\a.png")
MEMBERS = st.one_of(
    st.tuples(st.sampled_from(sorted(TYPES)), st.sampled_from(["0.png", "7.png", "8.jpg", "d/9"])),
    st.tuples(st.just("bad name"), st.sampled_from(BAD_NAMES)),
    st.tuples(st.just("folder"), st.sampled_from(["d", "0.png.d"])),
    st.tuples(st.just("twice"), st.sampled_from(["0.png", "1.png"])),
    st.tuples(
        st.just("windows"), st.sampled_from(["con.png", "sub\\b.png", "c:d\\e.png", "f .png"])
    ),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(members=st.lists(MEMBERS, max_size=6), target=st.sampled_from(["0.png", "../precious"]))
def test_members_of_any_kind_are_files_or_told(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, str]], target: str
) -> None:
    folder = tmp_path_factory.mktemp("members")
    (folder / "precious").write_text("mine")
    path = folder / "in.tar"
    with tarfile.TarFile(path, "w") as archive:

        def put(name: str, data: bytes = b"", **facts: Any) -> None:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in facts.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))

        for number in range(2):
            put(f"{number}.png", PICTURE)
            put(f"{number}.txt", b"a caption")
        for kind, name in members:
            if kind in TYPES:
                put(name, type=TYPES[kind], linkname=target)
            elif kind == "folder":
                put(name, type=tarfile.DIRTYPE)
            else:
                put(name, PICTURE)
    there = {"0.png", "0.txt", "1.png", "1.txt"}
    odd = set()
    for kind, name in members:
        if kind == "folder":
            continue
        if kind in TYPES or kind == "bad name" or name in there or name.startswith("c:"):
            odd.add(name)
        else:
            there.add(name)
    done = unshard(path, folder / "out")
    said = " ".join(done.skipped)
    found = " ".join(f.message for f in validate(path).findings if f.rule == "D803")
    counted = len([1 for kind, _ in members if kind != "folder"]) - (len(there) - 4)
    for text in (said, found):
        assert sum(_counts(text)) == counted, text
        assert bool(text) == bool(odd)
    rows = (folder / "out" / "metadata.jsonl").read_text().splitlines()
    assert len(rows) == done.pictures == sum(name.endswith("png") for name in there)
    assert not [one for one in (folder / "out").rglob("*") if one.is_symlink()]
    assert sorted(p.name for p in folder.iterdir()) == ["in.tar", "out", "precious"]
    assert (folder / "precious").read_text() == "mine"


def _counts(text: str) -> list[int]:
    """How many names each sentence speaks of: three at most are written out."""
    named = len(re.findall(r"'(?:[^'\\]|\\.)*'", text))
    return [named, *(int(more) for more in re.findall(r" and (\d+) more", text))]


# --- links that lead out of the folder -------------------------------------------------------

SECRET = "what the neighbour wrote"


def _linked(folder: Path, name: str) -> Path:
    """A dataset in which one file is a link to what lies outside."""
    write_pictures(folder, 2)
    neighbour = folder.parent / "neighbour"
    neighbour.mkdir()
    kind = name.rpartition(".")[2]
    target = neighbour / f"private.{kind}"
    if kind == "png":
        target.write_bytes(PICTURE + SECRET.encode())
    elif kind == "jsonl":
        target.write_text(json.dumps({"file_name": "picture0.png", "text": SECRET}) + "\n")
    elif kind == "csv":
        target.write_text(f"file_name,text\npicture0.png,{SECRET}\n")
    elif kind == "md":
        target.write_text(f"---\nlicense: mit\n---\n{SECRET}\n")
    else:
        target.write_text(SECRET)
    if kind in ("jsonl", "csv"):
        (folder / "metadata.jsonl").unlink()
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(target)
    return folder


@pytest.mark.parametrize(
    "name",
    ["picture0.png", "metadata.jsonl", "metadata.csv", "README.md", "LICENSE", "picture0.txt"],
)
def test_what_links_lead_to_is_not_carried_out(place: Path, name: str) -> None:
    folder = _linked(place / "set", name)
    out = place / "out"
    out.mkdir()
    for format in ("webdataset", "parquet"):
        done = typed("shard", folder, "--to", out / format, "--format", format)
        plain(done)
        if name != "picture0.txt":  # no shard has a place for it
            assert done.returncode == 1, done.stdout
            assert "out of the folder" in done.stderr
        assert SECRET not in done.stdout + done.stderr
    for words in (
        ("caption", folder, "--template", "a {stem}", "--overwrite", "--dry-run"),
        ("caption", folder, "--replace", "a=b", "--dry-run"),
        ("caption", folder, "--import", "kohya", "--overwrite", "--dry-run"),
        ("caption", folder, "--import", "embedded", "--overwrite", "--dry-run"),
        ("caption", folder, "--export", "kohya", out / "kohya"),
        ("fix", folder, "--dry-run"),
    ):
        done = typed(*words)
        plain(done)
        assert SECRET not in done.stdout + done.stderr, words
    for path in out.rglob("*"):
        assert not path.is_symlink()
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes()


@pytest.mark.parametrize("ending", ["tar", "parquet"])
def test_a_shard_that_is_a_link_out(place: Path, ending: str) -> None:
    neighbour = place / "neighbour"
    folder = write_pictures(place / "set", 1)
    shard(folder, neighbour, format="webdataset" if ending == "tar" else "parquet")
    (real,) = (neighbour / "data").iterdir()
    shards = place / "in"
    shards.mkdir()
    (shards / real.name).symlink_to(real)
    done = typed("unshard", shards, "--to", place / "out")
    plain(done)
    assert done.returncode == 1
    assert "out of the folder" in done.stderr
    assert not (place / "out").exists()
    done = typed("unshard", shards / real.name, "--to", place / "out")  # that was named
    assert done.returncode == 0, done.stderr


def test_a_folder_that_becomes_a_link_while_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, outside = tmp_path / "set", tmp_path / "outside"
    outside.mkdir()
    write_pictures(root / "sub", 4)
    rows = [{"file_name": f"sub/{path.name}", "text": "a"} for path in (root / "sub").glob("*.png")]
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    shard(root, tmp_path / "packed", format="webdataset")

    def swap(count: int) -> None:
        made = tmp_path / ".to.unshard" / "sub"
        if count == 2:
            made.rename(made.with_name("away"))
            made.symlink_to(outside)

    with pytest.raises(HubtoolsError, match="symbolic link"):
        unshard(tmp_path / "packed", tmp_path / "to", on_row=swap)
    assert not list(outside.iterdir())
    assert not (tmp_path / "to").exists()
