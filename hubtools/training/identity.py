"""What makes a run the run that it is: what decides its result, and how another differs."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Collection
from typing import Any

from hubtools.manifest import RunManifest
from hubtools.train_settings import TrainSettings
from hubtools.training.recipe import NOT_IN_IDENTITY, WARM_UP

# Settings by which `train` is told these things.
_TYPED = {"caption_column", "class_noun", *TrainSettings.model_fields} - {"init_from"}


def identity(manifest: RunManifest, world_size: int) -> dict[str, Any]:
    """What decides the result of a run, by the names a user knows."""
    base = manifest.base_model
    return {
        "base model": base.id or base.fingerprint,
        "base model revision": base.revision or base.fingerprint,
        "dataset": manifest.dataset.fingerprint,
        "caption_column": manifest.dataset.caption_column,
        "class_noun": manifest.dataset.class_noun,
        "processes": world_size,
        **({"init_from": manifest.started_from.sha256} if manifest.started_from else {}),
        **{key: value for key, value in manifest.train.items() if key not in NOT_IN_IDENTITY},
    }


def fingerprint(identity: dict[str, Any]) -> str:
    """Hex SHA-256 of an identity."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """`rank (16, now 32)`, `the dataset`, ...: what keeps the one from continuing the other."""
    found = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if key in ("dataset", "base model", "base model revision"):
            found.append(f"the {key}")
        else:
            found.append(f"{key} ({before}, now {after})")
    return found


def unlike(earlier: RunManifest, new: RunManifest, given: Collection[str]) -> str | None:
    """What a run that takes the place of another does otherwise, to be told before it begins; None
    if all is the same. What was typed for the other is not taken over: as in other trainers, a
    command and the settings file say all of a run. `given`: settings that are typed now."""
    old, now = identity(earlier, earlier.processes), identity(new, new.processes)
    changed = differences(old | earlier.train, now | new.train)
    if not changed:
        return None
    said = f"Unlike the earlier run: {', '.join(changed)}."
    words = options_of(old, now, [key.rpartition(".")[2] for key in given])
    if not words:
        return said
    return (
        f"{said} Options that were typed for that one are not taken over: type them again"
        f" ({words}), or write them into hubtools.toml."
    )


def options_of(old: dict[str, Any], new: dict[str, Any], but: Collection[str] = ()) -> str:
    """What is typed for a run to be as the old one, `but` for some settings; empty where options
    cannot say it. What follows from other settings is not typed."""
    words = []
    for key in sorted((old.keys() | new.keys()) - set(but)):
        value = old.get(key)
        if value == new.get(key) or (key == "lora_alpha" and value == old.get("rank")):
            continue
        if key == "lr_warmup_steps" and value == round(WARM_UP * old.get("max_train_steps", 0)):
            continue
        option = f"--{key.replace('_', '-')}"
        if key not in _TYPED or not isinstance(value, (bool, int, float, str)):
            return ""
        if isinstance(value, bool):
            words.append(option if value else f"--no-{option[2:]}")
        else:
            whole = isinstance(value, float) and value.is_integer()
            words += [option, str(int(value) if whole else value)]
    return shlex.join(words)
