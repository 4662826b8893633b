"""Shards are repaired, and every picture in them stays what it was; undone, they are as before."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from broken_sets import build
from shard_sets import ML, PARQUET, TABLES, WEBDATASET, F, P, im, pqb, tar, zp

from hubtools import fix, undo_fix
from hubtools.dataset.loaders import Mode, Outcome
from hubtools.dataset.shards.held import picture_forms, picture_in
from hubtools.dataset.sources.opening import open_source
from hubtools.dataset.validate import validate
from hubtools.dataset.view import view
from hubtools.settings import DatasetSettings
from tests.typed import typed

SETTINGS = DatasetSettings(license="cc0-1.0", rights="own")
RULES = {"D805", "D806", "D807", "D809"}
HEALED = {
    **{name: files for name, files in PARQUET.items() if name in (
        "nofeature", "two_schemas", "missing_col", "extra_col", "str_int", "int_float", "null_str",
        "none_vs_feature", "feature_bytes", "bytes", "struct_then_bytes_nofeat", "base64",
        "list_struct", "list_bytes", "struct_only_bytes", "struct_more", "large_binary",
        "splits_differ", "splits_less",
    )},
    **{name: WEBDATASET[name] for name in ("dots", "dots_txt", "dots_mixed")},
    "dots_apart": {"a.tar": tar(
        ("photo.1.png", P[0]), ("photo.2.png", P[1]), ("photo.1.txt", "a"), ("photo.2.txt", "b"),
        ("v1.0/x.2024.mask.png", P[2]), ("v1.0/x.2024.png", P[3]),
    )},
}  # fmt: skip


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".hubtools" not in path.parts
    }


def pictures(root: Path) -> list[str]:
    """SHA-256 of all pictures in all shards."""
    found = []
    shards = [root / name for name in sorted(tree(root))]
    for path in (path for path in shards if path.suffix == ".parquet"):
        with pq.ParquetFile(path) as file:
            forms = picture_forms(file)
            for row in file.read().to_pylist():
                found += [picture_in(row[name], form) for name, form in forms.items()]
    for path in (path for path in shards if path.suffix == ".tar"):
        with tarfile.open(path) as opened:
            members = [opened.extractfile(info) for info in opened if info.name.endswith("png")]
            found += [member.read() for member in members if member]
    return sorted(hashlib.sha256(data or b"").hexdigest() for data in found)


def loaded(root: Path) -> Any:
    return view(open_source(root), SETTINGS).loaders[Mode.AUTO]


@pytest.mark.parametrize("name", HEALED)
def test_shards_are_repaired_and_undone(tmp_path: Path, name: str) -> None:
    root = build(tmp_path / "set", HEALED[name])
    before, held = tree(root), pictures(root)
    assert {f.rule for f in validate(root, SETTINGS, resolution=8).findings} & RULES
    done = fix(root, SETTINGS, resolution=8)
    assert done.journal is not None
    assert pictures(root) == held
    told = validate(root, SETTINGS, resolution=8).findings
    assert not RULES & {f.rule for f in told}
    if name != "dots_apart":
        # what the plan foretold is what validate says, but for what only shows once it loads
        later = {"D404", "D502", "D506"}
        assert {f.rule for f in done.plan.remaining} >= {f.rule for f in told} - later
    now = loaded(root)
    if name != "dots_apart":  # rows of two kinds are no table
        assert now.outcome is Outcome.LOADS, now.reason
        assert {c for split in now.splits for c in split.pictures}
        assert sum(split.rows for split in now.splits) == len(held)
    assert fix(root, SETTINGS, resolution=8).journal is None
    undo_fix(root)
    assert tree(root) == before


def test_large_row_groups_are_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hubtools.dataset.edits import rewrites
    from hubtools.dataset.rules import shards

    monkeypatch.setattr(shards, "VIEWED_GROUP", 500)
    monkeypatch.setattr(rewrites, "_ROWS", 10)
    root = build(tmp_path / "set", {"a.parquet": pqb({"image": im(*range(25))}, F)})
    held = pictures(root)
    fix(root, SETTINGS, resolution=8)
    with pq.ParquetFile(root / "a.parquet") as file:
        groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert groups == [10, 10, 5]
    assert pictures(root) == held


def test_a_saved_plan_of_shards_is_carried_out(tmp_path: Path) -> None:
    root = build(tmp_path / "set", PARQUET["two_schemas"])
    held, plan = pictures(root), tmp_path / "plan.json"
    made = typed("fix", root, "--plan", plan)
    assert (made.returncode, "with the columns image, text)" in made.stdout.replace(";", ")")) == (
        0,
        True,
    )
    assert typed("fix", "--from-plan", plan, "--yes").returncode == 0
    assert pictures(root) == held
    assert loaded(root).outcome is Outcome.LOADS
    again = typed("fix", "--from-plan", plan, "--yes")
    assert (again.returncode, "done already" in again.stdout) == (0, True), again.stderr
    assert typed("fix", root, "--undo").returncode == 0
    assert loaded(root).outcome is Outcome.RAISES


# --- metadata beside an archive, or under another name -------------------------------------------

PACKED = {
    **{name: TABLES[name] for name in ("zip_meta", "zip_meta_folder", "two_zips_meta")},
    "below": {"images.zip": zp(("deep/a.png", P[0]), ("deep/b.png", P[1])), "metadata.jsonl": ML},
    "csv": {
        "x/images.zip": zp(("a.png", P[0]), ("m.png", P[1])),
        "x/metadata.csv": "file_name,mask_file_name,text\na.png,m.png,one\n",
    },
}


@pytest.mark.parametrize("name", PACKED)
def test_metadata_goes_into_the_archive_of_its_pictures(tmp_path: Path, name: str) -> None:
    root = build(tmp_path / "set", PACKED[name])
    before = tree(root)
    told = {f.rule for f in validate(root, SETTINGS, resolution=8).findings}
    assert ("D228" in told, "D201" in told) == (True, False)
    assert loaded(root).outcome is Outcome.ON_ACCESS
    fix(root, SETTINGS, resolution=8)
    now = loaded(root)
    assert (now.outcome, "text" in now.splits[0].columns) == (Outcome.LOADS, True), now.reason
    held = {name: data for name, data in members(before).items() if name.endswith(".png")}
    assert held.items() <= members(tree(root)).items()
    for archive in (root / name for name in tree(root) if name.endswith(".zip")):
        found = {f.rule for f in validate(archive, SETTINGS, resolution=8).findings}
        assert not found & {"D120", "D201", "D202", "D228", "D801"}
    undo_fix(root)
    assert tree(root) == before


def members(files: dict[str, bytes]) -> dict[str, bytes]:
    found = {}
    for name, data in files.items():
        if name.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(data)) as opened:
                found |= {f"{name}!{member}": opened.read(member) for member in opened.namelist()}
    return found


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_records_go_beside_their_pictures_in_a_tar_file(tmp_path: Path, ending: str) -> None:
    """As WebDataset has them: a.json behind a.png."""
    buffer = io.BytesIO()
    kind = "w:gz" if ending.endswith("gz") else "w"
    with tarfile.open(fileobj=buffer, mode=kind) as made:
        for name, data in (("./deep/a.v1.png", P[0]), ("./deep/b.png", P[1])):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    rows = [{"file_name": "a.v1.png", "text": "a lamp"}, {"file_name": "b.png", "text": "zwölf"}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    root = build(tmp_path / "set", {f"images{ending}": buffer.getvalue(), "metadata.jsonl": text})
    before = tree(root)
    fix(root, SETTINGS, resolution=8)
    assert set(tree(root)) == {f"images{ending}"}
    with tarfile.open(root / f"images{ending}") as opened:
        held = {info.name: opened.extractfile(info).read() for info in opened}  # type: ignore[union-attr]
    assert list(held) == [
        "./deep/a-v1.png", "./deep/a-v1.json", "./deep/b.png", "./deep/b.json",
    ]  # fmt: skip
    assert (held["./deep/a-v1.png"], held["./deep/b.png"]) == (P[0], P[1])
    assert json.loads(held["./deep/b.json"]) == {"text": "zwölf"}
    if ending == ".tar":
        now = loaded(root)
        assert (now.module, now.outcome) == ("webdataset", Outcome.LOADS), now.reason
        assert {"png", "json"} <= set(now.splits[0].columns)
    found = {f.rule for f in validate(root, SETTINGS, resolution=8).findings}
    assert not found & {"D120", "D201", "D228", "D501", "D502", "D807", "D812"}
    undo_fix(root)
    assert tree(root) == before


def test_what_is_in_no_archive_is_left(tmp_path: Path) -> None:
    some = zp(("a.png", P[0]))
    root = build(tmp_path / "one", {"images.zip": some, "metadata.jsonl": ML})
    told = [(f.rule, f.line) for f in validate(root, SETTINGS, select=("D2",)).findings]
    assert {("D201", 2), ("D228", 1)} <= set(told)
    assert fix(root, SETTINGS, select=("D228",)).journal is None
    root = build(
        tmp_path / "packed", {"images.tar.xz": xz(P[0]), "metadata.jsonl": ML.splitlines()[0]}
    )
    (finding,) = validate(root, SETTINGS, select=("D228",)).findings
    assert "tar xf images.tar.xz" in str(finding.fix)
    assert fix(root, SETTINGS, select=("D228",)).journal is None


def xz(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as made:
        info = tarfile.TarInfo("a.png")
        info.size = len(data)
        made.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "name", ["mf_labels", "mf_files", "mf_jsonl", "mf_parquet", "mf_sub", "labels_meta", "tsv"]
)
def test_a_table_of_any_name_is_taken_for_metadata(tmp_path: Path, name: str) -> None:
    more = {"a.png": P[0], "names.tsv": "image\ttext\na.png\tx\n"}
    root = build(tmp_path / "set", TABLES[name] if name != "tsv" else more)
    if (card := root / "README.md").exists():  # as people write it
        told = json.loads(card.read_text().strip("-\n")) | {"license": "mit"}
        front = json.dumps(told) if name == "mf_labels" else yaml.safe_dump(told).strip()
        card.write_text(f"---\n{front}\n---\n# Lamps\n")
    before = tree(root)
    assert "D113" in {f.rule for f in validate(root, SETTINGS, resolution=8).findings}
    fix(root, SETTINGS, resolution=8)
    now = {mode: view(open_source(root), SETTINGS).loaders[mode] for mode in list(Mode)[:3]}
    assert all({"text", "t"} & set(one.splits[0].columns) for one in now.values()), now
    assert "D113" not in {f.rule for f in validate(root, SETTINGS, resolution=8).findings}
    undo_fix(root)
    assert tree(root) == before


def test_tables_that_name_no_picture_are_none(tmp_path: Path) -> None:
    files = {"a.png": P[0], "a.json": '{"image": "a.png"}', "n.csv": "name,n\nx.png,1\n"}
    root = build(tmp_path / "set", files)
    assert not validate(root, SETTINGS, select=("D113",)).findings


def test_captions_of_two_names_become_one_column(tmp_path: Path) -> None:
    root = build(tmp_path / "set", PARQUET["two_schemas"])
    plan = fix(root, SETTINGS, resolution=8).plan
    assert not {"D501", "D502"} & {f.rule for f in plan.remaining}
    rows = [row for path in sorted(root.glob("data/*")) for row in pq.read_table(path).to_pylist()]
    assert [row["text"] for row in rows] == ["a", "b", "a", "b"]
    assert not {"D501", "D502"} & {f.rule for f in validate(root, SETTINGS, resolution=8).findings}
