"""What access tokens look like: known beginnings, and what must follow.

Where a service publishes its form, that form is asked for; GitLab's, Discord's, Square's and
Mailchimp's are those of Yelp's detect-secrets.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Collection, Iterator
from itertools import pairwise
from typing import NamedTuple

from hubtools.leaks.guesses import is_placeholder
from hubtools.leaks.marks import by_mark, words_in
from hubtools.leaks.services import ROWS
from hubtools.patterns import regex

_LONG = r"[A-Za-z0-9_-]"


class Secret(NamedTuple):
    """Something that must not be published: what it looks like, where it begins in the text that
    was looked at, and itself, which is never shown."""

    what: str
    start: int
    value: str

    def __repr__(self) -> str:
        return f"Secret({self.what!r}, {self.start})"


class Shape(NamedTuple):
    """`needles`: one of them must be in the text (found much faster); `group` 1 of the pattern, if
    it has one, is the secret. `holds` has the last word."""

    what: str
    needles: tuple[str, ...]
    pattern: str
    holds: Callable[[str], bool] | None = None


def _is_jwt(value: str) -> bool:
    try:
        head = value[value.index("eyJ") :].split(".")[0]
        return isinstance(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))), dict)
    except (ValueError, RecursionError):
        return False


def _is_mixed(value: str) -> bool:
    """Words with hyphens between them are no keys."""
    return any(
        len(part) >= 16 and len({_class(c) for c in part}) >= 2 and any(c.isdigit() for c in part)
        for part in re.split(r"[_-]", value)
    )


def _class(character: str) -> int:
    return 0 if character.isdigit() else 1 if character.isupper() else 2


def _varied(value: str) -> bool:
    """A snake_case_name is no token."""
    body = value.partition("_")[2] or value
    return (
        any(c.isdigit() for c in body)
        or (any(c.isupper() for c in body) and any(c.islower() for c in body))
        or len(set(body)) >= 14
    )


def _is_pair(value: str) -> bool:
    """Docker's `auth` and HTTP's Basic: `user:password` in base64."""
    try:
        user, colon, password = (
            base64.b64decode(value, validate=True).decode("ascii").partition(":")
        )
    except ValueError:
        return False
    return (
        bool(user and colon)
        and len(password) >= 4
        and (user + password).isprintable()
        and (not is_placeholder(password))
    )


def _is_session(value: str) -> bool:
    """Of Telethon (its version, the number of a server, an address, a port, a key of 256 bytes) or of
    Pyrogram (a server, an application, whether it is a test, the key, a user, whether it is a bot)."""
    for body, lengths in ((value[1:], (263, 275)), (value, (271,))):
        try:
            data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        except ValueError:
            continue
        if len(data) in lengths and 1 <= data[0] <= 5:
            port = int.from_bytes(data[-258:-256], "big")
            if port in (80, 443, 5222) or (len(data) == 271 and data[5] < 2 and data[-1] < 2):
                return True
    return False


def _is_signature(value: str) -> bool:
    """Digits and letters mixed, as base64 and hexadecimal digits are."""
    return (
        any(c.isdigit() for c in value)
        and any(c.isalpha() for c in value)
        and not is_placeholder(value)
    )


_KEY_BODY = r"(?:\\{1,4}[rn]|[\s\"',>|#*]){0,40}(?!\.\.\.|<|\[|\{|…)([A-Za-z0-9+/=][^\0]{0,200})"

# The same without its hyphens, with other strokes, or with the blanks of a form's address.
_FRAME = (
    r"(?<![A-Za-z0-9])BEGIN[ +][A-Z0-9 +]{0,30}PRIVATE[ +]KEY(?:[ +]BLOCK)?[ +]?[^\w\s\"'+/<\\]{0,12}"
    r"(?:\s?</?\w{1,10}>){0,3}"
)

# Who has the cookie of a session is logged in. Browsers write them down in JSON, in several orders.
_COOKIES = (
    *(
        "PHPSESSID",
        "sessionid",
        "SESSIONID",
        "session_id",
        "auth_token",
        "user_session",
        "_gh_sess",
    ),
    *("laravel_session", "connect.sid", "cf_clearance", "SAPISID", "__Secure-", "__Host-"),
    *("wordpress_logged_in", "remember_web", "csrftoken"),
)
_COOKIE = (
    r"(?<![\w.])(?:PHPSESSID|sessionid|J?SESSIONID|session_id|auth_token|user_session|_gh_sess"
    r"|laravel_session|connect\.sid|cf_clearance|SAPISID|__(?:Secure|Host)-[\w.-]{2,40}"
    r"|wordpress_logged_in_\w{6,40}|remember_web_\w{6,60}|csrftoken)"
    r"(?:=|[\"']\s{0,3}:\s{0,3}[\"']"
    r"|[\"'](?:\s{0,40},\s{0,40}\"\w{1,20}\"\s{0,3}:\s{0,3}(?:\"[^\"\n]{0,100}\"|[\w.-]{1,30})){0,8}?"
    r"\s{0,40},\s{0,40}\"value\"\s{0,3}:\s{0,3}\")"
    r"([A-Za-z0-9%._~+/:-]{20,400})"
)

SHAPES: tuple[Shape, ...] = (
    Shape("a Hugging Face token", ("hf_",), r"hf_(?:jwt|oauth)_[A-Za-z0-9._-]{20,4000}"),
    Shape("a Hugging Face token", ("hf_",), r"hf_[A-Za-z0-9]{30,34}", _varied),
    Shape("a Hugging Face token", ("api_org_",), r"api_org_[A-Za-z0-9]{30,40}", _varied),
    Shape(
        "a GitHub token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        r"gh[pousr]_[A-Za-z0-9]{36}",
    ),
    Shape("a GitHub token", ("github_pat_",), r"github_pat_[A-Za-z0-9_]{50,82}"),
    Shape(
        "a GitLab token",
        ("gl",),
        r"gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas|ffct)-(?:[0-9a-f]{2}_)?[A-Za-z0-9_.-]{20,64}",
        _is_mixed,
    ),
    Shape("a GitLab token", ("GR1348941",), r"GR1348941[A-Za-z0-9_-]{20,50}"),
    Shape("a Bitbucket token", ("ATBB", "ATCTT3"), r"ATBB[A-Za-z0-9]{32}(?![A-Za-z0-9])|ATCTT3[A-Za-z0-9_=.-]{60,250}"),
    Shape("an Atlassian token", ("ATATT3",), r"ATATT3[A-Za-z0-9_=.-]{60,250}"),
    Shape("an AWS key", ("AKIA", "ASIA", "ABIA", "ACCA"), r"(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}(?![a-z])", lambda v: len(set(v[4:])) > 6),
    Shape("a Google API key", ("AIza",), r"AIza[0-9A-Za-z_-]{35}"),
    Shape("a Google OAuth secret", ("GOCSPX-",), r"GOCSPX-[0-9A-Za-z_-]{28}"),
    Shape("a Google OAuth token", ("ya29.",), r"ya29\.[0-9A-Za-z_-]{30,400}"),
    Shape("a Google refresh token", ("1//0",), r"1//0[0-9A-Za-z_-]{40,120}", _is_mixed),
    Shape("an Azure storage key", ("AccountKey=", "SharedAccessKey="), r"(?:Account|SharedAccess)Key=([A-Za-z0-9+/]{42,88}={0,2})"),
    Shape("an Azure shared access signature", ("sig=",), r"[?&;]?sig=([A-Za-z0-9+/%]{40,100}={0,2})(?![\w])"),
    Shape("a signed address", ("ignature=",), r"(?i:[?&;]x-[a-z]{2,5}-signature)=([0-9A-Fa-f]{40,1100})(?![0-9A-Za-z])"),
    Shape("a signed address", ("ignature=",), r"[?&;](?:q-s|s|S)ignature=((?:[A-Za-z0-9/~_+-]|%[0-9A-Fa-f]{2}){24,1100}={0,2})", _is_signature),
    Shape("a signed address", ("hmac=",), r"(?:~|&|%7E)hmac=([0-9a-f]{40,128})(?![0-9A-Za-z])"),
    Shape("an Azure client secret", ("Q~",), r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}"),
    Shape("an Anthropic key", ("sk-ant-",), r"sk-ant-[a-z0-9]{2,12}-[A-Za-z0-9_-]{24,200}"),
    Shape("an API key", ("sk-",), r"(?<![A-Za-z0-9])sk-(?!ant-)(?:proj-|svcacct-|admin-|None-|or-v1-|lf-)?[A-Za-z0-9_-]{32,200}", _is_mixed),
    Shape("a Replicate token", ("r8_",), r"r8_[A-Za-z0-9]{37,40}"),
    Shape("a Weights & Biases key", ("wandb_v",), r"wandb_v\d_[A-Za-z0-9_]{40,100}"),
    Shape("a Slack token", ("xox", "xapp-"), r"(?:xox[abceoprs]|xapp)-(?:\d-)?[A-Za-z0-9%-]{18,250}", lambda v: any(c.isdigit() for c in v)),
    Shape("a Slack webhook", ("hooks.slack.com/",), r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Z]?[A-Za-z0-9_]{6,}/[A-Za-z0-9_]{6,}/[A-Za-z0-9_/]{16,80}"),
    Shape("a Discord token", (".",), r"(?<![A-Za-z0-9_.-])[MNO][A-Za-z\d_-]{23,27}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27,40}(?![\w.-])", _is_mixed),
    Shape("a Discord webhook", ("/webhooks/",), r"discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/\d{17,20}/([A-Za-z0-9_-]{60,80})"),
    Shape("a Telegram token", (":AA",), r"(?<!\d)\d{8,10}:AA[A-Za-z0-9_-]{32,33}(?![\w-])"),
    Shape("a Telegram token", ("/bot",), r"/bot(\d{8,10}:[A-Za-z0-9_-]{35})(?![\w-])"),
    Shape("a Stripe key", ("_live_", "_test_"), r"(?:sk|rk|pk_s)_(?:live|test)_[A-Za-z0-9]{16,120}"),
    Shape("a Stripe webhook secret", ("whsec_",), r"whsec_[A-Za-z0-9+/=]{30,60}"),
    Shape("a SendGrid key", ("SG.",), r"SG\.[A-Za-z0-9_-]{20,24}\.[A-Za-z0-9_-]{39,50}"),
    Shape("a PyPI token", ("pypi-",), r"pypi-[A-Za-z0-9_-]{80,300}"),
    Shape("an npm token", ("npm_",), r"npm_[A-Za-z0-9]{36}"),
    Shape("an npm password", ("_auth", "_password"), r"(?:^|[\s:])_(?:authToken|auth|password)\s*=\s*\"?([A-Za-z0-9+/=_-]{16,200})"),
    Shape("a signed web token (JWT)", ("eyJ",), r"eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{16,1000}", _is_jwt),
    Shape("a Twilio key", ("SK",), r"(?<![A-Za-z0-9])SK[0-9a-f]{32}(?![A-Za-z0-9])"),
    Shape("a Mailchimp key", ("-us",), r"(?<![0-9a-z])[0-9a-f]{32}-us\d{1,2}(?!\w)"),
    Shape("a Square token", ("sq0",), r"sq0(?:csp|atp)-[0-9A-Za-z_-]{22,43}"),
    Shape("a DigitalOcean token", ("_v1_",), r"do[oprt]_v1_[0-9a-f]{64}"),
    Shape("a Databricks token", ("dapi",), r"dapi[0-9a-f]{32}"),
    Shape("a Shopify token", ("shp",), r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    Shape("a Groq key", ("gsk_",), r"gsk_[A-Za-z0-9]{48,56}"),
    Shape("an xAI key", ("xai-",), r"xai-[A-Za-z0-9]{70,90}"),
    Shape("a Perplexity key", ("pplx-",), r"pplx-[A-Za-z0-9]{40,60}"),
    Shape("a RunPod key", ("rpa_",), r"rpa_[A-Z0-9]{36,50}[A-Za-z0-9]{0,6}"),
    Shape("a Notion token", ("ntn_",), r"ntn_[A-Za-z0-9]{40,60}"),
    Shape("a Linear key", ("lin_api_",), r"lin_api_[A-Za-z0-9]{36,44}"),
    Shape("a Figma token", ("figd_",), r"figd_[A-Za-z0-9_-]{36,50}"),
    Shape("a Postman key", ("PMAK-",), r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    Shape("a Vault token", ("hvs.", "hvb."), r"hv[sb]\.[A-Za-z0-9_-]{24,200}"),
    Shape("an Artifactory key", ("AKCp",), r"AKCp[A-Za-z0-9]{60,80}"),
    Shape("a fal.ai key", (":",), r"(?<![0-9a-f-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:[0-9a-f]{32}(?![0-9a-f])"),
    Shape("an age key", ("AGE-SECRET-KEY-",), r"AGE-SECRET-KEY-1[0-9A-Z]{50,60}"),
    Shape("a PuTTY key", ("PuTTY-User-Key-File",), r"PuTTY-User-Key-File-\d: [^\0]{0,400}"),
    Shape("a private key", ("PRIVATE KEY",), r"-{4,5} ?BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)? ?-{4,5}" + _KEY_BODY),
    Shape("a private key without its hyphens", ("PRIVATE KEY", "PRIVATE+KEY"), _FRAME + _KEY_BODY, lambda v: _is_key_body(v)),
    Shape("a private key (GnuPG)", ("private-key",), r"\((?:protected-|openpgp-)?private-key\s{1,9}\((?:rsa|dsa|elg|ec\w{1,4}|eddsa)([^\0]{20,200})"),
    Shape("a password in an HTTP header", ("asic ",), r"(?i:\bbasic )([A-Za-z0-9+/]{12,400}={0,2})", _is_pair),
    Shape("a registry's password", ('auth"',), r"\"auth\"\s*:\s*\"([A-Za-z0-9+/]{12,400}={0,2})\"", _is_pair),
    Shape("a Kaggle token", ("KGAT_",), r"KGAT_[0-9a-f]{32}"),
    Shape("a Docker token", ("dckr_",), r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{24,60}"),
    Shape("an API key", ("sk_",), r"(?<![A-Za-z0-9_])sk_[0-9a-f]{48}(?![0-9a-f])"),
    Shape("an NVIDIA key", ("nvapi-",), r"nvapi-[A-Za-z0-9_-]{60,80}"),
    Shape("a Pinecone key", ("pcsk_",), r"pcsk_[A-Za-z0-9]{4,40}_[A-Za-z0-9]{30,80}"),
    Shape("a Together key", ("tgp_v",), r"tgp_v\d_[A-Za-z0-9_-]{30,60}"),
    Shape("a Fireworks key", ("fw_",), r"(?<![A-Za-z0-9_])fw_[A-Za-z0-9]{20,30}(?![A-Za-z0-9])", _varied),
    Shape("a Cerebras key", ("csk-",), r"(?<![A-Za-z0-9])csk-[a-z0-9]{40,60}"),
    Shape("a Tavily key", ("tvly-",), r"tvly-(?:dev-|prod-)?[A-Za-z0-9]{30,60}"),
    Shape("a LangSmith key", ("lsv2_",), r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    Shape("a Mapbox token", ("sk.eyJ",), r"sk\.eyJ[A-Za-z0-9_-]{40,200}\.[A-Za-z0-9_-]{20,40}"),
    Shape("a Grafana token", ("glsa_", "glc_"), r"glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}|glc_[A-Za-z0-9+/=]{40,400}"),
    Shape("a Tailscale key", ("tskey-",), r"tskey-[a-z]{3,12}-[A-Za-z0-9]{8,40}-[A-Za-z0-9]{20,60}"),
    Shape("an Alibaba Cloud key", ("LTAI",), r"(?<![A-Za-z0-9])LTAI[45]t[A-Za-z0-9]{18,20}(?![A-Za-z0-9])"),
    Shape("a ModelScope token", ("ms-",), r"(?<![A-Za-z0-9_-])ms-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f-])"),
    Shape("a Meta access token", ("EAA",), r"(?<![A-Za-z0-9+/=_-])EAA[A-Za-z0-9]{80,400}(?![A-Za-z0-9+/=])", _is_mixed),
    Shape("a Supabase token", ("sbp_",), r"sbp_(?:v0_)?[0-9a-f]{40}"),
    Shape("a New Relic key", ("NRAK-",), r"NRAK-[A-Z0-9]{27}"),
    Shape("a RubyGems key", ("rubygems_",), r"rubygems_[0-9a-f]{48}"),
    Shape("a Doppler token", ("dp.",), r"(?<![A-Za-z0-9])dp\.(?:pt|st|ct|sa)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}"),
    Shape("a Netlify token", ("nfp_",), r"nfp_[A-Za-z0-9]{36,40}"),
    Shape("a Sentry token", ("sntry",), r"sntryu_[0-9a-f]{64}|sntrys_[A-Za-z0-9+/=_-]{60,400}"),
    Shape("a Weights & Biases key", ("andb", "ANDB"), r"(?i:wandb(?:\.ai)?)(?:[\"'*]{0,3}\s{0,12}[:=|]\s{0,12}|\s{1,3})[\"'`]?(?:(?:api[_ -]?)?key[\"']?\s{0,3}[:=]\s{0,3}[\"']?)?([0-9a-f]{40})(?![0-9a-f])"),
    Shape("a cookie of a session", _COOKIES, _COOKIE, _is_mixed),
    Shape("a Comfy.org key", ("comfyui-",), r"comfyui-[0-9a-f]{64}(?![0-9a-f])"),
    Shape("a Teams webhook", ("/webhookb2/",), r"/webhookb2/[0-9a-f-]{36}@[0-9a-f-]{36}/IncomingWebhook/([0-9a-f]{32})(?:/|\b)"),
    Shape("a Zapier webhook", ("hooks.zapier.com/",), r"hooks\.zapier\.com/hooks/catch/(\d{5,10}/[a-z0-9]{6,8})(?!\w)"),
    Shape("a Backblaze key", ("K00",), r"(?<![A-Za-z0-9+/_-])K00[0-9][A-Za-z0-9+/]{27}(?![A-Za-z0-9+/_=-])", _is_mixed),
    Shape("an ngrok token", ("authtoken", "AUTHTOKEN"), r"(?i:authtoken)[\s:=\"']{1,4}(2[A-Za-z0-9]{26}_[A-Za-z0-9]{20,22})(?!\w)"),
    Shape("an Airtable token", ("pat",), r"(?<!\w)pat[A-Za-z0-9]{14}\.[0-9a-f]{64}(?!\w)"),
    Shape("a Heroku key", ("HRKU-",), r"HRKU-[A-Za-z0-9_-]{36,70}", _varied),
    Shape("a Terraform token", (".atlasv1.",), r"(?<!\w)[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}"),
    Shape("a Supabase key", ("sb_secret_",), r"sb_secret_[A-Za-z0-9_-]{22,60}", _varied),
    Shape("a Notion token", ("secret_",), r"(?<!\w)secret_[A-Za-z0-9]{43}(?!\w)", _is_mixed),
    Shape("a Dropbox token", ("sl.",), r"(?<![\w.-])sl\.(?:u\.)?[A-Za-z0-9_-]{120,1500}", _is_mixed),
    Shape("an X (Twitter) bearer token", ("AAAAAAAAAAAAAAAAAAAA",), r"(?<![A-Za-z0-9+/%])A{20,24}[A-Za-z0-9%]{20,80}%3D[A-Za-z0-9]{36,80}"),
    Shape("an Azure DevOps token", ("AZDO",), r"(?<![A-Za-z0-9])[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}(?![A-Za-z0-9])"),
    Shape("a Google API key", ("AQ.Ab",), r"(?<![A-Za-z0-9])AQ\.Ab[A-Za-z0-9_-]{46,60}"),
    Shape("a session of Telegram", ("ession", "ESSION"), r"(?i:session)\w{0,12}[\"']?\s{0,4}(?:[:=(]\s{0,4}){1,2}[\"']?([A-Za-z0-9_-]{350,370}={0,2})(?![A-Za-z0-9_=-])", _is_session),
    Shape("a session of Telegram", ("StringSession",), r"StringSession\(\s{0,9}[\"'](1[A-Za-z0-9_-]{340,370}={0,2})[\"']"),
    Shape("a private address of a calendar", ("/private-",), r"calendar\.google\.com/calendar/ical/[^\s\"'<>/]{1,200}/private-([0-9a-f]{32})/"),
    Shape("a private key (XML)", ("<D>",), r"<RSAKeyValue>[^\0]{0,2000}?<D>([A-Za-z0-9+/=\s]{40,1400})</D>"),
    Shape("a private key (its numbers)", ("privateExponent:", "priv:"), r"(?:privateExponent|priv):\s{1,9}((?:[0-9a-f]{2}:\s{0,9}){12,600})"),
    Shape("a password's hash", ("$6$", "$5$", "$y$", "$apr1$", "$2a$", "$2b$", "$2y$"), r":(\$(?:[56y]|apr1|2[aby])\$[./A-Za-z0-9$=,]{20,200})"),
    *(Shape(row.what, row.needles, row.pattern, _is_mixed if row.careful else None) for row in ROWS),
)  # fmt: skip
_COMPILED: dict[str, re.Pattern[str]] = {}
NEEDLES = tuple(dict.fromkeys(needle for shape in SHAPES for needle in shape.needles))
_BY_MARK = by_mark(NEEDLES, '_-/:=$."AJKS')
_BY_NEEDLE: dict[str, list[int]] = {}
for _number, _shape in enumerate(SHAPES):
    for _needle in _shape.needles:
        _BY_NEEDLE.setdefault(_needle, []).append(_number)
# A part of those whose needle stands in nearly every text; it begins with a letter of its own, from
# which a search leaps on.
_PROBES = {
    "a Discord token": re.compile(r"\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27}"),
    "a fal.ai key": re.compile(r":[0-9a-f]{32}"),
}


def probed(text: str) -> bool:
    """Whether there may be one of those that no word tells."""
    return any(probe.search(text) is not None for probe in _PROBES.values())


_OF_CAPITALS = ("AKIA", "ASIA", "ABIA", "ACCA", "AIza")
_REST = regex(r"[A-Za-z0-9+/]{12,80}")
_RUN = regex(r"[A-Za-z0-9+/_-]{8,40}\Z")
# A beginning that base64 cannot have by chance: it has neither `_` nor `-`.
_MARK = regex(r"([a-z0-9]{2,10}|[A-Z]{3,})[_-]")
_URLSAFE = regex(r"[A-Za-z0-9_-]{60}\Z")


def _within_base64(text: str, match: re.Match[str]) -> bool:
    """Base64 of a picture holds any few letters sooner or later: whether a match stands within such.
    Only that for addresses has `_` and `-`; there three characters may come by chance if it goes on
    before them and behind."""
    start, end = match.span()
    if not match[0][0].isalnum() and match[0][0] not in "+/_-":
        return False  # base64 ends before it
    if mark := _MARK.match(match[0]):
        goes_on = re.match(r"[A-Za-z0-9_-]", text[end : end + 1]) is not None
        if len(mark[0]) > 3 or not goes_on or not _URLSAFE.search(text[max(0, start - 60) : start]):
            return False
    if match[0][:4] in _OF_CAPITALS and (line := _REST.match(text, end)) is not None:
        # at the start of a line of base64, which goes on
        return _by_chance(line[0][:40].rstrip("/"))
    return _by_chance(text[max(0, start - 40) : start])


def _by_chance(before: str) -> bool:
    """Whether this ends in letters and digits as mixed as those of base64 are."""
    run = _RUN.search(before)
    if run is None or before.endswith("/"):  # a path's part
        return False
    kinds = [0 if c.isdigit() else 1 if c.isupper() else 2 if c.islower() else 3 for c in run[0]]
    turns = sum(a != b for a, b in pairwise(kinds))
    return turns * 5 >= 2 * len(kinds) and {0, 1, 2} & set(kinds) >= {1, 2}


ODD_FRAME = "a private key without its hyphens"
_KEYS = ("a private key", "a PuTTY key", ODD_FRAME)
LETTERS = 128
"""Characters of base64 by which a key in a frame is known: all RSA keys of one size have the first
50 in common, and all of OpenSSH the first 80."""
_NOTE = regex(r"(?m)^[ \t>#|\"',]{0,40}[A-Za-z][A-Za-z-]{2,40}:(?: [^\n]*)?$")
_BREAKS = regex(r"\\{1,4}r?\\{0,4}n")


def _key_alone(value: str) -> str:
    """A key without the lines in front of it, such as `Comment: jane@example.com`, and without what
    follows it."""
    body, ended, _ = value.partition("-----END")
    body = _NOTE.sub("", _BREAKS.sub("\n", body)).strip()
    if ended and len(body) < _SHORTEST:
        return ""
    return body or "(its notes)"


_SHORTEST = 32  # letters of a key: 24 bytes
_NO_LETTER = regex(r"[^A-Za-z0-9+/]+")
_FRAMES_END = regex(r"END[ +][A-Z0-9 +]{0,30}PRIVATE[ +]KEY")


def letters_of_key(secret: Secret) -> str | None:
    """The first `LETTERS` of base64 of a key that stands in a frame; None for any other secret."""
    if secret.what not in _KEYS:
        return None
    body = _FRAMES_END.split(_key_alone(secret.value), maxsplit=1)[0]
    return _NO_LETTER.sub("", _NO_BODY.sub("", body))[:LETTERS]


def _is_key_body(value: str) -> bool:
    """Lines of base64, as mixed as chance makes it, or headers of such: what words are not."""
    if value.startswith(("Proc-Type: ", "DEK-Info: ")):
        return True
    body = _NO_BODY.sub("", _key_alone(value)[:80])[:_SHORTEST]
    kinds = [0 if c.isdigit() else 1 if c.isupper() else 2 if c.islower() else 3 for c in body]
    turns = sum(a != b for a, b in pairwise(kinds))
    return _BODY.match(body) is not None and {1, 2} <= set(kinds) and turns * 3 >= len(kinds)


_NO_BODY = regex(r"\\{1,4}[rn]|<[^<>]{1,40}>|[\s\"',>|#*]+")
_BODY = regex(r"[A-Za-z0-9+/]{32}")


def shaped(text: str, among: Collection[str] | None = None) -> Iterator[Secret]:
    """Everything in `text` that has a known shape; of `NEEDLES` only those `among` may be in it
    (None: any). Linear in its length."""
    likely = {number for needle in words_in(text, _BY_MARK, among) for number in _BY_NEEDLE[needle]}
    for number in sorted(likely):
        shape = SHAPES[number]
        probe = _PROBES.get(shape.what)
        if probe is not None and probe.search(text) is None:
            continue
        pattern = _COMPILED.get(shape.pattern) or _COMPILED.setdefault(
            shape.pattern, re.compile(shape.pattern)
        )
        for match in pattern.finditer(text):
            value = match[pattern.groups and 1]
            said = _key_alone(value) if shape.what in _KEYS else value
            if is_placeholder(said) or (shape.holds is not None and not shape.holds(value)):
                continue
            start = match.start()
            if not _within_base64(text, match):
                yield Secret(shape.what, start, value)
