"""Secrets and their names with something between them; keys beside words of manuals; values whose
names stand in another column."""

from __future__ import annotations

import io
import json

import pyarrow
import pytest
from pyarrow import parquet

from hubtools.leaks.text import secrets
from hubtools.publish.contents import Kind, scan
from hubtools.publish.kinds import unexpected

HEX = "3f9a1c7e5b2d8406e1f7a9c3b5d2840617e9f1a3"
MIXED = "aZ4kP9qLm2Xw7Rt5Yb8Nc3Vd6Hs1Jg0Q"
CHOSEN = "Hunter2xyz!q"
ED25519 = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIHkL3pQ9zXcVbN5mA8sD2fG7hJ4kL6qW1eR3tY5uI9oP\n"
    "-----END PRIVATE KEY-----\n"
)
PUTTY = (
    "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: jane@example.com\n"
    "Public-Lines: 1\nAAAAC3NzaC1lZDI1NTE5AAAAIHkL3pQ9zXcVbN5mA8sD2fG7hJ4kL6qW1eR3tY5u\n"
)
PGP = (
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\nComment: Jane Doe <jane@example.com>\n\n"
    "lQOYBF3abcdQWERTYUIOPasdfgh\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----\n"
)

PLANTED = {
    "a key before an address": f"key: |\n{ED25519}host: api.example.com\n",
    "a key in JSON": json.dumps({"key": ED25519, "mail": "jane@example.org", "more": "..."}),
    "a key of PuTTY": PUTTY,
    "a key of PGP with a comment": PGP,
    "a token that ends so": "glpat-aB3dE5gH7jK9mN1pQ2_x and so on",
    "a token in a path": "https://x.org/v1/aB3dE5gH/AIzaSyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q",
    "value first": json.dumps({"value": HEX, "name": "WANDB_API_KEY"}),
    "value first, more between": json.dumps({"value": CHOSEN, "kind": "x", "key": "db_password"}),
    "value first, YAML": f"- value: {HEX}\n  name: WANDB_API_KEY\n",
    "a member between": json.dumps({"name": "WANDB_API_KEY", "note": "for logs", "value": HEX}),
    "a password, a member between": json.dumps(
        {"name": "db_password", "sensitive": True, "value": CHOSEN}
    ),
    "in lines": json.dumps([{"name": "WANDB_API_KEY", "type": "text", "value": HEX}], indent=2),
    "in lines, nothing between": json.dumps({"name": "WANDB_API_KEY", "value": HEX}, indent=2),
    "a key between, YAML": f"- name: WANDB_API_KEY\n  comment: for logs\n  value: {HEX}\n",
    "a list": json.dumps({"api_keys": [MIXED]}),
    "an object": json.dumps({"password": {"default": CHOSEN}}),
    "a block": f'variable "db_password" {{\n  default = "{CHOSEN}"\n}}\n',
    "bold": f"**API key:** {MIXED}",
    "bold, then a colon": f"**Password**: `{CHOSEN}`",
    "underlined": f"__password__: {CHOSEN}",
    "an arrow": f"api key → {MIXED}",
    "a dash": f"api key – {MIXED}",
    "a sentence": f"My wandb key is {HEX}",
    "a sentence of a password": f"the password is {CHOSEN}",
    "cells of HTML": f"<tr><td>API key</td><td>{MIXED}</td></tr>",
    "cells of HTML in lines": f"<tr>\n  <td>Password</td>\n  <td><code>{CHOSEN}</code></td>\n</tr>",
    "terms of HTML": f"<dt>api key</dt><dd>{MIXED}</dd>",
    "lines of a notebook": json.dumps(["os.environ['WANDB_API_KEY'] = \\\n", f"  '{HEX}'\n"]),
}


@pytest.mark.parametrize("what", PLANTED)
def test_with_something_between(what: str) -> None:
    assert list(secrets(PLANTED[what]))


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY-----\nMIIE...\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nyour_key_here\n-----END PRIVATE KEY-----",
        '{"tokens": ["photo_of_1girl_standing_in_the_rain", "2"]}',
        '{"name": "keywords", "note": "x", "value": "a red fox in the snow"}',
        '{"value": "sha256-3f9a1c7e5b2d8406", "name": "checksum"}',
        "The password is case-sensitive, the key is below the mat.",
        "the token is sks_person2, the key is a-b-c-d-e",
        "password: [hidden]",
        "passwords: at least 8-12 letters",
        "<td>key</td><td>photo of a tok</td>",
        "access_key = s3_config.access_key",
        "char *password = xstrdup(value1)",
        "def open(path, password: Optional[str1] = None)",
        "**Key:** 1girl_solo_long_hair_2024",
        "key=crypto.constants.RSA_PKCS1_PADDING, secret: crypto.pbkdf2Sync",
        "password: XSLT_PARSE_OPTIONS",
        "https://abc:xyz@example.com/",
        "<code>password: &#x3C;string&#x3E;</code>",
        "-----BEGIN PRIVATE KEY-----\nprivate-key\n-----END PRIVATE KEY-----",
        '"#/definitions/task-maintenancewindowparameters-outputs3keyprefix"',
        '{"keys": ["3f9a1c7e5b2d8406e1f7a9c3b5d2840617e9f1a3"]}',
    ],
)
def test_what_only_looks_so(text: str) -> None:
    assert not list(secrets(text))


def stored(table: pyarrow.Table) -> bytes:
    out = io.BytesIO()
    parquet.write_table(table, out, compression="zstd")
    return out.getvalue()


def streamed(table: pyarrow.Table) -> bytes:
    out = io.BytesIO()
    options = pyarrow.ipc.IpcWriteOptions(compression="zstd")
    with pyarrow.ipc.new_file(out, table.schema, options=options) as writer:
        writer.write_table(table)
    return out.getvalue()


MAP = pyarrow.map_(pyarrow.string(), pyarrow.string())
TABLES = {
    "two columns": {"name": ["WANDB_API_KEY", "x"], "value": [HEX, "y"]},
    "two columns, a password": {"key": ["db_password", "x"], "n": [1, 2], "value": [CHOSEN, "y"]},
    "objects": {"env": [{"name": "WANDB_API_KEY", "value": HEX}]},
    "lists of objects": {"env": [[{"name": "WANDB_API_KEY", "value": HEX}]]},
    "maps": {"env": pyarrow.array([[("wandb_api_key", HEX)]], MAP)},
    "bytes": {"password": [CHOSEN.encode()]},
}


@pytest.mark.parametrize("what", TABLES)
def test_names_in_other_columns(what: str) -> None:
    table = pyarrow.table(TABLES[what])
    for data in (stored(table), streamed(table)):
        found = [leak.kind for leak in scan("a", io.BytesIO(data), len(data))]
        assert Kind.SECRET in found


def test_columns_of_several_types() -> None:
    words = " ".join(f"w{number * 7919 % 10007}" for number in range(4000))
    text = f"{words} hf_aB3dE5gH7jK9mN1pQ2rS4tU6vW8xYzAbCd {words}"
    types, places = pyarrow.array([0], pyarrow.int8()), pyarrow.array([0], pyarrow.int32())
    union = pyarrow.UnionArray.from_dense(
        types, places, [pyarrow.array([text]), pyarrow.array([1])]
    )
    runs = pyarrow.RunEndEncodedArray.from_arrays(pyarrow.array([3], pyarrow.int32()), [text])
    for column in (union, runs):
        data = streamed(pyarrow.table({"a": column}))
        assert text.encode()[-400:] not in data
        found = [leak.kind for leak in scan("a", io.BytesIO(data), len(data))]
        assert Kind.SECRET in found


def test_near_misses_in_columns() -> None:
    table = pyarrow.table({"name": ["keyword", "token_count"], "value": ["a red fox", "12"]})
    data = stored(table)
    assert not list(scan("a", io.BytesIO(data), len(data)))


@pytest.mark.parametrize("word", ["PARENT", "PAR1", "BZhang", "MSCF", "Salted__ peanuts"])
def test_a_caption_that_begins_as_an_archive_does(word: str) -> None:
    data = f"{word} and child, standing in the snow, red coat\n".encode()
    assert not list(scan("a.txt", io.BytesIO(data), len(data)))
    assert unexpected("dataset", "a.txt", data) is None
