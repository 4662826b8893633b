"""Positions in places of a picture that no camera uses, and push looks at all the same."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from hubtools.dataset.pictures.private.reading import private_of
from hubtools.dataset.validate import validate
from hubtools.publish.contents import Kind, scan
from hubtools.publish.release import collect
from hubtools.publish.rules import PUBLISH_RULES
from tests.drawing import write_pictures
from tests.typed import typed

XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
    ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
    ' xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="48,8.23N"'
    ' exif:GPSLongitude="11,34.5E"/></rdf:RDF></x:xmpmeta>'
)
JSON = b'{"latitude": 48.1372, "longitude": 11.5755}'
STANDARD = b"+48.1372+011.5755/"


def drawn(kind: str, **more: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), (9, 80, 200)).save(out, kind, **more)  # type: ignore[arg-type]
    return out.getvalue()


def with_segment(mark: int, data: bytes) -> bytes:
    jpeg = drawn("JPEG")
    return jpeg[:2] + bytes((0xFF, mark)) + struct.pack(">H", len(data) + 2) + data + jpeg[2:]


def with_note(text: bytes) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + text
    return drawn("JPEG", exif=exif)


def with_gif_comment(text: bytes) -> bytes:
    return drawn("GIF")[:-1] + b"!\xfe" + bytes((len(text),)) + text + b"\0;"


def with_png_text(kind: str, text: str, name: str = "Comment") -> bytes:
    info = PngImagePlugin.PngInfo()
    add = {"tEXt": info.add_text, "iTXt": info.add_itxt}.get(kind)
    if add is None:
        info.add_text(name, text, zip=True)
    else:
        add(name, text)
    return drawn("PNG", pnginfo=info)


def with_description(text: str) -> bytes:
    exif = Image.Exif()
    exif[0x010E] = text
    return drawn("JPEG", exif=exif)


def geotiff(east: float = 11.5755, north: float = 48.1372) -> bytes:
    tags = ImageFileDirectory_v2()
    for tag, kind, value in (
        (33922, 12, (0.0, 0.0, 0.0, east, north, 0.0)),
        (33550, 12, (0.0001, 0.0001, 0.0)),
        (34735, 3, (1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 4326)),
    ):
        tags.tagtype[tag] = kind
        tags[tag] = value
    return drawn("TIFF", tiffinfo=tags)


def with_wide_xmp(codec: str) -> bytes:
    head = b"http://ns.adobe.com/xap/1.0/\0"
    return with_segment(0xE1, head + XMP.encode(codec))


WORDS = (
    "geo:48.13721,11.57550",
    "48\N{DEGREE SIGN}08'14.2\" N, 11\N{DEGREE SIGN}34'31.8\" E",
    "48 deg 8' 14.20\" N, 11 deg 34' 31.80\" E",
    "48\N{DEGREE SIGN}8.2333\N{PRIME}N 11\N{DEGREE SIGN}34.53\N{PRIME}E",
    "48.13721 N, 11.57550 E",
    "GPS: 48.13721, 11.57550",
    "https://www.google.com/maps/@48.13721,11.57550,17z",
    "https://www.google.com/maps/place/Home/@48.13721,11.57550,17z",
    "https://maps.example.org/?q=48.13721,11.57550",
    "https://www.openstreetmap.org/#map=18/48.13721/11.57550",
    "https://www.openstreetmap.org/?mlat=48.13721&mlon=11.57550",
    "geotagged geo:lat=48.13721 geo:lon=11.57550",
    '{"MAPLatitude": 48.13721, "MAPLongitude": 11.57550}',
    "N 48.13721 E 11.57550",
    "N48\N{DEGREE SIGN} 8.233' E11\N{DEGREE SIGN} 34.53'",
    "48.13721\N{DEGREE SIGN} north, 11.57550\N{DEGREE SIGN} east",
    "48 degrees 8 minutes 14 seconds north, 11 degrees 34 minutes 31 seconds east",
    "Latitude: 48.13721, Longitude: 11.57550",
    "lat 48.13721 lon 11.57550",
    "taken at 48.13721, 11.57550",
    "the coordinates are 48.13721, 11.57550",
    "48&#176;8&apos;14.2&quot;N, 11&#176;34&apos;31.8&quot;E",
    "48.13721, 11.57550",
    "\n48.13721 11.57550 ",
    "(48.137215,-11.575501)",
    "48.13721\N{DEGREE SIGN}, 11.57550\N{DEGREE SIGN}",
    "Location: 48.13721, 11.57550",
    "a cat\nSteps: 20, Sampler: Euler, geo: 48.13721, 11.57550",
    "location: 48.13721, 11.57550, 520",
    "Standort 48.13721;11.57550",
    "N48\N{DEGREE SIGN} 08.222 E011\N{DEGREE SIGN} 34.520",
    "N 48 08.222, E 011 34.520",
    "48\N{DEGREE SIGN} 08.222' N 011\N{DEGREE SIGN} 34.520' E",
    "48:08:13.4 N 11:34:31.2 E",
    "N 48:08:13.4, E 11:34:31.2",
    "a link with ll=48.13721,11.57550 in it",
    "Taken in Munich at 48.13721, 11.57550",
    "taken in the old town, near 48.13721, 11.57550",
    "$GPRMC,081836,A,4808.2330,N,01134.5300,E,000.0,360.0,130998,011.3,E*62",
)
TAGGED = XMP.replace('exif:GPSLatitude="48,8.23N"', 'dc:subject="geo:lat=48.13721"').replace(
    'exif:GPSLongitude="11,34.5E"', 'exif:ColorSpace="1"'
)
LOCI = (
    struct.pack(">I", 8 + 8 + 8 + 39) + b"ftypmp42\0\0\0\0"
    b"\0\0\0\x27loci\0\0\0\0\x15\xc7Home\0\1"
    + struct.pack(">iii", int(11.5755 * 65536), int(48.1372 * 65536), 0)
    + b"earth\0\0"
)


def with_maker_note(content: bytes) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x927C] = content
    return drawn("JPEG", exif=exif)


def inner_exif() -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 14.0), 3: "E", 4: (11.0, 34.0, 31.0)})
    return exif.tobytes()[6:]


def gopro(key: bytes = b"GPS5", north: int = 481_372_100) -> bytes:
    """Two samples, as GPMF has them."""
    kind = b"l\x14" if key == b"GPS5" else b"?\x20"
    samples = [struct.pack(">iiiii", north + n, 115_755_000, 520_000, 1, 1) for n in range(2)]
    body = b"".join(sample.ljust(kind[1], b"\0") for sample in samples)
    return (
        b"SCALl\x04\0\5"
        + struct.pack(">5i", 10**7, 10**7, 1000, 1000, 100)
        + key
        + kind
        + b"\0\2"
        + body
    )


CASES: dict[str, Callable[[], bytes]] = {
    **{words: partial(with_note, words.encode()) for words in WORDS},
    "machine tags in XMP": lambda: with_segment(
        0xE1, b"http://ns.adobe.com/xap/1.0/\0" + TAGGED.encode()
    ),
    "EXIF in maker notes": lambda: with_maker_note(b"Nikon\0\2\x10\0\0" + inner_exif()),
    "JSON in maker notes": lambda: with_maker_note(b'{"device": "x", "gps": ' + JSON + b"}"),
    "words in maker notes": lambda: with_maker_note(b"\1\0\0GPS: 48.13721, 11.57550\0"),
    "words in XMP": lambda: with_segment(
        0xE1,
        b"http://ns.adobe.com/xap/1.0/\0"
        + TAGGED.replace(
            "geo:lat=48.13721", "at 48&#176;8&apos;14&quot;N 11&#176;34&apos;31&quot;E"
        ).encode(),
    ),
    "GoPro": lambda: with_segment(0xE6, b"GoPro\0" + gopro()),
    "GoPro's later form": lambda: with_segment(0xE6, b"GoPro\0" + gopro(b"GPS9")),
    "a film of 3GPP behind a photo": lambda: drawn("JPEG") + LOCI,
    "comment of a JPEG": lambda: with_segment(0xFE, JSON),
    "comment of a JPEG, as films say it": lambda: with_segment(0xFE, STANDARD),
    "note in EXIF": lambda: with_note(JSON),
    "comment of a GIF": lambda: with_gif_comment(JSON),
    "GeoTIFF": geotiff,
    "XMP, low byte first": lambda: with_wide_xmp("utf-16"),
    "XMP, high byte first": lambda: with_wide_xmp("utf-16-be"),
}


def told(data: bytes) -> bool:
    leaks = list(scan("q.bin", io.BytesIO(data), len(data)))
    return private_of(data).gps or any(leak.kind in (Kind.PLACED, Kind.GPS) for leak in leaks)


@pytest.mark.parametrize("case", CASES)
def test_a_position_in_an_odd_place_is_told(case: str) -> None:
    assert told(CASES[case]())


@pytest.mark.parametrize(
    "data",
    [
        with_segment(0xFE, b"made in 2024+01.5 by a program, 48.1372 wide"),
        with_note(b'{"latitude": 48, "longitude": 11, "zoom": 3}'),
        with_note(b"f/2.8 N, 35.125 E; map=3/4; 48.1372 wide, 11.5755 high; ratio 48.137/11.575"),
        with_note(b"turned by 45 deg 30' and then by 12 deg 15'; geo:0,0; q=1.5,2.5"),
        with_note(b"shot at 1920, 1080; lat pulldown 12.5; long 3.25; location 1.5, 2.5; N 3 E 4"),
        with_note(b"23.5000, 15.6000"),
        with_note(b"0.3127, 0.3290"),
        with_note(b"0.51234, 0.23118"),
        with_note(b"location: 0.51234, 0.23118"),
        with_note(b"192.16831, 48.13721"),
        with_note(b"from 10:20:30 to 11:34:31.2, 12:00:00 N and 10:20:30.5 S; 1:2:3 N 4:5:6 E"),
        with_note(b"N 3 12.5 E 4 17.25, call=48.13721,11.57550; taken in 48.137, 11.575 seconds"),
        with_note(b"00:00:00.0 N 00:00:00.0 E"),
        with_note(b"location: 12.5, 48.25; geo 4:3, 16:9; geography 12.34567, 45.6"),
        with_note(b"48.13721, 11.57550, 7.25000"),
        with_note(b"location: 48.13721, 11.57550, 52.5, 13.25"),
        with_note(b"weights 48.13721, 11.57550 after a step"),
        with_png_text("tEXt", "0.51234, 0.23118", "Location"),
        with_png_text("tEXt", "1.5", "Latitude"),
        with_png_text("tEXt", "48.13721", "Loss"),
        with_png_text("tEXt", "0.00000", "Latitude"),
        with_png_text("tEXt", "48.13721, 11.57550, 7.25000", "Location history of a loss"),
        with_segment(0xE6, b"GoPro\0" + gopro(north=0)[:40] + bytes(40)),
        with_segment(0xE6, b"GoPro\0" + gopro(north=1_000_000_000)),
        with_maker_note(b"Nikon\0\2\x10\0\0" + drawn("TIFF")[:120]),
        drawn("TIFF"),
        geotiff(0.0, 0.0),
        with_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + "<x:xmpmeta/>".encode("utf-16")),
    ],
)
def test_what_is_no_position_is_left_alone(data: bytes) -> None:
    assert not told(data)


def bigtiff(*, geo: bool = False) -> bytes:
    """A BigTIFF: Pillow writes the structure with 8-byte places."""
    tags = ImageFileDirectory_v2()
    if geo:
        for tag, kind, value in (
            (33922, 12, (0.0, 0.0, 0.0, 11.5755, 48.1372, 0.0)),
            (34735, 3, (1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 4326)),
        ):
            tags.tagtype[tag] = kind
            tags[tag] = value
        return drawn("TIFF", tiffinfo=tags, big_tiff=True)
    data = drawn("TIFF", big_tiff=True)
    place = struct.unpack_from("<Q", data, 8)[0]
    count = struct.unpack_from("<Q", data, place)[0]
    entries = data[place + 8 : place + 8 + 20 * count]
    degrees = struct.pack("<6I", 48, 1, 8, 1, 13, 1)
    gps = len(data) + len(degrees)
    latitude = struct.pack("<HHQ8s", 1, 2, 2, b"N") + struct.pack("<HHQQ", 2, 5, 3, len(data))
    own = struct.pack("<Q", 2) + latitude + bytes(8)
    pointer = struct.pack("<HHQQ", 0x8825, 18, 1, gps)
    main = struct.pack("<Q", count + 1) + entries + pointer + bytes(8)
    head = data[:8] + struct.pack("<Q", gps + len(own))
    return head + data[16:] + degrees + own + main


EDITED = CASES | {
    "text of a PNG": lambda: with_png_text("tEXt", JSON.decode()),
    "packed text of a PNG": lambda: with_png_text("zTXt", JSON.decode()),
    "international text of a PNG": lambda: with_png_text("iTXt", "é " + JSON.decode()),
    "a text called Location": lambda: with_png_text("tEXt", "48.13721,11.57550", "Location"),
    "a packed text called GPS": lambda: with_png_text("zTXt", "48.13721, 11.57550", "GPS"),
    "a text called Latitude": lambda: with_png_text("tEXt", "48.13721", "Latitude"),
    "a bare text": lambda: with_png_text("tEXt", "48.13721, 11.57550", "Description"),
    "description in EXIF": lambda: with_description("48.13721, 11.57550"),
    "Windows' comment, bare": lambda: with_windows_comment("48.13721, 11.57550"),
    "Windows' comment": lambda: with_windows_comment(JSON.decode()),
    "BigTIFF": bigtiff,
    "GeoTIFF, big": lambda: bigtiff(geo=True),
    "table in a comment": lambda: with_segment(0xFE, b"name,latitude,longitude\nx,48.1,11.5\n"),
}


def with_windows_comment(text: str) -> bytes:
    exif = Image.Exif()
    exif[0x9C9C] = text.encode("utf-16-le")
    return drawn("JPEG", exif=exif)


ENDINGS = {b"\xff\xd8": ".jpg", b"GIF8": ".gif", b"II": ".tiff", b"\x89PNG": ".png"}


@pytest.mark.parametrize("case", EDITED)
def test_the_advice_works_when_typed(case: str, tmp_path: Path) -> None:
    """`hubtools fix` takes out whatever position it is said of, and touches no pixel."""
    data = EDITED[case]()
    assert told(data)
    ending = next(end for magic, end in ENDINGS.items() if data.startswith(magic))
    folder = write_pictures(tmp_path / "data", 1)
    (folder / f"odd{ending}").write_bytes(data)
    (found,) = validate(folder, select=["D701"]).findings
    assert "`hubtools fix`" in str(found.fix)
    done = typed("fix", folder, "--select", "D701", "--yes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    after = (folder / f"odd{ending}").read_bytes()
    assert not told(after), done.stdout
    with Image.open(io.BytesIO(data)) as one, Image.open(io.BytesIO(after)) as other:
        assert one.tobytes() == other.tobytes()
    assert typed("fix", folder, "--undo", cwd=tmp_path).returncode == 0
    assert (folder / f"odd{ending}").read_bytes() == data


@pytest.mark.parametrize("kind", ["dataset", "model"])
def test_what_push_advises_works_when_typed(
    kind: str,
    tmp_path: Path,
    make_lora_file: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """P112 tells of positions in comments and notes as of all others, and `fix` takes them out."""
    folder = write_pictures(tmp_path / "data", 1)
    for number, case in enumerate(("comment of a JPEG", "note in EXIF")):
        (folder / f"odd{number}.jpg").write_bytes(CASES[case]())
    if kind == "model":
        (folder / "metadata.jsonl").unlink()
        make_lora_file(folder / "pytorch_lora_weights.safetensors")
        (folder / "README.md").write_text("![one](odd0.jpg) ![other](odd1.jpg)\n")
    monkeypatch.chdir(tmp_path)
    found = [
        f
        for f in PUBLISH_RULES.run(collect(folder, kind))  # type: ignore[arg-type]
        if f.rule in ("P112", "P126", "P129")
    ]
    assert {(f.rule, f.path) for f in found} == {("P112", "odd0.jpg"), ("P112", "odd1.jpg")}
    (command,) = {str(f.fix).split("`")[1] for f in found}
    done = typed(*command.split()[1:], "--yes")
    assert done.returncode in (0, 3), done.stderr
    again = PUBLISH_RULES.run(collect(folder, kind))  # type: ignore[arg-type]
    assert not [f for f in again if f.rule in ("P112", "P126", "P129")]
