"""Errors are sentences: what is wrong, where, and what to do about it."""

from __future__ import annotations

import errno
import importlib.util
import os
import re
from enum import IntEnum
from pathlib import Path

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


def first_line(error: BaseException) -> str:
    """What a library's error says first; its kind if it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # a KeyError says no more than the key
    said = lines[0] if lines else ""
    kind = type(error).__name__
    return f"{kind}: {said}" if isinstance(error, (LookupError, AttributeError)) else said or kind


def of_system(error: BaseException, said: str) -> HubtoolsError | None:
    """The sentence for an error of the operating system that says `said`; None for any other."""
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
    if isinstance(error, NotADirectoryError) and name:
        return _in_the_way(Path(os.fsdecode(name)))
    if isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError)):
        return HubtoolsError(f"{error.strerror or 'Not found'}: {name or said}")
    if error.strerror:
        return HubtoolsError(f"{error.strerror}: {name}" if name else f"{error.strerror}.")
    return HubtoolsError(said)  # of a library, in its own words: a download that came out short


def _in_the_way(path: Path) -> HubtoolsError:
    """Of a path that goes through something which is no folder."""
    passed = [part for part in (*reversed(path.parents), path) if os.path.lexists(part)]
    stop = next((part for part in passed if not part.is_dir()), path)
    return HubtoolsError(
        f"{stop} is no folder.", hint="move it away, or give another place, and run it again"
    )


def of_library(error: BaseException, names: set[str]) -> HubtoolsError | None:
    """The sentence for a library's error whose classes have these names; None for any other."""
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
