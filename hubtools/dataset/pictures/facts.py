"""What is known of one picture."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is known of one picture. Sizes in pixels as stored, before any rotation;
    `upright_size` is what is seen.

    `problem` is why it cannot be decoded, None if it can; `kind` says what the file is if it is no
    picture at all. Fields from `seen` on are set only for what was decoded; their units are those
    of `looks.Look`; where grey hardly varies, `contrast` is that of the most varied colour.
    """

    name: str
    bytes: int
    digest: str  # xxh3-128 of the bytes
    format: str | None = None  # Pillow's name
    kind: str | None = None
    mode: str = ""
    width: int = 0
    height: int = 0
    frames: int = 1
    orientation: int = 1  # EXIF: 1 upright ... 8
    gps: bool = False
    transparent: bool = False
    problem: str | None = None
    too_large: bool = False
    owner: str = ""  # tags that identify somebody, by name
    people: str = ""  # metadata that names who is to be seen, or the place, in words
    profile: str = ""  # a colour profile other than sRGB, by name
    creator: str = ""  # whom the picture's metadata names as its maker
    notice: str = ""  # of copyright, in the picture's metadata
    reserved: str = ""  # where its metadata reserves training, and how
    credentials: bool = False  # it carries a C2PA manifest
    trailer: str = ""  # what lies behind the picture's end (see `trailers`)
    trailer_bytes: int = 0
    seen: bool = False
    hash: int = 0  # 64-bit perceptual hash of the upright picture
    grey: int = 0  # xxh3-64 of the small grey copy: equal for equal pixels in the same format
    brightness: float = 0.0
    darkest: float = 0.0
    lightest: float = 0.0
    contrast: float = 0.0
    information: float = 0.0
    sharpness: float = 0.0
    crispness: float = 0.0

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) in pixels as the picture is to be seen, and as trainers see it."""
        return upright(self.width, self.height, self.orientation)


def upright(width: int, height: int, orientation: int) -> tuple[int, int]:
    """(width, height) of a picture that is stored so, after the turn that its EXIF orientation asks
    for: 5 to 8 lie on their side."""
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


FIELDS = tuple(field.name for field in fields(PictureFacts) if field.name != "name")
