"""Which encoding old texts are in: found by evidence, or not decided.

A text is decoded strictly in every encoding that people still write, and what comes of it is
weighed: are these characters that the language uses, in words as it writes them, and the common
ones at that? An encoding is `sure` only where nothing else comes near. All texts of a folder are
weighed together, as one program has written them; one that does not fit is weighed alone.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hubtools.dataset.text.languages import ALPHABETS, EAST_ASIAN, Weight, weigh_western

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_LATIN = frozenset({"cp1252", "cp1250", "cp1254"})
_MOST = 200_000  # bytes that are weighed
_NEAR = 0.55  # of the best one's score: another that has so much makes it unsure
_FITS = 0.85  # share of ordinary characters in one text of many


@dataclass(frozen=True)
class Belief:
    """An encoding, and why: `codec` is Python's name, `title` people's. Not `sure`: it is likely,
    but a person must decide."""

    codec: str
    title: str
    sure: bool
    evidence: str


def utf16_of(data: bytes) -> str | None:
    """`utf-16` where a byte order mark says so, `utf-16-le` or `-be` where every other byte of its
    plain letters is 0, as in no other text; None for everything else."""
    if data.startswith(_UTF32):
        return "utf-32"
    if data.startswith(_UTF16):
        return "utf-16"
    head = data[:4096]
    if len(data) % 2 or head.count(0) < 2:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if even and odd:
        return None
    codec = "utf-16-be" if even else "utf-16-le"
    try:
        text = data.decode(codec)
    except UnicodeDecodeError:
        return None
    return codec if all(mark >= " " or mark in "\t\r\n\f" for mark in text) else None


def believe(texts: Sequence[bytes]) -> Belief | None:
    """The encoding that all of these texts, none of them UTF-8, are in; None if they are in none
    that is known."""
    weights = _weights(texts)
    if not weights:
        return None
    best = weights[0]
    rivals = [w for w in weights[1:] if w.text != best.text]
    rival = rivals[0] if rivals else None
    clear = rival is None or rival.score < _NEAR * best.score
    said = best.said
    if rival is not None and not clear:
        said += f"; {rival.title} is nearly as likely"
    elif not best.enough:
        said += ", which is too little to be sure"
    return Belief(best.codec, best.title, best.enough and clear, said)


def believe_each(texts: Mapping[str, bytes]) -> dict[str, Belief | None]:
    """`believe` of each of the texts of a folder, where the others help to tell."""
    found: dict[str, Belief | None] = {}
    rest: dict[str, bytes] = {}
    for name, data in texts.items():
        codec = utf16_of(data)
        if codec is None:
            rest[name] = data
        else:
            found[name] = Belief(codec, codec.upper(), True, "every second byte is 0 or marks it")
    if not rest:
        return found
    together = believe(list(rest.values()))
    for name, data in rest.items():
        fits = together is not None and together.sure and _fits(data, together)
        found[name] = together if fits else believe([data])
    if None in found.values():  # what one cannot be, the others are not for sure
        for name, belief in found.items():
            if belief is not None and belief.codec in _LATIN:
                found[name] = replace(belief, sure=False)
    return found


def _fits(data: bytes, belief: Belief) -> bool:
    text = _strict(data, belief.codec)
    if text is None:
        return False
    for one in EAST_ASIAN:
        if one.codec == belief.codec:
            return one.ordinary(text) >= _FITS
    found = [weight for weight in _weights([data]) if weight.codec == belief.codec]
    return bool(found) and found[0].ordinary >= _FITS


def doubtful(data: bytes, belief: Belief) -> bool:
    """True for a text that is UTF-8 by its bytes, but may as well be in the encoding of its
    neighbours: short words of two bytes a letter are both."""
    if data.isascii() or not belief.sure:
        return False
    text = data.decode("utf-8-sig")
    if any(mark > "\u07ff" for mark in text):
        return False  # three bytes a letter that are UTF-8 by chance are not
    return _fits(data, belief)


def _weights(texts: Sequence[bytes]) -> list[Weight]:
    """What each encoding makes of the texts, the best first; without those that make nothing."""
    data = _some(texts)
    found = []
    for one in (*EAST_ASIAN, *ALPHABETS):
        try:
            text = data.decode(one.codec)
        except UnicodeDecodeError:
            continue
        weight = one.weigh(text)
        if weight is not None:
            found.append(weight)
    western = weigh_western(data)
    if western is not None:
        found.append(western)
    return sorted(found, key=lambda weight: -weight.score)


def _some(texts: Sequence[bytes]) -> bytes:
    """The texts in one, up to what is weighed; cut between two of them, for characters have
    several bytes."""
    taken: list[bytes] = []
    size = 0
    for text in texts:
        if taken and size + len(text) > _MOST:
            break
        taken.append(text)
        size += len(text)
    return b"\n".join(taken)


def decode_text(data: bytes, encoding: str | None = None, *, guess: bool = False) -> str | None:
    """A text: UTF-8, UTF-16, or what is surely in an older encoding; lines in UTF-8 among others
    stay what they are. `encoding`: that of what is not UTF-8, where somebody has said so; `guess`:
    take the likeliest. None if it is not certain: a guess would put other letters in the place of
    those that were meant."""
    codec = utf16_of(data)
    if codec is not None:
        return _strict(data, codec)
    if encoding is not None and encoding.lower().replace("_", "-") in ("utf-16-le", "utf-16-be"):
        return _strict(data, encoding)
    whole = _strict(data, "utf-8-sig")
    if whole is not None:
        return whole
    data = data.removeprefix(codecs.BOM_UTF8)
    lines = data.splitlines(True)
    odd = [line for line in lines if not _is_utf8(line)]
    if encoding is None:
        belief = believe(odd)
        if belief is None or not (belief.sure or guess):
            return None
        if not guess and any(_is_utf8(line) and doubtful(line, belief) for line in lines):
            return None
        encoding = belief.codec
    texts = [_strict(line, "utf-8" if _is_utf8(line) else encoding) for line in lines]
    return None if None in texts else "".join(map(str, texts))


def decoded_as(data: bytes, codec: str) -> str | None:
    """The text in an encoding that is known, without a byte order mark; None if it is not in it."""
    text = _strict(data, codec)
    return None if text is None else text.removeprefix("\ufeff")


def belief_of(data: bytes) -> Belief | None:
    """`believe` of what is not UTF-8 in a text; None where all of it is."""
    lines = data.removeprefix(codecs.BOM_UTF8).splitlines(True)
    odd = [line for line in lines if not _is_utf8(line)]
    return believe(odd) if odd and utf16_of(data) is None else None


def odd_texts(texts: Mapping[str, bytes]) -> dict[str, Belief | None]:
    """The texts of a folder that are not UTF-8, with the encoding that each is in; and those that
    are by their bytes, but may as well be in the encoding of the others (not `sure`)."""
    odd = {name: data for name, data in texts.items() if not _is_utf8(data) or b"\0" in data}
    found = believe_each(odd)
    sure = {belief.codec: belief for belief in found.values() if belief and belief.sure}
    for belief in sure.values():
        for name, data in texts.items():
            if name not in found and doubtful(data, belief):
                said = f"it may be UTF-8, or {belief.title} as the others"
                found[name] = replace(belief, sure=False, evidence=said)
    return found


def _is_utf8(data: bytes) -> bool:
    return _strict(data, "utf-8") is not None


def _strict(data: bytes, codec: str) -> str | None:
    if codec == "cp1252":
        return old_text(data)
    try:
        return data.decode(codec)
    except (UnicodeDecodeError, LookupError):
        return None


def old_text(data: bytes) -> str:
    """Windows-1252, with Latin-1 for the five bytes it does not define."""
    return data.decode("latin-1").translate(_CP1252)


_UNDEFINED = frozenset({0x81, 0x8D, 0x8F, 0x90, 0x9D})
_CP1252 = {
    byte: bytes([byte]).decode("cp1252") for byte in range(0x80, 0xA0) if byte not in _UNDEFINED
}
