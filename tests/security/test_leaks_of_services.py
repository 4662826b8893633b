"""Keys of services that people of pictures use, each in the form its service gives it; all are made
up here."""

from __future__ import annotations

import json
import random
import string

import pytest

from hubtools.leaks.text import secrets

_CHANCE = random.Random(41)
_WORD = string.ascii_letters + string.digits
_BIG = string.ascii_uppercase + string.digits
_OF_WALLETS = "".join(c for c in _WORD if c not in "0OIl")  # base58


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
    # forms of further services, each without a word that tells
    "vercel": f"vcp_{MIXED}{some(40)}",
    "vercel blob": f"vercel_blob_rw_{some(16)}_{some(32)}",
    "bedrock": f"ABSK{MIXED}{some(100)}==",
    "aws session": f"IQoJb3JpZ2luX2Vj{some(300)}",
    "cloudflare": f"v1.0-{hexa(24)}-{hexa(146)}",
    "fly": f"fo1_{MIXED}{some(31)}",
    "render": f"rnd_{MIXED}{some(20)}",
    "planetscale": f"pscale_tkn_{some(43)}",
    "pulumi": f"pul-{hexa(40)}",
    "prefect": f"pnu_{MIXED}{some(24)}",
    "brevo": f"xkeysib-{hexa(64)}-{some(16)}",
    "sourcegraph": f"sgp_{hexa(16)}_{hexa(40)}",
    "dynatrace": f"dt0c01.{some(24, _BIG)}.{some(64, _BIG)}",
    "mailgun": f"key-{hexa(32)}",
    "openshift": f"sha256~{some(43)}",
    "readme": f"rdme_x{hexa(69)}",
    "contentful": f"CFPAT-{some(43)}",
    "clojars": f"CLOJARS_{hexa(60)}",
    "sonarqube": f"squ_{hexa(40)}",
    "yandex": f"AQVN{MIXED}{some(23)}",
    "yandex oauth": f"y0_AgAAAA{MIXED}{some(40)}",
    "1password": f"ops_eyJ{some(300)}",
    "1password of an account": "A3-" + "-".join(some(n, _BIG) for n in (6, 6, 5, 5, 5, 5)),
    "jina": f"jina_{MIXED}{some(52)}",
    "firecrawl": f"fc-{hexa(32)}",
    "helicone": f"sk-helicone-{some(7)}-{some(7)}-{some(7)}-{some(7)}",
    "langfuse": f"sk-lf-{uuid()}",
    "voyage": f"pa-{MIXED}{some(31)}",
    "runway": f"key_{hexa(128)}",
    "luma": f"luma-{uuid()}-{some(12)}",
    "anyscale": f"esecret_{MIXED}{some(14)}",
    "neptune": f"eyJhcGlfYWRkcmVzcyI6{MIXED}{some(120)}=",
    "grafana": f"eyJrIjoi{MIXED}{some(70)}==",
    "twitch": f"oauth:a1b2{some(26, string.ascii_lowercase + string.digits)}",
    "discord of an account": f"mfa.{some(84)}",
    "paypal": f"access_token$production${some(16)}${hexa(32)}",
    "plaid": f"access-production-{uuid()}",
    "square": f"EAAA{MIXED}{some(48)}",
    "instagram": f"IGQVJ{MIXED}{some(140)}",
    "asana": f"2/1{some(15, string.digits)}/1{some(15, string.digits)}:{hexa(32)}",
    "asana, before": f"1/1{some(15, string.digits)}:{hexa(32)}",
    "nuget": f"oy2a1b2c3{some(37, string.ascii_lowercase + string.digits)}",
    "crates.io": f"cio{MIXED}{some(20)}",
    "wallet": f"xprv9s21ZrQH143K{some(95, _OF_WALLETS)}",
    "azure ai": f"{some(52)}JQQJ99{some(26)}",
    "azure search": f"{some(42)}AzSe{some(6)}",
    "azure function": f"{some(44)}AzFu{some(5)}A==",
    "azure registry": f"{some(42)}+ACRD{some(5)}",
    "duffel": f"duffel_live_{some(43)}",
    "flutterwave": f"FLWSECK-{hexa(32)}-X",
    "shippo": f"shippo_live_{hexa(40)}",
    "easypost": f"EZAK{MIXED}{some(42)}",
    "firebase": f"AAAA{some(7)}:APA91b{some(134)}",
    "lambda": f"secret_{some(12)}_{some(32)}.{some(32)}",
    "segmind": f"SG_a1{hexa(14)}",
    "buildkite": f"bkua_{hexa(40)}",
    "circleci": f"CCIPAT_{some(22)}_{hexa(40)}",
    "adafruit": f"aio_{MIXED}{some(16)}",
    "adobe": f"p8e-{MIXED}{some(20)}",
    "frame.io": f"fio-u-{some(64)}",
    "mailersend": f"mlsn.{hexa(64)}",
    "resend": f"re_{some(8)}_{MIXED}{some(12)}",
    "typeform": f"tfp_{MIXED}{some(47)}",
    "e2b": f"e2b_{hexa(40)}",
    "cursor": f"crsr_{hexa(64)}",
    "llamacloud": f"llx-{MIXED}{some(36)}",
    "neon": f"napi_a1b2{some(60, string.ascii_lowercase + string.digits)}",
    "posthog": f"phx_{MIXED}{some(31)}",
    "logfire": f"pylf_v1_us_{some(43)}",
    "freepik": f"FPSX{hexa(32)}",
    "launchdarkly": f"sdk-{uuid()}",
    "honeycomb": f"hcaik_{some(58, string.ascii_lowercase + string.digits)}",
    "linear": f"lin_oauth_{hexa(64)}",
    "pair": f'demo.launch(auth=("admin", "{MIXED}!"))',
    "basic": f"auth=HTTPBasicAuth('bob', '{MIXED}')",
    "pair of a list": f"requests.get(url, auth=['bob', '{MIXED}?'])",
    "mail": f'smtp.login("bob@example.org", "Winter-{MIXED}")',
    "argument": f'add_argument("--api-key", type=str, default="{MIXED}{some(20)}", help="x")',
    "option": f"@click.option(\n    '--hub_token', '-t',\n    default='{MIXED}{some(20)}',\n)",
    "two strings": f'"Remember" "1"\n"AuthToken" \t"{MIXED}{some(20)}"\n',
    "profile": f'<profile userName="$x" userPWD="{some(50)}9" />',
    "humps": f'dbPass = "{MIXED}"',
    "conda": f"https://conda.anaconda.org/t/me-{uuid()}/me",
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
        f"key_{hexa(40)} file-{some(24)} chatcmpl-{some(29)} img_{hexa(64)} api-version: 1",
        f"cache-key-{hexa(32)} key-{hexa(40)} fc-{hexa(40)} sha256:{hexa(64)}",
        f"re_render_the_picture_of_a_woman rnd_{'word' * 7} pa-photo-of-a-woman-in-a-red-jacket-12",
        "vcr_recorded_at_night, cioccolata, precious, A3-POSTER-SIZE, sdk-1.2.3, oauth:it",
        f"file_name,text,md5\na.png,soft light, lora password,{hexa(32)}\n",
        'auth=("user", "password"), auth=("admin", "<password>"), author=("bob", "a1b2c3d4e5")',
        'smtp.login("me@example.org", "your-password-2024"); login("me", os.environ["PW"])',
        'add_argument("--hf_token", default="YOUR_TOKEN_HERE"), ("--api-key", default="")',
        'add_argument("--instance_token", default="ohwx-woman-2024-and-a-cat")',
        'add_argument("--api-key")\nadd_argument("--base", default="a-model-v1-5/a1b2c3d4e5f6")',
        f"https://conda.anaconda.org/conda-forge/linux-64/x-1.0-h{hexa(7)}_0.conda#{hexa(32)}",
        # a sequence of a protein, and one of DNA
        "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ",
        "GATTACCACCAGCTGCCACATTACCCGACCAATAGCGACTCCACCTCACCAAGATGTAACTGATATC",
    ],
)
def test_left_alone(text: str) -> None:
    assert not list(secrets(text))
