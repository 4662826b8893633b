"""Values that stand where a word says, in a form of its own: headers, logins, files of programs.

A row is what it is, the word in small letters, what must stand behind it (its last group is the
value), and what has the last word."""

from __future__ import annotations

import re
from collections.abc import Callable

from hubtools.leaks.guesses import (
    is_drawn,
    is_hex,
    is_manual,
    is_mixed,
    is_password,
    is_placeholder,
    looks_random,
)
from hubtools.patterns import regex

_BEARER = regex(r"\s{1,4}([A-Za-z0-9._~+/-]{20,2000}={0,2})")
_CIVITAI = regex(r"[^\n]{0,200}?(?i:token|key)[^\w\n]{1,6}([0-9a-f]{32})(?![0-9a-f])")
_NETRC = regex(r"\s+\S{1,200}\s+(?:account\s+\S{1,200}\s+)?password\s+(\S{4,400})")
# The same fields in another order, or with more of them.
_FIELDS = r"(?:(?:login|account|port|protocol)\s+\S{1,200}\s+)"
_NETRC_PORT = regex(
    rf"\s+\S{{1,200}}\s+(?:account\s+\S{{1,200}}\s+)?(?:port|protocol)\s+\S{{1,20}}\s+{_FIELDS}{{0,3}}password\s+\"?([^\s\"]{{4,400}})"
)
_NETRC_ANY = regex(
    rf"\s+(?![\w.-]{{3,80}}\s+login\s+\S+\s+(?:account\s+\S+\s+)?password\s)[\w.-]{{1,80}}\s+{_FIELDS}{{0,4}}password\s+\"?([^\s\"]{{4,400}})"
)
_WANDB = regex(r"[\"',\s]{1,8}login[\"',\s]{1,8}(?:--\S{1,40}\s{1,4})*([0-9a-f]{40})(?![0-9a-f])")
_MACHINE = regex(r"\b(?:machine\s+[\w.-]{3,80}|default)\s+login\Z")
_KAGGLE = regex(r"\\*\"\s*:\s*\\*\"([0-9a-f]{32})\\*\"")
_CURL = regex(r"[^\n]{0,300}?\s(?:-u|--user)[ =][\"']?([^\s:\"']{1,80}):([^\s\"']{4,200})")


def is_chosen(match: re.Match[str]) -> bool:
    """True for (user, password) that are no manual's."""
    user, password = match[1], match[2]
    if is_manual(password) or password[:1] in "$%{":
        return False
    return password != user and (not password.isdigit() or len(password) >= 6)


def _of_netrc(match: re.Match[str]) -> bool:
    value, text, start = match[1], match.string, match.start()
    if not _MACHINE.search(text, max(0, start - 120), start):
        return False
    word = value.isalpha() and value.islower() and len(value) < 16
    return not word and not is_manual(value)


def _of_machine(match: re.Match[str]) -> bool:
    value, text, start = match[1], match.string, match.start()
    if is_manual(value) or (value.isalpha() and (value.islower() or value.istitle())):
        return False
    logs_in = "login" in match[0] or _LOGS_IN.match(text, match.end()) is not None
    return start >= 7 and (logs_in or looks_random(value))


_LOGS_IN = regex(r"\"?\s+(?:(?:account|port|protocol)\s+\S{1,200}\s+){0,3}login\s")


def _line(match: re.Match[str]) -> str:
    """What stands before a match in its line, the word that tells included."""
    text, start = match.string, match.start()
    return text[max(0, start - 200, text.rfind("\n", 0, start) + 1) : start]


def _is_setting(match: re.Match[str]) -> bool:
    """Whether a line is a word and a value, and nothing else."""
    return len(_line(match).split()) == 1 and _mixed(match)


def _is_psk(match: re.Match[str]) -> bool:
    raw = is_hex(match[1]) and len(match[1]) == 64
    return _line(match).strip().lower() == "psk" and (raw or is_mixed(match[1]))


def _of_ipsec(match: re.Match[str]) -> bool:
    return _line(match).rpartition(" ")[0].endswith(":") and _mixed(match)


def _of_fetchmail(match: re.Match[str]) -> bool:
    text, start = match.string, match.start()
    near = text[max(0, start - 200) : start]
    return ("user" in near or "poll" in near) and is_mixed(match[1])


def _of_redis(match: re.Match[str]) -> bool:
    return _line(match).strip().lower() in ("user", "acl setuser") and _mixed(match)


def _of_code(match: re.Match[str]) -> bool:
    """Of a network: eight characters or more, and no word."""
    return not match[1].isalpha() and not is_manual(match[1]) and "<" not in match[1]


_OBJECT = 4000  # characters of a key


def _is_jwk(match: re.Match[str]) -> bool:
    """RFC 7518, 6: `d` of an RSA, EC or OKP key, `k` of a symmetric one."""
    text, start, end = match.string, match.start(), match.end()
    first = text.rfind("{", max(0, start - _OBJECT), start)
    last = text.find("}", end, end + _OBJECT)
    first, last = max(0, start - _OBJECT, first), end + _OBJECT if last < 0 else last
    kind = _KTY.search(text, first, last)
    if kind is None or not looks_random(match[1]):
        return False
    return (kind[1] == "oct") is (text[start - 2 : start - 1] == "k")


def _mixed(match: re.Match[str]) -> bool:
    value = match[1]
    return is_password(value) and not value.isalpha() and not is_placeholder(value)


_HEADER = regex(
    r"[\"']?\s{0,8}[:=]\s{0,8}[\"']?(?i:token|key|apikey|api-key)\s{1,4}"
    r"([A-Za-z0-9._~+/-]{20,2000}={0,2})"
)
# `auth=("bob", "V")`, `HTTPBasicAuth('bob', 'V')`, `login("bob", "V")`
_PAIR = regex(
    r"\s?=?\s?[(\[]\s{0,80}+[\"'][^\"'\n]{1,100}[\"']\s?,\s{0,80}+[\"']([^\"'\s]{6,100})[\"']\s{0,80}[,)\]]"
)
_LOGIN = regex(r"\([^)\n]{0,300}?\b(?:key|token|api_key)\s?=\s?[\"']([\w-]{32,200})[\"']")
_COOKIE = regex(r"[^\n]{0,400}?(?i:sess\w{0,12}|auth\w{0,12}|sid)=([^\s;\"']{16,400})")
_COOKIES = regex(r"[^\t\n]{0,300}\t(?i:true|false)\t\d{1,12}\t[^\t\n]{1,100}\t([^\s]{16,2000})")
_PGPASS = regex(r"[\w*-]{1,64}:[\w*.-]{1,64}:([^\s:]{6,100})(?=\s|\Z)")
_SQL = regex(r"\s{1,4}(?:(?i:password)\s{1,4})?[\"']([^\"'\n]{8,100})[\"']")
_PSK = regex(r"\s{0,4}=\s{0,4}\"([^\"\n]{8,63})\"")
_SETTING = regex(r"[ \t]{1,9}\"?([^\s\"'#<>${}]{6,100})\"?[ \t]{0,9}(?=[\r\n]|\Z)")
_PSK_LINE = regex(r"=([^\s\"'<>$;{}]{8,64})[ \t]{0,9}(?=[\r\n]|\Z)")
_IPSEC = regex(r"[ \t]{1,4}\"([^\"\s]{8,100})\"")
_FETCHMAIL = regex(r"[ \t]{1,4}\"([^\"\s]{6,100})\"")
# As phones read it from a picture: fields in any order.
_WIFI = regex(r"(?:[A-Za-z]{1,3}:(?:\\.|[^;\\\n]){0,100};){0,6}?[Pp]:((?:\\.|[^;\\\n]){8,63});")
_MATERIAL = regex(r">\s{0,9}([^<>\n]{8,64}?)\s{0,9}</keyMaterial>")
# A column of `netsh`; one blank is of a caption.
_CONTENT = regex(r"[ \t]{2,40}:[ \t]([^\s]{8,63})[ \t]{0,9}(?=[\r\n]|\Z)")
_RESULT = regex(
    r"\\{0,3}\"[^\0]{0,2000}?\"result\\{0,3}\"\s{0,4}:\s{0,4}\\{0,3}\"([^\"\n]{4,200})\""
)
_ORACLE = regex(r"([\w.$#]{1,60})/([^\s@\"'/]{4,100})@")
# `HTTPS_PROXY=me:V@host:8080`, `curl -x me:V@host`, `user me on >V`, `IDENTIFIED BY V;`
_PROXY = regex(
    r"[\"']?\s{0,4}[=:]\s{0,4}[\"']?([^\s:/@\"'=]{1,60}):([^\s@/\"']{4,100})@(?=[\w.-]{2,100}:\d)"
)
_BY_PROXY = regex(
    r"[^\n]{0,300}?\s(?:-x|--proxy)[ =][\"']?([^\s:/@\"']{1,60}):([^\s@/\"']{4,100})@(?=[\w.-]{2,100})"
)
_ACL = regex(
    r"[ \t]{1,4}\S{1,60}[ \t]{1,4}on[ \t]{1,4}(?:\S{1,60}[ \t]{1,4}){0,4}?>([^\s<>\"']{6,100})(?=\s|\Z)"
)
_SQL_BARE = regex(r"\s{1,4}([^\s\"';()]{8,100})(?=\s{0,4};)")
_SETTINGS = ("requirepass", "masterauth", "rootbindpw", "bindpw", "rootpw", "auth_pass")
_SSHPASS = regex(r"\s{1,8}-p\s{0,8}[\"']?([^\s\"']{6,100})")
_JWK = regex(r"\s{0,8}(?::|=>?)\s{0,8}[\"']([A-Za-z0-9+/_-]{32,800}={0,2})[\"']")
_KTY = regex(r"[\"']?\bkty\b[\"']?\s{0,8}(?::|=>?)\s{0,8}[\"']?(\w{2,3})\b")
_KTY_LINES = regex(
    r":[ \t]{1,8}\w{2,3}\r?\n(?:[ \t-]{0,40}\w{1,12}:[ \t][^\n]{0,900}\n){0,8}?[ \t-]{0,40}[dk]:[ \t]{1,8}"
    r"[\"']?([A-Za-z0-9+/_-]{32,800}={0,2})(?=[\"'\s]|\Z)"
)
# The first argument of a client: `cohere.Client("V")`, `new Anthropic('V')`, `login("V")`.
_ARGUMENT = r"\(\s{0,80}+[brfu]?[\"'`]([A-Za-z0-9+/_=.:~-]{20,400})[\"'`]\s{0,80}[,)]"
_CALL_OF = regex(_ARGUMENT)
_CALL_OF_CLIENT = regex(rf"(?i:v\d|async|sync|api|sdk)?{_ARGUMENT}")
_CLIENTS = ("client", "openai", "anthropic", "fernet", "groq")  # most others have forms (`shapes`)
_CALLS = ("login", "authenticate", "configure", "connect", "basic_auth", "hmac.new")

Holds = Callable[[re.Match[str]], bool]
_ANCHORED: tuple[tuple[str, str, re.Pattern[str], Holds], ...] = (
    ("a token in an HTTP header", "authorization", _HEADER, lambda match: looks_random(match[1])),
    ("a key given to a login", "login", _LOGIN, lambda match: looks_random(match[1])),
    ("a password of a call", "auth", _PAIR, _mixed),
    ("a password of a call", "login", _PAIR, _mixed),
    ("a session's cookie", "cookie:", _COOKIE, lambda match: looks_random(match[1])),
    ("a cookie", "\ttrue\t", _COOKIES, lambda match: looks_random(match[1])),
    ("a cookie", "\tfalse\t", _COOKIES, lambda match: looks_random(match[1])),
    ("a password of a .pgpass file", ":5432:", _PGPASS, _mixed),
    ("a Wi-Fi password", "psk", _PSK, _mixed),
    ("a Wi-Fi password", "psk", _PSK_LINE, _is_psk),
    ("a Wi-Fi password", "wifi:", _WIFI, _of_code),
    ("a Wi-Fi password", "keymaterial", _MATERIAL, _of_code),
    ("a Wi-Fi password", "key content", _CONTENT, _of_code),
    *(("a password of a VPN", word, _IPSEC, _of_ipsec) for word in ("psk", "eap", "xauth")),
    *(("a password of a setting", word, _SETTING, _is_setting) for word in _SETTINGS),
    ("a password of a setting", "pass", _FETCHMAIL, _of_fetchmail),
    (
        "a password that Terraform drew",
        "random_password",
        _RESULT,
        lambda match: not is_placeholder(match[1]),
    ),
    ("a password in an address", "jdbc:oracle:thin:", _ORACLE, is_chosen),
    ("a password in an address", "proxy", _PROXY, is_chosen),
    ("a password in an address", "curl", _BY_PROXY, is_chosen),
    ("a password of a setting", "user", _ACL, _of_redis),
    ("a password beside its name", "identified by", _SQL_BARE, _mixed),
    ("a password beside its name", "identified by", _SQL, _mixed),
    ("a password on a command line", "sshpass", _SSHPASS, _mixed),
    *(("a private key (JWK)", word, _JWK, _is_jwk) for word in ('"d"', "'d'", '"k"', "'k'")),
    ("a private key (JWK)", "kty", _KTY_LINES, lambda match: looks_random(match[1])),
    *(
        ("a key given to a client", word, _CALL_OF_CLIENT, lambda match: is_drawn(match[1]))
        for word in _CLIENTS
    ),
    *(
        ("a key given to a call", word, _CALL_OF, lambda match: is_drawn(match[1]))
        for word in _CALLS
    ),
    ("a token in an HTTP header", "bearer", _BEARER, lambda match: looks_random(match[1])),
    ("a password of a .netrc file", "login", _NETRC, _of_netrc),
    ("a password of a .netrc file", "login", _NETRC_PORT, _of_netrc),
    ("a password of a .netrc file", "machine", _NETRC_ANY, _of_machine),
    ("a password on a command line", "curl", _CURL, is_chosen),
    ("a Weights & Biases key", "wandb", _WANDB, lambda match: True),
    ("a Civitai key", "civitai", _CIVITAI, lambda match: True),
    ("a Kaggle key", "key", _KAGGLE, lambda match: "username" in match.string),
)

BY_WORD: dict[str, list[tuple[str, re.Pattern[str], Holds]]] = {}
for _what, _word, _pattern, _holds in _ANCHORED:
    BY_WORD.setdefault(_word, []).append((_what, _pattern, _holds))
