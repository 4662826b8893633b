"""Who is asking, and what they may do."""

from __future__ import annotations

import hmac
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
    """Somebody with a token. `orgs`: further namespaces they may write to."""

    name: str
    token: str
    role: Literal["write", "read"] = "write"
    orgs: tuple[str, ...] = ()
    fullname: str | None = None

    def may_read_private(self, namespace: str) -> bool:
        """True if private repositories of `namespace` are theirs to see."""
        return namespace == self.name or namespace in self.orgs

    def may_write(self, namespace: str) -> bool:
        """True if their token may change repositories of `namespace`."""
        return self.role == "write" and self.may_read_private(namespace)


class Accounts:
    """The users of a Hub, found by token."""

    def __init__(self, users: Iterable[User]) -> None:
        self.users = tuple(users)
        seen: set[str] = set()
        for user in self.users:
            for namespace in (user.name, *user.orgs):
                if not is_name(namespace) or namespace.lower() in RESERVED:
                    raise UsageError(f"{namespace!r} cannot be the name of a user of the Hub.")
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
        raise Problem(401, "Invalid credentials in Authorization header")

    @property
    def namespaces(self) -> frozenset[str]:
        """Every user and organisation."""
        return frozenset(name for user in self.users for name in (user.name, *user.orgs))

    def whoami(self, user: User) -> dict[str, Any]:
        """The answer of `/api/whoami-v2`."""
        role = "admin" if user.role == "write" else "read"
        return {
            "type": "user",
            "id": user.name,
            "name": user.name,
            "fullname": user.fullname or user.name,
            "email": f"{user.name}@localhost",
            "emailVerified": True,
            "canPay": False,
            "isPro": False,
            "avatarUrl": "",
            "orgs": [
                {"type": "org", "id": org, "name": org, "fullname": org, "roleInOrg": role}
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
