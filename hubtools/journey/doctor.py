"""`doctor`: what this machine has, what is odd about it, and what each extra would add."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from hubtools.addresses import bare, without_password
from hubtools.errors import EXTRAS, missing_modules
from hubtools.files import human_bytes
from hubtools.hub import client
from hubtools.interpreter import importing
from hubtools.models.device import best_device, best_dtype, free_cores
from hubtools.models.needs import fitting
from hubtools.models.registry import TRY_OFFLINE
from hubtools.programs import program
from hubtools.version import __version__

State = Literal["ok", "note", "problem"]

_CORE = ("huggingface_hub", "click", "rich", "pydantic", "jinja2", "pillow", "numpy", "orjson")
_EXTRA_GIVES = {
    "train": "train, generate, ship, rehearse, demo",
    "hub": "hub serve, rehearse, demo",
    "shards": "shard --format parquet, unshard",
    "optimizers": "--optimizer prodigy, schedule-free",
    "bitsandbytes": "--optimizer adamw-8bit",
    "xformers": "--enable-xformers-memory-efficient-attention",
    "tensorboard": "train --report-to tensorboard",
    "wandb": "train --report-to wandb",
    "trackio": "train --report-to trackio",
}


@dataclass(frozen=True)
class Fact:
    """One line of the doctor's answer. `hint` says what to do about a note or problem."""

    topic: str
    name: str
    value: str
    state: State = "ok"
    hint: str | None = None


def doctor(folder: Path | None = None, *, timeout: float = 3.0) -> list[Fact]:
    """Look at Python, packages, device, memory, disk (at `folder`), Hub and token.

    The token's value is never read into the answer; only that there is one, and from where.
    `timeout`: seconds to wait for the Hub.
    """
    return [
        *_python(),
        *_packages(),
        *_device(),
        *trains(_room_of_gpu()),
        *_machine(folder or Path.cwd()),
        *_hub(timeout),
        *_extras(),
    ]


def _python() -> Iterator[Fact]:
    good = sys.version_info >= (3, 11)
    yield Fact(
        "python",
        "version",
        platform.python_version(),
        "ok" if good else "problem",
        None if good else "hubtools needs Python 3.11 or newer",
    )
    yield Fact("python", "platform", f"{platform.system()} {platform.machine()}")
    yield Fact("python", "hubtools", __version__)
    try:
        other = version("hubtools")
    except PackageNotFoundError:
        return
    yield Fact(
        "python", "package hubtools", other, "problem",
        "an unrelated, abandoned package has this name; `pip uninstall hubtools`, then install"
        " hf-hubtools again",
    )  # fmt: skip


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _packages() -> Iterator[Fact]:
    for name in _CORE:
        found = _version(name)
        yield Fact(
            "packages", name, found or "missing", "ok" if found else "problem",
            None if found else "pip install hf-hubtools",
        )  # fmt: skip
    for name in EXTRAS["train"]:
        if found := _version(name):
            yield Fact("packages", name, found)
    if importlib.util.find_spec("torchvision") is not None:
        yield _torchvision()


def _torchvision() -> Fact:
    """A torchvision built for another torch breaks the import of transformers; hubtools needs
    none. Asked in a process of its own, since a failed import cannot be undone."""
    import subprocess

    check = subprocess.run(importing("torchvision"), capture_output=True, check=False)
    found = _version("torchvision") or "unknown"
    if check.returncode == 0:
        return Fact("packages", "torchvision", found)
    return Fact(
        "packages", "torchvision", f"{found}, does not fit torch {_version('torch')}", "problem",
        "it breaks transformers (operator torchvision::nms does not exist); hubtools does not need"
        " it: `pip uninstall torchvision`",
    )  # fmt: skip


def _device() -> Iterator[Fact]:
    if importlib.util.find_spec("torch") is None:
        yield Fact(
            "device", "torch", "not installed", "note", "pip install 'hf-hubtools[train]' to train"
        )
        return
    import torch

    device = best_device()
    if device == "cuda":
        yield from _gpus()
    else:
        days = f"training a full-size model on a CPU takes days; {TRY_OFFLINE}"
        hint = days if device == "cpu" else None
        yield Fact("device", "device", device, "note" if hint else "ok", hint)
        if unused := _unused_gpu(torch.version.cuda):
            yield unused
    yield Fact("device", "dtype", best_dtype(device))
    threads = os.environ.get("OMP_NUM_THREADS")
    free = free_cores()
    crowded = threads is not None and threads.isdigit() and int(threads) > free
    yield Fact(
        "device", "CPU threads", f"{free} free of {os.cpu_count()}"
        + (f", OMP_NUM_THREADS={threads}" if threads else ""),
        "note" if crowded else "ok",
        "more threads than free cores make every step many times slower" if crowded else None,
    )  # fmt: skip


def _gpus() -> Iterator[Fact]:
    import torch

    built = torch.cuda.get_arch_list()
    for index in range(torch.cuda.device_count()):
        facts: Any = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        full = free < 0.8 * total
        yield Fact(
            "device", f"cuda:{index}",
            f"{facts.name}, {human_bytes(total)} ({human_bytes(free)} free),"
            f" compute capability {facts.major}.{facts.minor}",
            "note" if full else "ok",
            "another program holds its memory; `nvidia-smi` shows which" if full else None,
        )  # fmt: skip
        if torch.version.cuda and not _runs_on(facts.major, facts.minor, built):
            yield Fact(
                "device", f"kernels for cuda:{index}", f"none; there are {', '.join(built)}",
                "problem", "install a PyTorch built for this GPU (https://pytorch.org)",
            )  # fmt: skip
    yield Fact("device", "CUDA of PyTorch", torch.version.cuda or f"ROCm {torch.version.hip}")


def trains(room: int | None) -> Iterator[Fact]:
    """Which published bases a GPU of so many bytes has room for; without one, which of what size
    has."""
    table = fitting()
    if room is None:
        told: set[str] = set()
        for card, fit in table.items():
            more = [name for name in fit if name not in told]
            yield Fact("trains", f"a GPU of {card} GB", ("also " if told else "") + ", ".join(more))
            told.update(more)
        return
    # cards are named after more than they hold
    cards = [card for card in table if card * 0.95 * 10**9 <= room]
    fit = table[cards[-1]] if cards else {}
    for name in table[max(table)]:
        least = min(card for card, known in table.items() if name in known)
        yield Fact(
            "trains", name, f"yes {fit[name]}".strip() if name in fit else f"from {least} GB"
        )


def _room_of_gpu() -> int | None:
    """Bytes of the largest GPU."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    return max(torch.cuda.mem_get_info(index)[1] for index in range(torch.cuda.device_count()))


def _runs_on(major: int, minor: int, built: Sequence[str]) -> bool:
    """Whether code built for `built` (sm_80, compute_90, ...) runs on a GPU of that capability:
    machine code within its major version, the portable form on every later GPU."""
    for name in built:
        kind, _, number = name.partition("_")
        digits = "".join(c for c in number if c.isdigit())
        if not digits:
            continue
        of = divmod(int(digits), 10)
        same = of[0] == major and of[1] <= minor
        if same or (kind == "compute" and of <= (major, minor)):
            return True
    return not built


def _unused_gpu(built_for: str | None) -> Fact | None:
    """An NVIDIA GPU that PyTorch does not see, or a PyTorch that looks for one in vain."""
    there = Path("/proc/driver/nvidia/version").exists() or program("nvidia-smi") is not None
    if built_for is None:
        if not there:
            return None
        return Fact(
            "device", "NVIDIA GPU", "not used: this PyTorch is built for the CPU", "note",
            "install a CUDA build of PyTorch (https://pytorch.org)",
        )  # fmt: skip
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if there and hidden is not None:
        return Fact(
            "device", "NVIDIA GPU", f"hidden by CUDA_VISIBLE_DEVICES={hidden}", "note", "unset it"
        )
    if there:
        return Fact(
            "device", "NVIDIA GPU", f"not usable by PyTorch, built for CUDA {built_for}", "note",
            "the driver may be too old for it: `nvidia-smi` tells the newest CUDA it knows",
        )  # fmt: skip
    return None


def _machine(folder: Path) -> Iterator[Fact]:
    memory = _memory()
    if memory is not None:
        yield Fact("machine", "memory", human_bytes(memory))
    for name, place in (("disk here", folder), ("disk of the Hub cache", client.cache_folder())):
        there = place
        while not there.exists() and there != there.parent:
            there = there.parent
        free = shutil.disk_usage(there).free
        low = free < 10_000_000_000
        yield Fact(
            "machine", name, f"{human_bytes(free)} free", "note" if low else "ok",
            "a base model takes 2 to 30 GB" if low else None,
        )  # fmt: skip


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None  # Windows


def _hub(timeout: float) -> Iterator[Fact]:
    endpoint = client.endpoint()
    # of one without https:// nobody can tell where a password would begin
    shown = without_password(endpoint if "//" in endpoint else f"//{endpoint}")
    yield Fact("hub", "endpoint", shown.removeprefix("//"))
    if client.is_offline():
        yield Fact("hub", "connection", "offline mode (HF_HUB_OFFLINE)", "note",
                   "unset it to download or push")  # fmt: skip
    else:
        yield _answers(endpoint, timeout)
    yield _token()
    other = endpoint.rstrip("/") != "https://huggingface.co"
    if other and client.speaks_xet():
        yield Fact(
            "hub", "Xet", "on", "note",
            "few Hubs but huggingface.co speak Xet; hubtools does without there, for `hf` set"
            " HF_HUB_DISABLE_XET=1",
        )  # fmt: skip


def _answers(endpoint: str, timeout: float) -> Fact:
    from threading import Thread
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    if not endpoint.startswith(("http://", "https://")):
        return Fact("hub", "connection", "HF_ENDPOINT is no web address", "problem",
                    "it begins with http:// or https://")  # fmt: skip
    # a name and a password would be taken for a host, and told in its error
    address = bare(endpoint)
    request = Request(f"{address}/api/models?limit=1", method="HEAD")  # noqa: S310
    found: list[object] = []

    def ask() -> None:
        try:
            with urlopen(request, timeout=timeout):  # noqa: S310
                found.append(None)
        except HTTPError:
            found.append(None)  # it answers; what does not matter here
        except Exception as error:
            found.append(getattr(error, "reason", error))

    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(2 * timeout)  # one that answers drop by drop is not waited for
    reason = found[0] if found else "timed out"
    if reason is not None:
        return Fact("hub", "connection", f"no answer: {reason}", "note",
                    "what needs the Hub will fail; all else works")  # fmt: skip
    return Fact("hub", "connection", "answers")


def _token() -> Fact:
    if os.environ.get("HF_OIDC_RESOURCE"):
        return Fact("hub", "token", "by trusted publisher (HF_OIDC_RESOURCE)")
    if os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN"):
        return Fact("hub", "token", "present, in HF_TOKEN")
    if client.has_token():
        return Fact("hub", "token", "present, from `hf auth login`")
    return Fact("hub", "token", "none", "note", "to push: `hf auth login`, or set HF_TOKEN")


def _extras() -> Iterator[Fact]:
    for extra, gives in _EXTRA_GIVES.items():
        missing = missing_modules(extra)
        if not missing:
            yield Fact("extras", extra, f"installed: {gives}")
        else:
            yield Fact(
                "extras", extra, f"would add {gives} (lacks {', '.join(missing)})", "ok",
                f"pip install 'hf-hubtools[{extra}]'",
            )  # fmt: skip
