"""What captions have in common: words that are in all of them, attributes that never vary."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hubtools.dataset.text.trigger import replace_word
from hubtools.patterns import regex

# Below this many captions everything is in all of them by chance.
ENOUGH = 5
# Of the captions that must tell an attribute, before it is said never to vary.
_TELLING = 0.8

_WORD = regex(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
# Words that say nothing of the picture, or what kind of picture it is: all captions may have them
# without any loss.
_PLAIN = frozenset(
    [
        "a", "an", "the", "of", "in", "on", "at", "by", "with", "without", "from", "to", "and",
        "or", "is", "are", "as", "for", "her", "his", "its", "their", "she", "he", "it", "they",
        "this", "that", "there", "who", "which", "very", "photo", "photograph", "photography",
        "picture", "image", "render", "rendering", "rendered", "drawing", "illustration",
        "painting", "sketch", "artwork", "art", "portrait", "shot", "scene", "view", "seen",
        "looking", "showing", "style", "digital", "3d", "cg",
    ]
)  # fmt: skip
# Words of which another word is the value: they say something only together.
HEADS = frozenset(
    ["background", "wearing", "dressed", "light", "lighting", "expression", "face", "hair", "eyes"]
)
# Words for what the trigger stands for: captions are meant to say them beside it.
_KIND = frozenset(
    [
        "person", "man", "woman", "boy", "girl", "child", "kid", "baby", "people", "lady", "guy",
        "character", "figure", "animal", "dog", "cat", "bird", "horse", "car", "toy", "doll",
        "robot", "building", "house", "object", "product", "logo",
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Common:
    """A phrase, and the share of captions that have it."""

    phrase: str
    share: float


def parts_of(caption: str, trigger: str | None = None) -> list[list[str]]:
    """The caption's words in lower case, cut where a mark or the trigger stands between them."""
    text = caption.lower()
    if trigger:
        text = replace_word(text, trigger.lower(), " | ")
    return [_WORD.findall(part) for part in re.split(r"[^\w\s'\u2019-]+", text)]


def words_of(caption: str, trigger: str | None = None) -> set[str]:
    """The words of `parts_of`, each once."""
    return {word for part in parts_of(caption, trigger) for word in part}


def common_phrases(
    captions: Sequence[str],
    trigger: str | None = None,
    share: float = 1.0,
    nouns: Sequence[str] = (),
) -> list[Common]:
    """Phrases that at least this share of the captions have, the longest that can be told. `nouns`
    are what the subject is called, and may be in all."""
    if len(captions) < ENOUGH or len(set(captions)) < 2:
        return []
    beside = _beside(captions, trigger)
    dull = _PLAIN | _KIND | HEADS | beside | set(nouns)
    counts: Counter[str] | None = None
    if share >= 1:
        rest = iter(captions)
        common = words_of(next(rest), trigger)
        for caption in rest:
            common.intersection_update(words_of(caption, trigger))
            if not common - dull:
                return []
    else:
        counts = Counter(word for text in captions for word in words_of(text, trigger))
        common = {word for word, count in counts.items() if count >= share * len(captions)}
        if not common - dull:
            return []
    runs: Counter[tuple[str, ...]] = Counter()
    for caption in captions:
        runs.update(set(_runs(parts_of(caption, trigger), common, dull)))
    found: list[Common] = []
    told: set[str] = set()
    for run, count in sorted(runs.items(), key=lambda item: (-len(item[0]), item[0])):
        if count >= share * len(captions) and not told.issuperset(set(run) - dull):
            found.append(Common(" ".join(run), count / len(captions)))
            told.update(run)
    for word in sorted(common - dull - told):  # in all, but never in the same phrase
        found.append(Common(word, counts[word] / len(captions) if counts else 1.0))
    return found


def _runs(
    parts: Sequence[Sequence[str]], common: set[str], dull: frozenset[str]
) -> Iterator[tuple[str, ...]]:
    """Words in a row that are all common, without dull ones at either end."""
    edges = dull - HEADS
    for part in parts:
        run: list[str] = []
        for word in (*part, ""):
            if word in common:
                run.append(word)
                continue
            first, last = 0, len(run)
            while first < last and run[first] in edges:
                first += 1
            while last > first and run[last - 1] in edges:
                last -= 1
            if not dull.issuperset(run[first:last]):
                yield tuple(run[first:last])
            run = []


def _beside(captions: Iterable[str], trigger: str | None) -> frozenset[str]:
    """The two words behind the trigger, where they are the same in all captions: the kind of thing
    that it is, which belongs there."""
    if not trigger:
        return frozenset()
    common: list[str] | None = None
    for caption in captions:
        behind = caption.lower().partition(trigger.lower())[2]
        words = _WORD.findall(re.split(r"[,.;:|]", behind)[0])[:2]
        if common is None:
            common = words
        while common and words[: len(common)] != common:
            common = common[:-1]
        if not common:
            return frozenset()
    return frozenset(common or ())


# A word or two. It is taken from its first letter on and whole, or not at all: a pattern that tries
# every part of a long word takes hours.
_ONE_OR_TWO = r"(?<![^\W\d_])((?:[^\W\d_]++ )?[^\W\d_]++)"
# Attribute -> words that tell its value; a value is what was matched.
_ATTRIBUTES = {
    "background": re.compile(
        _ONE_OR_TWO + r" background|background (?:of|is) ((?:[^\W\d_]+ )?[^\W\d_]+)"
    ),
    "clothes": re.compile(r"(?:wearing|dressed in|wears) (?:an? |the |her |his )?([^,.;]{3,30})"),
    "expression": re.compile(
        r"(?<!\w)(smil(?:e|es|ing)|laugh(?:s|ing)?|grin(?:s|ning)?|frown(?:s|ing)?|cry(?:ing)?"
        r"|neutral (?:expression|face)|sad|angry|surprised|serious|happy|winking|crying|shocked"
        r"|open mouth|closed mouth|expressionless)(?!\w)"
    ),
    "light": re.compile(
        _ONE_OR_TWO + r" (?:light|lighting)(?!\w)|(?<!\w)(backlit|golden hour|at night)"
    ),
}


@dataclass(frozen=True)
class Constant:
    """An attribute that has one value wherever it is told; `told` by how many captions."""

    attribute: str
    value: str
    told: int


def constants(captions: Sequence[str], trigger: str | None = None) -> list[Constant]:
    """Attributes that nearly all captions tell, and always in the same words."""
    if len(captions) < ENOUGH or len(set(captions)) < 2:
        return []
    found = []
    least = _TELLING * len(captions)
    for attribute, words in _ATTRIBUTES.items():
        value, told = None, 0
        for number, caption in enumerate(captions):
            text = caption.lower()
            text = replace_word(text, trigger.lower(), ",") if trigger else text
            values = {next(filter(None, match.groups())) for match in words.finditer(text)}
            if not values:
                if number + 1 - told > len(captions) - least:
                    break  # too few can tell it now
                continue
            if len(values) > 1 or (value is not None and {value} != values):
                break
            value, told = values.pop(), told + 1
        else:
            if value is not None and told >= least:
                found.append(Constant(attribute, value.strip(), told))
    return found
