"""D805 to D812: every kind of shard that is not read as people think has its rule, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from broken_sets import build
from shard_sets import IMG, PARQUET, TABLES, WEBDATASET, F, P, im, pqb, tar

from hubtools.dataset.rules import shards
from hubtools.dataset.validate import validate
from hubtools.settings import DatasetSettings

SETTINGS = DatasetSettings(license="cc0-1.0", rights="own")
DIFFER = "data/train-00001-of-00002.parquet"
TOLD = {
    **{key: {"D805", "D806"} for key in ("two_schemas", "extra_col", "str_list", "null_str")},
    "splits_differ": {"D805"},
    "splits_less": {"D805"},
    **{key: {"D806"} for key in ("nofeature", "bytes", "base64", "list_bytes", "struct_more")},
    **{key: set() for key in ("feature", "order_declared", "dict", "list_feature")},
    "none_vs_feature": {"D806"},
    "feature_vs_none": set(),
    "string_path": {"D801", "D810"},
    "missing": {"D808"},
    "empty_first": {"D811"},
    "with_txt": {"D806", "D811"},
    **{key: set() for key in ("plain", "multi", "folder", "dotfolder", "two_tars", "json")},
    **{key: {"D807"} for key in ("dots", "dots_txt", "dots_mixed")},
    **{key: {"D812"} for key in ("mixed_ext_late", "two_tars_more", "tar_splits_differ")},
    **{key: {"D811"} for key in ("missing_txt", "cls_bad", "txt_latin", "meta", "tgz")},
    "pq_dirs_default": {"D806"},
    "pq_dirs_configs": {"D811"},
    "info_feat_pq": set(),
    "info_feat_less": {"D805", "D806"},
}
SETS = PARQUET | WEBDATASET | TABLES
SETS["order_declared"] = {
    "data/train-00000-of-00002.parquet": pqb({"image": im(1), "text": ["a"]}, F),
    DIFFER: pqb({"text": ["a"], "image": im(2)}, F),
}


@pytest.mark.parametrize("name", TOLD)
def test_each_kind_of_shard_is_told_by_its_rule(tmp_path: Path, name: str) -> None:
    root = build(tmp_path / "set", SETS[name])
    report = validate(root, SETTINGS, select=("D8",), resolution=8)
    assert {finding.rule for finding in report.findings} == TOLD[name], report.findings
    for finding in report.findings:
        assert finding.fix


@pytest.mark.parametrize(
    ("files", "gone"),
    [
        (["train-00000-of-00003.parquet", "train-00002-of-00003.parquet"], "00001-of-00003"),
        (["a-000.tar", "a-001.tar", "a-004.tar"], "a-002.tar"),
        (["x/a-00001.tar", "x/a-00003.tar"], "x/a-00002.tar"),
        (["2023001.tar", "2024001.tar"], None),
        (["train-00000-of-00001.parquet", "test-00000-of-00001.parquet"], None),
    ],
)
def test_a_gap_in_a_series_is_named(tmp_path: Path, files: list[str], gone: str | None) -> None:
    shard = {".tar": tar(("a.png", P[0])), ".parquet": pqb({"image": im(1)}, F)}
    root = build(tmp_path / "set", {name: shard[Path(name).suffix] for name in files})
    found = validate(root, SETTINGS, select=("D808",), resolution=8).findings
    assert [gone in one.message for one in found if gone] == ([True] if gone else [])


def test_a_row_group_beyond_the_viewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = build(tmp_path / "set", {"a.parquet": pqb({"image": im(*range(8))}, F)})
    assert not validate(root, SETTINGS, select=("D809",), resolution=8).findings
    monkeypatch.setattr(shards, "VIEWED_GROUP", 500)
    (finding,) = validate(root, SETTINGS, select=("D809",), resolution=8).findings
    assert (finding.path, "1 row group" in finding.message) == ("a.parquet", True)


def test_pictures_in_every_form_are_looked_at(tmp_path: Path) -> None:
    for name in ("bytes", "base64", "list_bytes", "struct_only_bytes", "large_binary"):
        root = build(tmp_path / name, PARQUET[name])
        facts = validate(root, SETTINGS, resolution=8).facts
        assert facts["pictures"] == facts["rows"] > 0, name
        assert facts["smallest"] == "8x8"
    assert IMG.num_fields == 2
