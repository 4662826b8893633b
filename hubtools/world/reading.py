"""Captions read back: which attributes a prompt asks for."""

from __future__ import annotations

import re

from hubtools.world.captions import WORDINGS

# In this order: the words of an earlier one must not be taken for a later one's, such as those of
# a "pink background" for clothes, or "flower in the hair" for hair.
_PHRASES = ("background", "accessory", "skin", "view", "style", "framing", "expression", "pose")


def _choice(attribute: str) -> tuple[str, dict[str, str]]:
    """(a pattern of all wordings, longest first; the value of each wording)."""
    values = {text: value for value, texts in WORDINGS[attribute].items() for text in texts}
    longest = sorted(values, key=len, reverse=True)
    return "|".join(re.escape(text) for text in longest), values


def _compiled() -> tuple[dict[str, re.Pattern[str]], re.Pattern[str], re.Pattern[str]]:
    phrases = {name: re.compile(rf"\b({_choice(name)[0]})(?!\w)") for name in _PHRASES}
    colour, style = _choice("hair_colour")[0], _choice("hair_style")[0]
    # these say "hair" by themselves
    alone = [w for v in ("bob", "ponytail", "twin tails", "bun") for w in WORDINGS["hair_style"][v]]
    tied = "|".join(sorted(alone, key=len, reverse=True))
    hair = re.compile(
        rf"\b(?:(?P<c1>{colour}) hair in (?:an? )?(?P<s1>{style})"
        rf"|(?:(?P<c2>{colour}) )?(?P<s2>{tied})"
        rf"|(?:(?P<s3>{style}) )?(?:(?P<c3>{colour}) )?(?:(?P<s4>{style}) )?hair)(?!\w)"
    )
    shade, kind = _choice("clothing_colour")[0], _choice("clothing")[0]
    clothes = re.compile(
        rf"\b(?:(?P<c1>{shade}) )?(?P<k1>{kind})(?!\w)|\b(?P<c2>{shade}) clothes\b"
    )
    return phrases, hair, clothes


_PHRASE, _HAIR, _CLOTHES = _compiled()
_VALUES = {name: _choice(name)[1] for name in WORDINGS}


def read_caption(text: str) -> dict[str, str]:
    """{attribute: value} of what `text` names in the world's own wordings; the first one counts."""
    text = " ".join(text.lower().split())
    found: dict[str, str] = {}
    for name in _PHRASES:
        if match := _PHRASE[name].search(text):
            found[name] = _VALUES[name][match[1]]
            text = _without(text, match)
    if match := _HAIR.search(text):
        for group in match.groupdict():
            if match[group]:
                name = "hair_colour" if group.startswith("c") else "hair_style"
                found[name] = _VALUES[name][match[group]]
        text = _without(text, match)
    if match := _CLOTHES.search(text):
        for group in match.groupdict():
            if match[group]:
                name = "clothing_colour" if group.startswith("c") else "clothing"
                found[name] = _VALUES[name][match[group]]
    return found


def _without(text: str, match: re.Match[str]) -> str:
    return text[: match.start()] + "," + text[match.end() :]
