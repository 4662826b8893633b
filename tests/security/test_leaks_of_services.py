"""Keys of services that people of pictures use, each in the form its service gives it; all are made
up here."""

from __future__ import annotations

import json
import random
import string

import pytest

from hubtools.leaks import secrets

_CHANCE = random.Random(41)
_WORD = string.ascii_letters + string.digits


def some(count: int, letters: str = _WORD) -> str:
    return "".join(_CHANCE.choice(letters) for _ in range(count))


def hexa(count: int) -> str:
    return some(count, "0123456789abcdef")


def uuid() -> str:
    return "-".join(map(hexa, (8, 4, 4, 4, 12)))


MIXED = "aB3" + "kQ7" * 3  # of all kinds, so that chance decides nothing
PLANTED = {
    "comfy": f"comfyui-{hexa(64)}",
    "teams": f"https://me.webhook.office.com/webhookb2/{uuid()}@{uuid()}/IncomingWebhook/{hexa(32)}/"
    f"{uuid()}",
    "zapier": f"https://hooks.zapier.com/hooks/catch/{some(7, string.digits)}/{some(7, 'abcxyz')}/",
    "backblaze": f"[b2]\nkey = K001{MIXED}{some(15)}\n",
    "ngrok": f"authtoken: 2{some(26)}_{some(21)}",
    "airtable": f"pat{some(14)}.{hexa(64)}",
    "heroku": f"HRKU-{uuid()}",
    "terraform": f"{some(14)}.atlasv1.{some(64)}",
    "supabase": f"sb_secret_{MIXED}{some(10)}_{some(8)}",
    "notion": f"secret_{MIXED}{some(31)}",
    "dropbox": f"sl.{MIXED}{some(128)}",
    "twitter": f"{'A' * 21}{some(10)}%2F{some(24)}%3D{some(50)}",
    "devops": f"{some(76)}AZDO{some(4)}",
    "gemini": f"AQ.Ab8{some(48)}",
    "azure": f'headers = {{"Ocp-Apim-Subscription-Key": "{hexa(32)}"}}',
    "mine": f"# my key: {MIXED}{some(20)}",
    "input": f'<input name="api_key" type="hidden" class="a b" value="{MIXED}{some(20)}">',
    "password": f"password=/{MIXED}{some(18)}+{MIXED}",
    "discord": f"https://canary.discord.com/api/v10/webhooks/{'1' * 18}/{some(68)}",
    "wandb": f"wandb: {hexa(40)}",
    "wandb, nested": f"wandb:\n  key: {hexa(40)}\n",
    "wandb, in a table": f"| service | key |\n|---|---|\n| wandb | {hexa(40)} |\n",
    "with a remark": f"hf token (write): {MIXED}{some(24)}",
    "cookie": f"my cookie is PHPSESSID=12345678_{MIXED}{some(24)}",
    "cookies": json.dumps({"cookies": {"PHPSESSID": f"12345678_{MIXED}{some(24)}"}}),
    "cookies of a browser": json.dumps(
        [
            {
                "domain": ".instagram.com",
                "hostOnly": False,
                "name": "sessionid",
                "path": "/",
                "sameSite": None,
                "secure": True,
                "value": f"{some(10, string.digits)}%3A{MIXED}{some(14)}",
            }
        ],
        indent=4,
    ),
    "slash": f"aws_session_token=/{MIXED}{some(30)}+{MIXED}==",
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted(name: str) -> None:
    assert list(secrets(PLANTED[name]))


@pytest.mark.parametrize(
    "text",
    [
        f"comfyui-{hexa(40)}",
        "K00" + "a" * 28,
        f"patients.{hexa(64)}",
        f"secret_{'a_name_of_something_' * 3}",
        f"{'A' * 40}{some(30)}",
        f"data:image/png;base64,{'A' * 30}{some(60)}",
        "password = /run/secrets/hubtoolsPassword2024File",
        "aws_session_token = /home/jane/pictures/2024/summer",
        '<input name="api_key" type="text" value="">',
        "# my key: see the notes of last week",
        f"pip install git+https://github.com/wandb/wandb@{hexa(40)}",
        "session_id = request.cookies.get(SESSION_COOKIE_NAME_2)",
        '{"session_id": "2026-01-02_first_run_of_the_day"}',
        "sessionid=<your session id of 2024>",
        "the AZDO extension of 2024",
    ],
)
def test_left_alone(text: str) -> None:
    assert not list(secrets(text))
