"""Counts over all pictures and captions, for the HTML report."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise

from hubtools.dataset.inspect.look import SHAPES, aspect_of
from hubtools.dataset.pictures.buckets import bucket_of, step_of
from hubtools.dataset.report.sizes import sizes_of
from hubtools.dataset.view import Dataset
from hubtools.exhibits import Bar, Histogram, Word, Words
from hubtools.models.targets import divisor_of
from hubtools.patterns import regex

# Words in the table, buckets in the histogram, captions that are counted.
_WORDS = 120
_BUCKETS = 24
_CAPTIONS = 50_000
_WORD = regex(r"[^\W_]+(?:['’\-][^\W_]+)*")


def formats(looked: Dataset) -> str:
    """`PNG, JPEG`, the most frequent first."""
    table = looked.learnt
    found = Counter(table.texts[place] for place in table.column("format").tolist())
    return ", ".join(name for name, _ in found.most_common() if name)


def short_sides(looked: Dataset) -> Histogram:
    """Shorter sides against the training resolution."""
    resolution = looked.resolution
    edges = [resolution * part // 4 for part in (2, 3, 4, 6, 8, 16)]
    counts = [0] * (len(edges) + 1)
    for size, count in sizes_of(looked).items():
        counts[bisect_right(edges, min(size))] += count
    labels = [f"below {edges[0]}"]
    labels += [f"{low} to {high - 1}" for low, high in pairwise(edges)]
    labels.append(f"{edges[-1]} and more")
    small = edges.index(resolution) + 1 if resolution in edges else 0
    bars = tuple(
        Bar(label, count, number < small, "enlarged for training" if number < small else "")
        for number, (label, count) in enumerate(zip(labels, counts, strict=True))
    )
    about = f"Pixels of the shorter side; training is at {resolution}."
    return Histogram("Sizes", about, bars if any(counts) else ())


def aspects(looked: Dataset) -> Histogram:
    """Shapes by the nearest usual one."""
    found: Counter[str] = Counter()
    for (width, height), count in sizes_of(looked).items():
        found[aspect_of(width, height)] += count
    bars = tuple(Bar(name, found[name]) for name in SHAPES if found[name])
    return Histogram("Shapes", "Width to height, by the nearest usual shape.", bars)


def buckets(looked: Dataset) -> Histogram:
    """Sizes in which pictures are trained that are not cut to squares."""
    resolution = looked.resolution
    step = step_of(resolution, divisor_of(looked.target))
    found: Counter[tuple[int, int]] = Counter()
    for (width, height), count in sizes_of(looked).items():
        found[bucket_of((width, height), resolution, step)] += count
    shown = sorted(found.most_common(_BUCKETS), key=lambda pair: pair[0][0] / pair[0][1])
    bars = tuple(
        Bar(f"{width} x {height}", count, count == 1 and len(looked.learnt) > 1,
            "alone: no batch of two" if count == 1 and len(looked.learnt) > 1 else "")
        for (width, height), count in shown
    )  # fmt: skip
    about = (
        f"What training with --aspect-ratio-buckets makes of them: sides in steps of {step}, no"
        f" more pixels than {resolution} x {resolution}, nothing enlarged. Without it a square is"
        " cut out."
    )
    if len(found) > _BUCKETS:
        about += f" The {_BUCKETS} fullest of {len(found)} are shown."
    return Histogram("Training buckets", about, bars)


def token_lengths(looked: Dataset) -> Iterator[Histogram]:
    """Lengths of captions against what each text encoder reads."""
    several = len(looked.counters) > 1
    for counter in looked.counters:
        room = counter.room
        edges = [room * part // 5 + 1 for part in (1, 2, 3, 4, 5)]
        counts = [0] * (len(edges) + 1)
        for _, text in islice(looked.captions, _CAPTIONS):
            counts[bisect_right(edges, counter.count(text))] += 1
        labels = [f"{low} to {high - 1}" for low, high in pairwise([0, *edges])]
        labels.append(f"more than {room}")
        bars = tuple(
            Bar(label, count, number == len(edges), "the rest is not read")
            for number, (label, count) in enumerate(zip(labels, counts, strict=True))
        )
        about = f"Tokens of a caption, by {counter.source}; {room} are read."
        if len(looked.captions) > _CAPTIONS:
            about += f" Counted for the first {_CAPTIONS:,}."
        title = f"Caption lengths for {counter.encoder.name}" if several else "Caption lengths"
        yield Histogram(title, about, bars if any(counts) else ())


def words_of(captions: Iterable[str], trigger: str = "") -> Words | None:
    """In how many captions each word is; None without captions. Words of the `trigger` are not
    bound to it, they are it."""
    found: Counter[str] = Counter()
    total = 0
    for caption in captions:
        total += 1
        found.update({word.lower() for word in _WORD.findall(caption)})
    if not found:
        return None
    ranked = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    own = {word.lower() for word in _WORD.findall(trigger)}
    bound = tuple(
        word for word, count in ranked if count == total > 2 and len(word) > 2 and word not in own
    )
    table = tuple(Word(word, count) for word, count in ranked[:_WORDS])
    return Words(total, len(found), table, bound)
