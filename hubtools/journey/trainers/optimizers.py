"""Optimizers of other trainers, with their arguments."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from typing import Any

from hubtools.journey.trainers.config import Config
from hubtools.training.optimizer_kinds import KINDS, optimizer_named

_ARGUMENTS = {
    "weight_decay": "adam_weight_decay",
    "eps": "adam_epsilon",
    "beta1": "adam_beta1",
    "beta2": "adam_beta2",
    "beta3": "prodigy_beta3",
    "d_coef": "prodigy_d_coef",
    "decouple": "prodigy_decouple",
    "use_bias_correction": "prodigy_use_bias_correction",
    "safeguard_warmup": "prodigy_safeguard_warmup",
}
# Of Adafactor: steps are as long as the rate says, as here.
_AS_HERE = {"relative_step": False, "scale_parameter": False, "warmup_init": False}


def take_optimizer(
    found: Config, name: str, value: Any, arguments: Iterable[tuple[str, Any]] = (), of: str = ""
) -> None:
    """Note an optimizer (`value`, called `name` in the file; None: AdamW) and its arguments, by
    their names and values, which may be texts. With `of`, what they stand in, those that ours has
    not are left; else they are not spoken of."""
    ours = optimizer_named(value) if isinstance(value, str) else None
    found.take(("train", "optimizer"), name, ours or value)
    if value is not None and ours is None:
        return
    kind = KINDS[ours or "adamw"]
    for key, said in _pairs(arguments):
        setting = _ARGUMENTS.get(key, "")
        if setting in kind.adam or (setting.startswith("prodigy_") and ours == "prodigy"):
            found.take(("train", setting), f"{of or name}.{key}", said)
        elif of and (key not in _AS_HERE or said is not _AS_HERE[key]):
            found.left.append(f"{of}.{key}"[:60])


def _pairs(arguments: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    for key, value in arguments:
        name, said = str(key).strip(), _literal(value)
        if name == "betas" and isinstance(said, (list, tuple)) and len(said) == 2:
            yield from (("beta1", said[0]), ("beta2", said[1]))
        else:
            yield name, said


def _literal(value: Any) -> Any:
    """The number, truth value or pair that a text writes."""
    if not isinstance(value, str) or len(value) > 60:
        return value
    try:
        return ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def take_average(found: Config, on: bool, decay: Any, name: str) -> None:
    """Note a moving average of the LoRA, whose decay is called `name` in the file."""
    if on:
        found.take(("train", "use_ema"), "ema", True)
        found.take(("train", "ema_decay"), name, decay)


def texts(words: Any) -> Iterable[tuple[str, Any]]:
    """(name, value) of `["d_coef=2", ...]`, or of the same in one text."""
    if isinstance(words, str):
        words = words.split()
    for word in words if isinstance(words, list) else ():
        name, _, value = str(word).partition("=")
        yield name, value


def table(values: Any) -> Iterable[tuple[str, Any]]:
    """(name, value) of a table, without those that are not set."""
    if not isinstance(values, Mapping):
        return ()
    return ((str(key), value) for key, value in values.items() if value is not None)
