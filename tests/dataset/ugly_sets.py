"""Folders as people really have them, made byte by byte: an unpacked zip of a Mac, names that only
Windows likes, a phone's camera roll, other trainers' folders, a spreadsheet, a scraped site, an
export of a photo program.

Each maker writes into a folder of its own and gives a `Folder`: which files hold pictures, and
what their captions are, so that a test can say that nothing was lost.
"""

from __future__ import annotations

import base64
import io
import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from photos import photo
from PIL import Image

TRIGGER = "sks person"
# what is said of the pictures, besides
DOING = (
    "reading", "by a café", "asleep", "übermütig", "in rain", "from behind", "smiling", "at night",
    "Größe zwölf", "with a dog", "hat on",
)  # fmt: skip


@dataclass
class Folder:
    """What is in an ugly folder. `pictures`: names of files that show something, whatever they are
    called; `captions`: every text that somebody wrote about a picture."""

    root: Path
    pictures: list[str] = field(default_factory=list)
    captions: set[str] = field(default_factory=set)

    def put(self, name: str, data: bytes | str) -> None:
        """Write a file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    def picture(self, name: str, data: bytes) -> None:
        """Write a picture."""
        self.put(name, data)
        self.pictures.append(name)


def encoded(
    seed: int, format: str = "PNG", size: tuple[int, int] = (96, 80), **options: Any
) -> bytes:
    """A picture that no other seed gives."""
    out = io.BytesIO()
    photo(seed, size).save(out, format, **options)
    return out.getvalue()


def camera_tags(orientation: int = 1) -> Image.Exif:
    """What a telephone writes: where, with which device, and how it was held."""
    tags = Image.Exif()
    tags[0x010F], tags[0x0110], tags[0x0112] = "Fruit", "Phone 12", orientation
    tags.get_ifd(0x8769).update({0x9003: "2026:05:01 12:00:00", 0xA431: "SN-0815"})
    position = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)}
    tags.get_ifd(0x8825).update(position)
    return tags


# 64x64, a real one: HEVC in an ISO container, as telephones write it.
HEIC = base64.b85decode(
    "0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<00042ZDn*}000000000XXk=`10000000000aA{+700000000000000"
    "000000B57=IV*mgE07O6l0RRC200001dH?|c00000006rH001LtX>Mi!000000RR916=`l}WdZ;I000310BCk&F#r"
    "Gn01j|zbZr0t000010002iX>f9I0002DX>en20001ZXm(>m0RwOV0058x000009`FGC{rLC*01pFT0096PKmiN^|N"
    "jGU00093kN^M!000939=ZZRVE_RDD?$MQ18@KU0|1Z!00RI30{|YNAb|yz>PacCZUPz%2mk;B0LTCU0{{p>VgLaE2"
    "SfqEa<C#m0000JV{dG7ZewhC0096E00w{n000zeb8uw<00000002M$002M$000nhX?SS>000032nYxO000+haBX1#"
    "00000000310R({p0|Wp70K;u$VRQfh0JkUsuNi<$H=H)+@AaSki3_lN6aSp9ZHB8p8LFJS9XQ(o0E)0SO-eiFv!>`"
    "lz`35Iy8=2$=X1x@O}r?>vUUEly*D*!dnJj|9(&klBC>%jv?3z^{R0!E6oXkH<HIY}eaP?>k1iLQ>>m`bV-yRD3l>"
    "M<KL^|2kgE9$^%WHsXzi!xtx8<=pt`gw&-_`QlN3kZG7Ua%Zwa;ot=}m`M`PTQY}VGU&g8%m(`OlN??=NafB"
)


def mac_zip(root: Path) -> Folder:
    """Zipped on a Mac, unpacked elsewhere: AppleDouble files, Finder's leavings, NFD names, and
    metadata typed in an editor that likes curly quotes."""
    made = Folder(root)
    names = ["Porträt.png", "Café 2.png", "naïve été.png", "plain.png"]
    rows = []
    for number, name in enumerate(names):
        stored = unicodedata.normalize("NFD", name)
        made.picture(stored, encoded(number))
        made.put(f"__MACOSX/._{stored}", b"\0\x05\x16\7\0\2\0\0Mac OS X" + bytes(64))
        made.put(f"._{stored}", b"\0\x05\x16\7\0\2\0\0Mac OS X" + bytes(64))
        text = f"{TRIGGER} {DOING[number]}"
        made.captions.add(text)
        rows.append({"file_name": unicodedata.normalize("NFC", name), "text": text})
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    lines[3] = lines[3].replace('"', "”")
    made.put("metadata.jsonl", "\n".join(lines))
    for name in (".DS_Store", "__MACOSX/._.DS_Store", "more/.DS_Store"):
        made.put(name, b"\0\0\0\1Bud1" + bytes(60))
    made.put(".Spotlight-V100/store.db", b"x")
    made.picture("more/5.png", encoded(5))
    return made


def windows(root: Path) -> Folder:
    """From a Windows disk: device names, dots and blanks at the end, Explorer's files, metadata
    in UTF-16 with backslashes, texts in Windows-1252 with CRLF."""
    made = Folder(root)
    names = ["CON.png", "aux.JPG", "trailing dot.png.", "trailing space.png ", "sub\u00e4/nul.png",
             "COM1.tar.png"]  # fmt: skip
    rows = []
    for number, name in enumerate(names):
        format = "JPEG" if name.endswith("JPG") else "PNG"
        made.picture(name, encoded(10 + number, format))
        text = f"{TRIGGER}, {DOING[number]}"
        made.captions.add(text)
        rows.append({"file_name": name.replace("/", "\\"), "text": text})
    body = "".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in rows)
    made.put("metadata.jsonl", body.encode("utf-16"))
    made.picture("zwölf.png", encoded(17))
    made.put("zwölf.txt", f"{TRIGGER} – Größe zwölf\r\n".encode("cp1252"))
    made.captions.add(f"{TRIGGER} – Größe zwölf")
    made.put("desktop.ini", "[.ShellClassInfo]\r\n".encode("utf-16"))
    made.put("Thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64))
    made.put("~$notes.docx", b"PK\3\4")
    made.put("Neue Verknüpfung.lnk", b"L\0\0\0" + bytes(32))
    return made


def camera_roll(root: Path) -> Folder:
    """A telephone's pictures: HEIC with its edits and films, a JPEG of 3 megapixels lying on its
    side, a two-picture MPO, the copies that a second download makes, and positions everywhere."""
    made = Folder(root / "DCIM" / "100APPLE")
    large = photo(20, (504, 378)).resize((2016, 1512), Image.Resampling.BILINEAR)
    out = io.BytesIO()
    large.save(out, "JPEG", quality=80, exif=camera_tags(6))
    made.picture("IMG_1234.JPG", out.getvalue())
    made.picture("IMG_1234(1).JPG", out.getvalue())
    made.picture("IMG_1235.HEIC", HEIC)
    made.put("IMG_1235.AAE", '<?xml version="1.0"?><plist version="1.0"><dict/></plist>')
    made.put("IMG_1235.MOV", b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(300))
    first, second = photo(21, (640, 480)), photo(22, (320, 240))
    out = io.BytesIO()
    first.save(out, "MPO", save_all=True, append_images=[second], exif=camera_tags(3))
    made.picture("IMG_1236.JPG", out.getvalue())
    made.picture("IMG_1237.PNG", encoded(23, "PNG", (640, 480), exif=camera_tags(8)))
    made.picture("IMG_E1238.JPG", encoded(24, "JPEG", (640, 480), exif=camera_tags()))
    made.picture("IMG_1239.jpeg", encoded(25, "JPEG", (640, 480)) + b"MotionPhoto_Data" + bytes(99))
    made.put(".thumbnails/1.jpg", encoded(26, "JPEG"))
    made.put(".nomedia", b"")
    made.root = root
    made.pictures = [f"DCIM/100APPLE/{name}" for name in made.pictures]
    return made


def kohya(root: Path) -> Folder:
    """kohya's sd-scripts: repeats in the folder's name, texts beside the pictures, caches."""
    made = Folder(root)
    for number in range(4):
        name = f"10_{TRIGGER}/x{number}"
        made.picture(f"{name}.png", encoded(30 + number))
        text = f"{TRIGGER}, {DOING[number]}"
        made.put(f"{name}.{'caption' if number == 3 else 'txt'}", f"{text}\n")
        made.captions.add(text)
        out = io.BytesIO()
        np.savez(out, latents=np.zeros((4, 8, 8), dtype=np.float16))
        made.put(f"{name}_0096x0080_sd.npz", out.getvalue())
    made.picture("1_reg/r0.png", encoded(36))
    made.put("meta_cap.json", json.dumps({f"10_{TRIGGER}/x0": {"caption": "other"}}))
    made.put("dataset.toml", "[general]\nenable_bucket = true\n")
    return made


def ai_toolkit(root: Path) -> Folder:
    """ai-toolkit: texts with a mark in place of the trigger, some as JSON, latents beside."""
    made = Folder(root)
    for number in range(4):
        made.picture(f"shot {number}.jpg", encoded(40 + number, "JPEG"))
        text = f"[trigger], {DOING[number]}"
        made.captions.add(text)
        if number == 3:
            made.put("shot 3.json", json.dumps({"caption": text, "caption_short": "pose"}))
        else:
            made.put(f"shot {number}.txt", text)
        made.put(f"_latent_cache/shot {number}_abc.safetensors", b"\2\0\0\0\0\0\0\0{}")
    made.put(".aitk_size.json", json.dumps({"shot 0.jpg": [96, 80]}))
    return made


def spreadsheet(root: Path) -> Folder:
    """Captions from a spreadsheet: semicolons, byte order mark, quoted breaks, NA, and an empty
    column that was once dragged wide."""
    made = Folder(root)
    texts = [f'{TRIGGER}; with "quotes", and more', f"{TRIGGER}\nin two lines", "NA",
             f"{TRIGGER} 4", "=1+1"]  # fmt: skip
    lines = ["file_name;text;weight;;"]
    for number, text in enumerate(texts):
        made.picture(f"Bild {number}.png", encoded(50 + number))
        quoted = text.replace('"', '""')
        lines.append(f'Bild {number}.png;"{quoted}";{number},5;;')
        if text != "NA":
            made.captions.add(text)
    made.put("metadata.csv", ("\ufeff" + "\r\n".join(lines) + "\r\n").encode())
    made.put("~$metadata.xlsx", bytes(165))
    made.put("metadata.xlsx", b"PK\3\4" + bytes(60))
    return made


def scraped(root: Path) -> Folder:
    """A scraped site: names that are addresses, endings that lie, pages and nothing in place of
    pictures, pointers of Git LFS."""
    made = Folder(root)
    made.picture("image.jpg?w=300", encoded(60, "JPEG"))
    made.picture("image.jpg?w=300&h=2", encoded(61, "JPEG"))
    made.picture("no_ending", encoded(62, "JPEG"))
    made.picture("really_webp.jpg", encoded(63, "WEBP", quality=95))
    made.picture("really_png.jpeg", encoded(64, "PNG"))
    made.picture("really_avif.png", encoded(65, "AVIF"))
    made.picture("modern.avif", encoded(66, "AVIF"))
    made.picture("fine%20name.png", encoded(67))
    made.picture("upper.JPG", encoded(68, "JPEG"))
    made.put("blocked.jpg", "<!DOCTYPE html><html><title>403 Forbidden</title></html>")
    made.put("json.jpg", '{"error": "rate limited"}')
    made.put("empty.png", b"")
    made.put("cut.jpg", encoded(69, "JPEG")[:-600])
    made.put("drawing.svg", '<svg xmlns="http://www.w3.org/2000/svg"/>')
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'ab' * 32}\nsize 123\n"
    made.put("pointer.png", pointer)
    rows = [{"url": f"https://example.org/{name}", "file_name": name, "text": f"{TRIGGER} {what}"}
            for name, what in zip(made.pictures, DOING, strict=False)]  # fmt: skip
    made.captions |= {str(row["text"]) for row in rows}
    made.put("metadata.json", json.dumps(rows, indent=2))
    made.put("image.jpg?w=300.part", b"\xff\xd8\xff")
    return made


_XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt><rdf:li
 xml:lang="x-default">{}</rdf:li></rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>
"""


def photo_program(root: Path) -> Folder:
    """An export of a photo program: XMP beside raw files, wide colours, 16-bit TIFF, names with a
    comma, the raw files themselves."""
    made = Folder(root)
    for number in range(3):
        name = f"Export, final-{number}"
        made.picture(f"{name}.tif", encoded(70 + number, "TIFF", exif=camera_tags()))
        made.put(f"{name}.xmp", _XMP.format(f"{TRIGGER} at the sea {number}"))
        made.put(f"{name}.dng", b"II*\0" + bytes(200))
    grey = np.linspace(0, 61000, 96 * 80, dtype=np.uint16).reshape(80, 96)
    out = io.BytesIO()
    Image.fromarray(grey).save(out, "TIFF")
    made.picture("Export, final-deep.tif", out.getvalue())
    xmp = _XMP.format(f"{TRIGGER} with a hat").encode()
    made.picture("IMG_0001-Edit-2.jpg", encoded(75, "JPEG", xmp=xmp))
    made.put("Lightroom Catalog.lrcat", b"SQLite format 3\0")
    made.put("metadata.csv", "file_name,text\n" + "".join(
        f'"{name}","{TRIGGER}, {DOING[n]}"\n' for n, name in enumerate(made.pictures)))  # fmt: skip
    made.captions |= {f"{TRIGGER}, {DOING[n]}" for n in range(len(made.pictures))}
    return made


UGLY: dict[str, Callable[[Path], Folder]] = {
    "mac-zip": mac_zip,
    "windows": windows,
    "camera-roll": camera_roll,
    "kohya": kohya,
    "ai-toolkit": ai_toolkit,
    "spreadsheet": spreadsheet,
    "scraped": scraped,
    "photo-program": photo_program,
}
