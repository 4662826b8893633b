"""States to resume from: the LoRA, Adam's memory, the step, and what they belong to.

    state/step-000500/lora.safetensors       parameters by their names in the denoiser
    state/step-000500/optimizer.safetensors  exp_avg/<name>, exp_avg_sq/<name>, step/<name>
    state/step-000500/state.json             written last; holds the digests of the other two

A state is put together in a folder with a leading dot and renamed when it is whole on disk. Old
ones go only after that. Random numbers need no saving: they are functions of the step (data.py).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from hubtools.files import sha256_of, sync_folder, write_text
from hubtools.layout import STATE_DIR, STATE_MANIFEST, step_name
from hubtools.training.tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

LORA = "lora.safetensors"
OPTIMIZER = "optimizer.safetensors"


class StateFacts(BaseModel):
    """`state.json`. `fingerprint` is of the settings that decide what is learned."""

    step: int
    fingerprint: str
    threads: int
    loss_ema: float | None = None
    seconds: float = 0.0
    scaler: dict[str, Any] = {}
    files: dict[str, str]
    versions: dict[str, str] = {}


@dataclass(frozen=True)
class State:
    """A state read back, whole and checked."""

    facts: StateFacts
    lora: dict[str, Tensor]
    optimizer: dict[str, Tensor]


def save_state(
    run_dir: Path,
    facts: StateFacts,
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    limit: int,
) -> Path:
    """Write the state of `facts.step` and keep the newest `limit`; answers its folder."""
    folder = run_dir / STATE_DIR
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".tmp-*"):
        shutil.rmtree(left, ignore_errors=True)
    temporary = folder / f".tmp-{step_name(facts.step)}"
    temporary.mkdir()
    adam = {
        f"{key}/{name}": value
        for name, parameter in parameters.items()
        for key, value in optimizer.state[parameter].items()
    }
    digests = {}
    for file, tensors in ((LORA, parameters), (OPTIMIZER, adam)):
        write_tensors(temporary / file, tensors)
        with (temporary / file).open("rb") as written:
            os.fsync(written.fileno())
        digests[file] = sha256_of(temporary / file)
    whole = facts.model_copy(update={"files": digests})
    write_text(temporary / STATE_MANIFEST, whole.model_dump_json(indent=2) + "\n")
    sync_folder(temporary)
    final = folder / step_name(facts.step)
    if final.exists():  # a damaged one of the same step; it was not good enough to resume from
        shutil.rmtree(final)
    temporary.rename(final)
    sync_folder(folder)
    # One of a later step can only be damaged: else this run would have continued from it.
    there = states(run_dir)
    place = there.index(final)
    for old in (*there[: max(0, place + 1 - limit)], *there[place + 1 :]):
        shutil.rmtree(old, ignore_errors=True)
    return final


def states(run_dir: Path) -> list[Path]:
    """Folders of all states, oldest first."""
    return sorted(path for path in (run_dir / STATE_DIR).glob("step-*") if path.is_dir())


def facts_of(folder: Path) -> StateFacts | None:
    """The facts of a state, or None if they cannot be read."""
    try:
        return StateFacts.model_validate_json((folder / STATE_MANIFEST).read_bytes())
    except (OSError, ValidationError, ValueError):
        return None


def newest_facts(run_dir: Path) -> StateFacts | None:
    """The facts of the newest state whose `state.json` can be read; tensors are not looked at."""
    for folder in reversed(states(run_dir)):
        if facts := facts_of(folder):
            return facts
    return None


def load_newest(run_dir: Path, fingerprint: str, warn: Callable[[str], None]) -> State | None:
    """The newest state that is whole and belongs to this run; warns of each one passed over."""
    for folder in reversed(states(run_dir)):
        facts = facts_of(folder)
        problem = None
        if facts is None:
            problem = f"its {STATE_MANIFEST} cannot be read"
        elif facts.fingerprint != fingerprint:
            problem = "it belongs to a run with other settings"
        else:
            for name, digest in facts.files.items():
                if not (folder / name).is_file():
                    problem = f"its {name} is missing"
                elif sha256_of(folder / name) != digest:
                    problem = f"its {name} is damaged"
        if problem is None and facts is not None:
            lora, adam = read_tensors(folder / LORA), read_tensors(folder / OPTIMIZER)
            if lora is not None and adam is not None:
                return State(facts, lora, adam)
            problem = "its tensors cannot be read"
        warn(f"State {folder.name} is passed over: {problem}.")
    return None


def restore(
    state: State, parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer
) -> None:
    """Put a state's tensors back, bit for bit."""
    import torch

    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(state.lora[name])
    for key, value in state.optimizer.items():
        kind, _, name = key.partition("/")
        parameter = parameters[name]
        # fused AdamW wants its step counter where the parameters are
        optimizer.state[parameter][kind] = value.to(parameter.device, copy=True)
