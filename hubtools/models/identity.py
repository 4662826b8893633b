"""What tells the weights of one module from those of another."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from hubtools.models.tensors import digest_tensors

if TYPE_CHECKING:
    from torch import nn

# Part of every key: grows by one when the way from file to tensor changes.
VERSION = 1


def identity_of(module: nn.Module, extra: bytes = b"") -> str:
    """Hex digest over a module's class, configuration, weights and `extra`."""
    config: Any = getattr(module, "config", {})
    values = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    # where it was loaded from and by what does not change its answers
    told = {
        key: value
        for key, value in values.items()
        if not key.startswith("_") and key not in ("transformers_version", "dtype", "torch_dtype")
    }
    text = json.dumps(told, sort_keys=True, default=str)
    digest = hashlib.sha256(f"{VERSION} {type(module).__name__} {text} ".encode() + extra)
    digest.update(digest_tensors(module.state_dict()).encode())
    return digest.hexdigest()[:32]
