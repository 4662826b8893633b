"""Secrets in everyday forms: tokens as users of addresses, `.netrc` in any order, defaults beside a
name, keywords of one line, Secrets of Kubernetes; and what looks so and is none."""

from __future__ import annotations

import base64
import io
import random
import time
import zipfile

import pytest

from hubtools.leaks.text import secrets
from hubtools.publish.contents import Kind, scan
from tests.security.secrets_everyday import (
    EVERYDAY,
    NEAR_EVERYDAY,
    near_everyday,
    planted_everyday,
    session,
    values,
)

# What has no letter of its own in the text, or is found as more than it.
_OTHERWISE = ("shell", "openssl")


def found(data: bytes) -> set[str]:
    return {
        leak.secret
        for leak in scan("notes.txt", io.BytesIO(data), len(data))
        if leak.kind is Kind.SECRET
    }


@pytest.mark.parametrize("name", EVERYDAY)
def test_it_is_found_as_it_is(name: str) -> None:
    told = values(random.Random(5))
    data = EVERYDAY[name].format(**told).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("notes", data)
    assert found(out.getvalue()) == found(data)
    good = {told[letter].rstrip("=") for letter in "KPHGTBN"} | {
        told["H"] * 2,
        (told["N"] * 2).rstrip("="),
    }
    assert {value.rstrip("=") for value in found(data)} & good or (
        found(data) and name in _OTHERWISE
    )


def test_planted_everyday_secrets_are_found_among_many_captions() -> None:
    """In a long text the words lead to them, not a look at each letter."""
    captions = "a photo of a red fox in the snow, standing, looking at viewer\n" * 400
    missed = []
    for name, _, data in planted_everyday():
        if not found(captions.encode() + data + b"\n" + captions.encode()):
            missed.append(name)
    assert not missed


def test_near_misses_are_left_alone() -> None:
    wrong = [text for text in near_everyday() if found(text.encode())]
    assert not wrong
    together = "\n\n".join(near_everyday(40))
    assert not found(together.encode())
    assert len(NEAR_EVERYDAY) >= 60


def test_what_was_found_in_base64_keeps_its_fingerprint() -> None:
    """Where the name tells, the letters as they stand were told, and still are, alone."""
    packed = base64.b64encode(b"Winter4wolves").decode()
    text = f"kind: Secret\ndata:\n  password: {packed}\n"
    assert {secret.value.rstrip("=") for secret in secrets(text)} == {packed.rstrip("=")}
    text = "${API_KEY:-" + "aZ4kP9qLm2Xw7Rt5Yb8Nc3Vd6Hs1Jg0Q}"
    assert len(list(secrets(text))) == len(list(secrets(f'API_KEY="{text}"'))) == 1


def test_sessions_are_told_by_their_bytes() -> None:
    r = random.Random(4)
    assert list(secrets(f"SESSION = '{session(r)}'"))
    other = "1" + base64.urlsafe_b64encode(b"\x09" + r.randbytes(262)).decode()
    assert not list(secrets(f"SESSION = '{other}'"))
    pyrogram = b"\2" + r.randbytes(4) + b"\0" + r.randbytes(264) + b"\0"
    assert list(secrets(f"session_string={base64.urlsafe_b64encode(pyrogram[:271]).decode()}\n"))


@pytest.mark.parametrize(
    "text",
    [
        'public string ApiKey\n{{ get; set; }} = "{K}";\n',
        "{{{{ api_key\n  | default('{K}') }}}}\n",
        "api_key\n    VARCHAR(80) NOT NULL DEFAULT '{K}',\n",
        "const token = process.env.API_TOKEN\n  || '{K}';\n",
        "token = known  or '{K}'\n",
    ],
)
def test_a_default_in_the_line_below_its_name(text: str) -> None:
    told = values(random.Random(6))
    assert told["K"] in {secret.value for secret in secrets(text.format(**told))}


@pytest.mark.parametrize("name", ["kubernetes", "terraform", "rust", "pydantic with more", "sql"])
def test_time_grows_with_the_text(name: str) -> None:
    """Beginnings of the form, over and over."""
    text = EVERYDAY[name].format(**values(random.Random(5)))

    def seconds(times: int) -> float:
        data = text[: len(text) * 2 // 3].rstrip("\"'`") * times
        began = time.process_time()
        list(secrets(data))
        return time.process_time() - began

    seconds(20)
    once, more = seconds(200), seconds(1600)
    assert more < 24 * once + 0.2
