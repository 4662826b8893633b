"""Tokens cut over lines, lists and cells, and values with colours of a terminal around them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from hubtools.leaks import secrets
from tests.security.secrets_corpus import SECRETS

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
