"""Tokens cut over lines, lists and cells, and values with colours of a terminal around them."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable

import pytest

from hubtools.leaks.text import secrets
from hubtools.publish.contents import Kind, scan
from tests.security.secrets_corpus import SECRETS, picture

KINDS = ("hugging face", "github", "github fine", "openai project", "google", "npm", "replicate")
RED, PLAIN = "\x1b[1;31m", "\x1b[0m"
VALUE = "aB3kQ7xY9" + "LmN4pQr8sTu2VwX5yZ6a"


@pytest.mark.parametrize(
    "carried",
    [
        lambda a, b: f"export X={a}\n{b}\n$ ls\n",
        lambda a, b: f"X={a}\r\n{b}\r\n",
        lambda a, b: json.dumps({"token": [a, b]}),
        lambda a, b: json.dumps({"token": [a, b]}, indent=2),
        lambda a, b: json.dumps({"outputs": [{"text": [f"said {a}\n", f"{b}\n", "done\n"]}]}),
        lambda a, b: f"token:\n  - {a}\n  - {b}\n",
        lambda a, b: f"a,b\n{a},{b}\n",
        lambda a, b: f"said {RED}{a}{PLAIN}{RED}{b}{PLAIN}\n",
        lambda a, b: json.dumps([f"said {RED}{a}{PLAIN}{RED}{b}{PLAIN}\n"]),
        lambda a, b: f"said {a}\x1b]0;a title\x07{b}\n",
        lambda a, b: f"said {a}\\033[0m{b}\n",
    ],
)
def test_in_two_pieces(carried: Callable[[str, str], str]) -> None:
    for seed, kind in enumerate(KINDS):
        token = SECRETS[kind](random.Random(seed))
        for place in (len(token) // 2, 2 * len(token) // 3):
            assert list(secrets(carried(token[:place], token[place:]))), (kind, place)


@pytest.mark.parametrize(
    "text",
    [
        f"{RED}api_key{PLAIN}={RED}{VALUE}{PLAIN}\n",
        f"{RED}api_key{PLAIN}\x1b[1m={PLAIN}\x1b[32m'{VALUE}'{PLAIN}\n",
        json.dumps({"text": [f"{RED}api_key{PLAIN}: {RED}'{VALUE}'{PLAIN}\n"]}),
    ],
)
def test_a_name_and_its_value_in_colours(text: str) -> None:
    assert list(secrets(text))


@pytest.mark.parametrize(
    "text",
    [
        '["hf_hub", "download", "snapshot", "repository", "files", "huggingface", "library"]',
        '["sk-learn", "scikit", "HuggingFaceHub", "StableDiffusionXLPipeline", "AutoTokenizer"]',
        "hf_logo_of_a_company\nA photo of a woman\nStanding in a garden\n",
        "sk-\nAbC\nDeF\n",
        f"{RED}step{PLAIN} 100 {RED}loss{PLAIN}=0.1234567890123456 {RED}key_frames{PLAIN}=12\n",
        "npm_config_cache,npm_package_name,npm_lifecycle_event,npm_config_user_agent\n",
        "hf_A\n" * 500,
    ],
)
def test_words_stay_words(text: str) -> None:
    assert not list(secrets(text))


def test_in_two_pieces_of_a_jpeg_that_tells_where_it_is_from() -> None:
    token = SECRETS["github"](random.Random(1))
    jpeg = picture("JPEG")
    box = b"\0\0\x0f\0jumb"
    for piece, part in ((2, token[20:]), (1, "z" * 30 + token[:20])):
        data = b"JP\0\1" + piece.to_bytes(4, "big") + box + part.encode()
        jpeg = jpeg[:2] + b"\xff\xeb" + (len(data) + 2).to_bytes(2, "big") + data + jpeg[2:]
    assert [leak for leak in scan("a.jpg", io.BytesIO(jpeg), len(jpeg)) if leak.kind is Kind.SECRET]
