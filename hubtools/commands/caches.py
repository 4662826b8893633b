"""`cache ls` and `cache prune` as functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubtools.shelves import Pruned, Shelf


def cache_ls() -> list[Shelf]:
    """What lies in the cache, the largest first: kinds, sizes, when it was used."""
    from hubtools.shelves import shelves

    return shelves()


def cache_prune(
    *, older_than: float = 30.0, kind: Sequence[str] = (), dry_run: bool = False
) -> Pruned:
    """Delete what was not used for `older_than` days, of these kinds (default: all but captions of
    models and datasets of the Hub). What a running process uses stays. Calling it is the yes that
    the command asks for."""
    from hubtools.shelves import prune

    return prune(older_than=older_than, kind=kind, dry_run=dry_run)
