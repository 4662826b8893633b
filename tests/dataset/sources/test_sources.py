"""Archives, shards and addresses are judged as the folder that they were made of."""

from __future__ import annotations

import io
import json
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from simple import TRIGGER, picture

from hubtools.dataset.packing.write import shard
from hubtools.dataset.pictures import scan_cache as memory
from hubtools.dataset.sources import parquets, tars, zips
from hubtools.dataset.sources.opening import open_source
from hubtools.dataset.validate import validate
from hubtools.errors import HubtoolsError
from hubtools.findings import Finding, Report
from hubtools.settings import DatasetSettings
from tests.typed import typed

Pack = Callable[[Path, Path], Any]


def judged(where: Any, settings: DatasetSettings, **options: Any) -> Report:
    return validate(where, settings, resolution=64, **options)


def found(where: Any, settings: DatasetSettings) -> list[Finding]:
    return judged(where, settings).sorted()


@pytest.fixture
def bad(good: Path) -> Path:
    """A copy, a cut-off picture, one without a row, a caption without the trigger."""
    shutil.copy(good / "0.png", good / "copy.png")
    (good / "cut.png").write_bytes((good / "1.png").read_bytes()[:-30])
    picture(good / "alone.png", 7)
    with (good / "metadata.jsonl").open("a") as file:
        for name, text in (("copy.png", f"{TRIGGER} again"), ("cut.png", "somebody")):
            file.write(json.dumps({"file_name": name, "text": text}) + "\n")
    return good


def zipped(root: Path, to: Path, top: str = "") -> str:
    with zipfile.ZipFile(to / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.iterdir()):
            if path.is_file():
                archive.write(path, top + path.name)
    return str(to / "a.zip")


def tarred(root: Path, to: Path, mode: str = "w:gz", name: str = "a.tar.gz") -> str:
    with tarfile.open(to / name, mode) as archive:
        for path in sorted(root.iterdir()):
            if path.is_file():
                archive.add(path, f"./{path.name}")
    return str(to / name)


def remembered(root: Path, to: Path) -> str:
    files = fsspec.filesystem("memory")
    for path in root.iterdir():
        if path.is_file():
            files.pipe_file(f"/{to.name}/set/{path.name}", path.read_bytes())
    return f"memory://{to.name}/set"


@pytest.mark.parametrize(
    ("pack", "prefix"),
    [
        (zipped, "a.zip!"),
        (lambda root, to: zipped(root, to, "photos/"), "a.zip!photos/"),
        (tarred, "a.tar.gz!"),
        (lambda root, to: tarred(root, to, "w", "b.tar"), "b.tar!"),
        (lambda root, to: tarred(root, to, "w:xz", "b.tar.xz"), "b.tar.xz!"),
        (remembered, ""),
    ],
)
def test_an_archive_is_judged_as_its_folder(
    bad: Path, tmp_path: Path, settings: DatasetSettings, pack: Pack, prefix: str
) -> None:
    told = [(f.rule, f"{prefix}{f.place}", f.message, f.severity) for f in found(bad, settings)]
    assert {rule for rule, *_ in told} == {"D202", "D301", "D401", "D504"}
    source = pack(bad, tmp_path)
    for _ in range(2):  # the second time from what is remembered
        again = judged(source, settings)
        facts = judged(bad, settings).facts
        assert [(f.rule, f.place, f.message, f.severity) for f in again.sorted()] == told
        assert again.facts["pictures"] == 6
        assert {k: v for k, v in again.facts.items() if k != "bytes"} == {
            k: v for k, v in facts.items() if k != "bytes"
        }
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        {"good", Path(source).name} if "memory" not in source else {"good"}
    )


@pytest.mark.parametrize("kind", ["parquet", "webdataset"])
@pytest.mark.parametrize("whole", [True, False])
def test_shards_are_judged_by_row(
    bad: Path, tmp_path: Path, settings: DatasetSettings, kind: Any, whole: bool
) -> None:
    (bad / "alone.png").unlink()
    made = tmp_path / "shards"
    shard(bad, made, format=kind)
    (file,) = (p for p in made.rglob("*") if p.suffix in (".parquet", ".tar"))
    where = made if whole else file
    base = file.relative_to(made).as_posix() if whole else file.name
    row = " row {}" if kind == "parquet" else "!{:09d}.png"
    places = [row.format(n + (kind == "parquet")) for n in range(5)]
    for _ in range(2):
        findings = found(where, settings)
        assert [(f.rule, f.place) for f in findings] == [
            ("D401", base + places[0]),
            ("D301", base + places[4]),
            ("D504", base + places[4]),
        ]
        assert f"the same picture as {base if whole or kind == 'parquet' else ''}" in (
            findings[0].message
        )
    contents = open_source(where).look()
    name = contents.pictures[0].name
    assert contents.listing.read(name) == (bad / "0.png").read_bytes()
    with pytest.raises(OSError, match=r"no such row|not there|No such file"):
        contents.listing.read(name.replace("row 1", "row x").replace("000000000", "9"))
    facts = judged(where, settings).facts
    assert facts["rows"] == facts["captions"] == facts["pictures"] == 5
    auto = facts["loaders"]["auto"]
    assert (auto["module"], auto["outcome"]) == (kind, "raises on access")  # the cut-off one
    assert auto["splits"]["train"]["rows"] == 5
    assert facts["loaders"]["imagefolder"]["outcome"] == "raises"


def test_copies_across_the_splits_of_shards(
    good: Path, tmp_path: Path, settings: DatasetSettings
) -> None:
    for split in ("train", "test"):
        shutil.copytree(good, tmp_path / "both" / split)
    shard(tmp_path / "both", tmp_path / "shards")
    findings = found(tmp_path / "shards", settings)
    across = [finding for finding in findings if finding.rule == "D404"]
    assert len(across) == 3
    assert "test (data/test-00000-of-00001.parquet row 1)" in across[0].message


def test_a_second_look_reads_no_picture(
    tmp_path: Path, settings: DatasetSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "many"
    rows = []
    for number in range(70):
        picture(root / f"{number:02d}.png", number)
        rows.append(json.dumps({"file_name": f"{number:02d}.png", "text": f"{TRIGGER} {number}"}))
    (root / "metadata.jsonl").write_text("\n".join(rows))
    shard(root, tmp_path / "parquet")
    sources: list[Any] = [zipped(root, tmp_path), tarred(root, tmp_path), tmp_path / "parquet"]
    # files this young may still change
    monkeypatch.setattr(memory, "_TICK_NS", -(10**12))
    first = [judged(source, settings) for source in sources]

    def refuse(*_: Any) -> Any:
        raise AssertionError("a picture was read again")

    read = zips.ZipArchive._read
    monkeypatch.setattr(
        zips.ZipArchive,
        "_read",
        lambda self, info, limit: (
            read(self, info, limit) if info.filename.endswith("jsonl") else refuse()
        ),
    )
    monkeypatch.setattr(tars, "Members", refuse)
    monkeypatch.setattr(parquets, "_picture", refuse)
    assert [judged(source, settings) for source in sources] == first


# --- what is wrong with archives themselves ----------------------------------------------------


def test_names_that_lead_out_of_an_archive(
    good: Path, tmp_path: Path, settings: DatasetSettings
) -> None:
    source = zipped(good, tmp_path)
    data = (good / "1.png").read_bytes()
    names = ["../up.png", "/etc/passwd.png", "C:\\me.png", "a/../../b.png"]
    with zipfile.ZipFile(source, "a") as archive:
        for name in names:
            archive.writestr(name, data)
    (finding,) = found(source, settings)
    assert (finding.rule, finding.place) == ("D803", "a.zip")
    with tarfile.open(tmp_path / "a.tar", "w") as archive_:
        for name in ["../up.png", "ok.png"]:
            archive_.addfile(tarfile.TarInfo(name))
    assert ("D803", "a.tar") in [(f.rule, f.place) for f in found(tmp_path / "a.tar", settings)]
    assert not (tmp_path.parent / "up.png").exists()


def test_an_encrypted_zip(good: Path, tmp_path: Path, settings: DatasetSettings) -> None:
    source = Path(zipped(good, tmp_path))
    data = bytearray(source.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + place] |= 1
            at = data.find(mark, at + 4)
    source.write_bytes(data)
    findings = found(source, settings)
    assert ("D804", "a.zip") in [(f.rule, f.place) for f in findings]
    assert ("D301", "a.zip!0.png") in [(f.rule, f.place) for f in findings]
    assert "encrypted" in next(f.message for f in findings if f.rule == "D301")


def test_bombs(good: Path, tmp_path: Path, settings: DatasetSettings) -> None:
    zeros = bytes(40 << 20)
    source = zipped(good, tmp_path)
    with zipfile.ZipFile(source, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", zeros)
    findings = found(source, settings)
    bomb = next(f for f in findings if f.rule == "D301")
    assert (bomb.place, "zip bomb" in bomb.message) == ("a.zip!bomb.png", True)


def test_a_tar_with_a_giant_header(tmp_path: Path, settings: DatasetSettings) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 32
    (tmp_path / "a.tar").write_bytes(info.tobuf() + bytes(1 << 16))
    (finding,) = (f for f in found(tmp_path / "a.tar", settings) if f.rule == "D801")
    assert "a header of 4,294,967,296 bytes" in finding.message


def test_a_mac_s_zip(good: Path, tmp_path: Path, settings: DatasetSettings) -> None:
    source = zipped(good, tmp_path, "photos/")
    with zipfile.ZipFile(source, "a") as archive:
        for number in range(3):
            archive.writestr(f"__MACOSX/photos/._{number}.png", b"\0\5\x16\7")
        archive.writestr("photos/.DS_Store", b"\0")
    findings = found(source, settings)
    assert [(f.rule, f.place) for f in findings] == [("D704", "a.zip!photos/.DS_Store")]


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.parquet"])
@pytest.mark.parametrize("keep", [0, 100, -40])
def test_cut_off_files(
    good: Path, tmp_path: Path, settings: DatasetSettings, name: str, keep: int
) -> None:
    if name == "a.parquet":
        shard(good, tmp_path / "shards")
        source = next((tmp_path / "shards").rglob("*.parquet"))
    elif name == "a.zip":
        source = Path(zipped(good, tmp_path))
    else:
        source = Path(tarred(good, tmp_path, "w:gz" if name.endswith("gz") else "w", name))
    cut = tmp_path / "cut" / name
    cut.parent.mkdir()
    data = source.read_bytes()
    if name == "a.tar" and keep < 0:
        data = data[: data.rindex(b"IEND")]
    cut.write_bytes(data[:keep])
    if name == "a.zip":
        with pytest.raises(HubtoolsError, match=r"^a\.zip is no whole zip archive: "):
            found(cut, settings)
        return
    findings = found(cut, settings)
    assert ("D801", name) in [(f.rule, f.place) for f in findings]


def test_rows_without_a_picture(tmp_path: Path, settings: DatasetSettings) -> None:
    data = picture(tmp_path / "0.png", 1).read_bytes()
    kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    texts = [f"{TRIGGER} {n}" for n in ("one", "two", "three")]
    rows = [{"bytes": data, "path": "0.png"}, None, {"bytes": None, "path": "/home/me/1.png"}]
    table = arrow.table({"image": arrow.array(rows, kind), "text": texts})
    parquet.write_table(table, tmp_path / "a.parquet")
    findings = found(tmp_path / "a.parquet", settings)
    assert [(f.rule, f.place) for f in findings] == [
        ("D806", "a.parquet"),
        ("D802", "a.parquet row 2"),
        ("D301", "a.parquet row 3"),
    ]
    assert "/home/me/1.png" in findings[2].message
    parquet.write_table(arrow.table({"text": ["a"]}), tmp_path / "b.parquet")
    (finding,) = (f for f in found(tmp_path / "b.parquet", settings) if f.rule == "D801")
    assert "no column of pictures" in finding.message


def test_a_shard_that_goes_away(
    good: Path, tmp_path: Path, settings: DatasetSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard(good, tmp_path / "shards")
    (file,) = (tmp_path / "shards").rglob("*.parquet")
    read = parquets.ParquetShard.read_rows

    def then_gone(self: parquets.ParquetShard) -> Any:
        rows = read(self)
        file.write_bytes(file.read_bytes()[:200])
        return rows

    monkeypatch.setattr(parquets.ParquetShard, "read_rows", then_gone)
    findings = found(tmp_path / "shards", settings)
    assert [f.rule for f in findings] == ["D301"] * 3
    assert "the shard cannot be read" in findings[0].message


def test_a_webdataset_of_others(tmp_path: Path, settings: DatasetSettings) -> None:
    data = picture(tmp_path / "0.png", 1).read_bytes()
    members = {
        "x/0001.png": data,
        "x/0001.txt": f"{TRIGGER} one".encode(),
        "x/0002.txt": b"no picture",
        "x/0003.json": b"{",
        "x/0003.jpg": picture(tmp_path / "1.jpg", 2).read_bytes(),
    }
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    report = judged(tmp_path / "a.tar", settings)
    assert [(f.rule, f.place) for f in report.sorted()] == [
        ("D811", ""),
        ("D802", "a.tar!x/0002"),
        ("D802", "a.tar!x/0003"),
    ]
    assert (report.facts["pictures"], report.facts["captions"]) == (2, 1)


# --- sentences ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("nowhere.zip", "There is no"),
        ("notes.txt", "notes.txt is a file that is no dataset"),
        ("memory://nowhere", "There is nothing at memory://nowhere"),
        ("abc://x/y", "abc://x/y is no address that can be read"),
        ("hf://models/me/x", "names a model, not a dataset"),
        ("hf://me/x", "names a model, not a dataset"),
        ("hf://datasets/me", "is no address of a dataset repository"),
        ("s3://bucket/x", "Reading s3:// needs a package that is not installed"),
    ],
)
def test_wrong_sources_are_told_in_a_sentence(
    tmp_path: Path, settings: DatasetSettings, where: str, words: str
) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(HubtoolsError) as error:
        judged(where if "://" in where else tmp_path / where, settings)
    assert words in str(error.value)
    assert error.value.message.endswith(".")


def test_the_command_line_takes_sources(good: Path, tmp_path: Path) -> None:
    source = zipped(good, tmp_path)
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("bad.png", b"<html>")
    said = ("--trigger=(tok)", "--license=cc0-1.0", "--rights=own", "--resolution=64")
    done = typed("validate", source, *said, "--format=github", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "::error file=a.zip!bad.png,title=D302::" in done.stdout


def test_a_zip_whose_directory_lies(good: Path, tmp_path: Path, settings: DatasetSettings) -> None:
    source = Path(zipped(good, tmp_path))
    data = bytearray(source.read_bytes())
    at = data.find(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 1 << 31)  # the size of the first member
    source.write_bytes(data)
    findings = found(source, settings)
    assert [(f.rule, f.place) for f in findings] == [("D301", "a.zip!0.png")]
