"""Functions by name, `package.module:function`: a file that few runs need is imported when its
function is asked for.

`tests/test_floors.py` reads these names as it reads imports.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def named(name: str) -> Any:
    """What `package.module:function` names. Raises `ImportError` and `AttributeError`."""
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)
