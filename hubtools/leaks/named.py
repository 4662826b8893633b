"""Secrets without a form of their own: known by the word beside them, or by where they stand.

Words are found first (`str.find`), and only what stands behind one is looked at more closely: the
time grows with the text, whatever is in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from hubtools.leaks.guesses import (
    entropy,
    is_hash,
    is_hex,
    is_manual,
    is_mixed,
    is_password,
    is_placeholder,
    looks_random,
)
from hubtools.leaks.shapes import Secret
from hubtools.patterns import regex

WORDS = ("key", "token", "secret", "auth", "authorization", "credential", "credentials", "webhook")
PASSWORDS = (
    *("password", "passwd", "passphrase", "passwort", "pwd", "pass", "passcode", "pw", "psw"),
    *("kennwort", "mot de passe", "contraseña", "senha", "wachtwoord", "hasło", "пароль"),
    *("密码", "密碼", "パスワード", "비밀번호"),
)
_QUOTE = r"(?:\\{0,3}[\"'`])?"
_BLANKS = r"[\s\\]{0,200}+"
# Marks of Markdown around a name or a value, a list or an object that holds the value.
_MARKS = r"[*_]{0,3}"
_OPENS = (
    rf"(?:\*{{1,3}}\s{{0,4}})?(?:\[{_BLANKS}(?=\\{{0,3}}[\"'`])|\{{{_BLANKS}{_QUOTE}(?:value|default|current)"
    rf"{_QUOTE}{_BLANKS}[:=]{_BLANKS})?"
)
# Between a name and its value: an equals sign, a colon, an arrow; an element or attribute of XML,
# the next cell of a table, a block of settings.
_IS = (
    rf"(?:{_MARKS}{_QUOTE}{_MARKS}\]?{_BLANKS}(?::=|=>|->|→|⇒|={{1,3}}|:(?!:)|：)|>"
    r"|</key>\s{0,20}<string>"
    r"|\s{0,8}:?\s{0,8}</(?:t[dh]|dt|b|strong|em|label|span|code|p)>\s{0,80}:?\s{0,8}(?:<[^<>]{1,100}>\s{0,80}){0,3}"
    rf"|{_QUOTE}\s{{0,8}}\{{\s{{0,80}}(?:default|value)\s?="
    rf"|{_QUOTE}\s{{1,8}}(?:[a-z-]{{2,20}}\s?=\s?[\"'][^\"'<>\n]{{0,60}}[\"']\s{{1,8}}){{0,4}}"
    rf"(?:value|content)\s?=){_BLANKS}{_OPENS}(?:[brfu](?=\\{{0,3}}[\"'`]))?{_QUOTE}"
)
# In a sentence: my key is ...
_SAID = regex(
    rf"{_QUOTE}{_MARKS}[ \t]{{1,8}}(?:is|was|ist|war|lautet|est|es|–|—)[ \t:]{{1,8}}{_MARKS}[\"'`]?"
    r"([^\s\"'`*\\,;<>(){}\[\]|]{8,400})"
)
# What stands between `"name": NAME` and `"value": VALUE`: nothing, or further members.
_JSON = (
    r",\s{0,200}+(?:\"[\w -]{1,40}\"\s{0,9}:\s{0,9}(?:\"[^\"\n]{0,200}\"|[\w.-]{1,40})\s{0,200},\s{0,200}+){0,6}"
    r"(?=\"(?:val|value|secret|data|content)\")"
)
_YAML = (
    r"\r?\n[ \t]{0,40}+(?:(?!value)[\w-]{1,40}:[^\n]{0,200}\n[ \t]{1,40}+){0,6}(?=value|\"value)"
)
# A name and its value as two cells of a table, or two members.
_CELLS = regex(
    rf"{_QUOTE}[ \t]{{0,200}}+(?:{_JSON}|{_YAML}|[,;|\t])[ \t]{{0,200}}+"
    rf"(?:{_QUOTE}(?:value|val|secret|data|content){_QUOTE}{_BLANKS}[:=]{_BLANKS})?"
    r"[\"'`]?([^\s\"'`\\,;<>(){}\[\]|]{8,400})"
)
# The other way round: `"value": VALUE, "name": ` and what stands before the telling word.
_REVERSED = regex(
    rf"value{_QUOTE}\s{{0,9}}:\s{{0,9}}[\"']?([^\s\"'`\\,;<>(){{}}\[\]|]{{8,400}})[\"']?\s{{0,9}},?\s{{0,80}}+"
    r"(?:\"[\w -]{1,40}\"\s{0,9}:\s{0,9}(?:\"[^\"\n]{0,200}\"|[\w.-]{1,40})\s{0,9},\s{0,80}+){0,4}"
    rf"[\"']?(?:name|key){_QUOTE}\s{{0,9}}:\s{{0,9}}[\"']?[\w. -]{{0,40}}\Z"
)
# An option or a variable, and only blanks before its value: `--api-key X`, `ENV API_KEY X`.
_OPTION = regex(r"[ \t]{1,200}+[\"']?([^\s\"'`\\,;<>(){}\[\]|]{8,400})")
_OPTION_NAME = regex(r"(?:(?<!\w)--?[A-Za-z][\w-]*|[A-Za-z]\w*_\w*)\Z")
_TAIL = regex(
    rf"(?:[_.-]?(?:\d{{1,2}}|v\d|value|base|prod|dev|live)|s)?(?: ?\([\w ,.-]{{1,30}}\))?{_IS}([^\s\"'`\\,;<>(){{}}\[\]|]{{8,400}})"
)
_PASSWORD = regex(
    rf"(?:[ _-](?:phrase|word))?(?:[_.-]?(?:\d{{1,2}}|value|prod|dev|live)|s)?{_IS}([^\s\"'`\\<>]{{8,200}})"
)
# What stands before `key` where the value is secret.
_STRONG = (
    "api", "auth", "access", "secret", "service", "account", "client", "private", "encryption",
    "signing", "master", "admin", "hub", "hf", "huggingface", "wandb", "comet", "civitai",
    "openai", "replicate", "aws", "azure", "gcp", "kaggle", "neptune", "clearml",
    "subscription", "application", "deploy", "bot", "my", "rapidapi", "unsplash", "pexels",
    "pixabay", "flickr", "danbooru", "gelbooru", "pixiv", "modal", "roboflow", "ideogram",
    "bfl", "leonardo", "prodia", "groq", "gemini", "anthropic", "deepseek", "dashscope",
    "minio", "rclone", "fal", "runpod", "mistral", "cohere", "together", "elevenlabs",
    "stability", "deepl", "datadog", "sentry", "mlflow", "storage",
)  # fmt: skip
# Tokens that nobody is hurt by.
_WEAK = regex(
    r"(?i)(?:page|next|sync|continuation|cursor|pad|eos|bos|unk|mask|sep|cls|trigger|instance|class)[_. -]?\Z"
)
_CLOUD = regex(r"(?i)aws|secret|s3|storage")
_BEARER = regex(r"\s{1,4}([A-Za-z0-9._~+/-]{20,2000}={0,2})")
_CIVITAI = regex(r"[^\n]{0,200}?(?i:token|key)[^\w\n]{1,6}([0-9a-f]{32})(?![0-9a-f])")
_NETRC = regex(r"\s+\S{1,200}\s+(?:account\s+\S{1,200}\s+)?password\s+(\S{4,400})")
_WANDB = regex(r"[\"',\s]{1,8}login[\"',\s]{1,8}(?:--\S{1,40}\s{1,4})*([0-9a-f]{40})(?![0-9a-f])")
_MACHINE = regex(r"\b(?:machine\s+[\w.-]{3,80}|default)\s+login\Z")
_KAGGLE = regex(r"\\*\"\s*:\s*\\*\"([0-9a-f]{32})\\*\"")
_SCHEME = regex(r"[A-Za-z][A-Za-z0-9+.-]{1,30}\Z")
# RFC 3986, 3.2.1: what stands before the @ of an address.
_USERINFO = regex(r"([^\s/:@\"'<>?#]{0,200}):([^\s/@\"'<>]{2,400})@(?=[\w\[.-])")
_CURL = regex(r"[^\n]{0,300}?\s(?:-u|--user)[ =][\"']?([^\s:\"']{1,80}):([^\s\"']{4,200})")
_ENDS = regex(
    rf"(?i)({'|'.join((*WORDS, *PASSWORDS))})(?:e?s)?(?:[ _.-]?(?:\d{{1,2}}|v\d|value|prod|dev|live))?\Z"
)


_SOLID = regex(r"[A-Za-z0-9]{16,}")


def small(text: str) -> str:
    """`text` in small letters, each at its place."""
    lower = text.lower()
    if len(lower) != len(text):  # a few letters grow when made small
        lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    return lower


def is_strong(before: str) -> bool:
    """True if what stands before `key` says that it is one of an account."""
    bare = before[:-1] if before[-1:] in ("_", ".", " ", "-") else before
    return bare.lower().endswith(_STRONG)


def beside(name: str, value: str | None) -> str | None:
    """What `value` is if `name` ends in a word that tells; None if it is nothing. Without a value:
    what it might be."""
    found = _ENDS.search(name[-60:])
    if found is None:
        return None
    word, before = found[1].lower(), name[-60:][: found.start()]
    if word in PASSWORDS:
        if not _alone(word, before):
            return None
        chosen = value is None or (is_mixed(value) and not is_hash(value))
        return "a password beside its name" if chosen else None
    if (word == "key" and not is_strong(before)) or _WEAK.search(before):
        return None
    if word == "token" and value is not None and found[0].lower().startswith("tokens"):
        solid = _SOLID.search(value)  # tokens of a text are words
        if solid is None or not any(c.isdigit() for c in solid[0]):
            return None
    if value is not None and _CLOUD.search(name) and len(value) == 40 and _is_aws(value):
        return "an AWS secret key"
    return "a key beside its name" if value is None or looks_random(value) else None


def telling_words(lower: str, among: Collection[str] | None = None) -> dict[str, list[int]]:
    """Where each word stands that tells, in a text in small letters (`small`), of which it may be
    any or those `among`."""
    known = (*WORDS, *(_ENGLISH if lower.isascii() else PASSWORDS))
    return {
        word: list(places_of(lower, word))
        for word in known
        if (among is None or word in among) and word in lower
    }


_ENGLISH = tuple(word for word in PASSWORDS if word.isascii())


def named(
    text: str, lower: str, words: dict[str, list[int]], among: Collection[str] | None = None
) -> Iterator[Secret]:
    """Values beside telling words, in addresses, in .netrc and kaggle.json; `lower` is the text in
    small letters (`small`), `words` where the words are in it; of `NAMES` only those `among` may
    be in it (None: any). Linear in the text."""
    yield from _addresses(text)
    for word in WORDS if words else ():
        if places := words.get(word):
            if near := _ended(text, places, word):
                for pattern in (_TAIL, _CELLS, _OPTION, _SAID):
                    yield from _keys(text, near, word, pattern)
            yield from _reversed(text, places, word)
    for word in PASSWORDS if words else ():
        if places := words.get(word):
            if near := _ended(text, places, word):
                yield from _passwords(text, near, word)
                yield from _chosen_apart(text, near, word)
            if word not in _SHORT[2:]:
                yield from _reversed(text, places, word)
    for what, word, pattern, holds in _ANCHORED:
        if (among is not None and word not in among) or word not in lower:
            continue
        for place, match in _after(text, words.get(word) or places_of(lower, word), word, pattern):
            value = match[match.lastindex or 0]
            if holds(match):
                yield Secret(what, place, value)


def _ended(text: str, places: list[int], word: str) -> list[int]:
    """Those of `places` where a value may follow. Not where the word goes on (`passing`, `authors`),
    but for `tokens`, `keyv2`, `passwordprod`; nor where the next word of a sentence follows, unless
    it is one as in `the key is`, or this is the name of an option or a variable."""
    found, length = [], len(word)
    for place in places:
        end = place + length
        after = text[end : end + 2]
        if after[:1].isalpha():
            if after[0] not in "svbpdl":
                continue
        elif after[:1] == " " and after[1:].isalpha() and after[1] not in "iwlevcp":
            before = text[max(0, place - 24) : end]
            if "-" not in before and "_" not in before:
                continue
        found.append(place)
    return found


def places_of(text: str, word: str) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + len(word))


def _after(
    text: str, places: Iterable[int], word: str, pattern: re.Pattern[str]
) -> list[tuple[int, re.Match[str]]]:
    """(where the word is, what the pattern found behind it), of `places` where the word begins;
    nothing is looked at twice."""
    found = []
    end, length, match_at = 0, len(word), pattern.match
    for place in places:
        if place >= end and (match := match_at(text, place + length)) is not None:
            end = match.end()
            found.append((place, match))
    return found


def _addresses(text: str) -> Iterator[Secret]:
    for place in places_of(text, "://"):
        match = _USERINFO.match(text, place + 3)
        if match and _SCHEME.search(text, max(0, place - 32), place) and _is_chosen(match):
            yield Secret("a password in an address", match.start(2), match[2])


def _is_chosen(match: re.Match[str]) -> bool:
    """True for (user, password) that are no manual's."""
    user, password = match[1], match[2]
    if is_manual(password) or password[:1] in "$%{":
        return False
    return password != user and (not password.isdigit() or len(password) >= 6)


def _keys(text: str, places: list[int], word: str, pattern: re.Pattern[str]) -> Iterator[Secret]:
    for place, match in _after(text, places, word, pattern):
        before = text[max(0, place - 24) : place]
        value = match[1]
        if pattern is not _OPTION:
            value = value.partition("&")[0].rstrip(".:")
        elif not _OPTION_NAME.search(before + text[place : place + len(word)]):
            continue
        if _CLOUD.search(before + word) and len(value) == 40 and _is_aws(value):
            yield Secret("an AWS secret key", match.start(1), value)
        elif word == "token" and text[place + 5 : place + 6] == "s":
            continue  # of a text
        elif word == "key" and not (before[-1:] in ("?", "&") or is_strong(before)):
            continue
        elif looks_random(value) and not _WEAK.search(before):
            yield Secret("a key beside its name", match.start(1), value)


def _reversed(text: str, places: Iterable[int], word: str) -> Iterator[Secret]:
    """Values that stand before their names."""
    if "value" not in text:
        return
    for place in places:
        start = text.rfind("value", max(0, place - 700), place)
        match = _REVERSED.match(text, start, place) if start >= 0 else None
        if match is None:
            continue
        value = match[1]
        if word in PASSWORDS:
            if is_mixed(value) and not is_hash(value):
                yield Secret("a password beside its name", match.start(1), value)
        elif looks_random(value) and (word != "key" or is_strong(text[max(0, place - 24) : place])):
            yield Secret("a key beside its name", match.start(1), value)


def _is_aws(value: str) -> bool:
    return (
        re.fullmatch(r"[A-Za-z0-9/+]{40}", value) is not None
        and not is_hex(value)
        and not is_placeholder(value)
        and entropy(value) > 3.5
    )


def _passwords(text: str, places: list[int], word: str) -> Iterator[Secret]:
    for place, match in _after(text, places, word, _PASSWORD):
        value = match[1].rstrip(",;)}")
        if (
            _alone(word, text[max(0, place - 8) : place])
            and is_password(value)
            and not is_hash(value)
        ):
            yield Secret("a password beside its name", match.start(1), value)


def _chosen_apart(text: str, places: list[int], word: str) -> Iterator[Secret]:
    """Passwords in the next cell, or behind an option: these must not be words of a sentence."""
    for pattern in (_CELLS, _OPTION, _SAID):
        for place, match in _after(text, places, word, pattern):
            value = match[1]
            name = text[max(0, place - 24) : place + len(word)]
            if pattern is _OPTION and not _OPTION_NAME.search(name):
                continue
            if pattern is _CELLS and is_hex(value) and name[: -len(word)].endswith(" "):
                continue  # a caption, and the hash of its picture
            if _alone(word, name[: -len(word)]) and is_mixed(value) and not is_hash(value):
                yield Secret("a password beside its name", match.start(1), value)


# Short words that others end in, and what may stand right before them in a name.
_SHORT = ("pass", "pwd", "pw", "psw")
_JOINED = regex(r"(?i)(?<![a-z])(?:root|bind|db|my|user|admin|wifi|ftp|sql|ldap|sudo|login)\Z")


def _alone(word: str, before: str) -> bool:
    """Whether a word for a password is one behind `before`, and not the end of another word."""
    if word not in _SHORT or not before[-1:].isalpha():
        return True
    return _JOINED.search(before) is not None


def _of_netrc(match: re.Match[str]) -> bool:
    value, text, start = match[1], match.string, match.start()
    if not _MACHINE.search(text, max(0, start - 120), start):
        return False
    word = value.isalpha() and value.islower() and len(value) < 16
    return not word and not is_manual(value)


def _is_jwk(match: re.Match[str]) -> bool:
    start, end = max(0, match.start() - 4000), match.end() + 4000
    return '"kty"' in match.string[start:end] and looks_random(match[1])


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
_SSHPASS = regex(r"\s{1,8}-p\s{0,8}[\"']?([^\s\"']{6,100})")
_JWK = regex(r"\s{0,8}:\s{0,8}\"([A-Za-z0-9_-]{32,800})\"")

_ANCHORED = (
    ("a token in an HTTP header", "authorization", _HEADER, lambda match: looks_random(match[1])),
    ("a key given to a login", "login", _LOGIN, lambda match: looks_random(match[1])),
    ("a password of a call", "auth", _PAIR, _mixed),
    ("a password of a call", "login", _PAIR, _mixed),
    ("a session's cookie", "cookie:", _COOKIE, lambda match: looks_random(match[1])),
    ("a cookie", "\ttrue\t", _COOKIES, lambda match: looks_random(match[1])),
    ("a cookie", "\tfalse\t", _COOKIES, lambda match: looks_random(match[1])),
    ("a password of a .pgpass file", ":5432:", _PGPASS, _mixed),
    ("a Wi-Fi password", "psk", _PSK, _mixed),
    ("a password beside its name", "identified by", _SQL, _mixed),
    ("a password on a command line", "sshpass", _SSHPASS, _mixed),
    ("a private key (JWK)", '"d"', _JWK, _is_jwk),
    ("a token in an HTTP header", "bearer", _BEARER, lambda match: looks_random(match[1])),
    ("a password of a .netrc file", "login", _NETRC, _of_netrc),
    ("a password on a command line", "curl", _CURL, _is_chosen),
    ("a Weights & Biases key", "wandb", _WANDB, lambda match: True),
    ("a Civitai key", "civitai", _CIVITAI, lambda match: True),
    ("a Kaggle key", "key", _KAGGLE, lambda match: "username" in match.string),
)

# One of these is in every text in which `named` finds something, in small letters or large ones.
NAMES = ("://", *WORDS, *PASSWORDS, *(word for _, word, _, _ in _ANCHORED))
