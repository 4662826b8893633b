"""Which shots of the plan the pictures are, as a column or their captions say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hubtools.patterns import regex
from hubtools.shotplan import bounds, plain

# Columns that usually say from where or how closely a picture was taken.
VIEW_COLUMNS = ("view", "angle", "shot", "shot_type", "view_angle", "camera_angle", "framing")

_VIEWS = {
    "three_quarter": r"three[- ]?quarters?|3[/ -]4|\u00be|(?:semi|half)[- ]?profile"
    r"|(?:turned|angled|facing|turning)(?: slightly)?(?: to(?:wards)? the| to(?:wards)?)?"
    r" (?:left|right)",
    "profile": r"(?<!high[- ])(?<!low[- ])profile(?! ?(?:pic|photo|image|avatar))"
    r"|side[- ]?view|side[- ]on|from the (?:left |right )?side|lateral",
    "back": r"(?:back|rear)[- ]?view|from behind|from the (?:back|rear)|back (?:turned )?to the"
    r" (?:camera|viewer)|seen from behind|facing away",
    "front": r"front(?:al)?(?:[- ]?(?:view|facing|on|side|portrait))|from the front|head[- ]on"
    r"|facing (?:the |straight )?(?:viewer|camera|front|forward|ahead)|passport|frontal"
    r"|straight[- ]on",
}
_FRAMINGS = {
    "full_body": r"full[- ]?(?:body|length|figure)|fullbody|(?:whole|entire) (?:body|figure)"
    r"|(?:from )?head[- ]to[- ](?:toe|foot)",
    "upper_body": r"(?:upper|half)[- ]?body|half[- ]length|(?:waist|chest|hip|knee)s?[- ]up"
    r"|medium shot|bust(?: shot)?|cowboy shot|three[- ]quarter[- ]length",
    "portrait": r"portrait|head[- ]?shot|head and shoulders|close[- ]?up|face (?:shot|only)"
    r"|passport|mug ?shot",
}
_VIEW = {name: regex(rf"(?<!\w)(?:{text})(?!\w)") for name, text in _VIEWS.items()}
_FRAMING = {name: regex(rf"(?<!\w)(?:{text})(?!\w)") for name, text in _FRAMINGS.items()}
_SIDE = regex(r"(?<!\w)(left|right)(?!\w)")
# Other names of what the tables above call by one.
_ALIASES = {
    "headshot": "portrait",
    "head_shot": "portrait",
    "close_up": "portrait",
    "closeup": "portrait",
    "front_portrait": "portrait",
    "fullbody": "full_body",
    "full_length": "full_body",
    "half_body": "upper_body",
    "front_view": "front",
    "back_view": "back",
    "rear": "back",
    "profile_left": "left_profile",
    "profile_right": "right_profile",
    "left_side_profile": "left_profile",
    "right_side_profile": "right_profile",
    "side": "profile",
    "left_three_quarter": "three_quarter_left",
    "right_three_quarter": "three_quarter_right",
}


# What a column says in one word.
_BARE = {"front": "front view", "back": "back view", "rear": "back view", "side": "side view"}


class Shot(NamedTuple):
    """What is known of a picture: `view` front, three_quarter, profile, back; `side` left, right;
    `framing` portrait, upper_body, full_body. Empty where nothing says it."""

    view: str = ""
    side: str = ""
    framing: str = ""


@dataclass(frozen=True)
class Covered:
    """An entry of the plan: at least `low`, at most `high` pictures (None: any number)."""

    name: str
    low: int
    high: int | None
    pictures: tuple[str, ...]

    @property
    def range(self) -> str:
        """`3..5`, `3` or `3..`."""
        high = "" if self.high is None else self.high
        return str(self.low) if self.low == self.high else f"{self.low}..{high}"

    @property
    def missing(self) -> int:
        """How many more there should be."""
        return max(0, self.low - len(self.pictures))

    @property
    def surplus(self) -> int:
        """How many there are too many."""
        return 0 if self.high is None else max(0, len(self.pictures) - self.high)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "name": self.name,
            "low": self.low,
            "high": self.high,
            "found": len(self.pictures),
            "pictures": list(self.pictures),
        }


def read_shot(text: str) -> Shot:
    """The shot that words tell: a caption, or the value of a column."""
    text = text.lower().replace("_", " ")
    framing = next((name for name, words in _FRAMING.items() if words.search(text)), "")
    if framing == "upper_body" and "quarter" in text:  # a length, not a view
        text = re.sub(r"three[- ]quarter[- ]length", "", text)
    for name, words in _VIEW.items():
        if found := words.search(text):
            return Shot(name, _side(text, found), framing)
    return Shot("", "", framing)


def _side(text: str, found: re.Match[str]) -> str:
    """Left or right: what stands nearest to the view, within the same part of the sentence."""
    start = max(text.rfind(mark, 0, found.start()) for mark in ",;.|") + 1
    ends = [end for mark in ",;.|" if (end := text.find(mark, found.end())) >= 0]
    sides = [
        (max(found.start() - side.end(), side.start() - found.end(), 0), side[1])
        for side in _SIDE.finditer(text, start, min(ends, default=len(text)))
    ]
    return min(sides)[1] if sides else ""


def is_shot(name: str, shot: Shot, told: str, caption: str) -> bool:
    """True if a picture is one for the plan's entry `name`. `told` is what its column says, in
    the plan's spelling. A name that no table knows is looked for in the caption as it stands."""
    if told and told == name:
        return True
    name = _ALIASES.get(name, name)
    view, side, framing = shot
    whole = framing == "full_body"
    if name in _FRAMINGS and name != "portrait":
        return framing == name
    if name == "portrait":  # from the front: the other views have names of their own
        return (view, framing) in (("", "portrait"), ("front", "portrait"), ("front", ""))
    if name in ("front", "back"):
        return view == name
    for kind in ("three_quarter", "profile"):
        if name == kind:
            return view == kind and not whole
        if name in (f"{kind}_left", f"left_{kind}"):
            return (view, side) == (kind, "left") and not whole
        if name in (f"{kind}_right", f"right_{kind}"):
            return (view, side) == (kind, "right") and not whole
    words = r"[\s_-]+".join(map(re.escape, re.split("_+", name)))
    return bool(re.search(rf"(?<!\w){words}(?!\w)", caption.lower()))


def cover(
    plan: Mapping[str, str], pictures: Iterable[tuple[str, str, Sequence[str]]]
) -> tuple[tuple[Covered, ...], tuple[str, ...]]:
    """The entries of `plan` with their pictures, and the pictures that are for none of them.

    `pictures`: (name, caption, what its columns say). A column is believed first; what it leaves
    open the caption may say.
    """
    found: dict[str, dict[str, None]] = {name: {} for name in plan}  # in the order of the rows
    unplanned = []
    for picture, caption, columns in pictures:
        shot = read_shot(caption)
        told = ""
        for value in columns:
            said = read_shot(_BARE.get(plain(value), value))
            told = told or (plain(value) if plain(value) in found else "")
            if said.view:
                shot = shot._replace(view=said.view, side=said.side)
            shot = shot._replace(framing=said.framing or shot.framing)
        names = [name for name in plan if is_shot(name, shot, told, caption)]
        for name in names:
            found[name][picture] = None
        if not names:
            unplanned.append(picture)
    entries = tuple(Covered(name, *bounds(plan[name]), tuple(found[name])) for name in plan)
    return entries, tuple(dict.fromkeys(unplanned))
