"""Errors are sentences: what is wrong, where, and what to do about it."""

from __future__ import annotations

import importlib.util
import os
import re
from enum import IntEnum
from typing import ClassVar, Literal

from hubtools.leaks import hide, without_password
from hubtools.nearest import beside


class ExitCode(IntEnum):
    """What a hubtools process returns; the same for every command."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    CHECKS_FAILED = 3
    INTERRUPTED = 130


# The kind of a mistake, for programs. A code keeps its meaning.
Code = Literal[
    "bad-usage",
    "bad-setting",
    "no-base",
    "no-project",
    "checks-failed",
    "confirmation-needed",
    "interrupted",
    "bug",
    "failed",
    "file-not-found",
    "file-exists",
    "file-damaged",
    "file-changed",
    "file-not-usable",
    "wrong-kind",
    "nothing-there",
    "too-large",
    "link-refused",
    "permission-denied",
    "disk-full",
    "out-of-memory",
    "busy",
    "unfinished-change",
    "foreign-state",
    "unsafe-file",
    "other-version",
    "missing-package",
    "device-failed",
    "not-supported",
    "training-failed",
    "license-unclear",
    "hub-unreachable",
    "hub-refused",
    "hub-not-found",
    "hub-failed",
    "hub-changed",
]
# What each means; docs/errors.md is made of this.
CODES: dict[Code, str] = {
    "bad-usage": "The command line asks for something that cannot be.",
    "bad-setting": "A setting is wrong or missing, in hubtools.toml, the environment or an option.",
    "no-base": "The project names no base model.",
    "no-project": "No folder was named, and there is neither a dataset nor a run here.",
    "checks-failed": "A check found errors, so nothing further was done.",
    "confirmation-needed": "Somebody has to decide first: with --yes or another option.",
    "interrupted": "Ctrl-C or a signal stopped it; the same command goes on.",
    "bug": "A mistake of hubtools that it does not know.",
    "failed": "Something else went wrong; the message says what.",
    "file-not-found": "A file or folder is not there.",
    "file-exists": "Something else lies where hubtools would write.",
    "file-damaged": "A file cannot be read, or its content is broken.",
    "file-changed": "A file is not what it was when it was checked or planned.",
    "file-not-usable": "A file is readable, but this cannot be done with it.",
    "wrong-kind": "The file or folder is of another kind than is needed.",
    "nothing-there": "There is nothing to do it with: no pictures, no LoRA, no fix to undo.",
    "too-large": "A limit of docs/limits.md, of a format or of this system is passed.",
    "link-refused": "A name or a symbolic link leads out of its folder.",
    "permission-denied": "The system does not allow it, or others may write where they must not.",
    "disk-full": "There is no room on the disk.",
    "out-of-memory": "There is not enough memory, of the machine or of its GPU.",
    "busy": "Another process is at work there, or has the port.",
    "unfinished-change": "An earlier change or run was not finished; go on or take it back.",
    "foreign-state": "State in the folder was copied, changed or written by somebody else (see"
    " --trust-state).",
    "unsafe-file": "Loading it would run code that came with it.",
    "other-version": "Another version of hubtools wrote it.",
    "missing-package": "A Python package has to be installed first.",
    "device-failed": "The GPU or its driver failed.",
    "not-supported": "hubtools, or this machine, cannot do this.",
    "training-failed": "The training went wrong, and its result is not saved.",
    "license-unclear": "The licence of the base or of the LoRA is unknown, or does not allow it.",
    "hub-unreachable": "There was no answer from the Hub (or another address), and the cache does"
    " not have it.",
    "hub-refused": "The Hub refuses this token, or there is none.",
    "hub-not-found": "The Hub has no such repository, revision or file.",
    "hub-failed": "The Hub answered with an error.",
    "hub-changed": "The repository on the Hub was changed by somebody else meanwhile.",
}


class HubtoolsError(Exception):
    """A mistake the user can do something about.

    `message` is one sentence naming the file (and line), `hint` the thing to type or change, `code`
    a short name of the mistake's kind for programs. `missing` is a path that was to be there; the
    hint begins with the name beside it that is most like it, if there is one. Secrets, and
    passwords in addresses, are taken out of message and hint.
    """

    default_code: ClassVar[Code] = "failed"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        exit_code: ExitCode = ExitCode.ERROR,
        code: Code | None = None,
        missing: str | os.PathLike[str] | None = None,
    ) -> None:
        self.message = hide(without_password(message))
        self.missing = None if missing is None else os.fspath(missing)
        if missing is not None and (near := beside(missing)) is not None:
            hint = f"did you mean {near}?" + (f" Else {hint}" if hint else "")
        self.hint = hide(without_password(hint)) if hint else hint
        super().__init__(self.message)
        self.exit_code = exit_code
        self.code: Code = code or self.default_code

    def to_dict(self) -> dict[str, str | None]:
        """`code`, `message` and `hint`, as `--format json` shows them."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class UsageError(HubtoolsError):
    """The command line, the environment or `hubtools.toml` asks for something that cannot be."""

    default_code = "bad-usage"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: Code | None = None,
        missing: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, exit_code=ExitCode.USAGE, code=code, missing=missing)


class ChecksFailed(HubtoolsError):
    """A check found errors and the command therefore did nothing further."""

    default_code = "checks-failed"

    def __init__(self, message: str, *, hint: str | None = None, code: Code | None = None) -> None:
        super().__init__(message, hint=hint, exit_code=ExitCode.CHECKS_FAILED, code=code)


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
    "tensorboard": ("tensorboardX",),
    "wandb": ("wandb",),
    "trackio": ("trackio",),
    "optimizers": ("prodigyopt", "schedulefree"),
    "bitsandbytes": ("bitsandbytes",),
}


def missing_modules(extra: str) -> list[str]:
    """Import names of `extra` that are not installed (found without importing them)."""
    specs = {name: importlib.util.find_spec(name) for name in EXTRAS[extra]}
    # a mere folder of that name, such as the one that wandb makes here, is no package
    return [name for name, spec in specs.items() if spec is None or spec.origin is None]


def require_extra(extra: str, what: str) -> None:
    """Raise a `HubtoolsError` naming the extra to install if `what` cannot run without it."""
    missing = missing_modules(extra)
    if missing:
        raise HubtoolsError(
            f"{what} needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'}"
            " not installed.",
            hint=f"pip install 'hf-hubtools[{extra}]'",
            code="missing-package",
        )


def first_line(error: BaseException) -> str:
    """What a library's error says first; its kind if it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # a KeyError says no more than the key
    said = lines[0] if lines else ""
    if said.endswith(":") and len(lines) > 1:  # a heading
        said = f"{said} {lines[1]}"[:400]
    kind = type(error).__name__
    return f"{kind}: {said}" if isinstance(error, (LookupError, AttributeError)) else said or kind


_NO_MEMORY = ("out of memory", "DefaultCPUAllocator: can't allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """True if a library says that there was no memory left."""
    if any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__):
        return True
    said = first_line(error)
    return isinstance(error, RuntimeError) and any(sign in said for sign in _NO_MEMORY)


def is_panic(error: BaseException) -> bool:
    """True if a library that is written in Rust has stopped in the middle, which is told by an
    exception that is no `Exception`."""
    return type(error).__name__ == "PanicException"


def of_library(error: BaseException, names: set[str]) -> HubtoolsError | None:
    """The sentence for a library's error whose classes have these names; None for any other."""
    said = first_line(error)
    if is_out_of_memory(error) or "out of memory" in said:
        return HubtoolsError(
            "The device ran out of memory.",
            hint="try --gradient-checkpointing, --train-batch-size 1 with"
            " --gradient-accumulation-steps, or a smaller --resolution",
            code="out-of-memory",
        )
    if isinstance(error, RuntimeError) and said.startswith("Could not determine home directory"):
        return HubtoolsError(
            "A name begins with `~`, and this system knows no such user's folder.",
            hint="write the whole path, or ./~NAME for what is called so",
            code="file-not-found",
        )
    if isinstance(error, RuntimeError) and said.startswith("Symlink loop"):
        return HubtoolsError(
            f"A link leads back to itself: {said.removeprefix('Symlink loop from ')}",
            hint="remove it",
            code="link-refused",
        )
    if isinstance(error, ValueError) and said.startswith("The file is too large to be downloaded"):
        return HubtoolsError(
            "A file of that repository is too large for plain HTTP.",
            hint="install hf_xet, and do not set HF_HUB_DISABLE_XET",
            code="hub-failed",
        )
    if isinstance(error, RuntimeError) and re.match(r"(CUDA|HIP|NCCL|MPS|cuDNN)\b", said):
        return HubtoolsError(
            f"The GPU failed: {said}",
            hint="`hubtools doctor` tells what it sees",
            code="device-failed",
        )
    if is_panic(error):
        return HubtoolsError(
            f"A library that reads the files of models stopped in the middle: {said}",
            hint="fetch the base model anew, or take another --base-model",
            code="file-damaged",
        )
    if "SafetensorError" in names:
        if "No space left" in said:
            return HubtoolsError(
                "The disk is full.", hint="free some space and run it again", code="disk-full"
            )
        return HubtoolsError(f"A .safetensors file cannot be read: {said}", code="file-damaged")
    if isinstance(error, ImportError) and not str(error.name or "hubtools").startswith("hubtools"):
        return HubtoolsError(
            f"The package {error.name} cannot be used: {said}",
            hint="`hubtools doctor` shows what is installed and what does not fit",
            code="missing-package",
        )
    return None
