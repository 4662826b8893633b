"""A workflow's identity for a token that writes to one repository.

The exchange is that of RFC 8693 as https://huggingface.co/docs/hub/trusted-publishers describes it.
"""

from __future__ import annotations

import secrets
import time
from typing import Any

from starlette.responses import Response

from hubtools.localhub.accounts import User
from hubtools.localhub.http import Call, Router, answer
from hubtools.localhub.names import KIND_OF_PLURAL
from hubtools.localhub.problems import Problem
from hubtools.localhub.publishers import identity_of

LIFETIME = 3600  # seconds a token is good for
_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_SUBJECT = "urn:ietf:params:oauth:token-type:id_token"


def exchange(call: Call) -> Response:
    """`POST /oauth/token`: an identity for a token that writes to one repository for an hour."""
    body = call.json()
    if body.get("grant_type") != _GRANT or body.get("subject_token_type") != _SUBJECT:
        raise Problem(400, "unsupported_grant_type", body={"error": "unsupported_grant_type"})
    publishers = call.hub.publishers
    if publishers is None:
        raise Problem(501, "This Hub has no trusted publishers.")
    identity = identity_of(body.get("subject_token"), publishers.key, call.base)
    kind, repo = _resource(body.get("resource"))
    meant = [p for p in publishers.known if (p.kind, p.repo) == (kind, repo)]
    if not any(publisher.fits(identity) for publisher in meant):
        said = ", ".join(
            f"{name}={identity[name]}" for name in ("repository", "ref", "workflow_ref")
            if isinstance(identity.get(name), str)
        )  # fmt: skip
        raise Problem(403, f"No trusted publisher of {repo} matches this workflow ({said}).")
    token = f"hf_jwt_{secrets.token_urlsafe(32)}"
    user = User("[OIDC]", token, scope=(kind, repo))
    call.hub.accounts.admit(user, time.monotonic() + LIFETIME)
    return answer(
        {
            "access_token": token,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "bearer",
            "expires_in": LIFETIME,
        }
    )


def _resource(said: Any) -> tuple[str, str]:
    """(kind, owner/name) of `datasets/owner/name` and the like."""
    if not isinstance(said, str):
        raise Problem(400, "A token is of one resource: owner/name or datasets/owner/name.")
    plural, _, rest = said.partition("/")
    if plural in KIND_OF_PLURAL and rest.count("/") == 1:
        return KIND_OF_PLURAL[plural], rest
    if said.count("/") != 1:
        raise Problem(400, f"{said[:100]!r} is no repository: owner/name or datasets/owner/name.")
    return "model", said


def add_routes(router: Router) -> None:
    router.add("POST", "oauth/token", exchange)
