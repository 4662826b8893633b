"""What the header of a LoRA asks of the libraries that load it, judged before they do it.

diffusers hands the settings in a file's header to peft as they stand, and both make regular
expressions of names of layers. A stranger's can search without end, make matrices larger than the
memory, or name a module to import.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hubtools.lorafile.look import METADATA_KEY
from hubtools.lorafile.steps import steps
from hubtools.patterns import regex
from hubtools.tensornames import part_of

_MOST = 1_000_000  # letters of the entry
_SPECIAL = regex(r"[\\()\[\]{}*+?|^$]")
_LONGEST = 50_000  # letters of a pattern
_STEPS = 10**7  # of all patterns over a name
_PATTERNS = ("target_modules", "exclude_modules", "layers_pattern")
_BY_LAYER = ("rank_pattern", "alpha_pattern")
_UNREAD = ("auto_mapping", "eva_config")  # by whoever loads the LoRA
_STARTS = (True, False, None, "gaussian", "orthogonal", "eva")


def unfit_setting(metadata: Mapping[str, str], tensors: Mapping[str, Any]) -> str | None:
    """Why a LoRA with this header (its free entries, and its tensors with their shapes) is not
    handed to diffusers, as the end of a sentence; None if it may be."""
    for name in tensors:
        if _SPECIAL.search(name) and ("lora" in name or part_of(name) is not None):
            return f"it calls a tensor {name[:80]!r}, which no layer is called"
    text = metadata.get(METADATA_KEY, "")
    if not text:
        return None
    if len(text) > _MOST:
        return f"its header has more than {_MOST:,} letters of settings"
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return f"its header's {METADATA_KEY} is no JSON object"
    return next(_unfit(said, _most_rank(tensors)), None)


def _most_rank(tensors: Mapping[str, Any]) -> int:
    """The largest rank of the layers."""
    shapes = [
        entry["shape"]
        for name, entry in tensors.items()
        if (part := part_of(name)) is not None and part.role in ("down", "up")
    ]
    return max((max(shape) for shape in shapes if shape), default=0)


def _unfit(said: Mapping[str, Any], most: int) -> Iterator[str]:
    taken = 0  # by all patterns so far
    for key, value in said.items():
        word = key.rpartition(".")[2]
        ranks = [value] if word == "r" else []
        if word in _PATTERNS:
            patterns = [value] if isinstance(value, str) else value or []
            taken += sum(map(_taken, patterns)) if isinstance(patterns, list) else _STEPS
            fits = taken < _STEPS
        elif word in _BY_LAYER:
            by_layer = value or {}
            taken += sum(map(_taken, by_layer)) if isinstance(by_layer, dict) else _STEPS
            fits = taken < _STEPS
            ranks = list(by_layer.values()) if fits and word == "rank_pattern" else []
        elif word == "layers_to_transform":
            fits = value is None or isinstance(value, (int, list))
        elif word == "init_lora_weights":
            fits = any(value is start or value == start for start in _STARTS)
        elif word in _UNREAD:
            fits = True
        else:
            fits = not isinstance(value, (dict, list)) or not value
        if not fits or not all(isinstance(rank, int) and rank <= most for rank in ranks):
            yield f"its header asks for {word[:40]} = {json.dumps(value)[:80]}"


def _taken(pattern: Any) -> int:
    """How many steps a search by the pattern can take; very many for what is none."""
    fits = isinstance(pattern, str) and len(pattern) <= _LONGEST
    found = steps(pattern) if fits else None
    return _STEPS + 1 if found is None else found
