"""The states that lie in a run folder: what each says of itself, and whether this user wrote it.

Tensors are not read here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from hubtools.causes import is_absent
from hubtools.errors import HubtoolsError
from hubtools.files import json_value
from hubtools.layout import STATE_DIR, STATE_MANIFEST, step_name
from hubtools.rooted import Root
from hubtools.trust import ForeignState, is_sealed

LORA = "lora.safetensors"
OPTIMIZER = "optimizer.safetensors"
FILES = frozenset({LORA, OPTIMIZER, STATE_MANIFEST})
NAME = re.compile(r"step-\d{6,9}")
_MOST = 1_000_000  # bytes of a state.json
WAYS_ON = (
    "--trust-state uses it, if you know where the folder comes from; `hubtools train --no-resume`"
    " moves the run aside and starts anew, --output-dir leaves it alone"
)

_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_OfScaler = Annotated[str, Field(pattern=r"^_?(scale|growth_\w+|backoff_factor)$")]
_Number = Annotated[float, Field(allow_inf_nan=False)]


class StateFacts(BaseModel):
    """`state.json`. `fingerprint` is of the settings that decide what is learned."""

    step: int = Field(gt=0)
    fingerprint: str
    threads: int = Field(ge=1, le=4096)
    loss_ema: _Number | None = None
    seconds: _Number = Field(0.0, ge=0)
    scaler: dict[_OfScaler, int | _Number] = {}
    optimizer: dict[str, bool | int | _Number | str | None] = {}
    files: dict[str, _Digest]
    versions: dict[str, str] = {}


@dataclass(frozen=True)
class FoundState:
    """A state's folder, what its `state.json` says (None: it cannot be read), and whether this user
    wrote it."""

    folder: str
    facts: StateFacts | None
    ours: bool

    def problem(self, fingerprint: str, steps: int | None) -> str | None:
        """Why a run with this fingerprint, of so many steps, does not go on from it."""
        if self.facts is None:
            return f"its {STATE_MANIFEST} cannot be read"
        if self.facts.fingerprint != fingerprint:
            return "it belongs to a run with other settings"
        if step_name(self.facts.step) != self.folder.rpartition("/")[2]:
            return f"its {STATE_MANIFEST} speaks of step {self.facts.step:,}"
        if steps is not None and self.facts.step > steps:
            return f"the run has {steps:,} steps only"
        return None


def state_names(root: Root) -> list[str]:
    """Folders of all states of an open run folder (`state/step-000500`), oldest first."""
    found = [name for name in root.list(STATE_DIR) if NAME.fullmatch(name)]
    return [
        f"{STATE_DIR}/{name}"
        for name in sorted(found, key=lambda name: int(name.removeprefix("step-")))
        if root.is_folder(f"{STATE_DIR}/{name}")
    ]


def states(run_dir: Path) -> list[Path]:
    """Folders of all states, oldest first. Raises `HubtoolsError` if they lie behind a link."""
    if not run_dir.is_dir():
        return []
    with Root(run_dir) as root:
        return [run_dir / name for name in state_names(root)]


def seen_states(run_dir: Path) -> list[FoundState]:
    """All states, newest first; tensors are not looked at."""
    if not run_dir.is_dir():
        return []
    with Root(run_dir) as root:
        return [found_state(root, name) for name in reversed(state_names(root))]


def found_state(root: Root, folder: str, *, opened: bool = False) -> FoundState:
    """The state in `folder` of an open run folder; `opened`: it is `root` itself that is open.
    Raises `OSError` for a `state.json` that is there and cannot be read now."""
    name = f"{folder}/{STATE_MANIFEST}"
    try:
        content = json_value(root.read(STATE_MANIFEST if opened else name, _MOST))
        facts = StateFacts.model_validate(content)
    except OSError as error:
        if not is_absent(error):  # the run would begin anew over a state that is there
            raise
        return FoundState(folder, None, False)
    except (ValidationError, ValueError, RecursionError, HubtoolsError):
        return FoundState(folder, None, False)
    return FoundState(folder, facts, is_sealed(root.path, name, content, anywhere=True))


def newest_facts(run_dir: Path) -> StateFacts | None:
    """The facts of the newest state whose `state.json` can be read."""
    return next((seen.facts for seen in seen_states(run_dir) if seen.facts), None)


def newest_usable(run_dir: Path, fingerprints: Sequence[str], steps: int) -> FoundState | None:
    """The newest state that a run with one of these fingerprints would go on from, if its tensors
    are whole."""
    found = (
        s for s in seen_states(run_dir) if any(s.problem(f, steps) is None for f in fingerprints)
    )
    return next(found, None)


def foreign(run_dir: Path, seen: FoundState, steps: int | None) -> ForeignState:
    """What to raise about a state that this user did not write."""
    assert seen.facts is not None
    of = f" of {steps:,}" if steps is not None else ""
    return ForeignState(
        run_dir / seen.folder,
        f"make the run go on after step {seen.facts.step:,}{of}",
        (f"{seen.folder}: step {seen.facts.step:,}{of}, written by somebody else",),
        WAYS_ON,
    )
