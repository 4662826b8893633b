"""Errors are sentences: what is wrong, where, and what to do about it."""

from __future__ import annotations

import errno
import importlib.util
import os
import re
from enum import IntEnum
from typing import Any

from hubtools.leaks import hide, without_password


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
    Secrets, and passwords in addresses, are taken out of both.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, exit_code: ExitCode = ExitCode.ERROR
    ) -> None:
        self.message = hide(without_password(message))
        self.hint = hide(without_password(hint)) if hint else hint
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


def first_line(error: BaseException) -> str:
    """What a library's error says first; its kind if it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # a KeyError says no more than the key
    said = lines[0] if lines else ""
    kind = type(error).__name__
    return f"{kind}: {said}" if isinstance(error, (LookupError, AttributeError)) else said or kind


def is_of_machine(error: BaseException) -> bool:
    """True for what says nothing about the files at hand: no memory, no room, no permission, no
    connection, or a sentence already."""
    if isinstance(error, (HubtoolsError, MemoryError, PermissionError)):
        return True
    names = {cls.__name__ for cls in type(error).__mro__}
    if "OutOfMemoryError" in names or names & _CONNECTION:
        return True
    return isinstance(error, OSError) and error.errno in _FULL_OR_BROKEN


# The disk or a quota is full, too many files are open, a device fails, a file system is read only.
_FULL_OR_BROKEN = {
    getattr(errno, name, None)
    for name in ("ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "EIO", "EROFS", "ENOMEM")
}

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
    "TransportError",  # of httpx: all of the above, and a server that dies half-way
    "StreamError",
    "ChunkedEncodingError",
    "ContentDecodingError",
    "IncompleteRead",
    "ProtocolError",
    "ClientError",  # of aiohttp
    "gaierror",
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
    telling = _telling_line(error)
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
        return HubtoolsError(f"Not found on the Hub: {telling}")
    if "HFValidationError" in names:
        return HubtoolsError(f"That is not a Hub repository name: {telling}")
    if "LocalTokenNotFoundError" in names:
        return HubtoolsError(
            "No Hub token was found.",
            hint="run `hf auth login`, or set HF_TOKEN to a token with write permission",
        )
    if isinstance(error, UnicodeEncodeError) and not os.environ.get("HF_TOKEN", "").isascii():
        return HubtoolsError(
            "HF_TOKEN holds a character that no token has.", hint="set it again: hf_ and letters"
        )
    status = _http_status(error)
    if status in (401, 403):
        return HubtoolsError(
            f"The Hub refused the token (HTTP {status}): {telling}",
            hint="set HF_TOKEN to a token with write permission for this repository",
        )
    if status is not None and "HfHubHTTPError" in names:
        return HubtoolsError(f"The Hub answered HTTP {status}: {telling}")
    if names & _CONNECTION and not isinstance(error, (FileNotFoundError, PermissionError)):
        return HubtoolsError(
            f"The Hub could not be reached: {telling}",
            hint="check the network, HF_ENDPOINT and HF_HUB_OFFLINE; then run the same command"
            " again, it continues where it stopped",
        )
    return _of_system(error, telling) or _of_library(error, names)


def _of_system(error: BaseException, said: str) -> HubtoolsError | None:
    if isinstance(error, MemoryError):
        return HubtoolsError(
            "There is not enough memory.", hint="close other programs, or give it smaller pieces"
        )
    if not isinstance(error, OSError):
        return None
    # of a rename the second one: the first is a temporary name
    name = error.filename2 or error.filename
    if isinstance(error, PermissionError):
        return HubtoolsError(f"Permission denied: {name or said}")
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return HubtoolsError(
            "The disk is full." + (f" ({name})" if name else ""),
            hint="free some space and run the same command again",
        )
    if error.errno == errno.EXDEV:
        return HubtoolsError(
            f"{error.filename or 'A file'} and {name or 'its new place'} lie on different file"
            " systems, and a move between them is not possible at once.",
            hint="give a folder on the same disk",
        )
    if isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError)):
        return HubtoolsError(f"{error.strerror or 'Not found'}: {name or said}")
    if error.strerror:
        return HubtoolsError(f"{error.strerror}: {name}" if name else f"{error.strerror}.")
    return HubtoolsError(said)  # of a library, in its own words: a download that came out short


def _of_library(error: BaseException, names: set[str]) -> HubtoolsError | None:
    said = first_line(error)
    if "OutOfMemoryError" in names or "out of memory" in said:
        return HubtoolsError(
            "The device ran out of memory.",
            hint="try --gradient-checkpointing, --train-batch-size 1 with"
            " --gradient-accumulation-steps, or a smaller --resolution",
        )
    if isinstance(error, RuntimeError) and said.startswith("Data processing error"):
        return HubtoolsError(
            f"The Hub's storage could not be reached: {said}",
            hint="run the same command again; HF_HUB_DISABLE_XET=1 goes without that storage",
        )
    if isinstance(error, RuntimeError) and re.match(r"(CUDA|HIP|NCCL|MPS|cuDNN)\b", said):
        return HubtoolsError(f"The GPU failed: {said}", hint="`hubtools doctor` tells what it sees")
    if "SafetensorError" in names:
        if "No space left" in said:
            return HubtoolsError("The disk is full.", hint="free some space and run it again")
        return HubtoolsError(f"A .safetensors file cannot be read: {said}")
    if isinstance(error, ImportError) and not str(error.name or "hubtools").startswith("hubtools"):
        return HubtoolsError(
            f"The package {error.name} cannot be used: {said}",
            hint="`hubtools doctor` shows what is installed and what does not fit",
        )
    return None
