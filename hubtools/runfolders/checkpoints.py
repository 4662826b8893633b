"""Which LoRA files of a run folder are of earlier steps, of which step each is, and which is best.

A file says its step itself where it can (hubtools, sd-scripts, ai-toolkit write it into the
header); else what lies beside it does, else a name that trainers give. A number in any other name
is no step: `backup-2024` is not newer than `checkpoint-1000`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from hubtools.errors import HubtoolsError
from hubtools.evaluation.result import Candidate, Evaluation
from hubtools.files import json_value
from hubtools.layout import CHECKPOINTS_DIR, EVALUATION, SNAPSHOTS_DIR, STATE_DIR
from hubtools.lorafile.look import ADAPTERS
from hubtools.patterns import regex
from hubtools.rooted import Root
from hubtools.runfolders.trainers import base_of_numbered
from hubtools.training.metrics import held_out_at
from hubtools.weights import Header

_STATES = ("trainer_state.json", "training_state.json")
_MOST = 20_000_000  # bytes of a state's record
_IN_HEADER = ("hubtools_step", "ss_steps")
_FOLDER = regex(r"(?:checkpoint[-_]|global_step[-_]?|step[-_]?|epoch[-_]?)(\d{1,12})")
_FILE = regex(r"(?:.*[-_])?step[-_]?(\d{1,12})\.safetensors|.+[-_](\d{6,9})\.safetensors")


def step_of(root: Root, name: str, header: Header) -> int | None:
    """The step (or epoch, as its trainer counts) that a LoRA file is of; None if nothing tells."""
    for key in _IN_HEADER:
        found = header.metadata.get(key, "")
        if found.isascii() and found.isdecimal() and len(found) < 13:
            return int(found)
    if (told := _number_in(header.metadata.get("training_info", ""), "step")) is not None:
        return told
    folder, _, base = name.rpartition("/")
    for state in _STATES:
        if folder and root.is_file(f"{folder}/{state}"):
            content = _record(root, f"{folder}/{state}")
            if (told := _whole(content.get("global_step"))) is not None:
                return told
    if (file := _FILE.fullmatch(base)) is not None:
        return int(file[1] or file[2])
    parts = [at for part in folder.split("/") if (at := _FOLDER.fullmatch(part))]
    return int(parts[-1][1]) if parts else None


def _number_in(text: str, key: str) -> int | None:
    try:
        content = json_value(text) if 0 < len(text) < 100_000 else None
    except (ValueError, RecursionError):
        return None
    return _whole(content.get(key)) if isinstance(content, dict) else None


def _whole(value: object) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value < 10**12 else None  # type: ignore[return-value,operator]


def _record(root: Root, name: str) -> dict[str, object]:
    try:
        content = json_value(root.read(name, _MOST))
    except (ValueError, RecursionError, HubtoolsError):
        return {}
    return content if isinstance(content, dict) else {}


def newest(steps: Mapping[str, int | None], names: Iterable[str]) -> str:
    """The one of the highest step; where nothing tells any, the last by name."""
    return max(names, key=lambda name: _place(steps, name))


def _place(steps: Mapping[str, int | None], name: str) -> tuple[int, str]:
    step = steps.get(name)
    return (-1 if step is None else step, name)


def steps_of(root: Root, headers: Mapping[str, Header]) -> dict[str, int | None]:
    """{name: step} of all adapters of a run folder."""
    return {
        name: step_of(root, name, header)
        for name, header in headers.items()
        if header.holds in ADAPTERS
    }


def chosen(
    root: Root,
    keep: str,
    steps: Mapping[str, int | None],
    weights: str,
    is_it: Callable[[str, str], bool],
) -> frozenset[str]:
    """The LoRA files of earlier steps that `keep` (none, last, best, all, a number) asks for.
    `steps` are those of all adapters, `weights` is the one that is published anyway; `is_it` tells
    whether a file is the LoRA with a hash. Raises `HubtoolsError` for `best` where the run recorded
    nothing that tells."""
    earlier = sorted(
        (
            name
            for name, step in steps.items()
            if name != weights
            and not name.startswith(f"{STATE_DIR}/")
            and (_is_snapshot(name) or (step is not None and _is_of_a_row(name)))
        ),
        key=lambda name: _place(steps, name),
    )
    if keep == "none" or not earlier:
        return frozenset()
    if keep == "best":
        return frozenset({_best(root, steps, earlier, weights, is_it)} - {weights})
    count = len(earlier) if keep == "all" else 1 if keep == "last" else int(keep)
    return frozenset(earlier[-count:])


def _is_snapshot(name: str) -> bool:
    return name.startswith((f"{SNAPSHOTS_DIR}/", f"{CHECKPOINTS_DIR}/"))


def _is_of_a_row(name: str) -> bool:
    """True for what lies below a folder of a step, or has a number as trainers give them."""
    return "/" in name or base_of_numbered(name) is not None


def _best(
    root: Root,
    steps: Mapping[str, int | None],
    earlier: list[str],
    weights: str,
    is_it: Callable[[str, str], bool],
) -> str:
    names = [weights, *reversed(earlier)]
    found = Evaluation.read(root.path)
    measured = _by_evaluation(found) if found is not None else None
    if measured is not None:
        best, count = measured
        if count < 2:
            raise HubtoolsError(
                f"{root.path / EVALUATION} measured one LoRA only; it cannot tell which is best.",
                hint="`hubtools evaluate --checkpoints all`, or --keep-checkpoints last",
                code="nothing-there",
            )
        for name in names:
            if best.lora_sha256 is not None and is_it(name, best.lora_sha256):
                return name
        raise HubtoolsError(
            f"The best by {root.path / EVALUATION}, {best.label}, is not among the LoRA files.",
            hint="`hubtools evaluate --checkpoints all` measures those that are there",
            code="nothing-there",
        )
    step = _by_loss(root, steps, names)
    at = next((name for name in names if step is not None and steps.get(name) == step), None)
    if at is None:
        raise HubtoolsError(
            f"{root.path} records nothing that tells which checkpoint is best.",
            hint="`hubtools evaluate --checkpoints all` measures them; or --keep-checkpoints last",
            code="nothing-there",
        )
    return at


def _by_evaluation(found: Evaluation) -> tuple[Candidate, int] | None:
    """(the best of those that were measured, how many LoRA files were): the recommended one, else
    the one of the lowest denoising loss. None if neither is there."""
    loras = [one for one in found.candidates if one.lora_sha256 is not None and one.weight]
    count = len({one.lora_sha256 for one in loras})
    if found.recommended is not None and 0 <= found.recommended < len(found.candidates):
        return found.candidates[found.recommended], count
    losses = [
        (figure.mean, place)
        for place, one in enumerate(loras)
        if (figure := one.figures.get("denoising_loss")) is not None and figure.mean is not None
    ]
    return (loras[min(losses)[1]], count) if losses else None


def _by_loss(root: Root, steps: Mapping[str, int | None], names: Iterable[str]) -> int | None:
    """The step of the lowest held-out loss, as `train` and transformers' trainers record it."""
    ours = (
        (line.validation_loss, line.step)
        for line in held_out_at(root.path, frozenset(steps.values()))
    )
    if best := min(ours, default=None):
        return best[1]
    places = ["", *(name.rpartition("/")[0] for name in names)]
    for place in dict.fromkeys(places):  # the newest knows of all before it
        state = f"{place}/{_STATES[0]}" if place else _STATES[0]
        if not root.is_file(state):
            continue
        record = _record(root, state)
        told = record.get("best_model_checkpoint")
        if isinstance(told, str) and (number := re.search(r"[-_](\d{1,12})/?$", told)):
            return int(number[1])
        history = record.get("log_history")
        losses = [
            (float(entry["eval_loss"]), step)
            for entry in (history if isinstance(history, list) else ())
            if isinstance(entry, dict)
            and isinstance(entry.get("eval_loss"), (int, float))
            and (step := _whole(entry.get("step"))) in steps.values()
            and step is not None
        ]
        if losses:
            return min(losses)[1]
    return None
