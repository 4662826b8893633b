"""Errors are sentences: what is wrong, where, and what to do about it."""

from __future__ import annotations

import importlib.util
import re
from enum import IntEnum
from typing import Any

from hubtools.addresses import without_password


class ExitCode(IntEnum):
    """What a hubtools process returns; the same for every command."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    CHECKS_FAILED = 3
    INTERRUPTED = 130


class HubtoolsError(Exception):
    """A mistake the user can do something about.

    `message` is one sentence naming the file (and line), `hint` the thing to type or change.
    Passwords in addresses are taken out of both.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, exit_code: ExitCode = ExitCode.ERROR
    ) -> None:
        self.message = without_password(message)
        self.hint = without_password(hint) if hint else hint
        super().__init__(self.message)
        self.exit_code = exit_code


class UsageError(HubtoolsError):
    """The command line, the environment or `hubtools.toml` asks for something that cannot be."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, exit_code=ExitCode.USAGE)


class ChecksFailed(HubtoolsError):
    """A check found errors and the command therefore did nothing further."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, exit_code=ExitCode.CHECKS_FAILED)


# What each optional extra brings, by import name; `doctor` and `require_extra` read it.
EXTRAS: dict[str, tuple[str, ...]] = {
    "train": (
        "torch",
        "diffusers",
        "transformers",
        "accelerate",
        "peft",
        "datasets",
        "safetensors",
    ),
    "hub": ("starlette", "uvicorn", "markdown_it"),
    "shards": ("pyarrow",),
    "url": ("aiohttp",),
    "daft": ("daft",),
    "xformers": ("xformers",),
}


def missing_modules(extra: str) -> list[str]:
    """Import names of `extra` that are not installed (found without importing them)."""
    return [name for name in EXTRAS[extra] if importlib.util.find_spec(name) is None]


def require_extra(extra: str, what: str) -> None:
    """Raise a `HubtoolsError` naming the extra to install if `what` cannot run without it."""
    missing = missing_modules(extra)
    if missing:
        raise HubtoolsError(
            f"{what} needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'}"
            " not installed.",
            hint=f"pip install 'hf-hubtools[{extra}]'",
        )


def _http_status(error: BaseException) -> int | None:
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


# Class names of huggingface_hub and its HTTP library, so that neither is imported to say sorry.
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
}


def is_unreachable(error: BaseException) -> bool:
    """True if the Hub gave no answer, or none but a server error: time to look into the cache."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & _CONNECTION) or (_http_status(error) or 0) >= 500


def as_sentence(error: BaseException) -> HubtoolsError | None:
    """Translate a well-known error of the system or the Hub client; None if it is none of them."""
    if isinstance(error, HubtoolsError):
        return error
    names = {cls.__name__ for cls in type(error).__mro__}
    first_line = _telling_line(error)
    if "GatedRepoError" in names:
        return HubtoolsError(
            f"{_repository(error)} is gated, and this account has not been let in.",
            hint="accept its terms on its Hub page while logged in, then set HF_TOKEN",
        )
    if "RepositoryNotFoundError" in names:
        return HubtoolsError(
            f"The Hub knows no {_repository(error)}, or your token may not see it.",
            hint="check the name (owner/name) and the token: `hf auth whoami`",
        )
    remote = names & {"RevisionNotFoundError", "EntryNotFoundError"}
    if remote and "LocalEntryNotFoundError" not in names:
        return HubtoolsError(f"Not found on the Hub: {first_line}")
    if "HFValidationError" in names:
        return HubtoolsError(f"That is not a Hub repository name: {first_line}")
    if "LocalTokenNotFoundError" in names:
        return HubtoolsError(
            "No Hub token was found.",
            hint="run `hf auth login`, or set HF_TOKEN to a token with write permission",
        )
    status = _http_status(error)
    if status in (401, 403):
        return HubtoolsError(
            f"The Hub refused the token (HTTP {status}): {first_line}",
            hint="set HF_TOKEN to a token with write permission for this repository",
        )
    if status is not None and "HfHubHTTPError" in names:
        return HubtoolsError(f"The Hub answered HTTP {status}: {first_line}")
    if names & _CONNECTION and not isinstance(error, (FileNotFoundError, PermissionError)):
        return HubtoolsError(
            f"The Hub could not be reached: {first_line}",
            hint="check the network, HF_ENDPOINT and HF_HUB_OFFLINE; then run the same command"
            " again, it continues where it stopped",
        )
    if isinstance(error, PermissionError):
        return HubtoolsError(f"Permission denied: {error.filename or first_line}")
    if isinstance(error, OSError) and error.errno == 28:
        return HubtoolsError(
            "The disk is full.", hint="free some space and run the same command again"
        )
    if isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError)):
        # of a rename the second one: the first is a temporary name
        name = error.filename2 or error.filename or first_line
        return HubtoolsError(f"{error.strerror or 'Not found'}: {name}")
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return HubtoolsError(f"{error.strerror}: {error.filename}")
    if "OutOfMemoryError" in names:
        return HubtoolsError(
            "The device ran out of memory.",
            hint="try --gradient-checkpointing, --train-batch-size 1 with"
            " --gradient-accumulation-steps, or a smaller --resolution",
        )
    return None
