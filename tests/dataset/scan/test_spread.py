"""`--engine daft` gives what the local engine gives."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from simple import TRIGGER, picture

from hubtools import errors
from hubtools.dataset.packing.write import shard
from hubtools.dataset.parts import merge_parts, validate_part
from hubtools.dataset.scan.daft_engine import engine_named
from hubtools.dataset.validate import validate
from hubtools.errors import HubtoolsError, UsageError
from hubtools.settings import DatasetSettings

if TYPE_CHECKING:
    from hubtools.localhub.server import Hub

pytest.importorskip("daft", reason="the extra daft is not installed")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Sound pictures, copies, a cut-off one, an HTML page, a bomb, a TIFF."""
    root = tmp_path / "mixed"
    for number in range(12):
        picture(root / f"{number}.png", number, (80, 80))
    shutil.copy(root / "0.png", root / "copy.png")
    picture(root / "a.tiff", 20, (80, 80))
    (root / "5.png").write_bytes((root / "5.png").read_bytes()[:-20])
    (root / "6.png").write_bytes(b"<html>")
    (root / "bomb.png").write_bytes(_bomb())
    rows = [{"file_name": p.name, "text": f"{TRIGGER} {p.name}"} for p in sorted(root.iterdir())]
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def _bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def equal(where: Any, settings: DatasetSettings) -> int:
    local = validate(where, settings, resolution=64)
    spread = validate(where, settings, resolution=64, engine="daft")
    assert spread == local
    return len(local.findings)


def test_results_equal_the_local_engine_s(
    mixed: Path, tmp_path: Path, settings: DatasetSettings
) -> None:
    assert equal(mixed, settings) >= 4
    shard(mixed, tmp_path / "parquet")
    assert equal(tmp_path / "parquet", settings) >= 3
    archive = shutil.make_archive(str(tmp_path / "a"), "zip", mixed)
    assert equal(archive, settings) >= 4
    tar = shutil.make_archive(str(tmp_path / "a"), "gztar", mixed)
    assert equal(tar, settings) >= 4


def test_on_the_hub(mixed: Path, local_hub: Hub, settings: DatasetSettings) -> None:
    local_hub.store.mount("dataset", "me/mixed", mixed)
    assert equal("hf://datasets/me/mixed", settings) >= 4


def test_a_share(mixed: Path, tmp_path: Path, settings: DatasetSettings) -> None:
    parts = [
        validate_part(mixed, f"{n}/2", tmp_path / f"{n}.part", engine=("local", "daft")[n - 1]).path
        for n in (1, 2)
    ]
    assert merge_parts(parts, None, settings) == validate(mixed, settings)


def test_without_daft(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(errors.EXTRAS, "daft", ("no_such_daft",))
    with pytest.raises(HubtoolsError) as error:
        engine_named("daft")
    assert error.value.hint == "pip install 'hf-hubtools[daft]'"
    with pytest.raises(UsageError, match="no engine 'spark'"):
        engine_named("spark")
