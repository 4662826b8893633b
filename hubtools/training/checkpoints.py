"""States to resume from: the LoRA, the optimizer's memory, the step, and what they belong to.

    state/step-000500/lora.safetensors       parameters by their names in the denoiser
    state/step-000500/optimizer.safetensors  <kind>/<name>: of AdamW exp_avg, exp_avg_sq and step;
                                             ema/<name> of a run that averages
    state/step-000500/state.json             written last; holds the digests of the other two

A state is put together in a folder with a leading dot and renamed when it is whole on disk. Old
ones go only after that. Random numbers need no saving: they are functions of the step (draws.py).

`state.json` is sealed (see `trust`): a state that came with the folder says what somebody else
wants to be trained. It is used only when that was asked for, and then it must still make sense.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.errors import HubtoolsError
from hubtools.layout import STATE_DIR, STATE_MANIFEST, step_name
from hubtools.models.tensors import parse_tensors
from hubtools.rooted import TEMPORARY, Root
from hubtools.training.averages import Average
from hubtools.training.found_states import (
    LORA,
    OPTIMIZER,
    FoundState,
    StateFacts,
    foreign,
    found_state,
    state_names,
)
from hubtools.training.old_states import clear, drop_old, sweep
from hubtools.training.optimizers import memory_misfits, memory_of, remember
from hubtools.training.written import written_tensors
from hubtools.trust import seal

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_EMA = "ema/"


@dataclass(frozen=True)
class SavedState:
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
    average: Average | None = None,
) -> Path:
    """Write the state of `facts.step` and keep the newest `limit`; answers its folder. Raises
    `HubtoolsError` if it holds what is no number."""
    refuse_non_finite(facts.step, parameters, optimizer)
    memory, values = memory_of(optimizer, parameters)
    if average is not None:
        memory |= {f"{_EMA}{name}": tensor for name, tensor in average.tensors.items()}
    with Root(run_dir) as root:
        root.mkdir(STATE_DIR)
        sweep(root)
        final = f"{STATE_DIR}/{step_name(facts.step)}"
        temporary = f"{STATE_DIR}/{TEMPORARY}{step_name(facts.step)}"
        digests = {}
        for file, tensors in ((LORA, parameters), (OPTIMIZER, memory)):
            digests[file] = written_tensors(root, f"{temporary}/{file}", tensors)
        _write_facts(
            root, temporary, final, facts.model_copy(update={"files": digests, "optimizer": values})
        )
        clear(root, final)
        root.rename(temporary, final)
        drop_old(root, final, limit)
    return run_dir / final


def refuse_non_finite(
    step: int, parameters: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer
) -> None:
    """Raise `HubtoolsError` if a step has left a parameter, or what the optimizer remembers of it,
    infinite or not a number: going on from there is in vain."""
    import torch

    names, finite = [], []
    for name, parameter in parameters.items():
        remembered = optimizer.state.get(parameter, {}).values()
        for tensor in (parameter, *(v for v in remembered if isinstance(v, torch.Tensor))):
            names.append(name)
            finite.append(tensor.isfinite().all().to(parameter.device))
    if not finite:
        return
    # one look at the device for all of them
    broken = [
        name for name, good in zip(names, torch.stack(finite).tolist(), strict=True) if not good
    ]
    if broken:
        raise HubtoolsError(
            f"Step {step:,} has left values in the LoRA that are no numbers, e.g. in {broken[0]};"
            " it is not saved.",
            hint="a lower --learning-rate with --no-resume; earlier states are kept",
            code="training-failed",
        )


def _write_facts(root: Root, folder: str, final: str, facts: StateFacts) -> None:
    name = f"{final}/{STATE_MANIFEST}"
    content = seal(root.path, name, json.loads(facts.model_dump_json()), anywhere=True)
    root.write_json(f"{folder}/{STATE_MANIFEST}", content)


def take_over(run_dir: Path, old: str, new: str, trust_state: bool) -> None:
    """Make the states of the run with fingerprint `old` those of the one with `new`, which is the
    same with more steps; of those that somebody else wrote, if they are trusted."""
    with Root(run_dir) as root:
        for name in state_names(root):
            seen = found_state(root, name)
            if seen.facts and seen.facts.fingerprint == old and (seen.ours or trust_state):
                _write_facts(root, name, name, seen.facts.model_copy(update={"fingerprint": new}))


def load_newest(
    run_dir: Path,
    fingerprint: str,
    warn: Callable[[str], None],
    *,
    steps: int | None = None,
    trust_state: bool = False,
) -> SavedState | None:
    """The newest state that is whole and belongs to this run (of so many `steps`); warns of each
    one passed over. Raises `ForeignState` at one that somebody else wrote, unless `trust_state`: it
    is this user's from then on."""
    if not run_dir.is_dir():
        return None
    with Root(run_dir) as root:
        for seen in (found_state(root, name) for name in reversed(state_names(root))):
            problem = seen.problem(fingerprint, steps)
            if problem is None and seen.facts is not None:
                if not seen.ours and not trust_state:
                    raise foreign(run_dir, seen, steps)
                found = _tensors(root, seen)
                if isinstance(found, SavedState):
                    if not seen.ours:
                        _write_facts(root, seen.folder, seen.folder, seen.facts)
                    return found
                problem = found
            warn(f"State {seen.folder.rpartition('/')[2]} is passed over: {problem}.")
    return None


def _tensors(root: Root, seen: FoundState) -> SavedState | str:
    """The state with its tensors, or what is wrong with them. They are read once: what was hashed
    is what is used."""
    assert seen.facts is not None
    parsed = []
    for name in (LORA, OPTIMIZER):
        try:
            data = root.read(f"{seen.folder}/{name}")
        except FileNotFoundError:
            return f"its {name} is missing"
        if hashlib.sha256(data).hexdigest() != seen.facts.files.get(name):
            return f"its {name} is damaged"
        tensors = parse_tensors(data)
        if tensors is None:
            return "its tensors cannot be read"
        if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
            return f"its {name} holds what is no number"
        parsed.append(tensors)
    return SavedState(seen.facts, parsed[0], parsed[1])


def restore(
    state: SavedState,
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    average: Average | None = None,
) -> None:
    """Put a state's tensors back, bit for bit. Raises `HubtoolsError` if they are not those of
    `parameters`, or no numbers."""
    import torch

    averages, memory = _apart(state, average)
    for sentence in chain(
        _misfits("LoRA", state.lora, parameters),
        _misfits("average", averages, parameters) if average is not None else (),
        memory_misfits(optimizer, parameters, memory, state.facts.optimizer),
    ):
        raise HubtoolsError(
            f"The state of step {state.facts.step:,} does not fit this run: {sentence}.",
            hint="`hubtools train --no-resume` moves the run aside and starts anew",
            code="file-changed",
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(state.lora[name])
            if average is not None:
                average.tensors[name].copy_(averages[name])
    remember(optimizer, parameters, memory, state.facts.optimizer)


def _apart(
    state: SavedState, average: Average | None
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(the average, what the optimizer remembers) of a run that averages, or does not."""
    if average is None:
        return {}, state.optimizer
    averages = {
        key.removeprefix(_EMA): tensor
        for key, tensor in state.optimizer.items()
        if key.startswith(_EMA)
    }
    memory = {k: tensor for k, tensor in state.optimizer.items() if not k.startswith(_EMA)}
    return averages, memory


def _misfits(
    what: str, tensors: Mapping[str, Tensor], parameters: Mapping[str, nn.Parameter]
) -> Iterator[str]:
    """Why these are not tensors of such parameters."""
    import torch

    if tensors.keys() != parameters.keys():
        yield f"its {what} has other layers"
        return
    for key, tensor in tensors.items():
        if tensor.shape != parameters[key].shape or tensor.dtype != torch.float32:
            yield f"{key} has another shape or type"
        elif not bool(tensor.isfinite().all()):
            yield f"{key} holds what is no number"
