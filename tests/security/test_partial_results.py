"""A partial result is a file that anybody may have made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hubtools.dataset import parts
from hubtools.dataset.folder.part_file import MAGIC
from hubtools.dataset.parts import merge_parts, validate_part
from hubtools.dataset.pictures.packed import pack, unpack
from hubtools.errors import HubtoolsError, UsageError
from tests.drawing import write_pictures

ODD: list[Any] = [
    None,
    -1,
    1.5,
    [],
    [1],
    ["a", "b"],
    [1, 0],
    [1, 10**9],
    {},
    True,
    10**30,
    [[1], 2],
]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    write_pictures(folder / "ds", 2)
    validate_part(folder / "ds", "1/1", folder / "whole")
    return folder


@pytest.mark.parametrize(
    "key", ["form", "engine", "source", "where", "fingerprint", "part", "total", "count", "texts"]
)
def test_heads_of_other_kinds(key: str, written: Path, tmp_path: Path) -> None:
    head, parts = unpack(MAGIC, (written / "whole").read_bytes())
    for value in ODD:
        bad = tmp_path / "bad"
        bad.write_bytes(b"".join(pack(MAGIC, head | {key: value}, parts)))
        try:
            merge_parts([bad], written / "ds")
        except HubtoolsError:
            continue
        # what is not looked at, or the same
        assert key in ("total", "count") or (key, value) in [("where", None), ("form", True)]
    bad.write_bytes(b"".join(pack(MAGIC, {k: v for k, v in head.items() if k != key}, parts)))
    with pytest.raises(HubtoolsError):
        merge_parts([bad], written / "ds")


def test_no_address_is_asked_because_a_partial_result_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_pictures(tmp_path / "set", 1)
    address = "http://me:hunter22@127.0.0.1:9/set.zip"
    monkeypatch.setattr(parts, "_where", lambda _, where=parts._where: where(address))
    part = validate_part(folder, "1/1", tmp_path / "1.part").path
    assert b"hunter22" not in part.read_bytes()
    with pytest.raises(UsageError, match="no address is asked"):
        merge_parts([part])
    assert merge_parts([part], folder).facts["pictures"] == 1
