"""Made-up secrets in everything that may carry them, and what looks like a secret and is none.

All of it is made by a generator with a fixed seed; beginnings of tokens are put together here, so
that no scanner of this repository takes them for real.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import gzip
import hashlib
import io
import itertools
import json
import lzma
import quopri
import random
import re
import string
import struct
import tarfile
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from urllib.parse import quote

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hubtools.dataset.pictures.private.png_blocks import png_chunks, png_file
from tests.security.secrets_apart import near_apart, planted_apart
from tests.security.secrets_everyday import near_everyday, planted_everyday
from tests.security.secrets_languages import near_in_languages, planted_in_languages

LETTERS = string.ascii_letters + string.digits
Make = Callable[[random.Random], str]
Carry = Callable[[str, random.Random], bytes]


def some(n: int, alphabet: str = LETTERS) -> Make:
    return lambda r: "".join(r.choice(alphabet) for _ in range(n))


def told(*parts: str | Make) -> Make:
    """Pieces one after another."""
    return lambda r: "".join(part if isinstance(part, str) else part(r) for part in parts)


HEX, UPPER = "0123456789abcdef", string.ascii_uppercase + string.digits
URLSAFE = LETTERS + "-_"


def _jwt(r: random.Random) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    signature = base64.urlsafe_b64encode(r.randbytes(32)).decode().rstrip("=")
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': str(r.random())})}.{signature}"


def _pem(kind: str) -> Make:
    def make(r: random.Random) -> str:
        body = base64.encodebytes(r.randbytes(120)).decode()
        return f"-----BEGIN {kind}-----\n{body}-----END {kind}-----"

    return make


# What it is, and the text that gives it away: the token alone, or with what stands beside it.
SECRETS: dict[str, Make] = {
    "hugging face": told("h", "f_", some(34, string.ascii_letters)),
    "hugging face jwt": told("h", "f_jwt_", _jwt),
    "hugging face oauth": told("h", "f_oauth_", _jwt),
    "hugging face organisation": told("api", "_org_", some(34, string.ascii_letters)),
    "github": told("gh", "p_", some(36)),
    "github app": told("gh", "s_", some(36)),
    "github fine": told("github", "_pat_", some(22), "_", some(59)),
    "gitlab": told("gl", "pat-", some(20, URLSAFE.replace("-", "").replace("_", ""))),
    "bitbucket": told("AT", "BB", some(32)),
    "aws id": told("AK", "IA", some(16, UPPER)),
    "aws secret": told("aws_secret_access", "_key = ", some(40, LETTERS + "/+")),
    "google": told("AI", "za", some(35, URLSAFE)),
    "google oauth": told("GOC", "SPX-", some(28, URLSAFE)),
    "google service account": told(
        '{"type": "service_account", "private_key": "',
        lambda r: _pem("PRIVATE" + " KEY")(r).replace("\n", "\\n"),
        '"}',
    ),
    "azure storage": told("Account", "Key=", some(86, LETTERS + "+/"), "=="),
    "azure sas": told("?sv=2024-11-04&se=2030-01-01&sp=r&s", "ig=", some(43, LETTERS), "%3D"),
    "azure client": told(some(3), some(1, "123456789"), "Q", "~", some(34)),
    "openai": told("s", "k-", some(48)),
    "openai project": told("s", "k-proj-", some(20), "T3BlbkFJ", some(20)),
    "anthropic": told("s", "k-ant-api03-", some(93, URLSAFE), "AA"),
    "replicate": told("r", "8_", some(37)),
    "wandb": told("WANDB_API_KEY", "=", some(40, HEX)),
    "comet": told("COMET_API_KEY", ": ", some(25)),
    "civitai": told("https://civitai.com/api/download/models/1?tok", "en=", some(32, HEX)),
    "slack": told(
        "xo", "xb-", some(12, string.digits), "-", some(12, string.digits), "-", some(24)
    ),
    "slack webhook": told(
        "https://hooks.sl",
        "ack.com/services/T",
        some(8, UPPER),
        "/B",
        some(8, UPPER),
        "/",
        some(24),
    ),
    "discord": told("M", some(23), ".", some(6), ".", some(27)),
    "discord webhook": told(
        "https://disc", "ord.com/api/webhooks/", some(18, string.digits), "/", some(68, URLSAFE)
    ),
    "telegram": told(some(9, "123456789"), ":A", "A", some(33)),
    "stripe": told("sk_", "live_", some(24)),
    "sendgrid": told("S", "G.", some(22), ".", some(43)),
    "pypi": told("py", "pi-AgEIcHlwaS5vcmc", some(120)),
    "npm": told("np", "m_", some(36)),
    "jwt": _jwt,
    "pem": _pem("RSA PRIVATE" + " KEY"),
    "openssh": _pem("OPENSSH PRIVATE" + " KEY"),
    "pgp": _pem("PGP PRIVATE" + " KEY BLOCK"),
    "age": told("AGE-SECRET", "-KEY-1", some(58, UPPER)),
    "netrc": told("machine api.wandb.ai\n  login user\n  pass", "word ", some(40, HEX)),
    "kaggle": told('{"username": "someone", "k', 'ey": "', some(32, HEX), '"}'),
    "address": told("postgres", "://admin:", some(14), "@db.internal:5432/people"),
    "git address": told("https", "://me:", some(12), "@git.internal/me/set.git"),
    "beside its name": told('"client_sec', 'ret": "', some(32, URLSAFE), '"'),
    "password": told("DB_PASS", "WORD=", some(8), "!", some(3, string.digits)),
    "bearer": told("Authorization: Bea", "rer ", some(40)),
    "hmac": told("HMAC", "_KEY=", some(64, HEX)),
    "fernet": told('"FERNET', '_KEY": "', some(43, URLSAFE), '="'),
    "jwk": told('{"kty": "EC", "x": "', some(43, URLSAFE), '", "d": "', some(43, URLSAFE), '"}'),
    "fal": told(
        "FAL_K", "EY=", lambda r: str(uuid.UUID(int=r.getrandbits(128))), ":", some(32, HEX)
    ),
}
# What has several lines; all else can be a literal of a program, a cell, a value.
LINES = ("netrc", "pem", "openssh", "pgp")


def _pieces(text: str, count: int = 2) -> list[str]:
    """`text` cut in the middle of its longest run of letters and digits."""
    run = max(re.finditer(r"[A-Za-z0-9]+", text), key=lambda found: len(found[0]))
    cuts = [run.start() + len(run[0]) * n // count for n in range(1, count)]
    return [text[a:b] for a, b in itertools.pairwise([0, *cuts, len(text)])]


def _literals(sign: str, count: int = 2, quote: str = "'") -> Carry:
    def carry(text: str, r: random.Random) -> bytes:
        pieces = [
            quote + piece.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote
            for piece in _pieces(text, count)
        ]
        return f"import os\n\nclient = Client(\n    {sign.join(pieces)}\n)\n".encode()

    return carry


def _letters(form: str, before: str = "", behind: str = "") -> Carry:
    """Every letter in another form."""
    return lambda text, r: (before + "".join(form.format(ord(c)) for c in text) + behind).encode()


def _member(data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("0001.txt")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _zip(data: bytes, name: str = "notes.txt") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def picture(format: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16), (90, 40, 10)).save(out, format, **options)
    return out.getvalue()


def _png(kind: bytes, data: bytes) -> bytes:
    info = PngInfo()
    info.add(kind, data)
    return picture(pnginfo=info)


def _behind_pixels(data: bytes) -> bytes:
    """In the chunk of the pixels, behind what these are packed in."""
    chunks = png_chunks(picture())
    return png_file([(kind, body + data if kind == b"IDAT" else body) for kind, body in chunks])


def _uuencoded(data: bytes) -> bytes:
    lines = [binascii.b2a_uu(data[n : n + 45]) for n in range(0, len(data), 45)]
    return b"begin 644 notes.txt\n" + b"".join(lines) + b"`\nend\n"


def _git_patch(data: bytes) -> bytes:
    """A file as `git diff --binary` has it."""
    packed, lines = zlib.compress(data), []
    for n in range(0, len(packed), 52):
        part = packed[n : n + 52]
        length = chr(64 + len(part)) if len(part) <= 26 else chr(70 + len(part))
        lines.append(length.encode() + base64.b85encode(part, pad=True) + b"\n")
    return b"GIT binary patch\nliteral %i\n" % len(data) + b"".join(lines) + b"\n"


def _element(id: bytes, data: bytes) -> bytes:
    return id + struct.pack(">Q", len(data) | 1 << 56) + data


def _matroska(name: bytes, text: bytes) -> bytes:
    tag = _element(b"\x67\xc8", _element(b"\x45\xa3", name) + _element(b"\x44\x87", text))
    tags = _element(b"\x12\x54\xc3\x67", _element(b"\x73\x73", tag))
    head = _element(b"\x1a\x45\xdf\xa3", _element(b"\x42\x82", b"matroska"))
    return head + _element(b"\x18\x53\x80\x67", tags + _element(b"\x1f\x43\xb6\x75", bytes(999)))


def _exif(tag: int, value: bytes | str, format: str) -> bytes:
    exif = Image.Exif()
    exif[tag] = value
    return picture(format, exif=exif.tobytes())


def _iptc(text: str) -> bytes:
    data = text.encode()
    block = b"\x1c\x02\x78" + len(data).to_bytes(2, "big") + data
    block += b"\0" * (len(block) % 2)
    segment = b"Photoshop 3.0\08BIM\x04\x04\0\0" + len(block).to_bytes(4, "big") + block
    jpeg = picture("JPEG")
    return jpeg[:2] + b"\xff\xed" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]


def _xmp(text: str) -> str:
    return f"<x:xmpmeta xmlns:x='adobe:ns:meta/'><d>{text.replace('<', '')}</d></x:xmpmeta>"


def _parquet(text: str, *, bytes_too: bool = False) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: dict[str, object] = {"text": ["a man", text, "a woman"]}
    if bytes_too:
        rows = {"image": [{"bytes": _png(b"zTXt", b"workflow\0\0" + zlib.compress(text.encode()))}]}
    out = io.BytesIO()
    pq.write_table(pa.table(rows), out, compression="zstd")
    return out.getvalue()


def _arrow(text: str) -> bytes:
    import pyarrow as pa

    out = io.BytesIO()
    table = pa.table({"text": ["a man", text, "a woman"]})
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def _safetensors(text: str) -> bytes:
    header = json.dumps(
        {
            "__metadata__": {"note": text},
            "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        }
    ).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


def _notebook(text: str) -> bytes:
    cell = {"cell_type": "code", "source": ["import os\n", text], "outputs": []}
    return json.dumps({"cells": [cell], "nbformat": 4}).encode()


def _wrapped(data: bytes, width: int) -> bytes:
    return b"\n".join(data[n : n + width] for n in range(0, len(data), width)) + b"\n"


def _escaped(text: str) -> bytes:
    return ('{"a": "' + "".join(f"\\u{ord(c):04x}" for c in text) + '"}').encode()


CARRIERS: dict[str, Carry] = {
    "log": lambda t, r: f"step 1\nloss 0.5\n{t}\nstep 2\n".encode(),
    "svg": lambda t, r: f"<svg><!-- {t} --></svg>".encode(),
    "latin-1": lambda t, r: f"gr\xfc\xdfe\n{t}\n".encode("latin-1"),
    "utf-16": lambda t, r: f"note\n{t}\n".encode("utf-16"),
    "utf-16-be": lambda t, r: f"note\n{t}\n".encode("utf-16-be"),
    "utf-16 in chinese": lambda t, r: f"\u7167\u7247 {t} \u7684".encode("utf-16-le"),
    "utf-32": lambda t, r: f"note\n{t}\n".encode("utf-32"),
    "utf-8-sig": lambda t, r: f"note\r\n{t}\r\n".encode("utf-8-sig"),
    "notebook": lambda t, r: _notebook(t),
    "json in json": lambda t, r: json.dumps({"a": json.dumps({"b": [t]})}).encode(),
    "escaped": lambda t, r: _escaped(t),
    "base64": lambda t, r: b"data: " + base64.b64encode(f"so: {t}".encode()) + b"\n",
    "base64 lines": lambda t, r: base64.encodebytes(b"x" * 70 + f" {t} ".encode() + b"y" * 70),
    "binary": lambda t, r: r.randbytes(999) + b"\0" + t.encode() + b"\0" + r.randbytes(999),
    "far": lambda t, r: b"a photo of a man\n" * 300_000 + t.encode() + b"\n",
    "zip": lambda t, r: _zip(t.encode()),
    "zip in zip": lambda t, r: _zip(_zip(t.encode()), "inner.zip"),
    "tar": lambda t, r: _member(t.encode()),
    "tar.gz": lambda t, r: gzip.compress(_member(t.encode())),
    "gz": lambda t, r: gzip.compress(t.encode()),
    "bz2": lambda t, r: bz2.compress(t.encode()),
    "xz": lambda t, r: lzma.compress(t.encode()),
    "parquet": lambda t, r: _parquet(t),
    "picture in parquet": lambda t, r: _parquet(t, bytes_too=True),
    "arrow": lambda t, r: _arrow(t),
    "safetensors": lambda t, r: _safetensors(t),
    "png text": lambda t, r: _png(b"tEXt", b"Comment\0" + t.encode()),
    "png packed": lambda t, r: _png(b"zTXt", b"Comment\0\0" + zlib.compress(t.encode())),
    "png itxt": lambda t, r: _png(b"iTXt", b"c\0\1\0\0\0" + zlib.compress(t.encode())),
    "png private": lambda t, r: _png(b"prVt", zlib.compress(t.encode())),
    "exif": lambda t, r: _exif(0x010E, t, "JPEG"),
    "xp comment": lambda t, r: _exif(0x9C9C, (t + "\0").encode("utf-16-le"), "JPEG"),
    "avif": lambda t, r: _exif(0x010E, t, "AVIF"),
    "webp": lambda t, r: _exif(0x010E, t, "WEBP"),
    "webp xmp": lambda t, r: picture("WEBP", xmp=_xmp(t).encode()),
    "jpeg xmp": lambda t, r: picture("JPEG", xmp=_xmp(t).encode()),
    "iptc": lambda t, r: _iptc(t),
    "gif": lambda t, r: picture("GIF", comment=b"z" * 230 + b" " + t.encode()),
    "behind a jpeg": lambda t, r: picture("JPEG") + t.encode(),
    "zip behind a png": lambda t, r: picture() + _zip(t.encode()),
    "tiff": lambda t, r: picture("TIFF", description=t),
    "gzip behind a png": lambda t, r: picture() + gzip.compress(t.encode()),
    "xz behind a jpeg": lambda t, r: picture("JPEG") + lzma.compress(t.encode()),
    "zlib behind a png": lambda t, r: picture() + zlib.compress(t.encode()),
    "bz2 behind a gif": lambda t, r: picture("GIF") + bz2.compress(t.encode()),
    "tar.gz behind a webp": lambda t, r: picture("WEBP") + gzip.compress(_member(t.encode())),
    "zip before a zip": lambda t, r: _zip(t.encode()) + _zip(b"hello", "b.txt"),
    "png private far": lambda t, r: _png(b"prVt", b"\1" * 500 + zlib.compress(t.encode())),
    "png private second": lambda t, r: _png(
        b"prVt", zlib.compress(b"hello world") + zlib.compress(t.encode())
    ),
    "pdf": lambda t, r: (
        b"%PDF-1.4\n1 0 obj<</Filter/FlateDecode/Length 99>>stream\n"
        + zlib.compress(t.encode())
        + b"\nendstream endobj\n%%EOF"
    ),
    "literals with a plus": _literals(" + "),
    "literals one behind the other": _literals(" ", 3, '"'),
    "literals on lines": _literals("\n    ", 3),
    "literals with a backslash": _literals(" \\\n    ", 3, '"'),
    "a literal that grows": _literals(";\nvalue += ", 2),
    "line goes on": lambda t, r: ("run --with " + "\\\n".join(_pieces(t)) + "\n").encode(),
    "literals in a notebook": lambda t, r: _notebook(_literals("\n    ", 2)(t, r).decode()),
    "joined list": lambda t, r: f"x = ''.join({_pieces(t.replace(chr(10), ' '), 3)!r})".encode(),
    "octal": _letters("\\{:03o}"),
    "hexadecimal": _letters("\\x{:02x}"),
    "unicode of eight digits": _letters("\\U{:08x}"),
    "url": lambda t, r: f"https://x.org/?q={quote(t, safe='')}".encode(),
    "url of all": _letters("%{:02X}"),
    "html entities": _letters("&#{};"),
    "html entities in hex": _letters("&#x{:x};", " ", " "),
    "html names": lambda t, r: t.replace("_", "&lowbar;").replace("=", "&equals;").encode(),
    "quoted-printable": lambda t, r: quopri.encodestring(("=C3=BC" + t).encode(), quotetabs=False),
    "quoted-printable of all": _letters("={:02X}"),
    "rtf": _letters("\\'{:02x}", "{\\rtf1\\ansi ", "}"),
    "rtf in runs": lambda t, r: (
        "{\\rtf1 {\\b " + "}{\\insrsid123 ".join(_pieces(t, 3)) + "}}"
    ).encode(),
    "markdown": lambda t, r: t.replace("_", "\\_").encode(),
    "xml in runs": lambda t, r: "<t>{}</t></r><r><t>{}</t>".format(*_pieces(t)).encode(),
    "yaml folded": lambda t, r: ("value: >-\n  " + "\n  ".join(_pieces(t, 3)) + "\n").encode(),
    "yaml quoted": lambda t, r: ('value: "' + "\\\n   ".join(_pieces(t, 3)) + '"\n').encode(),
    "ini of lines": lambda t, r: ("[a]\nb = " + "\n    ".join(_pieces(t)) + "\nc = 1\n").encode(),
    "toml of lines": lambda t, r: ('v = """\n' + "\\\n  ".join(_pieces(t)) + '"""\n').encode(),
    "json in json in json": lambda t, r: json.dumps(
        json.dumps(json.dumps([json.dumps(t)]))
    ).encode(),
    "base64 alone": lambda t, r: b"{" + base64.b64encode(t.encode()) + b"}",
    "base64 in lines of 24": lambda t, r: _wrapped(base64.b64encode(t.encode()), 24),
    "base64 in lines of 76": lambda t, r: _wrapped(base64.b64encode(b"x " * 20 + t.encode()), 76),
    "base64 behind another": lambda t, r: (
        base64.b64encode(r.randbytes(40)) + b"\n" + base64.b64encode(t.encode()) + b"\n"
    ),
    "base32": lambda t, r: base64.b32encode(t.encode()),
    "hex digits": lambda t, r: t.encode().hex().encode(),
    "uuencode": lambda t, r: _uuencoded(t.encode()),
    "ascii85": lambda t, r: b"stream\n" + base64.a85encode(t.encode(), adobe=True) + b"\n",
    "base85 in python": lambda t, r: (
        b'data = base64.b85decode("' + base64.b85encode(t.encode()) + b'")\n'
    ),
    "git patch": lambda t, r: _git_patch(t.encode()),
    "png deflated": lambda t, r: _png(b"prVt", zlib.compress(t.encode(), wbits=-15)),
    "behind the pixels of a png": lambda t, r: _behind_pixels(zlib.compress(t.encode())),
    "deflated behind the pixels": lambda t, r: _behind_pixels(zlib.compress(t.encode(), wbits=-15)),
    "tag of a film": lambda t, r: _matroska(b"COMMENT", t.encode()),
    "picture in base64": lambda t, r: json.dumps(
        {
            "image/png": base64.encodebytes(
                _png(b"zTXt", b"c\0\0" + zlib.compress(t.encode()))
            ).decode()
        }
    ).encode(),
}


# What cuts a value in pieces, or puts it into one line.
IN_ONE_LINE = frozenset(CARRIERS) & {
    "literals with a plus", "literals one behind the other", "literals on lines", "joined list",
    "literals with a backslash", "a literal that grows", "line goes on", "literals in a notebook",
    "yaml folded", "yaml quoted", "ini of lines", "toml of lines", "rtf in runs", "xml in runs",
    "html names", "markdown", "quoted-printable",
}  # fmt: skip


def planted(seed: int = 1) -> Iterator[tuple[str, str, bytes]]:
    """(name of the case, what gives it away, file): every secret in a text and in nine other
    carriers, every carrier often."""
    r = random.Random(seed)
    carriers = list(CARRIERS)
    turn = 0
    for what, make in SECRETS.items():
        names = ["log"] + [carriers[(turn + n * 7) % len(carriers)] for n in range(1, 10)]
        turn += 3
        for carrier in dict.fromkeys(names):
            if what in LINES and carrier in IN_ONE_LINE:
                continue
            text = make(r)
            yield f"{what} in {carrier}", text, CARRIERS[carrier](text, r)
    yield from planted_apart(seed + 10)
    yield from planted_in_languages(seed + 20)
    yield from planted_everyday(seed + 30)


_WORDS = [
    "a",
    "photo",
    "of",
    "the",
    "man",
    "woman",
    "person",
    "in",
    "front",
    "of",
    "house",
    "with",
    "red",
    "hat",
    "standing",
    "street",
    "token",
    "key",
    "secret",
    "garden",
    "password",
    "gate",
    "author",
    "authentic",
    "keyboard",
    "keys",
    "monkey",
    "passing",
    "compass",
    "sitting",
    "portrait",
    "bearer",
    "basic",
    "machine",
    "login",
    "light",
    "window",
    "old",
    "city",
    "painting",
]


def near_misses(seed: int = 2) -> Iterator[tuple[str, str]]:
    """(kind, text) of at least 3,000 things that are no secrets."""
    r = random.Random(seed)
    for make in _KINDS:
        for _ in range(100):
            yield make.__name__, make(r)
    for text in near_apart(seed + 10):
        yield "apart", text
    for text in near_in_languages(seed + 20):
        yield "languages", text
    for text in near_everyday(seed + 30):
        yield "everyday", text
    for text in _FIXED:
        yield "fixed", text


def _hash(r: random.Random, name: str) -> str:
    return hashlib.new(name, r.randbytes(8), usedforsecurity=False).hexdigest()


def sha256_line(r: random.Random) -> str:
    return f"{_hash(r, 'sha256')}  images/{r.randrange(9999):05d}.png"


def git_id(r: random.Random) -> str:
    return f"commit {_hash(r, 'sha1')}\nAuthor: someone\n\n    {caption(r)}"


def revision(r: random.Random) -> str:
    return json.dumps({"revision": _hash(r, "sha1"), "etag": _hash(r, "md5")})


def cache_key(r: random.Random) -> str:
    return json.dumps({"cache_key": _hash(r, "sha256"), "key": _hash(r, "md5"), "n": 1})


_OPEN_KEYS = (
    "primary foreign cache sort dict hash file image picture sample shard partition object record group index"
    " lookup idempotency video user row dedup content public ssh_host unique artwork scene tag prompt"
)


def open_key(r: random.Random) -> str:
    """Keys of rows, caches and pictures are no secrets."""
    name = r.choice(_OPEN_KEYS.split())
    value = r.choice(
        [
            _hash(r, "md5"), _hash(r, "sha1"), _hash(r, "sha256"),
            str(uuid.UUID(int=r.getrandbits(128))), some(27)(r), some(21, URLSAFE)(r),
        ]
    )  # fmt: skip
    return r.choice(
        [
            f'{{"{name}_key": "{value}", "text": "{caption(r)}"}}', f"{name}_key: {value}",
            f'{name}Key: "{value}"', f"file_name,{name}_key\na.png,{value}\n",
            f'<item {name}-key="{value}"/>', f"| {name}_key | {value} |",
        ]
    )  # fmt: skip


def open_variable(r: random.Random) -> str:
    """The same as variables, and keys alone."""
    value = _hash(r, r.choice(["md5", "sha1", "sha256"]))
    if r.random() < 0.3:
        value = base64.b64encode(r.randbytes(r.choice([20, 32, 48]))).decode()
    name = r.choice(
        [
            "CACHE_KEY", "PRIMARY_KEY", "sort_key", "HASH_KEY", "IMAGE_KEY", "PUBLIC_KEY", "FILE_KEY",
            "GITHUB_COMMIT_KEY", "TOKEN_BUCKET_FILE_KEY", "DOCKER_IMAGE_KEY", "GOOGLE_SHEET_KEY",
            "REDIS_LOCK_KEY", "NPM_INTEGRITY_KEY", "L10N_KEY", "AZURE_CACHE_KEY", "EVENT_KEY",
            "SEARCH_RESULT_KEY", "AWS_S3_OBJECT_KEY", "CONTENT_HASH_KEY", "X-Cache-Key",
        ]
    )  # fmt: skip
    return r.choice(
        [f"{name}={value}", f"export {name}='{value}'", f'{name} = "{value}"', f'"key": "{value}"']
    )


def tokens_of_texts(r: random.Random) -> str:
    return json.dumps(
        {
            "vocab": {r.choice(_WORDS) + "</w>": r.randrange(49408)},
            "token": f"▁{r.choice(_WORDS)}", "eos_token": "<|im_end|>", "unk_token": "[UNK]",
            "additional_special_tokens": [f"<extra_id_{r.randrange(99)}>"], "keywords": _WORDS[:3],
        }
    )  # fmt: skip


def caption(r: random.Random) -> str:
    return " ".join(r.choice(_WORDS) for _ in range(r.randrange(5, 25)))


def record(r: random.Random) -> str:
    return json.dumps(
        {"file_name": f"{_hash(r, 'md5')}.png", "text": caption(r), "seed": r.getrandbits(32)}
    )


def said(r: random.Random) -> str:
    return f"{r.choice(['token', 'secret', 'password', 'key'])}: {caption(r)}"


def uuids(r: random.Random) -> str:
    return json.dumps({"id": str(uuid.UUID(int=r.getrandbits(128))), "session": r.getrandbits(40)})


def integrity(r: random.Random) -> str:
    value = base64.b64encode(r.randbytes(64)).decode()
    return f'"node_modules/x": {{"version": "1.2.3", "integrity": "sha512-{value}"}}'


def lock_file(r: random.Random) -> str:
    return f'name = "numpy"\nversion = "1.26.4"\nhash = "sha256:{_hash(r, "sha256")}"'


def requirement(r: random.Random) -> str:
    return f"numpy==1.26.4 --hash=sha256:{_hash(r, 'sha256')}"


def picture_base64(r: random.Random) -> str:
    image = Image.frombytes("RGB", (9, 9), r.randbytes(243))
    out = io.BytesIO()
    image.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def random_base64(r: random.Random) -> str:
    return base64.encodebytes(r.randbytes(900)).decode()


def random_urlsafe(r: random.Random) -> str:
    return base64.urlsafe_b64encode(r.randbytes(900)).decode()


def notebook(r: random.Random) -> str:
    cell = {
        "cell_type": "code",
        "source": [caption(r)],
        "outputs": [{"image/png": picture_base64(r)}],
    }
    return json.dumps({"cells": [cell], "id": _hash(r, "md5")[:8]})


def placeholder(r: random.Random) -> str:
    name = r.choice(["HF_TOKEN", "api_key", "WANDB_API_KEY", "password", "client_secret", "token"])
    value = r.choice(
        [
            "hf_" + "x" * 34, "YOUR_TOKEN_HERE", "<token>", "${HF_TOKEN}", "your-api-key-goes-here",
            "os.environ['HF_TOKEN']", "{{ secrets.HF_TOKEN }}", "$(cat token.txt)", "changeme",
            "null", "None", "********************", "xxxxxxxxxxxxxxxxxxxxxxxx", "hf_...",
            "sk-XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", "[REDACTED]", "getpass.getpass()",
            "insert_your_key_here", "REPLACE_ME_WITH_A_REAL_KEY_1", "hf_" + "*" * 34,
        ]
    )  # fmt: skip
    return r.choice(
        [f"{name}={value}", f'{name} = "{value}"', f'"{name}": "{value}"', f"{name}: {value}"]
    )


def svg(r: random.Random) -> str:
    path = "".join(
        f"{r.choice('mlcqz')}{r.uniform(-99, 99):.2f},{r.uniform(-99, 99):.2f}" for _ in range(40)
    )
    return f'<svg viewBox="0 0 24 24"><path fill="#{_hash(r, "md5")[:6]}" d="{path}"/></svg>'


def colours(r: random.Random) -> str:
    return " ".join(f"#{_hash(r, 'md5')[:6]}" for _ in range(9))


def model_id(r: random.Random) -> str:
    name = r.choice(["stabilityai/stable-diffusion-xl-base-1.0", "black-forest-labs/FLUX.1-dev"])
    return json.dumps({"base_model": name, "token": r.choice(["sks", "ohwx", "<s1>"]), "key": name})


def address(r: random.Random) -> str:
    return r.choice(
        [
            f"https://huggingface.co/datasets/me/set/resolve/{_hash(r, 'sha1')}/a.png",
            f"https://cdn.example/{_hash(r, 'sha256')}?width=512&v={r.getrandbits(30)}",
            f"https://example.com:8080/@me/{r.getrandbits(50)}",
            "https://user:password@example.com/x",
            "git@github.com:owner/repository.git",
            "mailto:someone@example.com, see https://example.com/a:b",
        ]
    )


def seeds(r: random.Random) -> str:
    return f"Seed: {r.getrandbits(32)}, Steps: 30, Model hash: {_hash(r, 'sha256')[:10]}, CFG: 7.5"


def tokenizer(r: random.Random) -> str:
    return json.dumps(
        {
            "pad_token": "<|endoftext|>", "bos_token": "<|startoftext|>",
            "tokenizer_class": "CLIPTokenizer", "added_tokens_decoder": {"49407": {"content": "x"}},
            "model_max_length": 77, "token_id": r.randrange(49407),
        }
    )  # fmt: skip


def tensor_names(r: random.Random) -> str:
    n = r.randrange(12)
    return json.dumps(
        {
            f"lora_unet_down_blocks_{n}_attentions_0_to_k.lora_down.weight": {"dtype": "F16"},
            "sshs_model_hash": _hash(r, "sha256"),
            "ss_new_sd_model_hash": _hash(r, "sha256"),
        }
    )


def code(r: random.Random) -> str:
    return r.choice(
        [
            "token = os.environ.get('HF_TOKEN')", "password = getpass.getpass('Password: ')",
            "from huggingface_hub import hf_hub_download, HfApi  # hf_transfer_is_enabled",
            "api_key: str = Field(default=None)", "auth = HTTPBasicAuth(user, password)",
            "def secret_key_from_environment(token_name: str) -> str:",
            "api_key = settings.OPENAI_API_KEY", "headers = {'Authorization': f'Bearer {token}'}",
            "curl -H 'Authorization: Bearer $HF_TOKEN' https://huggingface.co/api/whoami-v2",
            "key = lambda item: item.created_at", "sorted(values, key=operator.attrgetter('name'))",
            "assert tokenizer.pad_token_id == tokenizer.eos_token_id",
        ]
    )  # fmt: skip


def workflow(r: random.Random) -> str:
    return "env:\n  HF_TOKEN: ${{ secrets.HF_TOKEN }}\n  uses: actions/checkout@" + _hash(r, "sha1")


def xmp_ids(r: random.Random) -> str:
    return f'xmpMM:DocumentID="xmp.did:{uuid.UUID(int=r.getrandbits(128))}" xmpMM:InstanceID="{_hash(r, "md5").upper()}"'


def file_list(r: random.Random) -> str:
    return "\n".join(f"{r.getrandbits(60)}_{r.getrandbits(60)}_n.jpg" for _ in range(5))


def public_key(r: random.Random) -> str:
    body = base64.b64encode(r.randbytes(90)).decode()
    return r.choice(
        [
            f"ssh-ed25519 {body} me@machine",
            f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----",
        ]
    )


def weights_name(r: random.Random) -> str:
    return f"sk-learn-pipelines-and-{r.choice(_WORDS)}-for-task-classification-{r.randrange(9)}.safetensors"


def csv_row(r: random.Random) -> str:
    return f"{r.randrange(9999)},{_hash(r, 'md5')},{r.random()},{caption(r)},+{r.randrange(10**10)}"


_KINDS = [
    sha256_line, git_id, revision, cache_key, caption, record, said, uuids, integrity, lock_file,
    requirement, picture_base64, random_base64, random_urlsafe, notebook, placeholder, svg, colours,
    model_id, address, seeds, tokenizer, tensor_names, code, workflow, xmp_ids, file_list,
    public_key, weights_name, csv_row, open_key, open_variable, tokens_of_texts,
]  # fmt: skip
# Keys that manuals of the services print.
_FIXED = [
    "AKIA" + "IOSFODNN7EXAMPLE",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY",
    "-----BEGIN PRIVATE" + " KEY-----\n...\n-----END PRIVATE KEY-----",
    "set HF_TOKEN=hf_... first; hf_hub_download does it",
    "the file begins with -----BEGIN RSA PRIVATE" + " KEY----- <your key>",
    "machine huggingface.co login <user> password <token>",
]
