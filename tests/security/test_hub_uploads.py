"""What is sent to the embedded Hub: by whom, how much of it, and whether it is what it says."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from hubtools.localhub import api_commits, xet, xetformat
from hubtools.localhub.server import Hub
from hubtools.localhub.xetformat import NotXet, parse_shard
from tests.localhub.asking import CLIENT

ME = {"Authorization": "Bearer hf_local"}
NAME = "ab" * 32


def chunk(data: bytes, packed: int = 0, plain: int | None = None) -> bytes:
    unpacked = len(data) if plain is None else plain
    sizes = len(data).to_bytes(3, "little") + bytes([packed]) + unpacked.to_bytes(3, "little")
    return b"\0" + sizes + data


def shard(*sizes: int, xorb: str = NAME) -> bytes:
    rows = [struct.pack("<32sIIII", bytes.fromhex(xorb), 0, size, 0, 1) for size in sizes]
    head = struct.pack("<32sII8x", b"\2" * 32, 1 << 30, len(rows))
    end = b"\3" * 32 + bytes(16) + b"\xff" * 32 + bytes(16)
    return bytes(48) + head + b"".join(rows) + end


def area(hub: Hub) -> tuple[str, dict[str, str]]:
    """The address of an area, and the header that opens it."""
    CLIENT.post(f"{hub.url}/api/repos/create", json={"name": "one"}, headers=ME)
    address = f"{hub.url}/api/models/me/one/xet-write-token/main"
    told = CLIENT.get(address, headers=ME).json()
    return told["casUrl"], {"Authorization": f"Bearer {told['accessToken']}"}


def test_nothing_large_is_taken_from_who_may_not_write(local_hub: Hub) -> None:
    area(local_hub)
    address = f"{local_hub.url}/api/models/me/one/paths-info/main"
    asked = {"paths": [".gitattributes"], "more": "x" * (9 << 20)}
    assert CLIENT.post(address, json=asked).status_code == 401
    assert CLIENT.post(address, json=asked, headers=ME).status_code == 200
    del asked["more"]
    assert CLIENT.post(address, json=asked).json()[0]["path"] == ".gitattributes"
    # of an area that is not theirs, nothing at all
    shards = f"{local_hub.url}/_xet/{'0' * 32}/v1/shards"
    assert CLIENT.post(shards, content=b"", headers=ME).status_code == 401


def test_an_operation_of_a_commit_without_end(
    local_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    area(local_hub)
    monkeypatch.setattr(api_commits, "_LONGEST", 1000)
    address = f"{local_hub.url}/api/models/me/one/commit/main"
    lines = [json.dumps({"key": "header", "value": {"summary": "x"}}), "x" * 2000]
    assert CLIENT.post(address, content="\n".join(lines), headers=ME).status_code == 413
    assert CLIENT.post(address, content=lines[0], headers=ME).status_code == 200


def test_more_rows_or_chunks_than_are_kept(local_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xetformat, "MOST_ROWS", 3)
    assert len(parse_shard(shard(1, 1))) == 1
    with pytest.raises(NotXet):
        parse_shard(shard(1, 1, 1))
    monkeypatch.setattr(xet, "_MOST_CHUNKS", 3)
    where, key = area(local_hub)
    answers = [
        CLIENT.post(
            f"{where}/v1/xorbs/default/{name * 64}", content=chunk(b"12345") * 2, headers=key
        )
        for name in "12"
    ]
    assert [answer.status_code for answer in answers] == [200, 413]


def test_sizes_that_the_chunks_do_not_have(local_hub: Hub) -> None:
    where, key = area(local_hub)
    CLIENT.post(f"{where}/v1/xorbs/default/{NAME}", content=chunk(b"12345"), headers=key)
    for size in (0, 4, 6, 0xFFFFFFFF):
        answer = CLIENT.post(f"{where}/v1/shards", content=shard(size), headers=key)
        assert (answer.status_code, "another size" in answer.text) == (400, True)
    lying = CLIENT.post(
        f"{where}/v1/xorbs/default/{'1' * 64}", content=chunk(b"12345", plain=6), headers=key
    )
    assert lying.status_code == 400
    strange = chunk(b"12345", packed=9)
    answer = CLIENT.post(f"{where}/v1/xorbs/default/{'2' * 64}", content=strange, headers=key)
    assert answer.status_code == 400


# hf_xet has threads of its own, which no test process should carry on with
_PACKED = """
import sys
from pathlib import Path
from hubtools.localhub import api_xet
from hubtools.localhub.server import Hub
from tests.localhub.asking import CLIENT
from tests.security.test_hub_uploads import area, chunk, shard
api_xet.STALLED = 0.2
with Hub(Path(sys.argv[1])) as hub:
    where, key = area(hub)
    xorb = chunk(b"no LZ4", 1, 100)
    CLIENT.post(f"{where}/v1/xorbs/default/{'1' * 64}", content=xorb, headers=key)
    one = shard(100, xorb="1" * 64)
    print(CLIENT.post(f"{where}/v1/shards", content=one, headers=key).status_code)
"""


def test_packed_chunks_that_are_none(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PACKED, str(tmp_path / "hub")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.stdout.split(), done.stderr) == (["400"], "")
