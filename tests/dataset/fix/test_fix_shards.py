"""Shards are repaired, and every picture in them stays what it was; undone, they are as before."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from broken_sets import build
from shard_sets import PARQUET, WEBDATASET, F, P, im, pqb, tar

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
        assert {f.rule for f in done.plan.remaining} >= {f.rule for f in told} - {"D404", "D502"}
    now = loaded(root)
    if name != "dots_apart":  # rows of two kinds are no table
        assert now.outcome is Outcome.LOADS, now.reason
        assert {c for split in now.splits for c in split.pictures}
        assert sum(split.rows for split in now.splits) == len(held)
    assert fix(root, SETTINGS, resolution=8).journal is None
    undo_fix(root)
    assert tree(root) == before


def test_large_row_groups_are_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hubtools.dataset.rules import shards

    monkeypatch.setattr(shards, "VIEWED_GROUP", 500)
    root = build(tmp_path / "set", {"a.parquet": pqb({"image": im(*range(150))}, F)})
    held = pictures(root)
    fix(root, SETTINGS, resolution=8)
    with pq.ParquetFile(root / "a.parquet") as file:
        groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert sum(groups) == 150
    assert max(groups) <= 100
    assert pictures(root) == held


def test_a_saved_plan_of_shards_is_carried_out(tmp_path: Path) -> None:
    root = build(tmp_path / "set", PARQUET["two_schemas"])
    held, plan = pictures(root), tmp_path / "plan.json"
    made = typed("fix", root, "--plan", plan)
    assert (made.returncode, "with the columns image, text, caption" in made.stdout) == (0, True)
    assert typed("fix", "--from-plan", plan, "--yes").returncode == 0
    assert pictures(root) == held
    assert loaded(root).outcome is Outcome.LOADS
    again = typed("fix", "--from-plan", plan, "--yes")
    assert (again.returncode, "done already" in again.stdout) == (0, True), again.stderr
    assert typed("fix", root, "--undo").returncode == 0
    assert loaded(root).outcome is Outcome.RAISES
