"""What a push says beside its files, and everybody reads: the repository's name, the commit's
message (a pull request's title), a tag."""

from __future__ import annotations

from collections.abc import Iterable

from hubtools.errors import ChecksFailed
from hubtools.leaks.text import secrets
from hubtools.publish.contents.leak import fingerprint
from hubtools.setting_types import AllowedSecret


def refuse_secrets(
    repo: str,
    message: str | None,
    tag: str | None,
    allowed: Iterable[AllowedSecret],
    collection: str | None = None,
) -> None:
    """Raise `ChecksFailed` if one of them holds a secret that is not allowed."""
    known = {one.fingerprint for one in allowed}
    for what, option, text in (
        ("commit's message", "--message", message),
        ("tag", "--tag", tag),
        ("collection's title", "--collection", collection),
        ("repository's name", "another repository", repo),
    ):
        for secret in secrets(text or ""):
            mark = fingerprint(secret.value)
            if mark not in known:
                raise ChecksFailed(
                    f"The {what} holds what looks like {secret.what} (fingerprint {mark});"
                    " everybody could read it. Nothing was sent.",
                    hint=f"give {option} without it, and revoke it; if it is none, name its"
                    " fingerprint and a reason in push.allowed_secrets",
                )
