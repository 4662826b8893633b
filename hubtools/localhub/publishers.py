"""Trusted publishers: which workflow may write to which repository, and who proves to be it.

Identity tokens are JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256: there is no GitHub here
whose public keys could be asked for, so who rehearses a workflow signs with the Hub's `oidc_key`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hubtools.errors import UsageError
from hubtools.localhub.names import KIND_OF_PLURAL
from hubtools.localhub.problems import Problem

_CLAIMS = ("repository", "branch", "workflow")
_LONGEST = 20_000  # letters of an identity token


@dataclass(frozen=True)
class Publisher:
    """Who may write to the repository `repo` (owner/name) of `kind` without a stored token: a
    workflow whose identity has all of `claims` (repository, branch, workflow)."""

    kind: str
    repo: str
    claims: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> Publisher:
        """`KIND/OWNER/NAME:repository=O/R,branch=main,workflow=FILE`; the last two may be left
        out. Raises `UsageError`."""
        where, _, said = text.partition(":")
        plural, _, repo = where.partition("/")
        pairs = dict(pair.partition("=")[::2] for pair in said.split(",") if pair)
        kind = KIND_OF_PLURAL.get(plural)
        known = set(pairs) <= set(_CLAIMS) and all(pairs.values())
        if kind is None or repo.count("/") != 1 or "repository" not in pairs or not known:
            raise UsageError(
                f"--trusted-publisher {text} names no workflow.",
                hint="for example --trusted-publisher"
                " datasets/me/people:repository=me/people,workflow=hubtools.yml",
            )
        return cls(kind, repo, pairs)

    def fits(self, identity: Mapping[str, Any]) -> bool:
        """True if the workflow is the one that is meant."""
        path = str(identity.get("workflow_ref", "")).partition("@")[0]
        ref = str(identity.get("ref", ""))
        there = {
            "repository": str(identity.get("repository", "")),
            "branch": ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else "",
            "workflow": path.rpartition("/")[2],
        }
        return all(there[name] == value for name, value in self.claims.items())


@dataclass(frozen=True)
class Publishers:
    """All of a Hub. `key` signs and proves identities."""

    key: bytes
    known: tuple[Publisher, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str | Publisher], key: str | None) -> Publishers:
        """Without a key one is made up, which nobody knows."""
        found = (text if isinstance(text, Publisher) else Publisher.parse(text) for text in texts)
        return cls((key or secrets.token_hex(32)).encode(), tuple(found))


def signed(claims: Mapping[str, Any], key: str) -> str:
    """An identity token, for who plays GitHub in a rehearsal."""
    parts = [{"alg": "HS256", "typ": "JWT"}, dict(claims)]
    text = ".".join(_packed(json.dumps(part).encode()) for part in parts)
    return f"{text}.{_packed(hmac.digest(key.encode(), text.encode(), hashlib.sha256))}"


def identity_of(token: Any, key: bytes, audience: str) -> dict[str, Any]:
    """The claims of an identity token for `audience`. Raises `Problem` 401."""
    refused = Problem(401, "The identity token is not valid.")
    if not isinstance(token, str) or len(token) > _LONGEST or token.count(".") != 2:
        raise refused
    text, _, proof = token.rpartition(".")
    if not hmac.compare_digest(_packed(hmac.digest(key, text.encode(), hashlib.sha256)), proof):
        raise refused
    try:
        head, claims = (json.loads(_unpacked(part)) for part in text.split("."))
    except (ValueError, binascii.Error, RecursionError):
        raise refused from None
    if not isinstance(head, dict) or head.get("alg") != "HS256" or not isinstance(claims, dict):
        raise refused
    until = claims.get("exp")
    if not isinstance(until, (int, float)) or until < time.time():
        raise Problem(401, "The identity token has expired.")
    if claims.get("aud") != audience:
        raise Problem(401, f"The identity token is not for {audience}.")
    return claims


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
