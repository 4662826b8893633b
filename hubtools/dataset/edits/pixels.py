"""Edits of picture files, and the proof that those that promise it leave every pixel as it was."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image, ImageSequence

from hubtools.dataset.pictures.embedded.trailers import without_trailer
from hubtools.dataset.pictures.header import opened
from hubtools.dataset.pictures.private.boxes import coded, is_boxed
from hubtools.dataset.pictures.private.exif import ORIENTATION
from hubtools.dataset.pictures.private.kinds import Damaged
from hubtools.dataset.pictures.private.png_blocks import png_chunks, png_file
from hubtools.dataset.pictures.private.scrub import scrub, upright
from hubtools.dataset.pictures.reading import read_picture
from hubtools.dataset.pictures.rgb import to_rgb, turned_upright
from hubtools.dataset.workers.guarded import run_guarded
from hubtools.dataset.workers.pool import Failure

# After these a picture looks exactly as before; `apply_edits` proves it each time.
LOSSLESS = frozenset({"scrub", "upright", "cut"})
_QUALITY = 95
# What an edit holds in memory is up to a dozen bytes a pixel.
MOST_PIXELS = 100_000_000


class Refused(Exception):
    """An edit cannot be done, or not be proven to do what it promises; a clause says why."""


def _open(data: bytes) -> Image.Image:
    """The picture, not decoded yet. Raises `Refused` if decoding it would take gigabytes."""
    picture = opened(data)
    if picture.width * picture.height > MOST_PIXELS:
        picture.close()
        raise Refused(f"it has more than {MOST_PIXELS // 1_000_000} megapixels")
    return picture


def apply_edits(data: bytes, edits: Sequence[str]) -> tuple[bytes, str | None]:
    """The file after these edits, and the hash of its pixels if they are proven to be the same.

    Raises `Refused`.
    """
    changed = data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for edit in edits:
            name, _, value = edit.partition("=")
            try:
                changed = _EDITS[name](changed, value)
            except Refused:
                raise
            except Damaged as error:
                raise Refused(str(error)) from None
            except Exception as error:
                # Pillow's plug-ins raise nearly anything on odd files
                raise Refused(f"it cannot be decoded ({type(error).__name__})") from None
        if not set(edits) <= LOSSLESS:
            return changed, None
        prove = _coded if is_boxed(data) and not _decodes(data) else shown
        before, after = prove(data), prove(changed)
    if before != after:
        raise Refused("its pixels would change")
    return changed, after


def _decodes(data: bytes) -> bool:
    """False for a film, and for a picture that needs a decoder which is not installed."""
    try:
        opened(data).close()
    except Exception:  # Pillow's plug-ins raise nearly anything
        return False
    return True


def _coded(data: bytes) -> str:
    try:
        return coded(data)
    except Damaged as error:
        raise Refused(str(error)) from None


def edit(path: str | bytes, known: str | None) -> tuple[bytes, str | None] | str:
    """For a worker: `apply_edits`, or why it was refused; `known` names the edits, one a line."""
    try:
        return apply_edits(read_picture(path), (known or "").splitlines())
    except Refused as error:
        return str(error)


EDIT = f"{__name__}:{edit.__name__}"


def edited(data: bytes, edits: Sequence[str]) -> tuple[bytes, str | None]:
    """`apply_edits`, in a process of its own if the picture may do harm. Raises `Refused`."""
    answer = run_guarded(EDIT, data, "\n".join(edits))
    if isinstance(answer, Failure):
        raise Refused(answer.reason)
    if isinstance(answer, str):
        raise Refused(answer)
    changed, proof = answer
    return changed, proof


def shown(data: bytes) -> str:
    """SHA-256 over what a viewer shows: mode, size, pixels, palette, transparency and colour
    profile of every frame, turned upright. Raises `Refused` if it does not decode."""
    digest = hashlib.sha256()
    try:
        with _open(data) as opened:
            for frame in ImageSequence.Iterator(opened):
                frame.load()
                picture = turned_upright(frame)
                parts = (
                    picture.mode,
                    picture.size,
                    picture.getpalette() if picture.mode in ("P", "PA") else None,
                    frame.info.get("transparency"),
                )
                digest.update(repr(parts).encode())
                digest.update(frame.info.get("icc_profile") or b"")
                digest.update(picture.tobytes())
    except Refused:
        raise
    except Exception as error:
        raise Refused(f"it cannot be decoded ({type(error).__name__})") from None
    return digest.hexdigest()


def _scrub(data: bytes, _: str) -> bytes:
    return scrub(data)[0]


def _cut(data: bytes, _: str) -> bytes:
    return without_trailer(data)


# --- turning -------------------------------------------------------------------------------------

# Chunks that describe the pixels and are written anew with them.
_OF_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_OF_DEPTH = frozenset({b"bKGD", b"sBIT", b"hIST"})


def _upright(data: bytes, _: str) -> bytes:
    """A PNG with its pixels turned; all its other chunks stay, byte for byte."""
    if not data.startswith(b"\x89PNG"):
        raise Refused("only a PNG can be turned without loss")
    chunks = png_chunks(data)
    kinds = {kind for kind, _ in chunks}
    depth, colour = chunks[0][1][8], chunks[0][1][9]
    if b"acTL" in kinds:
        raise Refused("it is an animation")
    if depth == 16 and colour != 0:
        raise Refused("it has 16 bits a channel, which Pillow would halve")
    turned = io.BytesIO()
    with _open(data) as opened:
        opened.load()
        turned_upright(opened).save(turned, "PNG", exif=b"", icc_profile=None)
    new = png_chunks(turned.getvalue())
    gone = _OF_PIXELS if depth >= 8 else _OF_PIXELS | _OF_DEPTH
    first = next(n for n, (kind, _) in enumerate(chunks) if kind == b"IDAT")
    before = [chunk for chunk in chunks[:first] if chunk[0] not in gone]
    after = [chunk for chunk in chunks[first:] if chunk[0] not in gone]
    head = [chunk for chunk in new if chunk[0] in (b"PLTE", b"tRNS")]
    body = [chunk for chunk in new if chunk[0] == b"IDAT"]
    # the order that PNG asks for: IHDR, colour space, palette, other things, pixels
    early = [c for c in before if c[0] in (b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"sBIT", b"cICP")]
    late = [chunk for chunk in before if chunk not in early]
    file = png_file([new[0], *early, *head, *late, *body, *after, (b"IEND", b"")])
    return upright(file)


def _rotate(data: bytes, _: str) -> bytes:
    return _redrawn(data, lambda picture: picture, ("JPEG", "MPO", "WEBP"))


# Degrees clockwise.
_TURNS = {
    "90": Image.Transpose.ROTATE_270,
    "180": Image.Transpose.ROTATE_180,
    "270": Image.Transpose.ROTATE_90,
}


def _turn(data: bytes, value: str) -> bytes:
    """Turned by so many degrees from how it is shown."""
    turn = _TURNS[value]
    return _redrawn(data, lambda picture: picture.transpose(turn))


def _crop(data: bytes, value: str) -> bytes:
    """What is in `left,top,right,bottom`, in pixels of the upright picture."""
    left, top, right, bottom = map(int, value.split(","))

    def cut(picture: Image.Image) -> Image.Image:
        if not (0 <= left < right <= picture.width and 0 <= top < bottom <= picture.height):
            raise Refused("the frame is larger than the picture")
        return picture.crop((left, top, right, bottom))

    return _redrawn(data, cut)


def _redrawn(
    data: bytes,
    change: Callable[[Image.Image], Image.Image],
    formats: Sequence[str] = ("JPEG", "MPO", "WEBP", "PNG"),
) -> bytes:
    """The picture in its own format, upright, after a change of its pixels."""
    with _open(data) as opened:
        format = opened.format or ""
        if getattr(opened, "n_frames", 1) > 1 and format != "MPO":
            raise Refused("it is an animation")
        if format not in formats:
            raise Refused(f"{format} pictures are not turned")
        if format == "PNG" and data[24] == 16 and data[25] != 0:
            raise Refused("it has 16 bits a channel, which Pillow would halve")
        opened.load()
        picture = change(turned_upright(opened))
        kept = _kept(opened)
    if format == "PNG":
        return _encoded(picture, "PNG", kept)
    if format == "WEBP":
        if b"VP8L" in data[:64]:
            return _encoded(picture, "WEBP", kept, lossless=True, exact=True)
        return _encoded(picture, "WEBP", kept, quality=_QUALITY)
    return _encoded(picture, "JPEG", kept)


# --- encoding anew -------------------------------------------------------------------------------


def _kept(opened: Image.Image) -> dict[str, Any]:
    """Profile and EXIF data to write again, with the orientation upright."""
    kept: dict[str, Any] = {}
    if profile := opened.info.get("icc_profile"):
        kept["icc_profile"] = profile
    exif = opened.getexif()
    if len(exif):
        exif.pop(ORIENTATION, None)
        kept["exif"] = exif.tobytes()
    return kept


def _encoded(picture: Image.Image, format: str, kept: dict[str, Any], **more: Any) -> bytes:
    if format == "JPEG":
        more = {"quality": _QUALITY, "subsampling": 0, **more}
    out = io.BytesIO()
    picture.info.pop("transparency", None) if picture.mode == "RGB" else None
    picture.save(out, format, **kept, **more)
    return out.getvalue()


def _first(data: bytes) -> tuple[Image.Image, dict[str, Any]]:
    """The first frame, decoded and upright, and what to write with it."""
    _more_formats(data)
    with _open(data) as opened:
        opened.load()
        return turned_upright(opened), _kept(opened)


def _flatten(data: bytes, value: str) -> bytes:
    picture, kept = _first(data)
    layer = picture.convert("RGBA")
    paper = Image.new("RGBA", layer.size, value or "white")
    return _encoded(Image.alpha_composite(paper, layer).convert("RGB"), "PNG", kept)


def _scale(data: bytes, _: str) -> bytes:
    picture, kept = _first(data)
    kept.pop("icc_profile", None)  # that of a deep grey does not fit
    return _encoded(to_rgb(picture).convert("L"), "PNG", kept)


def _rgb(data: bytes, _: str) -> bytes:
    from PIL import ImageCms

    picture, kept = _first(data)
    profile = kept.pop("icc_profile", None)
    alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
    if alpha is not None or picture.mode not in ("CMYK", "LAB", "L", "RGB"):
        picture = picture.convert("RGB")
    if picture.mode == "LAB" or profile:
        source = ImageCms.createProfile("LAB") if picture.mode == "LAB" else io.BytesIO(profile)
        target = ImageCms.createProfile("sRGB")
        picture = ImageCms.profileToProfile(picture, source, target, outputMode="RGB")  # type: ignore[assignment]
    picture = picture.convert("RGB")
    picture.info.pop("icc_profile", None)
    if alpha is not None:
        picture.putalpha(alpha)
    return _encoded(picture, "JPEG" if data.startswith(b"\xff\xd8") else "PNG", kept)


def _png(data: bytes, _: str) -> bytes:
    picture, kept = _first(data)
    if picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    return _encoded(picture, "PNG", kept)


def _jpeg(data: bytes, _: str) -> bytes:
    picture, kept = _first(data)
    if picture.has_transparency_data:
        raise Refused("it is transparent, which JPEG is not: use convert=png, or flatten-alpha")
    return _encoded(picture if picture.mode == "L" else picture.convert("RGB"), "JPEG", kept)


def _copy(data: bytes, _: str) -> bytes:
    return data  # of a link: the file itself in its place


def _more_formats(data: bytes) -> None:
    """Teach Pillow HEIC and JPEG XL, where their plug-ins are installed."""
    name = None
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc"):
        name = "pillow_heif"
    elif data.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        name = "pillow_jxl"
    if name is None:
        return
    import importlib

    try:
        plugin = importlib.import_module(name)
    except ImportError:
        package = {"pillow_heif": "pillow-heif", "pillow_jxl": "pillow-jxl-plugin"}[name]
        raise Refused(f"decoding it needs `pip install {package}`") from None
    if name == "pillow_heif":
        plugin.register_heif_opener()


_EDITS: dict[str, Callable[[bytes, str], bytes]] = {
    "scrub": _scrub,
    "cut": _cut,
    "upright": _upright,
    "rotate": _rotate,
    "turn": _turn,
    "crop": _crop,
    "flatten": _flatten,
    "scale": _scale,
    "rgb": _rgb,
    "first-frame": _png,
    "png": _png,
    "jpeg": _jpeg,
    "copy": _copy,
}
EDITS = frozenset(_EDITS)
