"""Datasets of one extreme shape, as large as is asked for: what limits are for, and what time is
measured against."""

from __future__ import annotations

import io
import json
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WORDS = ("tok", "a photo", "of a person", "before", "the wall", "soft light", "red coat")


def _lines(root: Path, records: list[dict[str, Any]], name: str = "metadata.jsonl") -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("".join(json.dumps(record) + "\n" for record in records))


def _record(number: int, **more: Any) -> dict[str, Any]:
    return {"file_name": f"{number}.png", "text": f"tok, picture {number}", **more}


def many_rows(root: Path, size: int) -> None:
    """Short records."""
    count = max(1, size // 110)
    text = "tok, a photo of a person in front of a wall, soft light, number {}"
    _lines(root, [_record(n) | {"text": text.format(n)} for n in range(count)])


def long_captions(root: Path, size: int) -> None:
    """Captions of 2,000 words."""
    dice = random.Random(7)
    count = max(1, size // 10_000)
    texts = (" ".join(dice.choices(_WORDS, k=2_000)) for _ in range(count))
    _lines(root, [_record(n) | {"text": text} for n, text in enumerate(texts)])


def long_words(root: Path, size: int) -> None:
    """Captions of one word of 2,000 letters."""
    count = max(1, size // 2_000)
    _lines(root, [_record(n) | {"text": f"{n} " + "x" * 2_000} for n in range(count)])


def huge_word(root: Path, size: int) -> None:
    """One caption that is one word, beside others."""
    _lines(root, [_record(0) | {"text": "x" * size}, *map(_record, range(1, 20))])


def huge_caption(root: Path, size: int) -> None:
    """One caption of many words, garbled and marked up."""
    text = "tok, Ã© <b> &amp; a.png, " * max(1, size // 26)
    _lines(root, [_record(0) | {"text": text}, *map(_record, range(1, 20))])


def huge_line(root: Path, size: int) -> None:
    """One broken line."""
    _lines(root, [_record(0)])
    piece = '{"file_name": "1.png", "text": "he said "hi", ", '
    with (root / "metadata.jsonl").open("a") as file:
        file.write(piece * max(1, size // len(piece)) + "\n")


def unclosed(root: Path, size: int) -> None:
    """Records over several lines that are never closed."""
    _lines(root, [_record(0)])
    with (root / "metadata.jsonl").open("a") as file:
        file.write('{"file_name":\n"1.png", "text":\n[\n1,\n2,\n' * max(1, size // 40))


def broken_lines(root: Path, size: int) -> None:
    """Every line has a fault."""
    root.mkdir(parents=True, exist_ok=True)
    count = max(1, size // 60)
    lines = (f'{{"file_name": "{n}.png", "text": "tok "so" {n}",}}\n' for n in range(count))
    (root / "metadata.jsonl").write_text("".join(lines))


def many_columns(root: Path, size: int) -> None:
    """One record with a column for each value."""
    _lines(root, [_record(0, **{f"c{n}": 1 for n in range(max(1, size // 12))}), _record(1)])


def other_columns(root: Path, size: int) -> None:
    """Each record has columns of its own."""
    _lines(root, [_record(n, **{f"c{n}": n}) for n in range(max(1, size // 60))])


def csv_columns(root: Path, size: int) -> None:
    """A header of columns without names, and of one name."""
    root.mkdir(parents=True, exist_ok=True)
    count = max(1, size // 8)
    row = ",".join("1" * count)
    text = f"file_name,text{',' * count}{',text' * count}\n0.png,tok,{row}\n"
    (root / "metadata.csv").write_text(text)


def csv_quotes(root: Path, size: int) -> None:
    """Quotes that are opened and swallow rows."""
    root.mkdir(parents=True, exist_ok=True)
    rows = "".join(f'{n}.png,"tok {n}\n{n + 1}.png,tok, more\n' for n in range(max(1, size // 30)))
    (root / "metadata.csv").write_text("file_name,text\n" + rows)


def deep(root: Path, size: int) -> None:
    """Lists in lists, in some lines."""
    root.mkdir(parents=True, exist_ok=True)
    levels = min(size // 2, 500_000)
    text = '{"file_name": "0.png", "text": "tok", "a": ' + "[" * levels + "]" * levels + "}\n"
    (root / "metadata.jsonl").write_text(text * max(1, size // len(text)))


def empty_values(root: Path, size: int) -> None:
    """What takes most memory for its bytes: empty objects."""
    root.mkdir(parents=True, exist_ok=True)
    inner = "{}," * max(1, size // 3)
    (root / "metadata.jsonl").write_text('{"file_name": "0.png", "text": [' + inner + "{}]}\n")


def empty_records(root: Path, size: int) -> None:
    """Records of nothing."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "metadata.jsonl").write_text("{}\n" * max(1, size // 3))


def changed_lines(root: Path, size: int) -> None:
    """Every other record is mended."""
    _lines(
        root,
        [
            _record(n) | {"text": f"tok, picture {n}" + "  caf\u00c3\u00a9" * (n % 2)}
            for n in range(max(1, size // 60))
        ],
    )


def many_folders(root: Path, size: int) -> None:
    """A folder for each picture, each with metadata."""
    for number in range(max(1, size // 200)):
        place = root / f"f{number // 50}" / str(number)
        place.mkdir(parents=True)
        (place / "a.png").write_bytes(_picture(number))
        _lines(place, [{"file_name": "a.png", "text": f"tok, picture {number}"}])


def duplicates(root: Path, size: int) -> None:
    """Copies of one picture."""
    root.mkdir(parents=True, exist_ok=True)
    data = _picture(0)
    count = max(1, size // len(data))
    for number in range(count):
        (root / f"{number}.png").write_bytes(data)
    _lines(root, [_record(n) | {"text": "tok"} for n in range(count)])


def sidecars(root: Path, size: int) -> None:
    """A picture with a text of one line beside it."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "0.png").write_bytes(_picture(0))
    (root / "0.txt").write_text("tok, a cat " * max(1, size // 11))


def front_matter(root: Path, size: int) -> None:
    """A card with many keys, beside one record; as many as are read at most."""
    _lines(root, [_record(0)])
    keys = "".join(f"k{n}: {n}\n" for n in range(max(1, min(size, 450_000) // 14)))
    (root / "README.md").write_text(f"---\n{keys}---\n# A set\n")


def card_patterns(root: Path, size: int) -> None:
    """A card with a pattern for every tenth file."""
    count = max(10, size // 300)
    _lines(root, [_record(0)])
    for number in range(count // 10):
        (root / f"d{number}").mkdir()
        for file in range(10):
            (root / f"d{number}" / f"{file}.txt").touch()
    paths = "".join(f"    - d{number}/*\n" for number in range(count // 10))
    card = f"configs:\n- config_name: default\n  data_files:\n  - split: train\n    path:\n{paths}"
    (root / "README.md").write_text(f"---\n{card}---\n# A set\n")


def settings(root: Path, size: int) -> None:
    """Comments in hubtools.toml; the records lie beside it."""
    _lines(root, [_record(0)])
    (root / "hubtools.toml").write_text('[dataset]\npath = "."\n' + "# more\n" * max(1, size // 7))


def chunks(root: Path, size: int) -> None:
    """A picture with many small texts."""
    root.mkdir(parents=True, exist_ok=True)
    data = _picture(0)
    at = data.index(b"IDAT") - 4
    text = b"".join(_chunk(b"tEXt", b"k%d\0some words" % n) for n in range(max(1, size // 30)))
    (root / "0.png").write_bytes(data[:at] + text + data[at:])
    _lines(root, [_record(0)])


def packet(root: Path, size: int) -> None:
    """A picture with one large XMP packet of many opened brackets."""
    root.mkdir(parents=True, exist_ok=True)
    data = _picture(0)
    at = data.index(b"IDAT") - 4
    xmp = b"<x:xmpmeta><rdf:li>" + b"<dc:rights " * max(1, size // 11)
    body = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp
    (root / "0.png").write_bytes(data[:at] + _chunk(b"iTXt", body) + data[at:])
    _lines(root, [_record(0)])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _picture(hue: int) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    dice = random.Random(hue)
    picture = Image.frombytes("RGB", (4, 4), dice.randbytes(48)).resize((24, 24), 0)
    picture.save(out, "PNG")
    return out.getvalue()


def parquet_bomb(root: Path, rows: int = 1_300, value: int = 1_000_000) -> None:
    """Some kilobytes that hold one text many times."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    root.mkdir(parents=True, exist_ok=True)
    texts = arrow.DictionaryArray.from_arrays(
        arrow.array([0] * rows, arrow.int32()), arrow.array(["x" * value])
    )
    names = arrow.array([f"{n}.png" for n in range(rows)])
    table = arrow.table({"file_name": names, "text": texts})
    parquet.write_table(table, root / "metadata.parquet", compression="zstd")


def yaml_bomb(levels: int = 9) -> str:
    """A card of some lines that stands for a thousand million values."""
    names = "abcdefghijklmnop"[:levels]
    lines = ["a0: &a0 [x, x]"]
    for before, name in zip(["a0", *names], names, strict=False):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]")
    return "---\n" + "\n".join(lines) + "\n---\n# A set\n"


SHAPES: dict[str, Callable[[Path, int], None]] = {
    made.__name__: made
    for made in (
        many_rows, long_captions, long_words, huge_word, huge_caption, huge_line, unclosed,
        broken_lines, many_columns, other_columns, csv_columns, csv_quotes, deep, empty_values,
        empty_records, changed_lines, many_folders, duplicates, sidecars, front_matter, settings,
        card_patterns, chunks, packet,
    )
}  # fmt: skip
