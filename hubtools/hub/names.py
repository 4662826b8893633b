"""Names of repositories as people give them: owner/name, a name alone, or the address of a page."""

from __future__ import annotations

import re
import unicodedata

from hubtools.errors import UsageError
from hubtools.hub.client import check_repo_id, endpoint

_KINDS = {"datasets": "dataset", "spaces": "space", "models": "model"}
_HOSTS = re.compile(
    r"(?:(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/+|hf://)", re.IGNORECASE
)
# what may stand behind a repository in an address
_PAGES = ("tree", "blob", "resolve", "raw", "settings", "discussions", "commits", "commit")


def repository_named(text: str, repo_type: str, *, read: bool = False) -> str:
    """`owner/name`, or `name` alone, of what was given, to be `read` or sent to. Raises
    `UsageError` for what is no repository, or one of another type."""
    before, _, behind = text.rpartition("@")
    # a password without a scheme; with one, no error shows it
    shown = f"***@{behind}" if ":" in before and "://" not in before else text
    rest = text.strip()
    own = endpoint().rstrip("/") + "/"
    if rest.lower().startswith(own.lower()):
        rest = rest[len(own) :]
    elif match := _HOSTS.match(rest):
        rest = rest[match.end() :]
    elif re.match(r"[a-z][a-z0-9+.-]*:", rest, re.IGNORECASE) or rest.startswith("git@"):
        raise UsageError(
            f"{shown} is no address of {own}.", hint="give the repository as owner/name"
        )
    elif rest in (".", "..") or rest.startswith(("/", "./", "../", "~", "\\")):
        raise UsageError(
            f"{shown} is a path, and a repository is called owner/name.",
            hint="the folder stands first, the repository behind it",
        )
    rest = rest.split("?")[0].split("#")[0].strip("/").removesuffix(".git")
    parts = rest.split("/")
    kind = _KINDS.get(parts[0]) if len(parts) > 1 else None
    if kind is not None:
        parts = parts[1:]
    if len(parts) > 2 and parts[2] in _PAGES and text.strip() != rest:
        parts = parts[:2]
    name = "/".join(parts)
    if len(parts) > 2 or not all(parts) or name.isdigit():
        raise UsageError(
            f"{shown} is no name of a repository.",
            hint="give it as owner/name; folders inside a repository have no name of their own"
            if len(parts) > 2
            else "give it as owner/name",
        )
    if kind is not None and kind != repo_type:
        raise UsageError(
            f"{shown} is a {kind}, and a {repo_type} is to be {'read' if read else 'sent'}.",
            hint=f"give a {repo_type}'s repository" + ("" if read else f", or --type {kind}"),
        )
    try:
        check_repo_id(name)
    except ValueError as error:
        said = str(error).split(":")[0].rstrip(".")
        raise UsageError(
            f"{shown} cannot be the name of a repository: {said}.",
            hint=f"letters, digits, -, _ and . are allowed: {_allowed(name)}",
        ) from None
    return name


def _allowed(name: str) -> str:
    """A name that is allowed, near to one that is not; else what one looks like."""
    plain = (
        unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    )
    near = re.sub(r"[-.]{2,}", "-", re.sub(r"[^\w./-]+", "-", plain))
    near = "/".join(part.strip("-.") for part in near.split("/"))
    try:
        check_repo_id(near)
    except ValueError:
        return "owner/name"
    return f"for example {near}"
