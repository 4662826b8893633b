"""Pictures that are the same, or nearly: found by hash, proven by their pixels.

Three nets, each wider than the one before: equal bytes; equal pixels; hashes that differ in a few
bits. What the last two catch is decoded and compared at 64x64 pixels in colour before anything is
said of it. Every group is told from its best copy: the one with the most pixels, then the sharpest,
then one that has a caption.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from hubtools.dataset.copies.compare import Grade, Thumb, same_picture
from hubtools.dataset.copies.hamming import distinct_pairs, near_pairs
from hubtools.dataset.pictures.appearance import TURNS, turned, turned_pixels
from hubtools.dataset.pictures.table import PictureTable
from hubtools.dataset.pictures.tasks import PIXELS, THUMB

# Changes when the same pictures would be judged otherwise.
JUDGE = 1
# Below this contrast (levels) a picture is one colour: all such hash alike.
FLAT = 4.0
# A copy with less than this share of the sharpness is the worse one; more is no reason to prefer
# it: the blocks of a hard-pressed JPEG look sharp too, and decoders differ a little.
_SHARP = 0.6
# Decoded pictures held at a time, 12 kB each.
_BATCH = 2000
# With how many others a picture is compared at most.
_MOST_COMPARED = 64
_SIDE = 64

# Reads pictures: task (`THUMB` or `PIXELS`), names -> (name, result; None if it cannot be read)
Read = Callable[[str, Sequence[str]], Iterator[tuple[str, Any]]]
# (row of the best, row of the copy, grade, turn)
_Verdict = tuple[int, int, int, int]


@dataclass(frozen=True)
class Copy:
    """A picture that is another's copy. `turn` as EXIF numbers orientations: what to do to it to
    make it look like the other; 1 nothing."""

    name: str
    grade: Grade
    turn: int = 1


@dataclass(frozen=True)
class Group:
    """The best copy, and the others. All were compared with one of them."""

    best: str
    copies: tuple[Copy, ...]


@dataclass
class Groups:
    """What `find_groups` found. `notes` spare a later search the same comparisons; `compared` is
    how many pictures had to be decoded."""

    groups: list[Group] = field(default_factory=list)
    notes: dict[str, list[_Verdict]] = field(default_factory=dict)
    compared: int = 0


def find_groups(
    table: PictureTable,
    read: Read,
    *,
    radius: int = 6,
    turns: bool = False,
    captioned: Collection[str] = (),
    notes: Mapping[str, Any] | None = None,
) -> Groups:
    """All groups of copies among the pictures of `table`.

    `radius`: bits in which the hashes of near copies may differ; -1 looks for no near copies, only
    for equal pixels. `turns`: look for mirrored and turned copies as well. `captioned`: names of
    pictures with a caption. `notes` are those of an earlier search. Among pictures of equal bytes
    only the best takes part in further groups.
    """
    rank = _ranks(table, captioned)
    result = Groups()
    single = _exact(table, rank, result)
    nodes, links = _graph(table, single, radius, turns)
    parts = [
        _Part(table, {row: node for node in inside for row in nodes[node]}, links, rank)
        for inside in _components(nodes, links)
    ]
    settings = f"{JUDGE},{radius},{turns}".encode()
    fresh = []
    for part in parts:
        part.key = part.fingerprint(settings)
        if not part.recall((notes or {}).get(part.key)):
            fresh.append(part)
    _compare(table, fresh, read, result)
    _prove(table, fresh, read, near=radius >= 0)
    for part in parts:
        result.notes[part.key] = part.numbered()
        verdicts: dict[int, list[_Verdict]] = defaultdict(list)
        for verdict in part.verdicts:
            verdicts[verdict[0]].append(verdict)
        result.groups += [_group(table, rank, found) for found in verdicts.values()]
    return result


def _group(table: PictureTable, rank: npt.NDArray[np.int64], verdicts: Sequence[_Verdict]) -> Group:
    """Told from the best copy, which need not be the one that all were compared with."""
    first = verdicts[0][0]
    pixels, sharp = table.column("width") * table.column("height"), table.column("sharpness")
    grades = {first: Grade.BYTES}
    grades |= {row: Grade(g) for _, row, g, turn in verdicts if g >= Grade.COPY and turn == 1}
    equals = [row for row in grades if pixels[row] == pixels[first]]
    enough = _SHARP * max(float(sharp[row]) for row in equals)
    best = min((row for row in equals if sharp[row] >= enough), key=lambda row: int(rank[row]))
    if best == first:
        copies = [Copy(table.names[row], Grade(g), turn) for _, row, g, turn in verdicts]
    else:
        copies = [Copy(table.names[first], grades[best])]
        copies += [
            Copy(table.names[row], min(Grade(g), grades[best]), turn)
            for _, row, g, turn in verdicts
            if row != best
        ]
    return Group(table.names[best], tuple(copies))


def _ranks(table: PictureTable, captioned: Collection[str]) -> npt.NDArray[np.int64]:
    """Place of each row among all, the best first, as far as can be told of one alone."""
    pixels = table.column("width") * table.column("height")
    told = np.fromiter((name in captioned for name in table.names), np.bool_, len(table))
    # IMG_1.JPG rather than IMG_1(1).JPG
    length = np.fromiter(map(len, table.names), np.int64, len(table))
    order = np.lexsort((length, -table.column("bytes"), ~told, -pixels))
    rank = np.empty(len(table), dtype=np.int64)
    rank[order] = np.arange(len(table))
    return rank


def _exact(
    table: PictureTable, rank: npt.NDArray[np.int64], result: Groups
) -> npt.NDArray[np.int64]:
    """Group equal bytes; give the rows to look at further: decoded, one for each content."""
    high, low = table.column("digest_high"), table.column("digest_low")
    rows = np.nonzero(((high != 0) | (low != 0)) & (table.column("bytes") > 0))[0]
    rows = rows[np.lexsort((rank[rows], low[rows], high[rows]))]
    same = (high[rows[1:]] == high[rows[:-1]]) & (low[rows[1:]] == low[rows[:-1]])
    starts = np.concatenate(([True], ~same)) if len(rows) else np.empty(0, np.bool_)
    begin = np.flatnonzero(starts)
    end = np.append(begin[1:], len(rows))
    several = end - begin > 1
    for at, past in zip(begin[several].tolist(), end[several].tolist(), strict=True):
        best, *others = rows[at:past].tolist()
        copies = tuple(Copy(table.names[row], Grade.BYTES) for row in others)
        result.groups.append(Group(table.names[best], copies))
    first = rows[starts]
    chosen: npt.NDArray[np.int64] = first[table.column("seen")[first]]
    return chosen


# --- what might be alike -----------------------------------------------------------------------

_Links = dict[int, list[tuple[int, int]]]  # node -> (node, turn that makes it look like that)


def _graph(
    table: PictureTable, rows: npt.NDArray[np.int64], radius: int, turns: bool
) -> tuple[list[list[int]], _Links]:
    """Rows by node, which is a distinct hash (or, for pictures of one colour, a distinct small
    copy), and the nodes to compare each with."""
    flat = (table.column("contrast")[rows] < FLAT) | (radius < 0)
    plain, looks = rows[flat], rows[~flat]
    hashes, place = np.unique(table.column("hash")[looks], return_inverse=True)
    nodes: list[list[int]] = [[] for _ in range(len(hashes))]
    for row, node in zip(looks.tolist(), place.tolist(), strict=True):
        nodes[node].append(row)
    _, place = np.unique(table.column("grey")[plain], return_inverse=True)
    nodes.extend([] for _ in range(int(place.max(initial=-1)) + 1))
    for row, node in zip(plain.tolist(), place.tolist(), strict=True):
        nodes[len(hashes) + node].append(row)
    links: _Links = defaultdict(list)
    if radius >= 0:
        for one, other in zip(
            *(side.tolist() for side in distinct_pairs(hashes, radius)), strict=False
        ):
            links[one].append((other, 1))
            links[other].append((one, 1))
    if turns and radius >= 0:
        for turn in list(TURNS)[1:]:
            for one, other in _turned_pairs(hashes, turn, radius):
                links[one].append((other, turn))
    return nodes, links


def _turned_pairs(
    hashes: npt.NDArray[np.uint64], turn: int, radius: int
) -> Iterator[tuple[int, int]]:
    """(node, node that it looks like once it is turned)."""
    count = len(hashes)
    both = np.concatenate((hashes, turned(hashes, turn)))
    left, right, _ = near_pairs(both, radius)
    hits = (left < count) & (right >= count) & (right - count != left)
    yield from zip((right[hits] - count).tolist(), left[hits].tolist(), strict=True)


def _components(nodes: list[list[int]], links: _Links) -> Iterator[list[int]]:
    """Nodes that hang together, where they have two rows or more."""
    parent = list(range(len(nodes)))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    touched = {node for node, rows in enumerate(nodes) if len(rows) > 1}
    for one, others in links.items():
        touched.add(one)
        for other, _ in others:
            touched.add(other)
            parent[root(one)] = root(other)
    parts: dict[int, list[int]] = defaultdict(list)
    for node in sorted(touched):
        parts[root(node)].append(node)
    yield from parts.values()


class _Part:
    """Rows among which copies may be, the best first, and what was found of them."""

    def __init__(
        self,
        table: PictureTable,
        node_of: dict[int, int],
        links: _Links,
        rank: npt.NDArray[np.int64],
    ) -> None:
        self.rows = sorted(node_of, key=lambda row: int(rank[row]))
        self.verdicts: list[_Verdict] = []
        self.twins: set[tuple[int, int]] = set()  # may be equal pixel by pixel
        self.key = ""
        self._node_of, self._links = node_of, links
        self._table = table
        self._leaders: dict[int, list[int]] = defaultdict(list)
        self._thumbs: dict[int, Thumb] = {}

    def fingerprint(self, settings: bytes) -> str:
        """Equal for the same pictures in the same order of preference."""
        digest = xxhash.xxh3_128(settings)
        for row in self.rows:
            digest.update(self._table.row(row).digest.encode())
        return digest.hexdigest()

    def recall(self, notes: Any) -> bool:
        """Take the verdicts of an earlier search; False if there are none that make sense."""
        try:
            found = [
                (self.rows[best], self.rows[row], int(Grade(grade)), int(turn))
                for best, row, grade, turn in notes
            ]
        except (TypeError, ValueError, IndexError):
            return False
        if not all(turn in TURNS for *_, turn in found):
            return False
        self.verdicts = found
        return True

    def numbered(self) -> list[_Verdict]:
        """The verdicts with places in `rows`, as `recall` takes them."""
        place = {row: number for number, row in enumerate(self.rows)}
        return [(place[best], place[row], grade, turn) for best, row, grade, turn in self.verdicts]

    def compare(self, rows: Sequence[int], thumbs: Mapping[int, Thumb]) -> None:
        """Compare each row with the best ones so far; `rows` follow those of earlier calls."""
        for row in rows:
            thumb = thumbs.get(row)
            if thumb is None:
                continue
            grade, best, turn = self._judged(row, thumb)
            if grade is not Grade.DIFFERENT:
                self.verdicts.append((best, row, int(grade), turn))
            if grade is Grade.COPY and turn == 1 and _equal(thumb, self._thumbs[best]):
                self.twins.add((best, row))
            if grade < Grade.COPY:
                # Others may be copies of this one without being copies of the best.
                self._leaders[self._node_of[row]].append(row)
                self._thumbs[row] = thumb

    def forget(self) -> None:
        """Let go of the pictures: all are compared."""
        self._thumbs.clear()
        self._leaders.clear()

    def _judged(self, row: int, thumb: Thumb) -> tuple[Grade, int, int]:
        result = (Grade.DIFFERENT, -1, 1)
        for compared, (best, turn) in enumerate(self._candidates(row)):
            if compared == _MOST_COMPARED:
                break
            grade = same_picture(turned_pixels(thumb, turn), self._thumbs[best])
            if grade > result[0]:
                result = (grade, best, turn)
            if grade >= Grade.COPY:
                break
        return result

    def _candidates(self, row: int) -> Iterator[tuple[int, int]]:
        node = self._node_of[row]
        for other, turn in ((node, 1), *self._links.get(node, ())):
            for best in self._leaders.get(other, ()):
                yield best, turn


def _equal(one: Thumb, other: Thumb) -> bool:
    """True if the pictures behind may be equal; decoders round differently on the way down."""
    return int(np.abs(one.astype(np.int16) - other).max()) <= 3


# --- comparing ---------------------------------------------------------------------------------


def _compare(table: PictureTable, parts: Sequence[_Part], read: Read, result: Groups) -> None:
    """Decode what has to be compared, some thousand pictures at a time."""
    batch: list[tuple[_Part, list[int]]] = []
    size = 0
    for part in parts:
        for start in range(0, len(part.rows), _BATCH):
            batch.append((part, part.rows[start : start + _BATCH]))
            size += len(batch[-1][1])
            if size >= _BATCH:
                result.compared += _compare_batch(table, batch, read)
                batch, size = [], 0
    result.compared += _compare_batch(table, batch, read)


def _compare_batch(
    table: PictureTable, batch: Sequence[tuple[_Part, list[int]]], read: Read
) -> int:
    names = [table.names[row] for _, rows in batch for row in rows]
    thumbs = {
        table.rows[name]: np.frombuffer(data, dtype=np.uint8).reshape(_SIDE, _SIDE, 3)
        for name, data in (read(THUMB, names) if names else ())
        if data is not None
    }
    for part, rows in batch:
        part.compare(rows, thumbs)
        if rows[-1] == part.rows[-1]:
            part.forget()
    return len(names)


def _prove(table: PictureTable, parts: Sequence[_Part], read: Read, near: bool) -> None:
    """Find the copies whose every pixel is the same. The others are dropped where they are of one
    colour, or where no near copies are wanted."""
    twins = {pair for part in parts for pair in part.twins}
    names = sorted({table.names[row] for pair in twins for row in pair})
    digests = dict(read(PIXELS, names)) if names else {}
    same = {
        (best, row)
        for best, row in twins
        if (digest := digests.get(table.names[best])) and digest == digests.get(table.names[row])
    }
    colourful = (table.column("contrast") >= FLAT) & near
    for part in parts:
        part.verdicts = [
            (best, row, int(Grade.PIXELS) if (best, row) in same else grade, turn)
            for best, row, grade, turn in part.verdicts
            if (best, row) in same or colourful[row]
        ]
