"""What tells a real value from a placeholder, a name or a reference to a value."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

from hubtools.patterns import regex

# Said in place of a value.
_SAID = regex(
    r"(?i)example|placeholder|redacted|changeme|change_me|dummy|your[_-]?(?:api|token|key|secret|pass|hf)"
    r"|(?:token|key|secret|password)[_-]?here|insert[_-]|replace[_-]?me|not[_-]?a?[_-]?real|^fake[_-]|^test[_-]?(?:key|token|pass)|\.\.\.|xxxx|\*\*\*\*|____"
)
# A reference to where the value is.
_ELSEWHERE = regex(
    r"^(?:[<{%\[]|&(?:lt|\#x3[cC]|\#60);|\$[({]|\$[A-Z_][A-Z0-9_]*$|\$[a-z_]+$)|^\W*$|\$\{|\{\{|os\.environ|getenv|process\.env|secrets\.|\(\)?$"
)


def is_placeholder(value: str) -> bool:
    """True for what stands in documents where a secret would be: `hf_xxx`, `<token>`, `${KEY}`."""
    body = value.rpartition("_")[2]
    body = body if len(body) > 2 else value  # a token may well end in `_x`
    if len(set(body.lower()) - set("-_.*x0# ")) == 0:
        return True
    return bool(_SAID.search(value[:300]) or _ELSEWHERE.search(value[:300]))


def entropy(value: str) -> float:
    """Bits a character (Shannon), by the characters' frequencies in `value` itself."""
    if not value:
        return 0.0
    length = len(value)
    return -sum(n / length * math.log2(n / length) for n in Counter(value).values())


_HEX = regex(r"(?:[0-9a-f]+|[0-9A-F]+)\Z")
# A path, a file's name, an address, a version, a date
_FILELIKE = regex(
    r"://|^[.~]?/|^\w+(?:\.\w+)+\(|^\d[\d.:TZ+-]*$|^sha\d{1,3}[-:]"
    r"|\.(?:json|txt|png|jpe?g|safetensors|py|bin|parquet|toml|ya?ml|model|md)$"
    # of a program: a call, a type, a field of something
    r"|^[A-Za-z_]{3,}\(|^[A-Za-z_.]{3,}\[|^(?:self|cls|[a-z]+\d?(?:_[a-z]+)+)(?:\.[a-z_]+)+$"
    r"|^[a-z]+\d?(?:\.[a-z]+\d?(?:[A-Z][a-z]+)*)*(?:\.[A-Z]+\d?(?:_[A-Z]+\d?)*|\.[a-z]+\d?(?:[A-Z][a-z]+)+)$"
    r"|^[A-Z]{2,}\d?(?:_[A-Z]{2,}\d?){1,9}$"
)
# Words with something between them, a number behind them; a model's id
_WORDS = regex(
    r"[A-Za-z]+(?:[_./: -][A-Za-z]+)*[_./: -]?\d{0,4}$|[a-z][\w.]*(?:-[\w.]+)*/[\w.]+(?:-[\w.]+)+$"
)


def is_hex(value: str) -> bool:
    """Hexadecimal digits in one case only, as hashes are."""
    return bool(_HEX.match(value))


_SLASHED = regex(r"/[A-Za-z0-9+/]{23,}={0,2}\Z")


def _is_base64(value: str) -> bool:
    """One in 64 begins as a path does: whether its letters are as mixed as chance makes them."""
    if _SLASHED.match(value) is None:
        return False
    kinds = [0 if c.isdigit() else 1 if c.isupper() else 2 if c.islower() else 3 for c in value]
    turns = sum(a != b for a, b in pairwise(kinds))
    return turns * 5 >= 2 * len(kinds) and {0, 1, 2} <= set(kinds)


SHORTEST = 16  # characters of a key


def looks_random(value: str) -> bool:
    """True for what no person would say: letters and digits mixed, of many kinds, no name of a
    class, a file or a model."""
    if len(value) < SHORTEST or is_placeholder(value):
        return False
    if _FILELIKE.search(value) and not _is_base64(value):
        return False
    letters = value.rstrip("0123456789")
    if letters.isalpha() and len(letters) >= 20:
        turns = sum(a.islower() != b.islower() for a, b in pairwise(letters))
        if turns * 3 >= len(letters):
            return True
    if not any(c.isdigit() for c in value):
        return False
    if not any(c.isalpha() for c in value) or _WORDS.match(value):
        return False
    return entropy(value) >= (2.6 if is_hex(value) else 3.0)


# Written before a value in base64 or hexadecimal digits.
_PACKED = regex(r"(?:base64:|b64:|hex:|0x)")
_UUID = regex(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_RUN = regex(r"[A-Za-z0-9]{10,}")


def is_drawn(value: str) -> bool:
    """True for what chance drew, by its letters and its length: at least 32 hexadecimal digits, or
    20 characters as mixed as those of base64. Stricter than `looks_random`: identifiers made of
    words and numbers, and UUIDs, are none."""
    if (packed := _PACKED.match(value)) is not None:
        value = value[packed.end() :]
    if not looks_random(value) or is_uuid(value):
        return False
    if is_hex(value):
        return len(value) >= 32
    if len(value) < 20 or _RUN.search(value) is None:
        return False
    kinds = [0 if c.isdigit() else 1 if c.isupper() else 2 if c.islower() else 3 for c in value]
    # what parts words is no turn
    turns, parted = sum(a != b for a, b in pairwise(kinds) if a < 3 and b < 3), 3 in kinds
    if {0, 1, 2} <= set(kinds):
        return turns * 3 >= len(kinds)
    return len(value) >= 24 and kinds.count(0) >= 3 and turns * (4 if parted else 6) >= len(kinds)


def is_uuid(value: str) -> bool:
    """RFC 9562, in small letters or in capitals."""
    return _UUID.match(value) is not None


def is_password(value: str) -> bool:
    """True for what somebody may have chosen: at least eight characters of two kinds."""
    if not 8 <= len(value) <= 200 or is_placeholder(value):
        return False
    if _FILELIKE.search(value) and not _is_base64(value):
        return False
    kinds = {0 if c.isdigit() else 1 if c.isalpha() else 2 for c in value}
    return len(kinds - {2}) >= 1 and len(kinds) >= 2 and entropy(value) >= 2.2


def is_mixed(value: str) -> bool:
    """Letters and digits, as no word of a sentence has."""
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return mixed and value[0] not in "-$/" and is_password(value)


def is_hash(value: str) -> bool:
    """Passwords are seldom a whole SHA-256, but hashes of them are."""
    return is_hex(value) and len(value) in (64, 96, 128)


# What manuals write for a password in an address.
_COMMON = frozenset(
    [
        "password",
        "passwd",
        "pass",
        "pw",
        "pwd",
        "secret",
        "token",
        "user",
        "username",
        "key",
        "foo",
        "bar",
        "baz",
        "test",
        "xxx",
        "xyz",
        "abc",
        "xxxx",
        "mypassword",
        "mypass",
        "my-password",
        "my_password",
        "s3cret",
    ]
)


def is_manual(password: str) -> bool:
    """What manuals write for one."""
    return password.lower() in _COMMON or is_placeholder(password)
