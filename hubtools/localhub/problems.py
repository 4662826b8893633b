"""A request that cannot be served: status, sentence and the error codes the Hub's client reads."""

from __future__ import annotations

from typing import Any


class Problem(Exception):
    """Answered as JSON `{"error": message}` with `X-Error-Message` and, if any, `X-Error-Code`.

    `code` is one of RepoNotFound, RevisionNotFound, EntryNotFound, GatedRepo: the client turns it
    into the exception of that name. `body` adds keys to the JSON, `headers` to the head.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.body = body or {}
        self.headers = headers or {}


def repo_not_found(anonymous: bool) -> Problem:
    """The Hub does not tell a missing repository from one that is not yours to see: 401 to a
    stranger, 404 to somebody it knows."""
    if anonymous:
        return Problem(401, "Invalid username or password.", code="RepoNotFound")
    return Problem(404, "Repository not found", code="RepoNotFound")


def revision_not_found(revision: str) -> Problem:
    return Problem(404, f"Invalid rev id: {revision}", code="RevisionNotFound")


def entry_not_found(message: str = "Entry not found", *, commit: str | None = None) -> Problem:
    """`commit`: the client wants to know at which commit the file is missing (X-Repo-Commit)."""
    headers = {"X-Repo-Commit": commit} if commit else {}
    return Problem(404, message, code="EntryNotFound", headers=headers)
