"""Copies are found by what they show, told from the best of them, and nothing else is."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from photos import photo
from PIL import Image, ImageDraw, ImageEnhance

from hubtools.dataset.copies.compare import Grade, same_picture
from hubtools.dataset.copies.duplicates import Groups, find_groups
from hubtools.dataset.pictures.appearance import TURNS, turned_pixels
from hubtools.dataset.pictures.decode import pixel_digest, thumbnail
from hubtools.dataset.pictures.probe import probe_bytes
from hubtools.dataset.pictures.table import PictureTable
from hubtools.dataset.pictures.tasks import THUMB
from hubtools.journey.example import SHOTS
from hubtools.world.picture import draw


def encoded(picture: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


class Pictures:
    """Pictures in memory, and what was read of them."""

    def __init__(self, **files: bytes | Image.Image) -> None:
        self.files = {
            name: data if isinstance(data, bytes) else encoded(data) for name, data in files.items()
        }
        self.asked: list[str] = []

    def read(self, task: str, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
        for name in reversed(names):  # the order is not promised
            self.asked.append(name)
            data = self.files[name]
            yield name, thumbnail(data).tobytes() if task == THUMB else pixel_digest(data)

    def find(self, **options: Any) -> Groups:
        table = PictureTable(probe_bytes(data, name) for name, data in self.files.items())
        return find_groups(table, self.read, **options)

    def told(self, **options: Any) -> dict[str, dict[str, tuple[Grade, int]]]:
        return {
            group.best: {copy.name: (copy.grade, copy.turn) for copy in group.copies}
            for group in self.find(**options).groups
        }


BASE = photo(1)


@pytest.mark.parametrize(
    ("copy", "grade"),
    [
        (encoded(BASE), Grade.BYTES),
        (encoded(BASE, compress_level=1), Grade.PIXELS),
        (encoded(BASE, "BMP"), Grade.PIXELS),
        (encoded(BASE, "JPEG", quality=60), Grade.COPY),
        (encoded(BASE, "WEBP", quality=80), Grade.COPY),
        (encoded(BASE.resize((128, 96))), Grade.COPY),
        (encoded(ImageEnhance.Brightness(BASE).enhance(0.85)), Grade.COPY),
    ],
)
def test_copies(copy: bytes, grade: Grade) -> None:
    found = Pictures(a=BASE, b=copy, c=photo(2)).told()
    ((_, copies),) = found.items()
    assert [told for told, _ in copies.values()] == [grade]
    assert {*found, *copies} == {"a", "b"}


def test_a_jpeg_and_what_was_decoded_from_it_have_the_same_pixels() -> None:
    data = encoded(photo(1, (640, 480)), "JPEG")
    with Image.open(io.BytesIO(data)) as picture:
        again = encoded(picture)
    ((_, copies),) = Pictures(a=data, b=again).told().items()
    assert set(copies.values()) == {(Grade.PIXELS, 1)}


def test_a_turn_by_exif_and_turned_pixels_are_one_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = encoded(BASE.transpose(Image.Transpose.ROTATE_90), exif=exif)
    found = Pictures(a=BASE, b=lying).told()
    assert [set(copies.values()) for copies in found.values()] == [{(Grade.PIXELS, 1)}]


@pytest.mark.parametrize("turn", list(TURNS)[1:])
def test_mirrored_and_turned_copies_by_option(turn: int) -> None:
    other = encoded(Image.fromarray(turned_pixels(np.asarray(BASE), turn)), "JPEG", quality=85)
    pictures = Pictures(a=BASE, b=other, c=photo(2))
    assert pictures.told() == {}
    ((best, copies),) = pictures.told(turns=True).items()
    ((name, (grade, found)),) = copies.items()
    assert grade is Grade.COPY
    # what makes b look like a is the way back from what made it
    back = {6: 8, 8: 6}.get(turn, turn)
    assert found == (back if best == "a" else turn)
    assert {best, name} == {"a", "b"}


def test_the_best_copy() -> None:
    small, large = photo(4, (200, 150)), photo(4, (200, 150)).resize((300, 225))
    found = Pictures(a=small, b=large).told()
    assert list(found) == ["b"]  # pixels first
    enlarged = photo(4, (200, 150)).resize((100, 75)).resize((200, 150))
    assert list(Pictures(a=enlarged, b=small).told()) == ["b"]  # then sharpness
    pressed = encoded(BASE, "JPEG", quality=20)
    assert list(Pictures(a=pressed, b=BASE).told()) == ["b"]
    same = encoded(BASE)
    assert list(Pictures(a=same, b=same).told()) == ["a"]
    assert list(Pictures(a=same, b=same).told(captioned={"b"})) == ["b"]


def test_pictures_of_one_colour_are_copies_only_if_equal() -> None:
    def paper(shade: int) -> Image.Image:
        return Image.new("RGB", (64, 64), (shade, 128, 200))

    assert Pictures(a=paper(250), b=paper(251), c=paper(90)).told() == {}
    found = Pictures(a=encoded(paper(250)), b=encoded(paper(250), "BMP")).told()
    assert [set(copies.values()) for copies in found.values()] == [{(Grade.PIXELS, 1)}]


def test_equally_bright_colours_are_not_equal() -> None:
    # Both are grey 128 to a JPEG decoder that is asked for grey.
    one, other = photo(1), photo(1)
    ImageDraw.Draw(one).rectangle((0, 0, 130, 191), fill=(255, 88, 0))
    ImageDraw.Draw(other).rectangle((0, 0, 130, 191), fill=(0, 190, 145))
    assert Pictures(a=one, b=other).told() == {}


def test_a_part_that_differs_is_said() -> None:
    marked = BASE.copy()
    ImageDraw.Draw(marked).rectangle((170, 160, 190, 170), fill="white")
    found = Pictures(a=BASE, b=marked, c=encoded(marked, "JPEG", quality=90)).told()
    grades = {
        frozenset((best, name)): grade
        for best, copies in found.items()
        for name, (grade, _) in copies.items()
    }
    assert grades[frozenset("bc")] is Grade.COPY
    assert Grade.ALIKE in grades.values()


def test_radius() -> None:
    pictures = Pictures(a=BASE, b=encoded(BASE, compress_level=1), c=BASE.resize((128, 96)))
    assert pictures.told(radius=-1) == {"a": {"b": (Grade.PIXELS, 1)}} or pictures.told(
        radius=-1
    ) == {"b": {"a": (Grade.PIXELS, 1)}}
    assert {len(copies) for copies in pictures.told(radius=0).values()} == {2}


def test_drawings_of_one_figure_are_no_copies() -> None:
    shots = SHOTS[:6] + SHOTS[16:19]
    pictures = Pictures(**{shot.file: draw(shot.scene(), size=256) for shot in shots})
    assert pictures.told(radius=12, turns=True) == {}


def test_notes_spare_the_reading() -> None:
    files: dict[str, Any] = {f"p{n}": photo(n) for n in range(6)}
    files |= {f"q{n}": encoded(photo(n), "JPEG", quality=70) for n in range(6)}
    pictures = Pictures(**files)
    first = pictures.find()
    assert len(first.groups) == 6
    pictures.asked.clear()
    again = pictures.find(notes=first.notes)
    assert (again.groups, pictures.asked) == (first.groups, [])
    # a new picture costs its own group only
    pictures.files["r0"] = encoded(photo(0).resize((100, 75)))
    assert len(pictures.find(notes=again.notes).groups) == 6
    assert set(pictures.asked) == {"p0", "q0", "r0"}


@pytest.mark.parametrize("lie", [None, 3, [[0, 9, 2, 1]], [["a"]], [[0, 1, 7, 1]], [[0, 1, 2, 9]]])
def test_notes_that_make_no_sense_are_no_notes(lie: Any) -> None:
    pictures = Pictures(a=BASE, b=encoded(BASE, "JPEG", quality=70))
    first = pictures.find()
    assert pictures.find(notes=dict.fromkeys(first.notes, lie)).groups == first.groups


def test_no_pictures_no_groups() -> None:
    assert find_groups(PictureTable(), lambda task, names: iter(())).groups == []
    assert Pictures(a=b"no picture", b=b"no picture").told() == {"a": {"b": (Grade.BYTES, 1)}}


def test_alike_is_symmetric() -> None:
    thumbs = [thumbnail(encoded(photo(n))) for n in range(4)]
    thumbs.append(thumbnail(encoded(ImageEnhance.Brightness(photo(0)).enhance(1.4))))
    for one in thumbs:
        for other in thumbs:
            assert same_picture(one, other) is same_picture(other, one)
    assert same_picture(thumbs[0], thumbs[0]) is Grade.COPY
