"""Positions in tables wherever they lie (P129); own records are never taken for an export."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hubtools.dataset.pictures.private.besides import told_by_text
from hubtools.publish.release import collect
from hubtools.publish.rules import PUBLISH_RULES
from tests.security.secrets_corpus import picture

PLACE = {"latitude": 48.137, "longitude": 11.575, "altitude": 0.0}
TAKEN = {"timestamp": "1600000000", "formatted": "13.09.2020"}
NOTE = {"title": "IMG_1.jpg", "photoTakenTime": TAKEN, "geoData": PLACE, "imageViews": "3"}
OWN: dict[str, Any] = {
    "records": "\n".join(json.dumps({"file_name": f"{n}.png", **NOTE}) for n in range(3)),
    "one record": json.dumps({"file_name": "0.png", **NOTE}),
    "lines": "\n".join(json.dumps(NOTE) for _ in range(3)),
    "list": json.dumps([{"file_name": "0.png", **NOTE}]),
    "other names": json.dumps({"creationTime": 3, "imageViews": 4, "text": "a man"}),
    "other values": json.dumps({"geoData": "none", "photoTakenTime": "2020", "a": 1}),
    "with text": json.dumps({"text": "a man", **NOTE}),
    "positions of its own": json.dumps({"file_name": "0.png", "latitude": 48.1, "longitude": 11.5}),
    "csv": "file_name,geoData,photoTakenTime\n0.png,48.1,2020\n",
}


@pytest.mark.parametrize("name", OWN)
def test_own_records_are_not_taken_for_an_export(name: str) -> None:
    assert told_by_text(OWN[name].encode()) is None


@pytest.mark.parametrize(
    "note",
    [
        NOTE,
        {"title": "a.jpg", "geoData": PLACE, "people": [{"name": "Jane"}]},
        {"title": "a.jpg", "creationTime": TAKEN, "url": "https://photos.google.com/x"},
        {"albumData": {"title": "At home"}},
    ],
)
def test_an_export_is_known_by_its_structure(note: dict[str, Any]) -> None:
    for indent in (None, 2):
        data = json.dumps(note, indent=indent).encode()
        assert "Takeout" in (told_by_text(data) or "")
        assert "Takeout" in (told_by_text(data.decode().encode("utf-16")) or "")


def _zip(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, data)
    return out.getvalue()


def _parquet(columns: dict[str, Any]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out)
    return out.getvalue()


FILES = {
    "columns.parquet": _parquet({"text": ["a", "b"], "lat": [None, 48.137], "lon": [0.0, 11.575]}),
    "gps.parquet": _parquet({"gps_latitude": ["48.137"], "gps_longitude": ["11.575"]}),
    "struct.parquet": _parquet({"place": [{"latitude": 48.137, "longitude": 11.575}]}),
    "list.parquet": _parquet({"location": [[48.13712, 11.57541]]}),
    "text.parquet": _parquet({"location": ["48.13712, 11.57541"]}),
    "csv.zip": _zip("a.csv", b"file_name,lat,lng\na.png,48.137,11.575\n"),
    "jsonl.zip": _zip("a.jsonl", b'{"file_name": "a.png", "latitude": 48.1, "longitude": 11.5}\n'),
    "one.jsonl": b'{"file_name": "0.png", "gps": "48.13712,11.57541"}\n',
    "two.csv": b'file_name,location\n0.png,"48.13712, 11.57541"\n',
}
PLAIN = {
    "none.parquet": _parquet({"lat": [0.0], "lon": [0.0], "x": [48.137], "y": [11.575]}),
    "far.parquet": _parquet({"lat": [4800.5], "lon": [11.575]}),
    "words.parquet": _parquet({"location": ["a street in Munich, 48.1"], "lat": [1.5]}),
    "csv.zip": _zip("a.csv", b"file_name,x,y\na.png,48.137,11.575\n"),
    "bbox.jsonl": b'{"file_name": "0.png", "location": [48.13712, 11.57541, 3.5, 4.5]}\n',
}


def _told(root: Path, files: dict[str, bytes]) -> set[str]:
    root.mkdir()
    (root / "0.png").write_bytes(picture())
    for name, data in files.items():
        (root / name).write_bytes(data)
    found = PUBLISH_RULES.run(collect(root, "dataset"))
    assert not [finding.rule for finding in found if finding.rule == "P126"]
    return {str(finding.path) for finding in found if finding.rule == "P129"}


def test_positions_in_shards_and_archives_are_told(tmp_path: Path) -> None:
    assert _told(tmp_path / "a", FILES) == set(FILES)
    assert _told(tmp_path / "b", PLAIN) == set()
