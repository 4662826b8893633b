"""Secrets in odd letters, in base64 of packed bytes, in corners of archives, and in what a push
says beside its files."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import pickle
import random
import sqlite3
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from hubtools.errors import ChecksFailed
from hubtools.leaks.text import secrets
from hubtools.localhub.server import Hub
from hubtools.publish.contents import Kind, scan
from hubtools.publish.options import PushOptions
from hubtools.publish.push import plan_push
from tests.security.pushing import REPO
from tests.security.secrets_apart import database
from tests.typed import typed

TOKEN = "hf_" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xYzAbCd"
NOTE = f"notes token={TOKEN}\n".encode()
CHOSEN = "Hunter2xyz!q"


def kinds(name: str, data: bytes) -> list[Kind]:
    return [leak.kind for leak in scan(name, io.BytesIO(data), len(data))]


@pytest.mark.parametrize(
    "mark",
    ["\ufe0f", "\u202a", "\u2066", "\u3164", "\u115f", "\u2069", "\U000e0001"],
    ids=lambda mark: f"{ord(mark):x}",
)
def test_letters_that_nobody_sees(mark: str) -> None:
    text = TOKEN[:12] + mark + TOKEN[12:]
    assert list(secrets(text))
    captions = "".join(f"{n} a photo of a red fox in the snow under a tree\n" for n in range(600))
    assert Kind.SECRET in kinds("a.txt", (captions + text + "\n" + captions).encode())


def test_letters_of_tags() -> None:
    assert list(secrets("a fox" + "".join(chr(0xE0000 + ord(letter)) for letter in TOKEN)))


def test_literals_and_escapes() -> None:
    parts = TOKEN[:10], TOKEN[10:20], TOKEN[20:]
    assert list(secrets(f'const key = ["{parts[0]}", "{parts[1]}", "{parts[2]}"].join("")'))
    assert list(secrets("".join(f"\\{ord(letter):o}" for letter in TOKEN)))


@pytest.mark.parametrize("pad", range(3))
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_base64_with_a_word_behind(pad: int, pack) -> None:  # type: ignore[no-untyped-def]
    text = base64.b64encode(pack(b"x" * pad + NOTE)).decode().rstrip("=")
    for data in (f"data: {text}\nother: 1\n", json.dumps({"data": text, "seed": 1}), text):
        assert Kind.SECRET in kinds("a.yaml", data.encode())


def encrypted() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", NOTE)
    data = bytearray(out.getvalue())
    data[6] |= 1
    data[data.find(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    "packed", [encrypted(), b"7z\xbc\xaf\x27\x1c" + bytes(range(200))], ids=["zip", "7z"]
)
def test_base64_of_what_cannot_be_opened_is_told(packed: bytes) -> None:
    data = json.dumps({"data": base64.b64encode(packed).decode(), "more": 1}).encode()
    assert Kind.UNREAD in kinds("a.json", data)
    damaged = json.dumps({"data": base64.b64encode(gzip.compress(b"a fox")[:-9]).decode()})
    assert not kinds("a.json", damaged.encode())


def test_corners_of_archives() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", NOTE)
    assert Kind.SECRET in kinds("a.zip", out.getvalue())
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("a.txt")
        info.comment = gzip.compress(NOTE)
        archive.writestr(info, "hi")
    assert Kind.SECRET in kinds("a.zip", out.getvalue())
    words = " ".join(str(number * 7919) for number in range(500)).encode() + NOTE
    packed = lzma.compress(words, lzma.FORMAT_ALONE)
    packed = packed[:5] + struct.pack("<Q", len(words)) + packed[13:]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("a.txt")
        member.size = len(packed)
        tar.addfile(member, io.BytesIO(packed))
    assert Kind.SECRET in kinds("a.tar", out.getvalue())


def test_the_keyword_of_a_picture_s_text() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    for text in (b"password\0" + CHOSEN.encode(), b"Comment\0a red fox"):
        data = header + chunk(b"tEXt", text) + chunk(b"IEND", b"")
        assert (Kind.SECRET in kinds("a.png", data)) == text.startswith(b"password")


def test_a_tag_and_a_version(local_hub: Hub, dataset: Path) -> None:
    """A model's tag, and what a release calls its commit."""
    for kind, options in (("model", PushOptions(tag=TOKEN)), ("dataset", PushOptions(tag=TOKEN))):
        with pytest.raises(ChecksFailed, match="The tag holds what looks like a Hugging Face"):
            plan_push(dataset, REPO, kind, options)  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["--message", "--pr", "--collection", "repository"])
def test_what_is_said_beside_the_files(local_hub: Hub, dataset: Path, option: str) -> None:
    words = {
        "--message": [REPO, "--message", f"upload with {TOKEN}"],
        "--pr": [REPO, "--pr", "--message", TOKEN],
        "--collection": [REPO, "--collection", f"all of {TOKEN}"],
        "repository": [f"me/{TOKEN}"],
    }[option]
    done = typed("push", dataset, *words, "--type", "dataset", "--public")
    assert done.returncode == 3
    assert "what looks like a Hugging Face token" in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    mark = done.stderr.partition("(fingerprint ")[2].partition(")")[0]
    if option == "--message":
        allowed = ["--allowed-secrets", f"{mark}:made up"]
        done = typed("push", dataset, *words, *allowed, "--type", "dataset", "--public")
        assert done.returncode == 0, done.stderr


def test_broken_databases_and_pickles_are_bounded() -> None:
    """What is damaged anywhere is told or read on, and never ends the search."""
    r = random.Random(3)
    whole = database(["a", "api_key"], ["x", "y" * 900])
    for _ in range(40):
        broken = bytearray(whole)
        for _ in range(r.randrange(1, 30)):
            broken[r.randrange(16, len(broken))] = r.randrange(256)
        assert Kind.SECRET in kinds("a.db", bytes(broken) + TOKEN.encode())
    for protocol in range(6):
        data = pickle.dumps({"text": TOKEN, "n": [1, 2.5, b"x", None]}, protocol)
        for end in range(len(data)):
            kinds("a.pkl", data[:end])


def test_a_database_runs_nothing() -> None:
    base = sqlite3.connect(":memory:")
    base.execute("create table t(api_key text)")
    base.execute(
        "create view endless as with recursive c(x) as (select 1 union all select x + 1 from c)"
        " select x from c"
    )
    base.execute("insert into t values(?)", [TOKEN])
    base.commit()
    assert Kind.SECRET in kinds("a.db", bytes(base.serialize()))
    base.close()
