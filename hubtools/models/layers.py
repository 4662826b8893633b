"""For which kinds of models the layers of an adapter file can be, by their names and widths, which
the table of families knows. A model that nobody published, such as a tiny one for tests, is told by
its names only."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

from hubtools.models.registry import TARGETS
from hubtools.models.rows import Target, TargetName
from hubtools.tensornames import Part

T = TypeVar("T")

Names = frozenset[TargetName]

# What goes into a layer: captions into the cross-attention of a UNet, else the width of a block.
_CAPTIONS = re.compile(r"attn2[._]to_[kv]$")
_BLOCK = re.compile(
    r"(transformer_blocks|layers)[._]\d+[._](attn|attention|attn1)[._]to_([qkv]|gate)$"
    r"|transformer_blocks[._]\d+[._]ff[._](gate|up)$|blocks[._]\d+[._]attn[._]w[qkv]$"
)


def _rows_by(said: Callable[[Target], Iterable[T]]) -> dict[T, Names]:
    """{what rows say: those that say it}."""
    found: dict[T, Names] = {}
    for row in TARGETS.values():
        for one in said(row):
            found[one] = found.get(one, frozenset()) | {row.name}
    return found


_HINTS = tuple(
    (re.compile(pattern), names) for pattern, names in _rows_by(lambda r: r.layers.names).items()
)
_CAPTION_WIDTHS = _rows_by(lambda row: row.layers.captions)
_BLOCK_WIDTHS = _rows_by(lambda row: row.layers.widths)
_BY_PREFIX = _rows_by(lambda row: (f"{row.denoiser}.", *row.layers.texts))

_LONGEST = 300  # letters of a layer's path; a longer one is no model's


def families_of(parts: Iterable[Part], shapes: Mapping[str, list[int]]) -> Names:
    """The rows of the registry that the layers fit; empty if nothing tells, or all at once do.

    `shapes` by name of the tensor."""
    prefixes: set[Names] = set()
    layers: set[Names] = set()
    for part in parts:
        if part.prefix in _BY_PREFIX:
            prefixes.add(_BY_PREFIX[part.prefix])
        if part.of_text or len(part.layer) > _LONGEST:
            continue
        layers |= {names for pattern, names in _HINTS if pattern.match(part.layer)}
        layers |= _by_width(part, shapes.get(part.name, []))
    # a prefix is easily exchanged; the layers are what was trained
    return _all_of(prefixes | layers) or _all_of(layers)


def widths_of_none(
    parts: Iterable[Part], shapes: Mapping[str, list[int]], names: Iterable[TargetName]
) -> tuple[int, ...]:
    """Widths of what goes into the layers, if the kinds of models `names` say theirs and these are
    nobody's: the model is a tiny one, or one of somebody's own. Nothing if any width is known."""
    rows = [TARGETS[name].layers for name in names]
    found = set[int]()
    for part in parts:
        table, width = _table_of(part, shapes.get(part.name, []))
        known = (row.captions if table is _CAPTION_WIDTHS else row.widths for row in rows)
        if table and all(known):
            found.add(width)
        if width in table:
            return ()
    return tuple(sorted(found)) if rows else ()


def widths_beside(
    layers: Iterable[tuple[str, int]], captions: Collection[int], blocks: Collection[int]
) -> tuple[int, ...]:
    """Widths of what goes into layers (path within the denoiser, width) of a LoRA, where none is
    among those of its base: `captions` what goes into the cross-attention of a UNet, `blocks` what
    goes into a block; empty where those are not known."""
    found: dict[bool, set[int]] = {True: set(), False: set()}
    for layer, width in layers:
        if _BLOCK.match(layer):
            found[False].add(width)
        elif _CAPTIONS.search(layer) and not layer.startswith("transformer_blocks"):
            found[True].add(width)
    wrong = set[int]()
    for of_captions, known in ((True, captions), (False, blocks)):
        if known and found[of_captions].isdisjoint(known):
            wrong |= found[of_captions]
    return tuple(sorted(wrong))


def _all_of(said: set[Names]) -> Names:
    return frozenset.intersection(*said) if said else frozenset()


def _by_width(part: Part, shape: list[int]) -> set[Names]:
    known, width = _table_of(part, shape)
    return {known[width]} if width in known else set()


def _table_of(part: Part, shape: list[int]) -> tuple[Mapping[int, Names], int]:
    """(the widths that are known of such a layer, its own); an empty table of one whose width
    tells nothing."""
    if part.of_text or part.role != "down" or len(shape) < 2 or len(part.layer) > _LONGEST:
        return {}, 0
    if _BLOCK.match(part.layer):
        return _BLOCK_WIDTHS, shape[1]
    if _CAPTIONS.search(part.layer) and not part.layer.startswith("transformer_blocks"):
        return _CAPTION_WIDTHS, shape[1]
    return {}, 0
