"""Secrets in two layers of what people really write: JSON in JSON, forms and pages with JSON, mails
with pages, base64 of packed bytes in any of them."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import quopri
import time
import zlib
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from hubtools.publish.contents import Kind, scan

TOKEN = "hf_" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xYzAbCd"
CHOSEN = "Tq8vLm2ZxR4wKd9P7xQ"
SAID = {
    "sentence": f"the token of the space is {TOKEN} and works",
    "JSON": json.dumps({"user": "me", "db_password": CHOSEN}),
    "variables": f"DB_PASSWORD={CHOSEN}\nUSER=me\n",
    "YAML": f'db:\n  password: "{CHOSEN}"\n',
}
LAYERS: dict[str, Callable[[str], str]] = {
    "JSON": lambda text: json.dumps({"text": text}),
    "JSON in JSON": lambda text: json.dumps({"a": json.dumps({"text": text})}),
    "JSON of numbers": lambda text: '{"t": "' + "".join(f"\\u{ord(c):04x}" for c in text) + '"}',
    "notebook": lambda text: json.dumps({"source": [f"{one}\n" for one in text.split("\n")]}),
    "log": lambda text: f"2024-01-01 INFO body={text.encode()!r}",
    "address": lambda text: f"https://x.org/?q={quote(text, safe='')}",
    "form": lambda text: f"q={quote_plus(text)}",
    "page": lambda text: f"<p>{html.escape(text)}</p>",
    "page of numbers": lambda text: "".join(f"&#x{ord(c):x};" for c in text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "MIME": lambda text: base64.encodebytes(text.encode()).decode(),
    "gzip": lambda text: base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode(),
    "zlib": lambda text: base64.urlsafe_b64encode(zlib.compress(text.encode())).decode(),
    "mail": lambda text: quopri.encodestring(text.encode()).decode(),
    "table": lambda text: 'a,"' + text.replace('"', '""') + '",c\n',
}


def is_found(text: str) -> bool:
    data = text.encode()
    return any(one.kind is Kind.SECRET for one in scan("a.txt", io.BytesIO(data), len(data)))


@pytest.mark.parametrize("what", SAID)
def test_two_layers(what: str) -> None:
    pairs = [(one, other) for one in LAYERS for other in LAYERS]
    missed = [pair for pair in pairs if not is_found(LAYERS[pair[1]](LAYERS[pair[0]](SAID[what])))]
    assert missed == []


@pytest.mark.parametrize("layers", [
    ("page", "mail", "JSON"), ("JSON", "gzip", "JSON in JSON"), ("JSON", "page", "form"),
    ("JSON", "MIME", "notebook"), ("JSON in JSON", "address", "JSON"), ("table", "JSON", "zlib"),
])  # fmt: skip
@pytest.mark.parametrize("what", SAID)
def test_three_layers(layers: tuple[str, ...], what: str) -> None:
    text = SAID[what]
    for layer in layers:
        text = LAYERS[layer](text)
    assert is_found(text)


@pytest.mark.parametrize("piece", ["\\" * 4000, "+%2B", "=\\n", '""""', "A" * 76 + " ", "%252B+"])
def test_time_grows_with_the_text(piece: str) -> None:
    def cost(length: int) -> float:
        text = piece * (length // len(piece))
        began = time.process_time()
        is_found(text)
        return time.process_time() - began

    cost(1000)
    assert cost(160_000) < 16 * cost(40_000) + 0.2  # four times, were it alone here
