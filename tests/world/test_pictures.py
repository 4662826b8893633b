"""Pictures: the same every time, and showing what they are asked to."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubtools.journey.example import CHARACTER
from hubtools.world import ATTRIBUTES, Person, draw, sample
from hubtools.world.scene import HairStyle, Scene, Style, View

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=8, deadline=None)

_PRINT_HASH = """
import hashlib, random
from hubtools.world import draw, sample
rng = random.Random(8)
digest = hashlib.sha256()
for _ in range(25):
    digest.update(draw(sample(rng).scene(), 128).tobytes())
print(digest.hexdigest())
"""


def _pixels(person: Person | Scene, size: int = 128) -> np.ndarray[Any, np.dtype[np.int16]]:
    scene = person.scene() if isinstance(person, Person) else person
    return np.asarray(draw(scene, size)).astype(np.int16)


def _changed(one: Person | Scene, other: Person | Scene) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Where two pictures differ visibly, (128, 128)."""
    result: np.ndarray[Any, np.dtype[np.bool_]] = np.abs(_pixels(one) - _pixels(other)).max(2) > 8
    return result


def test_a_fresh_process_draws_the_same() -> None:
    printed = subprocess.run(
        [sys.executable, "-c", _PRINT_HASH], check=True, capture_output=True, text=True
    ).stdout.strip()
    rng = random.Random(8)
    digest = hashlib.sha256()
    for _ in range(25):
        digest.update(draw(sample(rng).scene(), 128).tobytes())
    assert printed == digest.hexdigest()


@few
@given(seeds, st.sampled_from([16, 100, 128, 200, 512]))
def test_any_size(seed: int, size: int) -> None:
    picture = draw(sample(random.Random(seed)).scene(), size)
    assert picture.size == (size, size)
    assert picture.mode == "RGB"


@few
@given(seeds, st.data())
def test_every_attribute_shows(seed: int, data: st.DataObject) -> None:
    person = sample(random.Random(seed))
    for name, values in ATTRIBUTES.items():
        others = [value for value in values if value != getattr(person, name)]
        other = replace(person, **{name: data.draw(st.sampled_from(others))})
        changed = int(_changed(person, other).sum())
        if name == "pose" and person.framing == "portrait":
            assert changed == 0
        elif name == "expression" and person.style == "pixel art":
            continue  # a mouth may be less than one of its pixels
        else:
            assert changed >= 6, name


# Pixel art shares one palette, so a new colour may shift pixels anywhere.
local_styles = st.sampled_from([style for style in get_args(Style) if style != "pixel art"])


@few
@given(seeds, local_styles, st.data())
def test_attributes_show_where_they_are(seed: int, style: Style, data: st.DataObject) -> None:
    person = replace(sample(random.Random(seed)), style=style)

    def where(name: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
        others = [value for value in ATTRIBUTES[name] if value != getattr(person, name)]
        return _changed(person, replace(person, **{name: data.draw(st.sampled_from(others))}))

    portrait = person.framing == "portrait"
    chin = 0.50 if portrait else 0.30  # of the height, above every chin and collar
    assert not where("clothing_colour")[: int(128 * chin)].any()
    face = where("expression")
    assert not face[int(128 * (0.75 if portrait else 0.50)) :].any()
    assert not face[: int(128 * 0.12)].any()
    # long hair ends above the waist, and no hair reaches the picture's edges, but for a ponytail
    # that is seen from the side
    hair = where("hair_colour")
    if not (portrait and person.hair_style == "ponytail" and "profile" in person.view):
        assert not hair[:, :4].any()
        assert not hair[:, -4:].any()
    assert portrait or not hair[int(128 * 0.72) :].any()
    place = where("background")
    assert place[:8, :8].mean() > 0.2 or place[:, :4].mean() > 0.2


@pytest.mark.parametrize("style", get_args(HairStyle))
@pytest.mark.parametrize("view", get_args(View))
def test_hair_leaves_the_face_free(style: HairStyle, view: View) -> None:
    """A smile and a laugh differ as much under any hair as under short hair."""

    def face(hair: HairStyle) -> int:
        scene = Scene(view=view, character=replace(CHARACTER, hair_style=hair))
        return int(
            _changed(
                replace(scene, expression="neutral"), replace(scene, expression="laughing")
            ).sum()
        )

    assert face(style) > 0.85 * face("short hair")


@pytest.mark.parametrize("view", get_args(View))
def test_a_star_is_on_each_cheek_that_is_seen(view: View) -> None:
    scene = Scene(view=view, character=CHARACTER)
    changed = _changed(scene, replace(scene, character=replace(CHARACTER, star=None)))
    columns = np.flatnonzero(changed.any(0))
    stars = 1 + int((np.diff(columns) > 2).sum())
    assert stars == (2 if view == "front" else 1)
    assert 40 < changed.sum() < 130 * stars


@pytest.mark.parametrize("view", get_args(View))
def test_the_tips_have_a_colour_of_their_own(view: View) -> None:
    scene = Scene(view=view, character=CHARACTER)
    teal = np.abs(_pixels(scene) - np.array(CHARACTER.hair_tip)).max(2) < 40
    assert teal.sum() > 150
    assert np.flatnonzero(teal.any(1)).min() > 55


def test_a_left_view_mirrors_a_right_one() -> None:
    """Apart from the light, which always comes from the left: so drawn without it."""
    scene = Scene(view="left profile", style="flat illustration")
    left = _pixels(scene)
    right = _pixels(replace(scene, view="right profile"))
    assert (np.abs(left[:, ::-1] - right).max(2) > 60).mean() < 0.02
