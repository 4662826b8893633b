"""Who is asking, and what they may do."""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from hubtools.errors import UsageError
from hubtools.localhub.names import RESERVED, is_name
from hubtools.localhub.problems import Problem

DEFAULT_USER = "me"
DEFAULT_TOKEN = "hf_local"


@dataclass(frozen=True)
class User:
    """Somebody with a token. `orgs`: further namespaces they may write to. `scope`: the one
    repository, as (kind, owner/name), that the token of a workflow is good for."""

    name: str
    token: str
    role: Literal["write", "read"] = "write"
    orgs: tuple[str, ...] = ()
    fullname: str | None = None
    scope: tuple[str, str] | None = None

    def may_read_private(self, namespace: str) -> bool:
        """True if private repositories of `namespace` are theirs to see."""
        return self.scope is None and (namespace == self.name or namespace in self.orgs)

    def may_write(self, namespace: str) -> bool:
        """True if their token may change repositories of `namespace`."""
        return self.role == "write" and self.may_read_private(namespace)

    def owns(self, kind: str, full_name: str) -> bool:
        """True if the repository is the one that their token is made for."""
        return self.scope == (kind, full_name)


@dataclass(frozen=True)
class Org:
    """An organisation. `private`: new repositories are, unless they are asked for as public."""

    name: str
    fullname: str | None = None
    private: bool = False


def parse_user(text: str) -> User:
    """`NAME:TOKEN`, `NAME:TOKEN:read` or `NAME:TOKEN:write`, with `=FULL NAME` behind the name and
    then `+ORG` for each organisation: `me+studio:hf_me`. Raises `UsageError`."""
    who, _, rest = text.partition(":")
    token, _, role = rest.partition(":")
    named, *orgs = who.split("+")
    name, _, fullname = named.partition("=")
    if not name or not token or role not in ("", "read", "write"):
        raise UsageError(
            f"--user {text.partition(':')[0]}... is not NAME:TOKEN or NAME:TOKEN:ROLE.",
            hint="for example --user me:hf_me --user guest:hf_guest:read",
        )
    return User(name, token, "read" if role == "read" else "write", tuple(orgs), fullname or None)


def parse_org(text: str) -> Org:
    """`NAME`, `NAME=FULL NAME` or either with `:private` behind it. Raises `UsageError`."""
    named, colon, how = text.partition(":")
    name, _, fullname = named.partition("=")
    if not name or how not in (("private", "public") if colon else ("",)):
        raise UsageError(
            f"--org {text} is not NAME, NAME=FULL NAME or NAME:private.",
            hint="for example --org studio --org 'lab=The Lab:private'",
        )
    return Org(name, fullname or None, how == "private")


class Accounts:
    """The users of a Hub, found by token."""

    def __init__(self, users: Iterable[User], orgs: Iterable[Org] = ()) -> None:
        self.users = tuple(users)
        self.orgs = {org.name: org for org in orgs}
        self._admitted: dict[str, tuple[User, float]] = {}
        seen: set[str] = set()
        for namespace in self.namespaces:
            if not is_name(namespace) or namespace.lower() in RESERVED:
                raise UsageError(f"{namespace!r} cannot be the name of a user of the Hub.")
        for user in self.users:
            if user.name in self.orgs:
                raise UsageError(f"{user.name} cannot be a user and an organisation of the Hub.")
            if user.token in seen or not user.token:
                raise UsageError("Every user of the embedded Hub needs a token of their own.")
            seen.add(user.token)

    def identify(self, authorization: str | None) -> User | None:
        """The user of an `Authorization` header; None without one.

        Raises `Problem` 401 for a token nobody has.
        """
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() == "bearer":
            for user in self.users:
                if hmac.compare_digest(user.token.encode(), token.encode()):
                    return user
            admitted = self._admitted.get(token)
            if admitted is not None and admitted[1] > time.monotonic():
                return admitted[0]
        raise Problem(401, "Invalid credentials in Authorization header")

    def admit(self, user: User, until: float) -> None:
        """Let a workflow's token in until that moment (of `time.monotonic`)."""
        now = time.monotonic()
        self._admitted = {t: held for t, held in self._admitted.items() if held[1] > now}
        self._admitted[user.token] = (user, until)

    @property
    def namespaces(self) -> frozenset[str]:
        """Every user and organisation."""
        names = (name for user in self.users for name in (user.name, *user.orgs))
        return frozenset((*names, *self.orgs))

    def private_by_default(self, namespace: str) -> bool:
        """True if a new repository of `namespace` is private when nobody says what it is to be."""
        return namespace in self.orgs and self.orgs[namespace].private

    def fullname(self, namespace: str) -> str:
        """The name that people read."""
        if namespace in self.orgs:
            return self.orgs[namespace].fullname or namespace
        known = (user.fullname for user in self.users if user.name == namespace)
        return next(filter(None, known), namespace)

    def email(self, name: str) -> str:
        """An address that no letter reaches."""
        return f"{name}@localhost"

    def whoami(self, user: User) -> dict[str, Any]:
        """The answer of `/api/whoami-v2`."""
        role = "admin" if user.role == "write" else "read"
        return {
            "type": "user",
            "id": user.name,
            "name": user.name,
            "fullname": self.fullname(user.name),
            "email": self.email(user.name),
            "emailVerified": True,
            "canPay": False,
            "isPro": False,
            "avatarUrl": "",
            "orgs": [
                {
                    "type": "org",
                    "id": org,
                    "name": org,
                    "fullname": self.fullname(org),
                    "roleInOrg": role,
                }
                for org in user.orgs
            ],
            "auth": {
                "type": "access_token",
                "accessToken": {"displayName": "embedded Hub", "role": user.role},
            },
        }


def default_users(token: str = DEFAULT_TOKEN, owners: Iterable[str] = ()) -> tuple[User, ...]:
    """The one user `me`; every other name in `owners` is an organisation of theirs."""
    others = tuple(sorted(set(owners) - {DEFAULT_USER}))
    return (User(DEFAULT_USER, token, orgs=others),)
