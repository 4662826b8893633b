"""Where, of whom and by whom pictures were taken is found by one reader, and taken out by `fix`."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin, features
from typed import typed

from hubtools.dataset.fix.planner import plan_fix
from hubtools.dataset.fix.run import fix, undo_fix
from hubtools.dataset.pictures.private.besides import told_by_text
from hubtools.dataset.pictures.private.png_blocks import png_chunks, png_file
from hubtools.dataset.pictures.private.reading import private_of, texts_of
from hubtools.dataset.pictures.private.scrub import scrub
from hubtools.dataset.rules import DATASET_RULES
from hubtools.dataset.view import view
from hubtools.publish.release import collect
from hubtools.publish.rules import PUBLISH_RULES
from hubtools.settings import DatasetSettings

LATITUDE = b"48,8.22N"
NAME = b"Jane Q. Public"


def exif() -> Image.Exif:
    data = Image.Exif()
    data[0x0131] = "a program"  # Pillow takes one without tags of its own for empty
    gps = data.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", (48.0, 8.0, 13.0), "E", (11.0, 34.0, 30.0)
    return data


def saved(format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.effect_mandelbrot((64, 48), (-2, -1.5, 1, 1.5), 30).convert("RGB").save(
        out, format, **options
    )
    return out.getvalue()


def xmp(inside: str, attributes: str = "") -> bytes:
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/"{attributes}>{inside}'
        "</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
    ).encode()


ELEMENT = xmp(f"<exif:GPSLatitude>{LATITUDE.decode()}</exif:GPSLatitude>")
ATTRIBUTE = xmp("", f' exif:GPSLatitude="{LATITUDE.decode()}"')
OTHER_PREFIX = xmp(
    f"<q:GPSLatitude>{LATITUDE.decode()}</q:GPSLatitude>",
    ' xmlns:q="http://ns.adobe.com/exif/1.0/"',
)


def extended(packet: bytes) -> bytes:
    """A JPEG whose XMP lies in two segments that cut the position in two."""
    cut = packet.index(LATITUDE) + 3
    segments = b""
    for place, part in ((0, packet[:cut]), (cut, packet[cut:])):
        body = b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32
        body += struct.pack(">II", len(packet), place) + part
        segments += b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    data = saved("JPEG")
    return data[:2] + segments + data[2:]


def png_text(keyword: str, text: str, *, packed: bool = False) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text(keyword, text, zip=packed)
    return saved("PNG", pnginfo=info)


def profile(kind: str, block: bytes) -> str:
    return f"\n{kind}\n{len(block):8d}\n{block.hex()}\n"


def behind(data: bytes) -> bytes:
    """eXIf behind the pixels."""
    chunks = png_chunks(data)
    block = exif().tobytes().removeprefix(b"Exif\0\0")
    return png_file([*chunks[:-1], (b"eXIf", block), chunks[-1]])


def motion_photo() -> bytes:
    film = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42\0\0\0\x30moov\0\0\0\x28udta"
    film += b"\0\0\0\x20\xa9xyz\0\x15\x15\xc7"
    return saved("JPEG") + film + b"+48.1370+011.5750/" + b"\0" * 20


def heic() -> bytes:
    block = exif().tobytes().removeprefix(b"Exif\0\0")
    return b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0\0\0\x06Exif\0\0" + block + b"\0" * 99


def gif() -> bytes:
    data = saved("GIF")
    return data[:-1] + b"\x21\xff\x0bXMP DataXMP" + ELEMENT + b"\x01\0\0;"


def block() -> bytes:
    return exif().tobytes().removeprefix(b"Exif\0\0")


def own_chunk() -> bytes:
    chunks = png_chunks(saved("PNG"))
    return png_file([chunks[0], (b"prVt", b"mine" + block()), *chunks[1:]])


def odd_segment() -> bytes:
    """EXIF in a segment that is none of EXIF's."""
    data = saved("JPEG")
    body = b"Other\0" + block()
    return data[:2] + b"\xff\xe9" + struct.pack(">H", len(body) + 2) + body + data[2:]


POSITIONS = {
    "a.jpg": saved("JPEG", exif=exif()),
    "a.jfif": saved("JPEG", exif=exif()),
    "a.jpe": saved("JPEG", exif=exif()),
    "jpeg-called.png": saved("JPEG", exif=exif()),
    "a.png": saved("PNG", exif=exif()),
    "late.png": behind(saved("PNG")),
    "raw.png": png_text("Raw profile type exif", profile("exif", exif().tobytes()), packed=True),
    "raw-app1.png": png_text("Raw profile type APP1", profile("app1", exif().tobytes())),
    "raw-xmp.png": png_text("Raw profile type xmp", profile("xmp", ELEMENT)),
    "a.webp": saved("WEBP", exif=exif()),
    "a.tiff": saved("TIFF", exif=exif().tobytes()),
    "xmp.jpg": saved("JPEG", xmp=ELEMENT),
    "xmp-attribute.jpg": saved("JPEG", xmp=ATTRIBUTE),
    "xmp-prefix.jpg": saved("JPEG", xmp=OTHER_PREFIX),
    "xmp.webp": saved("WEBP", xmp=ELEMENT),
    "xmp-extended.jpg": extended(ELEMENT),
    "motion.jpg": motion_photo(),
    "xmp.gif": gif(),
}
_DRONE = xmp("", f' drone-dji:Latitude="{LATITUDE.decode()}" drone-dji:Longitude="+11.5"')
POSITIONS["drone.jpg"] = saved("JPEG", xmp=_DRONE)
POSITIONS["other-drone.jpg"] = saved("JPEG", xmp=_DRONE.replace(b"drone-dji:", b"flyer:Gps"))
POSITIONS["described.jpg"] = saved(
    "JPEG",
    xmp=xmp(
        "<dc:description><rdf:Alt><rdf:li xml:lang='x-default'> +48.13701, 11.57521</rdf:li>"
        "</rdf:Alt></dc:description>"
    ),
)
POSITIONS["copied.png"] = png_text("exif:GPSLatitude", "48/1, 8/1, 13/1")
POSITIONS["own-chunk.png"] = own_chunk()
POSITIONS["odd-block.jpg"] = odd_segment()
if features.check("avif"):
    POSITIONS["a.avif"] = saved("AVIF", exif=exif())
    POSITIONS["xmp.avif"] = saved("AVIF", xmp=ELEMENT)
APART = {
    "a.heic": heic(),
    "a.dat": saved("JPEG", exif=exif()),
    "noending": saved("PNG", exif=exif()),
}


@pytest.mark.parametrize("name", [*POSITIONS, *APART])
def test_a_position_is_found_wherever_it_stands(name: str) -> None:
    assert private_of((POSITIONS | APART)[name]).gps


@pytest.mark.parametrize("name", POSITIONS)
def test_it_is_taken_out_without_touching_a_pixel(name: str) -> None:
    from hubtools.dataset.edits.pixels import apply_edits

    cleaned, proof = apply_edits(POSITIONS[name], ["scrub"])
    assert proof is not None
    assert not private_of(cleaned).gps
    for part in (LATITUDE, b"+48.1370", LATITUDE[:3] + b"<"):
        assert part not in cleaned
    assert scrub(cleaned)[0] == cleaned


def a_set(root: Path, files: dict[str, bytes], *, listed: bool = True) -> Path:
    root.mkdir()
    Image.new("RGB", (64, 48), (9, 80, 9)).save(root / "plain.png")
    lines = [{"file_name": "plain.png", "text": "(tok), nothing"}]
    for name, data in files.items():
        (root / name).write_bytes(data)
        lines += [{"file_name": name, "text": f"(tok), {name}"}] if listed else []
    (root / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (root / "README.md").write_text("---\nlicense: mit\n---\n# A\n")
    return root


def told(root: Path, *rules: str) -> set[str]:
    looked = view(root, DatasetSettings(trigger="(tok)"))
    found = DATASET_RULES.run(looked, select=rules)
    return {str(finding.path) for finding in found}


def stopped(root: Path, rule: str) -> set[str]:
    found = PUBLISH_RULES.run(collect(root, "dataset"))
    return {str(finding.path) for finding in found if finding.rule == rule}


def test_the_d_rule_the_p_rule_and_fix_agree(tmp_path: Path) -> None:
    root = a_set(tmp_path / "set", POSITIONS)
    assert told(root, "D701") == stopped(root, "P112") == set(POSITIONS)
    before = {path.name: path.read_bytes() for path in root.iterdir() if path.is_file()}
    plan = plan_fix(root, DatasetSettings(), select=["D701"])
    assert {op.path for op in plan.operations} == set(POSITIONS)
    fix(root, DatasetSettings(), select=["D701"])
    assert told(root, "D701") == stopped(root, "P112") == set()
    undo_fix(root)
    assert {path.name: path.read_bytes() for path in root.iterdir() if path.is_file()} == before


def test_what_no_loader_takes_is_looked_at_too(tmp_path: Path) -> None:
    root = a_set(tmp_path / "set", APART, listed=False)
    assert told(root, "D701") == stopped(root, "P112") == set(APART)


def test_push_stops_for_it(tmp_path: Path) -> None:
    root = a_set(tmp_path / "set", {"called.dat": saved("JPEG", exif=exif())}, listed=False)
    said = typed("push", root, "me/x", "--type", "dataset", "--dry-run", cwd=tmp_path, HF_TOKEN="")
    assert said.returncode != 0
    assert "exiftool" not in said.stdout + said.stderr


def test_positions_in_shards_stop_a_push(tmp_path: Path) -> None:
    root = a_set(tmp_path / "set", {})
    with tarfile.open(root / "train-00000.tar", "w") as tar:
        info = tarfile.TarInfo("0.jpg")
        info.size = len(POSITIONS["a.jpg"])
        tar.addfile(info, io.BytesIO(POSITIONS["a.jpg"]))
    assert stopped(root, "P112") == {"train-00000.tar"}


# --- people --------------------------------------------------------------------------------------

PEOPLE = {
    "mwg": xmp(
        f'<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag><rdf:li'
        f' mwg-rs:Name="{NAME.decode()}" mwg-rs:Type="Face"/></rdf:Bag></mwg-rs:RegionList>'
        "</mwg-rs:Regions>"
    ),
    "acdsee": xmp(
        f'<acdsee-rs:Regions><rdf:li acdsee-rs:Name="{NAME.decode()}" acdsee-rs:Type="Face"/>'
        "</acdsee-rs:Regions>"
    ),
    "microsoft": xmp(
        f"<MP:RegionInfo><MPRI:Regions><rdf:li><MPReg:PersonDisplayName>{NAME.decode()}"
        "</MPReg:PersonDisplayName></rdf:li></MPRI:Regions></MP:RegionInfo>"
    ),
    "iptc": xmp(
        f"<Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>{NAME.decode()}</rdf:li></rdf:Bag>"
        "</Iptc4xmpExt:PersonInImage>"
    ),
    "apple": xmp(
        f'<apple-fi:Regions><rdf:Bag><rdf:li apple-fi:Name="{NAME.decode()}"/></rdf:Bag>'
        "</apple-fi:Regions>"
    ),
    "branch": xmp(
        "",
        ' acdsee:categories="&lt;Categories&gt;&lt;Category Assigned=&quot;0&quot;&gt;People'
        f"&lt;Category Assigned=&quot;1&quot;&gt;{NAME.decode()}&lt;/Category&gt;&lt;/Category&gt;"
        '&lt;/Categories&gt;"',
    ),
    "branch in an element": xmp(
        "<acdsee:categories>&lt;Categories&gt;&lt;Category&gt;Dogs&lt;/Category&gt;&lt;Category&gt;"
        f"People&lt;Category Assigned='1'&gt;Friends&lt;Category&gt;{NAME.decode()}"
        "&lt;/Category&gt;&lt;/Category&gt;&lt;/Category&gt;&lt;/Categories&gt;"
        "</acdsee:categories>",
    ),
    "tree": xmp(
        f"<lr:hierarchicalSubject><rdf:Bag><rdf:li>People|{NAME.decode()}</rdf:li></rdf:Bag>"
        "</lr:hierarchicalSubject>"
    ),
}


@pytest.mark.parametrize("kind", PEOPLE)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_names_of_people_are_found_and_go(kind: str, format: str) -> None:
    if format == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", PEOPLE[kind].decode(), zip=True)
        data = saved("PNG", pnginfo=info)
    else:
        data = saved(format, xmp=PEOPLE[kind])
    assert private_of(data).people
    cleaned = scrub(data)[0]
    assert private_of(cleaned).people == ""
    if format != "PNG":
        assert NAME not in cleaned


def test_what_names_nobody_is_no_finding() -> None:
    focus = '<mwg-rs:Regions><rdf:li mwg-rs:Type="Focus"/></mwg-rs:Regions>'
    assert not private_of(saved("JPEG", xmp=xmp(focus))).there
    branch = (
        "<acdsee:categories>&lt;Categories&gt;&lt;Category&gt;Places&lt;Category&gt;Sea"
        "&lt;/Category&gt;&lt;/Category&gt;&lt;Category&gt;People&lt;/Category&gt;"
        "&lt;/Categories&gt;</acdsee:categories>"
    )
    assert not private_of(saved("JPEG", xmp=xmp(branch))).there
    numbers = "<dc:description><rdf:li>0.51234, 0.23118</rdf:li></dc:description><a:Latitude/>"
    curve = '<crs:ToneCurve><rdf:li>48.13721, 11.57550</rdf:li></crs:ToneCurve><a:B Lat="4"/>'
    assert not private_of(saved("JPEG", xmp=xmp(numbers + curve, ' a:Latitude="0.0"'))).there
    assert not private_of(saved("JPEG", xmp=xmp("<exif:GPSVersionID>2.3</exif:GPSVersionID>"))).gps
    version = Image.Exif()
    version.get_ifd(0x8825)[0] = b"\2\3\0\0"
    assert not private_of(saved("JPEG", exif=version)).there
    for format in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"):
        assert not private_of(saved(format)).there


@pytest.mark.parametrize(
    "part", [b"<exif:GPSa>", b"<mwg-rs:Regions>", b" exif:GPSa=", b"xmlns:a='b' "]
)
def test_hostile_xmp_takes_linear_time(part: bytes) -> None:
    private_of(b"RIFF\0\0\0\0WEBP<x:xmpmeta" + part * 100_000 + b"</x:xmpmeta>")
    private_of(saved("JPEG", xmp=part * 3000))


def test_hostile_xmp_of_many_names_and_beginnings_takes_linear_time() -> None:
    names = b"".join(b"<exif:GPS%d>" % number for number in range(100_000))
    private_of(b"GIF89a<x:xmpmeta" + names + b"</x:xmpmeta>")
    private_of(b"GIF89a" + b"II*\0\x08\0\0\0" * 100_000 + b"<x:xmpmeta" * 100_000)


def test_all_texts_are_read() -> None:
    data = Image.Exif()
    data[0x9C9C] = "a comment of Windows".encode("utf-16-le")
    data.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "a user's comment".encode("utf-16-be")
    data[0x013B] = "an artist"
    said = "\n".join(text for _, text in texts_of(saved("JPEG", exif=data, comment=b"a JPEG's")))
    for text in ("a comment of Windows", "a user's comment", "an artist", "a JPEG's"):
        assert text in said
    assert any("a GIF's" in t for _, t in texts_of(saved("GIF", comment=b"a GIF's comment")))
    assert any("inside" in t for _, t in texts_of(png_text("Any", "what is inside", packed=True)))
    if features.check("avif"):
        assert any("an artist" in t for _, t in texts_of(saved("AVIF", exif=data)))


def test_a_text_that_unpacks_to_much_is_left() -> None:
    bomb = (b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 100_000_000))
    chunks = png_chunks(saved("PNG", exif=exif()))
    assert private_of(png_file([chunks[0], bomb, *chunks[1:]])).gps


def test_of_a_png_all_is_searched_but_its_pixels() -> None:
    head, *pixels, end = png_chunks(saved("PNG"))
    told = b"xmp exif:GPSLatitude"
    for kind, there in ((b"IDAT", False), (b"caBX", True), (b"iCCP", True)):
        assert private_of(png_file([head, (kind, told), *pixels, end])).gps is there, kind
        assert private_of(png_file([head, *pixels, (kind, told), end])).gps is there, kind
    assert private_of(png_file([head, *pixels, end]) + told).gps
    assert private_of(png_file([head, *pixels, (b"IDAT", block()), end]) + told).gps
    assert private_of(png_file([head, *pixels, (b"caBX", told)])[:-1]).gps  # cut off


# --- beside the pictures -------------------------------------------------------------------------

TAKEOUT = json.dumps(
    {
        "title": "IMG_1.jpg",
        "geoData": {"latitude": 48.137, "longitude": 11.575},
        "people": [{"name": NAME.decode()}],
        "url": "https://photos.google.com/photo/AF1",
    }
)
TAKEOUT_NAMES = (
    "IMG_1.jpg.supplemental-metadata.json", "IMG_1.jpg.json", "IMG_1.jpg.supplemental-met.json",
    "IMG_1.jpg.suppl.json", "IMG_1.jpg(1).json", "IMG_1(1).jpg.supplemental-metadata(1).json",
    "IMG_1-edited.jpg.json", "IMG_1-bearbeitet.jpg.json", "IMG_1.j.json", "Metadaten.json",
    "notes",
)  # fmt: skip
FILM = b"\0\0\0\x14ftypqt  moovmetakeys mdtacom.apple.quicktime.location.ISO6709+48.1370+011.5760/"
OTHERS = {
    "IMG_1.xmp": ELEMENT,
    "IMG_1.jpg.xmp": PEOPLE["mwg"],
    "IMG_1.AAE": b"<?xml version='1.0'?><plist><dict/></plist>",
    "album.json": json.dumps({"albumData": {"title": "At home"}}).encode(),
    "exiftool.json": b'[{"SourceFile": "a.jpg", "GPSLatitude": 48.137}]',
    "way.gpx": b"<gpx/>",
    "film.srt": b"1\n00:00 --> 00:01\n[latitude: 48.1370] [longitude: 11.5]\n",
    "utf16.json": TAKEOUT.encode("utf-16"),
    "bom.json": b"\xef\xbb\xbf" + TAKEOUT.encode(),
    "cut.json": TAKEOUT.encode()[:-30],
    "IMG_1.MOV": FILM[:8] + bytes(3 << 20) + FILM,  # as iPhones write a Live Photo: places last
    "android.mp4": b"\0\0\0\x18ftypmp42moovudta\xa9xyz\0\x12\x15\xc7+48.1370+011.5760/" + bytes(99),
    "old.json": b'{"photoTakenTime": {"timestamp": "1"}, "geoData": {"latitude": 0.0}}',
}
JUNK = {
    "IMG_1.jpg:Zone.Identifier": b"[ZoneTransfer]\r\nZoneId=3\r\nHostUrl=https://a.b/?token=x\r\n",
    "Zone.Identifier": b"[ZoneTransfer]\r\n",
    "IMG_1.jpg\uf03aZone.Identifier": b"[ZoneTransfer]\r\n",
    "IMG_1.jpg_Zone.Identifier": b"[ZoneTransfer]\r\n",
    ".picasa.ini": b"[a.jpg]\nfaces=rect64(1),2\n",
    "Picasa.ini": b"[Contacts2]\n2=Jane\n",
}


def test_private_files_are_found_stopped_and_taken_out(tmp_path: Path) -> None:
    files = {name: TAKEOUT.encode() for name in TAKEOUT_NAMES} | OTHERS
    root = a_set(tmp_path / "set", files | JUNK, listed=False)
    assert told(root, "D713") == set(files | JUNK)
    assert stopped(root, "P126") == set(files)
    excluded = dict(collect(root, "dataset").excluded)
    assert all(excluded[name] for name in JUNK)
    before = {path.name: path.read_bytes() for path in root.iterdir() if path.is_file()}
    plan = plan_fix(root, DatasetSettings(), select=["D713"])
    assert {op.path for op in plan.operations} == set(files | JUNK)
    fix(root, DatasetSettings(), select=["D713"])
    assert told(root, "D713") == stopped(root, "P126") == set()
    assert not any((root / name).exists() for name in files | JUNK)
    undo_fix(root)
    assert {path.name: path.read_bytes() for path in root.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    "text",
    [
        '{"caption": "a woman at latitude 48, people around"}',
        '{"prompt": "a", "seed": 5, "people": 3}',
        '{"creationTime": "2026"}',
        '{"latitude": 0, "longitude": 0}',
        "a caption of people and geoData",
        "[section]\nkey = latitude\n",
        xmp("<dc:title>A cat</dc:title>").decode(),
        '{"flatness": 4, "plate": 5}',
    ],
)
def test_other_texts_tell_nothing(text: str) -> None:
    assert told_by_text(text.encode()) is None


@pytest.mark.parametrize(
    "row",
    [
        {"source": "C:\\Users\\jane\\a.png"},
        {"text": "(tok), /home/jane/a.png"},
        {"more": {"deep": ["\\\\server\\share\\jane\\x"]}},
        {"url": "file:///C:/Users/jane/a.png"},
    ],
)
def test_paths_in_records(tmp_path: Path, row: dict[str, Any]) -> None:
    root = a_set(tmp_path / "set", {})
    line = {"file_name": "plain.png", "text": "(tok), nothing"} | row
    (root / "metadata.jsonl").write_text(json.dumps(line) + "\n")
    assert told(root, "D714") == {"metadata.jsonl"}


def test_push_stops_before_anything_is_sent_and_goes_on_after_fix(
    tmp_path: Path, local_hub: Any
) -> None:
    from huggingface_hub import HfApi

    files = {"IMG_1.jpg.json": TAKEOUT.encode(), "x.dat": POSITIONS["a.jpg"], "private.csv": b"x"}
    root = a_set(tmp_path / "set", files, listed=False)
    (root / ".gitignore").write_text("private.*\n")
    said = typed("push", root, "me/x", "--type", "dataset", "--public", cwd=tmp_path)
    assert said.returncode == 3, said.stderr
    assert "P126" in said.stdout + said.stderr
    assert "P112" in said.stdout + said.stderr
    assert not HfApi().repo_exists("me/x", repo_type="dataset")
    typed("fix", root, "--yes", "--unsafe", "remove-unlisted", cwd=tmp_path)
    said = typed("push", root, "me/x", "--type", "dataset", "--public", cwd=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
    there = set(HfApi().list_repo_files("me/x", repo_type="dataset"))
    assert there == {".gitattributes", "README.md", "metadata.jsonl", "plain.png"}


def test_names_of_people_stop_a_push(tmp_path: Path, local_hub: Any) -> None:
    from huggingface_hub import HfApi

    root = a_set(tmp_path / "set", {"faces.jpg": saved("JPEG", xmp=PEOPLE["mwg"])})
    push = ("push", root, "me/faces", "--type", "dataset", "--public")
    said = typed(*push, cwd=tmp_path)
    assert said.returncode == 3, said.stderr
    assert "P128" in said.stdout + said.stderr
    assert not HfApi().repo_exists("me/faces", repo_type="dataset")
    typed("fix", root, "--yes", cwd=tmp_path)
    said = typed(*push, cwd=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr


# --- within others -------------------------------------------------------------------------------


def zipped(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


def tarred(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def table(value: Any, form: str) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    out, rows = io.BytesIO(), pa.table({"a": [value]})
    if form == "parquet":
        parquet.write_table(rows, out)
    else:
        with getattr(pa.ipc, form)(out, rows.schema) as writer:
            writer.write_table(rows)
    return out.getvalue()


PHOTO = POSITIONS["a.jpg"]
CELL = {"bytes": PHOTO, "path": "a.jpg"}
BASE64 = base64.b64encode(PHOTO).decode()
WITHIN = {
    **{f"{n}.zip": zipped(name, PHOTO) for n, name in enumerate(("a.dat", "a.txt", "a.heic", "a"))},
    "zip.zip": zipped("in.zip", zipped("a.jpg", PHOTO)),
    "tar.zip": zipped("in.tar", tarred("a.png", PHOTO)),
    "img.tar": tarred("000.img", PHOTO),
    "binary.parquet": table(PHOTO, "parquet"),
    "struct.parquet": table(CELL, "parquet"),
    "list.parquet": table([CELL], "parquet"),
    "base64.parquet": table(BASE64, "parquet"),
    "file.arrow": table(CELL, "new_file"),
    "stream.arrow": table(CELL, "new_stream"),
    "a.jpg.gz": gzip.compress(PHOTO),
    "raf.jpg": b"FUJIFILMCCD-RAW " + b"\0" * 80 + PHOTO,
    "bmp.bmp": saved("BMP") + PHOTO,
    "ico.ico": b"\0\0\1\0" + PHOTO,
    "sound.mp3": b"ID3\3\0\0\0\0\x7f\x7fAPIC\0\0\0\0\0\0" + PHOTO,
    "base64.md": f"# A\n<img src='data:image/jpeg;base64,{BASE64}'>\n".encode(),
    "base64.jsonl": json.dumps({"x": BASE64}).encode(),
}
NOTES = {
    "takeout.zip": zipped("Takeout/a.jpg.json", TAKEOUT.encode()),
    "takeout.tar": tarred("a.jpg.json", TAKEOUT.encode()),
    "takeout.tgz": gzip.compress(tarred("a.jpg.json", TAKEOUT.encode())),
    "xmp.zip": zipped("a.xmp", ELEMENT),
    "xmp.tar": tarred("a.xmp", ELEMENT),
    "called.zip": zipped("a.txt", ELEMENT),
    "cell.parquet": table(TAKEOUT, "parquet"),
}
PLAIN = {
    "plain.zip": zipped("a.jpg", saved("JPEG")),
    "plain.tar": tarred("a.txt", b"a caption at (x: 3, y: 5), 48.137 wide"),
    "plain.parquet": table({"bytes": saved("PNG"), "path": "a"}, "parquet"),
    "boxes.zip": zipped("a.json", b'{"bbox": [48.1, 11.5, 3, 4], "x": 48.1, "y": 11.5}'),
}


def test_a_position_within_other_files_stops_a_push(tmp_path: Path) -> None:
    root = a_set(tmp_path / "set", WITHIN | PLAIN, listed=False)
    assert stopped(root, "P112") == set(WITHIN)


def test_notes_within_other_files_stop_a_push(tmp_path: Path) -> None:
    root = a_set(tmp_path / "set", NOTES | PLAIN, listed=False)
    assert stopped(root, "P126") == set(NOTES)


# --- called otherwise ----------------------------------------------------------------------------

GPX = b"<?xml version='1.0'?><gpx><trk><trkpt lat='48.1' lon='11.5'/></trk></gpx>"
CALLED = {
    **{f"takeout{ending}": TAKEOUT.encode() for ending in (".txt", ".md", ".jsonl", ".csv")},
    **{f"xmp{ending}": ELEMENT for ending in (".txt", ".md", ".csv", ".xml")},
    "way.txt": GPX,
    "plain.txt": ELEMENT,
}


def test_notes_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    root = a_set(tmp_path / "set", CALLED, listed=False)
    assert stopped(root, "P126") == told(root, "D713") == set(CALLED)


PLACED = {
    "a.jsonl": b'{"file_name": "a.png", "latitude": 48.137, "longitude": 11.575}\n',
    "b.csv": b"file_name,gps_lat,gps_lon\na.png,48.137,11.575\n",
    "c.json": b'{"a": {"type": "Point", "coordinates": [11.575, 48.137]}}',
    "d.jsonl": b'{"GPSLatitude": "48.137", "GPSLongitude": "-11.575"}\n',
}
NOT_PLACED = {
    "a.jsonl": b'{"file_name": "a.png", "x": 48.137, "y": 11.575, "bbox": [1.25, 2.5, 3, 4]}\n',
    "b.csv": b"file_name,x,y,lat_score,plate\na.png,48.137,11.575,3.5,4.5\n",
    "c.json": b'{"a": {"type": "Point", "coordinates": [1024.25, 3000.25]}}',
    "d.jsonl": b'{"latitude": 0, "longitude": 0}\n{"lat": 1234.5, "lon": 17.5}\n',
    "e.txt": b"a map at latitude 48.137, longitude 11.575",
    "f.jsonl": b'{"flat": 3.5, "colon": 4.5, "balloon": 2.5, "melon": 1.5}\n',
}


def test_columns_of_positions_are_told(tmp_path: Path) -> None:
    root = a_set(tmp_path / "set", PLACED, listed=False)
    assert stopped(root, "P129") == set(PLACED)
    root = a_set(tmp_path / "other", NOT_PLACED, listed=False)
    assert stopped(root, "P129") == stopped(root, "P126") == set()
