"""Whose a picture says it is, and what it reserves, in every place where that may stand."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from marked import DMI, alt, iptc, itxt, jpeg, manifest, png, webp, xmp
from photos import photo
from PIL import Image

from hubtools.dataset.pictures.embedded.rights_metadata import RightsMetadata, rights_metadata_of
from hubtools.dataset.pictures.probe import probe_bytes

FORBIDDEN = {"c2pa.ai_training": "notAllowed"}
SAID = "c2pa.training-mining: ai_training notAllowed"


def read(data: bytes) -> RightsMetadata:
    facts = probe_bytes(data, "a")
    assert facts.problem is None
    return RightsMetadata(facts.creator, facts.notice, facts.reserved, facts.credentials)


def exif(**tags: str) -> Image.Exif:
    data = Image.Exif()
    data[0x013B], data[0x8298] = tags.get("artist", ""), tags.get("copyright", "")
    return data


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif(format: str) -> None:
    buffer = io.BytesIO()
    photo(1, (64, 48)).save(buffer, format, exif=exif(artist="Jane", copyright="(c) Jane\0Ed"))
    assert read(buffer.getvalue()) == RightsMetadata("Jane", "(c) Jane Ed")


def test_exif_in_utf_8() -> None:
    data = jpeg(exif=exif(copyright="?? Ren??"))
    assert read(data.replace(b"?? Ren??", "\u00a9 Ren\u00e9".encode())).notice == "\u00a9 Ren\u00e9"


@pytest.mark.parametrize(
    ("block", "claims"),
    [
        (iptc(n80="Jane", n110="An Agency", n116="(c) 2025"), RightsMetadata("Jane", "(c) 2025")),
        (iptc(n110="An Agency"), RightsMetadata("An Agency")),
        (iptc(n116=b"\xa9 Ren\xe9"), RightsMetadata("", "\u00a9 Ren\u00e9")),
        (iptc(n40="No AI training"), RightsMetadata("", "", "in words: 'No AI training'")),
        (iptc(n80="Jane")[:-2], RightsMetadata("Ja")),
    ],
)
def test_iptc(block: bytes, claims: RightsMetadata) -> None:
    assert read(jpeg(iptc=block)) == claims


MINING = RightsMetadata("", "", "plus:DataMining DMI-PROHIBITED-AIMLTRAINING")
PACKETS: list[tuple[bytes, RightsMetadata]] = [
    (
        xmp("<dc:creator><rdf:Seq><rdf:li>Jane</rdf:li><rdf:li>Jo</rdf:li></rdf:Seq></dc:creator>"),
        RightsMetadata("Jane, Jo"),
    ),
    (xmp(alt("dc:rights", "(c) Jane")), RightsMetadata("", "(c) Jane")),
    (xmp(alt("dc:rights", "CC0, public domain")), RightsMetadata()),
    (xmp(alt("dc:rights", "(c) Jane") + "<r:Marked>False</r:Marked>"), RightsMetadata()),
    (xmp(attributes='r:Marked="True"'), RightsMetadata("", "marked as copyrighted")),
    (
        xmp(f"<p:DataMining>{DMI}</p:DataMining>"),
        MINING,
    ),
    (
        xmp(attributes='p:DataMining="DMI-PROHIBITED"'),
        RightsMetadata("", "", "plus:DataMining DMI-PROHIBITED"),
    ),
    (
        xmp(f"<p:DataMining>{DMI.replace('PROHIBITED-AIMLTRAINING', 'ALLOWED')}</p:DataMining>"),
        RightsMetadata(),
    ),
    (xmp("<t:reservation>1</t:reservation>"), RightsMetadata("", "", "tdm:reservation")),
    (xmp(attributes='t:reserve="true"'), RightsMetadata("", "", "tdm:reservation")),
    (xmp("<t:reservation>0</t:reservation>"), RightsMetadata()),
    (
        xmp(alt("r:UsageTerms", "You may not use this for machine learning.")),
        RightsMetadata("", "", "in words: 'You may not use this for machine learning.'"),
    ),
    # not whole, but the word is unmistakable
    (
        xmp(f"<p:DataMining>{DMI}</p:DataMining>")[:-60],
        MINING,
    ),
    (b'<!DOCTYPE x [<!ENTITY a "Jane">]><x>creator &a;</x>', RightsMetadata()),
    (xmp(alt("dc:rights", " \u00a9 ")), RightsMetadata()),
]


@pytest.mark.parametrize(("packet", "claims"), PACKETS)
def test_xmp(packet: bytes, claims: RightsMetadata) -> None:
    assert read(jpeg(xmp=packet)) == claims
    assert read(webp(xmp=packet)) == claims
    assert read(png(itxt(packet))) == claims
    assert read(png(itxt(packet, packed=True), late=True)) == claims


@pytest.mark.parametrize(
    ("words", "reserves"),
    [
        ("All rights reserved. Not for AI training.", True),
        ("AI/ML training is prohibited", True),
        ("Use for text and data mining is not permitted", True),
        ("noai, noimageai", True),
        ("no generative AI", True),
        ("All rights reserved by Studio AI", False),
        ("Do not crop. Trained models wear our clothes", False),
        ("\u00a9 2025 The AI Company, no rights given", False),
        ("Made with generative AI", False),
    ],
)
def test_reservations_in_words(words: str, reserves: bool) -> None:
    claims = read(jpeg(xmp=xmp(alt("dc:rights", words))))
    assert bool(claims.reserved) is reserves
    assert claims.notice == words


def test_texts_of_png() -> None:
    chunks = ((b"tEXt", b"Author\0Jane"), (b"zTXt", b"Copyright\0\0nothing packed"))
    assert read(png(*chunks)) == RightsMetadata("Jane")


@pytest.mark.parametrize(
    ("store", "claims"),
    [
        (manifest(FORBIDDEN), RightsMetadata("", "", SAID, True)),
        (manifest(FORBIDDEN, json_=True), RightsMetadata("", "", SAID, True)),
        (
            manifest({"cawg.data_mining": "constrained"}, "cawg.training-mining__2"),
            RightsMetadata("", "", "cawg.training-mining__2: data_mining constrained", True),
        ),
        (manifest({"c2pa.ai_training": "allowed"}), RightsMetadata(credentials=True)),
        (manifest({"c2pa.ai_inference": "notAllowed"}), RightsMetadata(credentials=True)),
        (manifest(FORBIDDEN, "com.example.training-mining"), RightsMetadata(credentials=True)),
    ],
)
def test_content_credentials(store: bytes, claims: RightsMetadata) -> None:
    assert read(jpeg(c2pa=store)) == claims
    assert read(png((b"caBX", store))) == claims
    assert read(webp(c2pa=store)) == claims


def test_content_credentials_of_avif() -> None:
    buffer = io.BytesIO()
    photo(1, (64, 48)).save(buffer, "AVIF")
    uuid = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
    content = uuid + b"\0\0\0\0manifest\0" + b"\0" * 8 + manifest(FORBIDDEN)
    box = (8 + len(content)).to_bytes(4, "big") + b"uuid" + content
    assert read(buffer.getvalue() + box) == RightsMetadata("", "", SAID, True)


def test_cbor_of_every_kind() -> None:
    """Texts and maps without an end, numbers, tags and floats, as encoders may write them."""
    odd = (
        b"\xbf\x67entries\xbf\x7f\x68c2pa.ai_\x68training\xff\xa3\x63use\x6anotAllowed\x01\x02"
        b"\x63sig\xc1\xfb" + b"\0" * 8 + b"\xff\xff"
    )
    assert read(png((b"caBX", manifest({}, payload=odd)))).reserved == SAID


SEEDS = (
    jpeg(
        xmp=xmp(alt("dc:rights", "x") + f"<p:DataMining>{DMI}</p:DataMining>"),
        iptc=iptc(n80="Jane"),
        c2pa=manifest(FORBIDDEN),
        exif=exif(artist="Jane"),
    ),
    png(itxt(xmp(alt("dc:rights", "x")), packed=True), (b"caBX", manifest(FORBIDDEN))),
    webp(c2pa=manifest(FORBIDDEN), xmp=xmp(alt("dc:rights", "x"))),
)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(range(len(SEEDS))))
def test_hostile_bytes_never_raise(data: st.DataObject, seed: int) -> None:
    damaged = bytearray(SEEDS[seed])
    end = min(len(damaged), 4000)
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(12, end - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(20, len(damaged)))])
    probe_bytes(cut, "a")


class Opened:
    """What Pillow might give for a picture."""

    def __init__(self, format: str, block: Any) -> None:
        self.format = format
        self.info = {"xmp": block, "photoshop": {0x0404: block}}
        self.applist = [("APP11", block)]
        self.tag_v2 = {33723: block}

    def getexif(self) -> dict[int, Any]:
        return {0x013B: self.info["xmp"], 0x8298: 7}


NESTED = b"\x81" * 5000 + b"\x01"


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["JPEG", "TIFF", "WEBP", "AVIF", "PNG"]), st.binary(max_size=200))
@example("JPEG", b"JP\0\1\0\0\0\1" + manifest(FORBIDDEN).replace(b"\xa1\x67", NESTED))
@example("JPEG", b"JP\0\1\0\0\0\1" + b"\0\0\0\0jumb" * 5000)
@example("WEBP", b"creator" + b"<a>" * 5000)
def test_any_block_is_passed_over(format: str, block: bytes) -> None:
    picture: Any = Opened(format, block)
    assert isinstance(rights_metadata_of(picture, b"RIFF    WEBP" + block), RightsMetadata)
