"""Errors on the way to the Hub, as sentences. They are known by the names of their classes, so that
the Hub's client is not imported for them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hubtools.causes import of_system, says_nothing_of_file
from hubtools.errors import HubtoolsError, UsageError, of_library
from hubtools.hub.refusals import refusal
from hubtools.nearest import as_path
from hubtools.patterns import regex

# What the Hub's client raises where it stumbles over an answer that makes no sense.
STUMBLES = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    UnboundLocalError,  # of a large file that nobody asked about
)


def status_of(error: BaseException) -> int | None:
    """The HTTP status of the Hub's answer, if the error is one."""
    response: Any = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def _repository(error: BaseException) -> str:
    """`dataset owner/name`, as far as the Hub client's error tells."""
    name = getattr(error, "repo_id", None)
    if name:
        return f"{getattr(error, 'repo_type', None) or 'model'} {name}"
    url = getattr(getattr(error, "response", None), "url", None)
    return f"repository at {url}" if url else "such repository"


def _telling_line(error: BaseException) -> str:
    """The line that says most: the server's, else the client's below its bare status."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = getattr(error, "server_message", None)
    if isinstance(said, str) and said.strip():
        return said.strip().splitlines()[0]
    if len(lines) > 1 and re.match(r"\d{3} (Client|Server) Error", lines[0]):
        return lines[1]
    return lines[0] if lines else type(error).__name__


def is_of_machine(error: BaseException) -> bool:
    """True for what says nothing about the files at hand: no memory, no room, no permission, no
    connection, or a sentence already."""
    if isinstance(error, HubtoolsError) or says_nothing_of_file(error):
        return True
    names = {cls.__name__ for cls in type(error).__mro__}
    return "OutOfMemoryError" in names or bool(names & _CONNECTION)


# Class names of huggingface_hub and its HTTP library.
_CONNECTION = {
    "ConnectError",
    "ConnectTimeout",
    "ReadTimeout",
    "ReadError",
    "ConnectionError",
    "RemoteProtocolError",
    "OfflineModeIsEnabled",
    "LocalEntryNotFoundError",
    "NetworkError",
    "TransportError",  # of httpx: all of the above, and a server that dies half-way
    "StreamError",
    "ChunkedEncodingError",
    "ContentDecodingError",
    "IncompleteRead",
    "ProtocolError",
    "ClientError",  # of aiohttp
    "gaierror",
}


def is_not_cached(error: BaseException) -> bool:
    """True if the client's cache lacks a file, and it may not or cannot ask the Hub."""
    return any(cls.__name__ == "LocalEntryNotFoundError" for cls in type(error).__mro__)


def is_no_repository(error: BaseException) -> bool:
    """True if the Hub knows no such repository, or does not show it to this token."""
    return any(cls.__name__ == "RepositoryNotFoundError" for cls in type(error).__mro__)


def is_unreachable(error: BaseException) -> bool:
    """True if the Hub gave no answer, or none but a server error: time to look into the cache."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & _CONNECTION) or (status_of(error) or 0) >= 500


def as_sentence(error: BaseException) -> HubtoolsError | None:
    """Translate a well-known error of the system or the Hub client; None if it is none of them."""
    if isinstance(error, HubtoolsError):
        return error
    names = {cls.__name__ for cls in type(error).__mro__}
    telling = _telling_line(error)
    if "GatedRepoError" in names:
        return HubtoolsError(
            f"{_repository(error)} is gated, and this account has not been let in.",
            hint="accept its terms on its Hub page while logged in, then set HF_TOKEN",
            code="hub-refused",
        )
    if "RepositoryNotFoundError" in names:
        return HubtoolsError(
            f"The Hub knows no {_repository(error)}, or your token may not see it.",
            hint="check the name (owner/name) and the token: `hf auth whoami`",
            code="hub-not-found",
            missing=as_path(str(getattr(error, "repo_id", None) or "")),
        )
    remote = names & {"RevisionNotFoundError", "EntryNotFoundError"}
    if remote and "LocalEntryNotFoundError" not in names:
        return HubtoolsError(f"Not found on the Hub: {telling}", code="hub-not-found")
    if "HFValidationError" in names:
        return UsageError(f"That is not a Hub repository name: {telling}")
    if "LocalTokenNotFoundError" in names:
        return HubtoolsError(
            "No Hub token was found.",
            hint="run `hf auth login`, or set HF_TOKEN to a token with write permission",
            code="hub-refused",
        )
    if isinstance(error, UnicodeEncodeError) and not os.environ.get("HF_TOKEN", "").isascii():
        return HubtoolsError(
            "HF_TOKEN holds a character that no token has.",
            hint="set it again: hf_ and letters",
            code="bad-setting",
        )
    if "InvalidURL" in names:
        return HubtoolsError(
            f"The Hub, or HF_ENDPOINT, gives an address that is none: {telling.rstrip('.')[:200]}.",
            hint="check HF_ENDPOINT; try again later",
            code="hub-failed",
        )
    status = status_of(error)
    known = refusal(status, telling) if status is not None else None
    if known is not None:
        meaning, hint = known
        return HubtoolsError(
            f"The Hub refuses this (HTTP {status}), as {meaning}: {telling}",
            hint=hint,
            code="hub-refused",
        )
    if status is not None and "HfHubHTTPError" in names:
        return HubtoolsError(f"The Hub answered HTTP {status}: {telling}", code="hub-failed")
    if names & _CONNECTION and not isinstance(error, (FileNotFoundError, PermissionError)):
        return HubtoolsError(
            f"The Hub could not be reached: {telling}",
            hint="check the network, HF_ENDPOINT and HF_HUB_OFFLINE; then run the same command"
            " again, it continues where it stopped",
            code="hub-unreachable",
        )
    return _of_xet(error, telling) or of_system(error, telling) or of_library(error, names)


# How errors of the library for Xet begin; what the system says ends in its number.
_XET = regex(
    r"(?:(?:Data processing|Upload task|Task|I/O|File reconstruction|Runtime|Network|Request"
    r"|CAS [Cc]lient) [Ee]rror: )"
)


def _of_xet(error: BaseException, said: str) -> HubtoolsError | None:
    """What the library for Xet says of its server, as plain errors of Python."""
    plain = type(error) in (RuntimeError, OSError) and getattr(error, "errno", None) is None
    if not plain or "(os error" in said or _XET.match(said) is None:
        return None
    return HubtoolsError(
        f"The Hub's storage could not be reached, or answers nonsense: {said}",
        hint="run the same command again; HF_HUB_DISABLE_XET=1 goes without that storage",
        code="hub-unreachable",
    )


_CARD = "Invalid metadata in README.md"  # how the client's error begins


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Around calls of the client: an answer that it stumbles over becomes a sentence."""
    try:
        yield
    except STUMBLES as error:
        if as_sentence(error) is not None:
            raise
        said = " ".join(str(error).split())[:200] or type(error).__name__
        if str(error).startswith(_CARD):
            raise HubtoolsError(
                f"The Hub refuses the card: {said.removeprefix(_CARD).lstrip('. -')}.",
                hint="correct README.md; `hubtools card --check` shows what it knows, with lines",
                code="hub-refused",
            ) from error
        raise HubtoolsError(
            f"The Hub's answer cannot be used ({what}): {said}.",
            hint="try again later; check HF_ENDPOINT if it stays so",
            code="not-supported",
        ) from error
