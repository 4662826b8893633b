"""Names of pictures in shards of others."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hubtools.dataset.packing.unpack import unshard
from tests.drawing import write_pictures


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/jane/private/a.png", "a.png"),
        ("C:\\Users\\jane\\a.png", "a.png"),
        ("~/a.png", "a.png"),
        ("gs://jane/a.png", "a.png"),
        ("folder/a.png", "folder/a.png"),
        ("../a.png", "000000000.png"),
    ],
)
def test_folders_of_another_machine_are_left_out(tmp_path: Path, path: str, name: str) -> None:
    """They tell whose it is."""
    data = (write_pictures(tmp_path / "drawn", 1, size=(16, 16)) / "picture0.png").read_bytes()
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array([{"bytes": data, "path": path}], kind), "text": ["a"]})
    pq.write_table(table, tmp_path / "a.parquet")
    unshard(tmp_path / "a.parquet", tmp_path / "out")
    assert (tmp_path / "out" / name).read_bytes() == data
    assert "jane" not in (tmp_path / "out" / "metadata.jsonl").read_text()
