"""Private keys are known by their bytes, whatever a file is called and wherever it lies;
certificates and public keys are left alone."""

from __future__ import annotations

import base64
import io
import json
import pickle
import random
import re
import sqlite3
import tarfile
import textwrap
import time
import zipfile
from urllib.parse import quote, quote_plus, urlencode

import pytest

from hubtools.leaks import hide
from hubtools.leaks.keyfiles import key_files
from hubtools.leaks.keys import key_lines, without_pieces
from hubtools.leaks.stream import OVERLAP, WINDOW, search
from hubtools.leaks.text import secrets
from hubtools.publish.contents import Kind, Leak, scan
from tests.security.key_files_made import (
    FILES,
    KEYS,
    OPEN,
    Make,
    encrypted,
    gnupg,
    jks,
    kdbx,
    openssh,
    pkcs1,
    pkcs8,
    ring,
)
from tests.security.secrets_corpus import picture


def read(data: bytes, name: str = "notes") -> list[Leak]:
    return list(scan(name, io.BytesIO(data), len(data)))


def found(data: bytes, name: str = "notes") -> set[str]:
    """What was found, each time once."""
    leaks = [leak for leak in read(data, name) if leak.kind is Kind.SECRET]
    assert len(leaks) == len({leak.secret for leak in leaks})
    return {leak.fingerprint for leak in leaks}


def named(make: Make) -> str:
    return make.__name__


def zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ca/server", data)
    return out.getvalue()


def tarred(data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo("backup/server")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def in_json(data: bytes) -> bytes:
    return json.dumps({"size": 1, "body": base64.b64encode(data).decode(), "n": 2}).encode()


def in_lines(data: bytes) -> bytes:
    lines = textwrap.fill(base64.b64encode(data).decode(), 64)
    return f"the file of the server:\n\n{lines}\n\nand nothing else\n".encode()


def in_hex(data: bytes) -> bytes:
    return f"body = {data.hex()}\n".encode()


@pytest.mark.parametrize("make", FILES, ids=named)
def test_a_key_is_found_by_its_bytes(make: Make) -> None:
    data = make(random.Random(7))
    marks = found(data)
    assert len(marks) == 1
    for carry in (zipped, tarred, in_json, in_lines, in_hex):
        assert found(carry(data)) >= marks, carry.__name__


@pytest.mark.parametrize("make", KEYS, ids=named)
def test_a_key_is_found_within_other_bytes(make: Make) -> None:
    data = make(random.Random(8))
    database = sqlite3.connect(":memory:")
    database.execute("create table t (a blob)")
    database.execute("insert into t values (?)", (data,))
    database.commit()
    noise = random.Random(9).randbytes(5000)
    for within in (
        pickle.dumps({"body": data}), picture("PNG") + data, bytes(database.serialize()),
        noise + data + noise, bytes(100) + data,
    ):  # fmt: skip
        assert found(within)


@pytest.mark.parametrize("make", OPEN, ids=named)
def test_what_is_no_private_key_is_left_alone(make: Make) -> None:
    for seed in range(20):
        data = make(random.Random(seed))
        for carry in (bytes, zipped, in_json, in_lines, in_hex, lambda data: bytes(50) + data):
            assert not found(carry(data)), seed


def test_random_bytes_are_no_keys() -> None:
    r = random.Random(3)
    assert not list(search(io.BytesIO(r.randbytes(3 << 20))))
    heads = (
        b"\x30\x82",
        b"\x95\x03",
        b"\xfe\xed\xfe\xed",
        b"\2\1\0\x30",
        b"\x30\x81\x80\2\1\1\4\x20",
    )
    for head in heads:
        for _ in range(300):
            assert not found(head + r.randbytes(400))


@pytest.mark.parametrize("before", [-700, -9, -1, 0, 1])
def test_a_key_between_two_windows_is_found_once(before: int) -> None:
    key = pkcs8(random.Random(4))
    data = bytes(WINDOW + before) + key + bytes(2 * OVERLAP)
    (one,) = search(io.BytesIO(data))
    assert one.offset == WINDOW + before
    assert one.secret is not None
    assert base64.b64decode(one.secret.value) == key


def pem(kind: str, data: bytes) -> str:
    body = textwrap.fill(base64.b64encode(data).decode(), 64)
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n"


@pytest.mark.parametrize("make", [openssh, kdbx, gnupg], ids=named)
def test_a_store_that_begins_at_the_end_of_a_window_is_found_once(make: Make) -> None:
    store = make(random.Random(5))
    for before in (WINDOW - 100, WINDOW - 300):
        data = b"\xfe\0" * (before // 2) + store + b"\xfe\0" * 500
        assert len([one for one in search(io.BytesIO(data)) if one.secret]) == 1
        both = data + make(random.Random(6)) + bytes(500)
        assert len([one for one in search(io.BytesIO(both)) if one.secret]) == 2


def test_a_key_in_its_frame_is_told_once() -> None:
    """By the frame, as ever: a fingerprint that somebody has allowed stays one."""
    key = pkcs8(random.Random(5))
    text = pem("PRIVATE" + " KEY", key)
    for carried in (
        text, text.replace("\n", "\r\n"), json.dumps({"private_key": text}), zipped(text.encode()),
        base64.b64encode(text.encode()), json.dumps({"a": json.dumps({"b": text})}),
        textwrap.indent(text, "    "),
    ):  # fmt: skip
        data = carried if isinstance(carried, bytes) else carried.encode()
        told = {leak.what: leak.secret for leak in read(data) if leak.kind is Kind.SECRET}
        # its first line stands below a word for a key, too
        assert set(told) - {"a key beside its name"} == {"a private key"}
        letters = re.sub(r"\\+[rn]|\s", "", told["a private key"])
        assert base64.b64encode(key).decode().startswith(letters)
    assert not found(pem("CERTIFICATE", random.Random(6).randbytes(900)).encode())
    # another one beside it is told
    both = f"{text}\n{base64.b64encode(pkcs1(random.Random(6))).decode()}\n"
    assert "a private key (DER)" in {leak.what for leak in read(both.encode())}


def test_keys_that_begin_alike_are_each_told() -> None:
    """Keys of one kind have their first fifty letters in common, those of OpenSSH more."""
    one, other = (pkcs8(random.Random(seed)) for seed in (5, 6))
    text, kind = pem("PRIVATE" + " KEY", one), "PRIVATE" + " KEY"
    there = base64.b64encode(other).decode()
    framed = pem(kind, other)
    for more in (there, framed.replace("-", ""), base64.b64encode(framed.encode()).decode()):
        told = [
            re.sub(r"\s", "", secret.value) for secret in secrets(f"{text}\nthe other: {more}\n")
        ]
        assert any(there[40:90] in value for value in told), more
    bare = text.replace("-", "")
    kinds = [secret.what for secret in secrets(f"{bare}\n\n{framed.replace('-', '')}\n")]
    assert (
        kinds.count("a private key without its hyphens") + kinds.count("a private key (DER)") == 2
    )
    ssh = [openssh(random.Random(seed)) for seed in (5, 6)]
    text = pem("OPENSSH " + kind, ssh[0]) + f"\nx: {base64.b64encode(ssh[1]).decode()}\n"
    assert "an OpenSSH private key" in {secret.what for secret in secrets(text)}


def test_a_file_for_keys_by_its_name_is_told_once() -> None:
    for name, make in (("server.p12", encrypted), ("a.kdbx", kdbx), ("b.jks", jks)):
        (leak,) = read(make(random.Random(5)), name)
        assert leak.what.startswith("a file for secrets")


def test_what_is_printed_hides_a_key() -> None:
    key = base64.b64encode(pkcs8(random.Random(5))).decode()
    store = base64.b64encode(kdbx(random.Random(5))).decode()
    assert store[600:640] not in hide(f"see {store} now")
    for text in (f"see {key} now", f"see\n{textwrap.fill(key, 64)}"):
        assert key[40:60] not in hide(text)
        assert key[-60:-40] not in hide(text)
    lines = textwrap.wrap(key, 64)
    hidden = without_pieces([" a", *(f"+{line}" for line in lines), " b"])
    assert not [line for line in hidden if line[1:] in lines]
    assert key_lines(["BEGIN+RSA+PRIVATE" + "+KEY", key[:60], "END"]) >= {key[:60]}


def test_a_key_of_gnupg_as_it_writes_it_today() -> None:
    number = random.Random(5).randbytes(32).hex().upper()
    for word in ("private-key", "protected-private-key"):
        text = f"Created: 20260101T000000\nKey: ({word} (ecc (curve Ed25519)(q\n  #40{number}#)"
        text += f"(d\n #{number}#)))\n"
        assert found(text.encode())
    assert not found(b"Key: (public-key (ecc (curve Ed25519)(q #40" + number.encode() + b"#)))\n")
    assert not found(b"(private-key (see the manual of the server for what is written there))\n")


# --- frames that are written otherwise ------------------------------------------------------------

_RSA = "RSA PRIVATE" + " KEY"


@pytest.mark.parametrize(
    "frame",
    [
        "BEGIN {}\n{}\nEND {}", "{}:\nBEGIN {}\n{}", "-- BEGIN {} --\n{}\n-- END {} --",
        "—–BEGIN {}—–\n{}\n—–END {}—–", "=== BEGIN {} ===\n{}\n=== END {}", "# BEGIN {}\n# {}",
        "BEGIN {}\\n{}\\nEND {}", "<p>BEGIN {}</p><p>{}</p>",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [_RSA, "PRIVATE" + " KEY", "OPENSSH PRIVATE" + " KEY"])
def test_frames_without_their_hyphens(frame: str, kind: str) -> None:
    # in a cipher: nothing but the frame tells
    body = base64.b64encode(random.Random(6).randbytes(200)).decode()
    if frame.startswith("{}"):
        text = frame.format("it", kind, body)
    else:
        text = frame.format(kind, body, kind)
    assert "a private key without its hyphens" in {secret.what for secret in secrets(text)}


@pytest.mark.parametrize("tail", ["", "%0A", "&user=me"])
def test_a_key_that_a_form_has_encoded(tail: str) -> None:
    text = pem(_RSA, random.Random(6).randbytes(200))
    for encoded in (
        quote_plus(text),
        quote(text),
        urlencode({"a": "b c", "key": text}),
        text.replace(" ", "+"),
    ):
        told = [secret.what for secret in secrets(f"POST /x\n\nbody={encoded}{tail}\n")]
        assert any(what.startswith("a private key") for what in told)


def test_words_about_keys_are_left_alone() -> None:
    for text in (
        "The file begins with BEGIN RSA PRIVATE" + " KEY and ends with END RSA PRIVATE KEY.",
        "BEGIN PRIVATE" + " KEY\n...\nEND PRIVATE KEY",
        "grep -l 'BEGIN OPENSSH PRIVATE" + " KEY' ~/.ssh/* | xargs chmod 600",
        "BEGIN RSA PRIVATE" + " KEY\nsee documentation of the server for more about this",
        "BEGIN+PRIVATE" + "+KEY+in+a+search&page=2",
        "if b'BEGIN RSA PRIVATE" + " KEY' in data: raise_a_very_long_name_of_an_error_1()",
        "BEGIN CERTIFICATE\n" + base64.b64encode(random.Random(1).randbytes(100)).decode(),
    ):
        assert not list(secrets(text)), text


def test_many_keys_are_read_in_time_that_grows_with_them() -> None:
    key = ring(random.Random(1)) + pkcs1(random.Random(1))
    assert len(read(key * 40)) >= 1
    assert len(read(b"\x30\x82\xff\xff\2\1\0\2" * 60_000)) == 0


def test_beginnings_of_stores_are_read_in_time_that_grows_with_them() -> None:
    begins = bytes.fromhex("3080020103308006092a864886f70d010701") * 20_000
    start = time.process_time()
    assert not list(key_files(begins))
    assert time.process_time() - start < 3  # seconds; each searching all that follows: 10
    assert list(key_files(begins + bytes.fromhex("2a864886f70d010706")))
