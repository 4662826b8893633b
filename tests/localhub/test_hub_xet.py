"""Uploads by the client's own default, Xet, and what does not come from such a client."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import snapshot_download

from hubtools.localhub.server import Hub
from hubtools.localhub.xetformat import NotXet, Segment, chunks_of, parse_shard, plain_bytes
from tests.localhub.asking import CLIENT

_UPLOAD = """
import os, sys
from huggingface_hub import CommitOperationAdd, HfApi, constants
assert not constants.HF_HUB_DISABLE_XET
api = HfApi()
api.create_repo("me/one")
for _ in range(2):  # nothing is sent twice
    api.upload_folder(repo_id="me/one", folder_path=sys.argv[1])
api.upload_file(repo_id="me/one", path_or_fileobj=b"\\0" * 5000, path_in_repo="zeros.bin")
pull = CommitOperationAdd("pr.bin", b"\\1" * 99)
api.create_commit("me/one", [pull], commit_message="x", create_pr=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the child is stopped by a signal")
def test_the_client_uploads_with_xet_on(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    noise = random.Random(1).randbytes(3_000_000)
    (folder / "big.safetensors").write_bytes(noise)
    (folder / "same.bin").write_bytes(noise[:1_500_000] + b"and more")
    (folder / "packed.bin").write_bytes(b"the same again\n" * 100_000)
    (folder / "small.txt").write_text("regular")
    command = [sys.executable, "-m", "hubtools.localhub", "--root", str(tmp_path / "hub")]
    # hf_xet has threads of its own, which no test process should carry on with
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_HUB_DISABLE_XET")}
    environment |= {"HF_HOME": str(tmp_path / "home"), "HF_TOKEN": "hf_local"}
    hub = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert hub.stdout is not None
        url = json.loads(hub.stdout.readline())["url"]
        subprocess.run(
            [sys.executable, "-c", _UPLOAD, str(folder)],
            env=environment | {"HF_ENDPOINT": url},
            check=True,
            timeout=600,
        )
        there = Path(
            snapshot_download("me/one", endpoint=url, token=False, cache_dir=tmp_path / "c")
        )
        for file in folder.iterdir():
            assert (there / file.name).read_bytes() == file.read_bytes()
        assert (there / "zeros.bin").read_bytes() == bytes(5000)
        pull = CLIENT.get(f"{url}/me/one/resolve/refs%2Fpr%2F1/pr.bin")
        assert pull.content == b"\1" * 99
        assert list((tmp_path / "hub/incoming").iterdir()) == []
    finally:
        hub.terminate()
        hub.wait(120)
    assert list((tmp_path / "hub/xet").iterdir()) == []


def chunk(size: int) -> bytes:
    return b"\0" + size.to_bytes(3, "little") + b"\0" + size.to_bytes(3, "little") + bytes(size)


def shard(count: int, xorb: bytes = b"\1" * 32, start: int = 0, end: int = 1) -> bytes:
    rows = struct.pack("<32sIIII", xorb, 0, 10, start, end) * min(count, 3)
    head = struct.pack("<32sII8x", b"\2" * 32, 1 << 30, count)
    return bytes(48) + head + rows + b"\3" * 32 + bytes(16) + b"\xff" * 32 + bytes(16)


def test_shapes_of_what_is_sent() -> None:
    (file,) = parse_shard(shard(3))
    assert (file.size, len(file.segments), file.sha256) == (30, 3, "03" * 32)
    assert file.between(15, 25) == (5, list(file.segments[1:3]))
    assert file.between(0, 30) == (0, list(file.segments))
    data = chunk(5) + chunk(7) + b"XETBLOB and what follows"
    chunks = chunks_of(io.BytesIO(data), len(data))
    assert (list(chunks.offsets), chunks.packed) == ([0, 13, 28], b"\0\0")
    assert list(plain_bytes(io.BytesIO(data), chunks, Segment("", 12, 0, 2))) == [
        bytes(5),
        bytes(7),
    ]
    assert chunks.plain(Segment("", 12, 0, 2))
    packed = data[:4] + b"\1" + data[5:]
    assert not chunks_of(io.BytesIO(packed), len(packed)).plain(Segment("", 5, 0, 1))


@pytest.mark.parametrize("data", [b"", b"\0" * 48, shard(3)[:-60], shard(1 << 31), shard(1, end=0)])
def test_what_is_no_shard(data: bytes) -> None:
    with pytest.raises(NotXet):
        parse_shard(data)


@pytest.mark.parametrize("data", [b"", b"XETBLOB", chunk(50)[:-1], chunk(0) * 9000])
def test_what_is_no_xorb(data: bytes) -> None:
    with pytest.raises(NotXet):
        chunks_of(io.BytesIO(data), len(data))


def test_only_who_may_write_gets_a_token_and_only_it_opens_the_area(local_hub: Hub) -> None:
    me, other = ({"Authorization": f"Bearer {token}"} for token in ("hf_local", "hf_other"))
    url = local_hub.url
    CLIENT.post(f"{url}/api/repos/create", json={"name": "one"}, headers=me)
    address = f"{url}/api/models/me/one/xet-write-token/main"
    assert CLIENT.get(address).status_code == 401
    assert CLIENT.get(address, headers=other).status_code == 403
    assert CLIENT.get(f"{url}/api/models/me/one/xet-read-token/main").status_code == 501
    mine = CLIENT.get(address, headers=me).json()
    theirs = CLIENT.get(f"{address}?create_pr=1", headers=other).json()
    assert mine["casUrl"] != theirs["casUrl"]
    assert CLIENT.get(address, headers=me).json()["casUrl"] == mine["casUrl"]
    name, data = "ab" * 32, chunk(5)
    key = {"Authorization": f"Bearer {mine['accessToken']}"}
    xorb = f"{mine['casUrl']}/v1/xorbs/default/{name}"
    for wrong in ({}, me, {"Authorization": f"Bearer {theirs['accessToken']}"}):
        assert CLIENT.post(xorb, content=data, headers=wrong).status_code == 401
    assert CLIENT.post(xorb, content=b"x", headers=key).status_code == 400
    assert CLIENT.post(xorb, content=data, headers=key).json() == {"was_inserted": True}
    assert CLIENT.post(xorb, content=data, headers=key).json() == {"was_inserted": False}
    shards = f"{mine['casUrl']}/v1/shards"
    assert CLIENT.post(shards, content=b"x", headers=key).status_code == 400
    answer = CLIENT.post(shards, content=shard(1), headers=key)
    assert "did not arrive" in answer.json()["error"]
    answer = CLIENT.post(shards, content=shard(1, bytes.fromhex(name), 0, 2), headers=key)
    assert "did not arrive" in answer.json()["error"]
    # the token of an area is no token of its user
    assert CLIENT.get(f"{url}/api/whoami-v2", headers=key).status_code == 401
    assert CLIENT.get(f"{mine['casUrl']}/x/{'0' * 64}/{name}").status_code == 404
    assert CLIENT.get(f"{mine['casUrl']}/x/{mine['accessToken']}/{name}").content == data


def test_what_a_killed_hub_has_left_goes_and_nothing_else(tmp_path: Path) -> None:
    with Hub(tmp_path / "hub"):
        pass
    left, other, outside = (
        tmp_path / name for name in ("hub/xet/" + "0" * 32, "hub/xet/mine", "o")
    )
    for folder in (left, other, outside):
        folder.mkdir(parents=True)
        (folder / "a").write_text("x")
    (left / "link").symlink_to(outside)
    (tmp_path / "hub/xet" / ("1" * 32)).symlink_to(outside)
    with Hub(tmp_path / "hub"):
        assert not left.exists()
        assert (other / "a").exists()
        assert (outside / "a").exists()
