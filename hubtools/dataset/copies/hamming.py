"""All pairs of 64-bit hashes that differ in few bits, exactly, without comparing all with all.

The bits are cut into `radius + 2` bands. Two hashes that differ in at most `radius` bits agree
wholly in at least two bands; so for each two bands the hashes are sorted by these bands, and only
neighbours that share them are compared. A million hashes take a few seconds and 100 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

_BITS = 64
MOST_RADIUS = 12
_FEW = 300  # that are compared all with all in less time than they are sorted
_NONE = np.empty(0, dtype=np.int64)


def near_pairs(hashes: Hashes, radius: int) -> tuple[Rows, Rows, npt.NDArray[np.uint8]]:
    """(lower row, higher row, distance) of all pairs of different rows at most `radius` bits
    apart, sorted; rows with the same hash are pairs too. `radius` is 0 to 12.

    Many rows with one hash make many pairs: collapse them first (`np.unique`) if that matters.
    """
    if not 0 <= radius <= MOST_RADIUS:
        raise ValueError(f"radius must be 0 to {MOST_RADIUS}, not {radius}")
    values, first, group = np.unique(hashes, return_index=True, return_inverse=True)
    low, high = distinct_pairs(values, radius)
    if len(values) == len(hashes):
        pairs = first[low], first[high]
    else:
        pairs = _expanded(group.reshape(-1), low, high)
    left, right = np.minimum(*pairs).astype(np.int64), np.maximum(*pairs).astype(np.int64)
    order = np.lexsort((right, left))
    left, right = left[order], right[order]
    return left, right, np.bitwise_count(hashes[left] ^ hashes[right])


def distinct_pairs(values: Hashes, radius: int) -> tuple[Rows, Rows]:
    """Pairs of places in `values`, which are sorted and all different."""
    if len(values) <= _FEW:
        low, high = np.triu_indices(len(values), 1)
        near = np.bitwise_count(values[low] ^ values[high]) <= radius
        return low[near].astype(np.int64), high[near].astype(np.int64)
    found = [_NONE.astype(np.uint64).reshape(0, 2)]
    if radius:
        for order in _orders(radius):
            found.append(_restored(_neighbours(_arranged(values, order), order, radius), order))
    pairs = np.concatenate(found)
    pairs.sort(axis=1)
    places = np.searchsorted(values, pairs)
    # the same pair may agree in more than two bands
    keys = np.sort(places[:, 0] << 32 | places[:, 1])
    keys = keys[np.diff(keys, prepend=-1) != 0]
    return keys >> 32, keys & 0xFFFFFFFF


# A piece of a hash: (lowest bit where it is, lowest bit where it goes, number of bits).
_Order = tuple[int, list[tuple[int, int, int]]]


def _orders(radius: int) -> Iterator[_Order]:
    """For each two bands: the number of their bits, and how to bring them to the top."""
    edges = [round(_BITS * n / (radius + 2)) for n in range(radius + 3)]
    bands = list(pairwise(edges))
    for chosen in combinations(bands, 2):
        rest = [band for band in bands if band not in chosen]
        pieces, top = [], _BITS
        for low, high in (*chosen, *rest):
            top -= high - low
            pieces.append((low, top, high - low))
        yield sum(high - low for low, high in chosen), pieces


def _moved(values: Hashes, pieces: list[tuple[int, int, int]]) -> Hashes:
    result = np.zeros_like(values)
    for source, target, bits in pieces:
        mask = np.uint64((1 << bits) - 1)
        result |= ((values >> np.uint64(source)) & mask) << np.uint64(target)
    return result


def _arranged(values: Hashes, order: _Order) -> Hashes:
    moved = _moved(values, order[1])
    moved.sort()
    return moved


def _restored(pairs: Hashes, order: _Order) -> Hashes:
    return _moved(pairs, [(target, source, bits) for source, target, bits in order[1]])


def _neighbours(arranged: Hashes, order: _Order, radius: int) -> Hashes:
    """(pairs, 2): values in `arranged` that share the top bits and differ in few of the rest."""
    shift = np.uint64(_BITS - order[0])
    found = []
    apart = arranged[1:] ^ arranged[:-1]
    rows = np.nonzero(apart >> shift == 0)[0]
    step = 1
    while len(rows):
        apart = arranged[rows] ^ arranged[rows + step]
        hit = rows[np.bitwise_count(apart) <= radius]
        found.append(np.stack((arranged[hit], arranged[hit + step]), axis=1))
        step += 1
        rows = rows[rows + step < len(arranged)]
        rows = rows[(arranged[rows] ^ arranged[rows + step]) >> shift == 0]
    return np.concatenate(found) if found else np.empty((0, 2), dtype=np.uint64)


def _expanded(group: Rows, low: Rows, high: Rows) -> tuple[Rows, Rows]:
    """Pairs of rows from pairs of distinct hashes; `group` is the hash of each row."""
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max(initial=-1) + 2))
    members = [order[a:b] for a, b in pairwise(starts)]
    left, right = [_NONE], [_NONE]
    for rows in members:
        if len(rows) > 1:
            one, other = np.triu_indices(len(rows), 1)
            left.append(rows[one])
            right.append(rows[other])
    for one, other in zip(low.tolist(), high.tolist(), strict=True):
        left.append(np.repeat(members[one], len(members[other])))
        right.append(np.tile(members[other], len(members[one])))
    return np.concatenate(left), np.concatenate(right)
