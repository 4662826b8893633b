"""Files that are known for keeping secrets, whatever these look like."""

from __future__ import annotations

import hashlib
from typing import IO

from hubtools.patterns import regex

_KEEPERS = regex(
    r"(?i)(?:\.env(?:\.(?!example|sample|template|dist)[\w.-]+)?|[._]netrc|\.pgpass|\.my\.cnf|\.git-credentials|\.pypirc|\.npmrc"
    r"|\.htpasswd|\.dockercfg|stored_tokens|\.?vault-token|id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?"
    r"|kaggle\.json|credentials|rclone\.conf|\.s3cfg|\.boto"
    r"|.+\.(?:ppk|p12|pfx|jks|keystore|kdbx|keytab))\Z"
)
_TOKEN = regex(r"(?i)(?:hf_?|hub_?)?token(?:\.txt)?\Z")
_LONGEST = 100_000


def keeps_secrets(name: str, file: IO[bytes]) -> tuple[str, str] | None:
    """(what it is, its content in brief) if by its name the file holds secrets, and it holds
    anything at all."""
    base = name.replace("\\", "/").rpartition("/")[2]
    if _KEEPERS.match(base):
        file.seek(0)
        head = file.read(_LONGEST)
        lines = [line.strip() for line in head.splitlines()]
        said = [line for line in lines if line and not line.startswith((b"#", b";"))]
        if said:
            return f"a file for secrets ({base})", hashlib.sha256(head).hexdigest()
    elif _TOKEN.match(base):
        file.seek(0)
        head = file.read(2000).strip()
        if len(head) >= 16 and len(head.split()) == 1 and head.isascii():
            return "a token, alone in a file", head.decode()
    return None
