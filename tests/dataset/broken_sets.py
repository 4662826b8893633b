"""Small image sets, each with one fault or one feature, as tables of files.

A set is a dictionary: file name -> what is in it. A `Picture` is drawn, text and bytes are
written as they are, a list of dictionaries becomes JSON Lines, a `Link` a symbolic link and
`FOLDER` an empty folder. `build` writes one.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from PIL import Image


@dataclass(frozen=True)
class Picture:
    """A picture of its own colour. `cut` bytes are taken off its end, `zeros` set to zero there."""

    number: int = 0
    size: tuple[int, int] = (8, 8)
    mode: str = "RGB"
    format: str | None = None
    cut: int = 0
    zeros: bool = False
    frames: int = 1

    def data(self, ending: str = ".png") -> bytes:
        colour = (37 * self.number % 256, 91 * self.number % 256, 140)
        image = Image.new("RGB", self.size, colour)
        image.putpixel((1, 1), (255, 255, 255))
        if self.size[0] > 8:  # something to compress, so that half of the file is picture data
            image.putdata(
                [(n * 7 % 256, n * 13 % 256, n % 256) for n in range(image.width * image.height)]
            )
        image = image.convert(self.mode)
        out = io.BytesIO()
        more = [image.rotate(90 * n) for n in range(1, self.frames)]
        form = self.format or Image.registered_extensions().get(ending, "PNG")
        image.save(out, form, **({"save_all": True, "append_images": more} if more else {}))
        data = out.getvalue()
        data = data[: len(data) - self.cut]
        return data[: len(data) // 2] + bytes(len(data) - len(data) // 2) if self.zeros else data


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    to: str


FOLDER = object()
Files = dict[str, Any]


def build(root: Path, files: Files) -> Path:
    """Write a set."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is FOLDER:
            path.mkdir()
        elif isinstance(content, Link):
            path.symlink_to(content.to)
        elif isinstance(content, Picture):
            path.write_bytes(content.data(path.suffix.lower()))
        elif isinstance(content, list):
            path.write_text(lines(content), encoding="utf-8")
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


# --- pieces --------------------------------------------------------------------------------------


def pictures(*names: str) -> Files:
    """One picture a name; `.png` where a name has no ending."""
    named = [name if "." in name.rpartition("/")[2] else f"{name}.png" for name in names]
    return {name: Picture(number) for number, name in enumerate(named)}


def lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def rows(*names: str, **more: Any) -> list[dict[str, Any]]:
    """A record a picture, with a caption."""
    return [{"file_name": f"{n}.png", "text": f"view of {n}"} | more for n in names]


def good(count: int = 3) -> Files:
    """The plain form: pictures at the top, metadata.jsonl."""
    names = [f"p{number}" for number in range(count)]
    return pictures(*names) | {"metadata.jsonl": rows(*names)}


def two(text: str | bytes | list[dict[str, Any]], name: str = "metadata.jsonl") -> Files:
    """Pictures a.png and b.png, and a metadata file."""
    return pictures("a", "b") | {name: text}


A, B = '{"file_name": "a.png", "text": "one"}', '{"file_name": "b.png", "text": "two"}'
HEAD = "file_name,text\n"


def named(value: Any) -> Files:
    """Pictures a.png, b.png and sub/a.png, and a second record that names `value`."""
    return pictures("a", "b", "sub/a") | {
        "metadata.jsonl": [
            {"file_name": "a.png", "text": "one"},
            {"file_name": value, "text": "two"},
        ]
    }


def spreadsheet(rows: list[list[Any]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue()


def parquet(columns: dict[str, Any], schema: Any = None, group: int | None = None) -> bytes:
    out = io.BytesIO()
    table = pyarrow.table(columns) if schema is None else pyarrow.table(columns, schema=schema)
    pyarrow.parquet.write_table(table, out, row_group_size=group)
    return out.getvalue()


def archive(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        for name, content in files.items():
            if isinstance(content, Picture):
                content = content.data()
            elif isinstance(content, list):
                content = lines(content)
            opened.writestr(name, content)
    return out.getvalue()


def card(text: str) -> str:
    return f"---\n{text}\n---\n# Pictures\n"


def configs(text: str) -> Files:
    """A card whose `configs:` has one default entry with these lines."""
    inside = "\n".join("  " + line for line in text.splitlines())
    return {"README.md": card(f"configs:\n- config_name: default\n{inside}")}


def split_dirs(train: Any, test: Any, ending: str = "jsonl") -> Files:
    """Pictures in train/ and test/, each with its metadata (None: without)."""
    found = pictures("train/a", "train/b", "test/a")
    for folder, content in (("train", train), ("test", test)):
        if content is not None:
            found[f"{folder}/metadata.{ending}"] = content
    return found


def huge_png(width: int, height: int) -> bytes:
    """A PNG that says it is huge; its data are a few rows of nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * (width + 1) * 20)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def flipped(data: bytes) -> bytes:
    """Bits turned over in the middle of a JPEG's picture data."""
    changed = bytearray(data)
    for place in range(len(data) // 2, min(len(data) // 2 + 60, len(data) - 2)):
        changed[place] = (changed[place] * 7 + 13) & 0x7F
    return bytes(changed)


def tar_gz(files: Files) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as opened:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            data = content.data()
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    return out.getvalue()


def sidecars(names: Iterable[str], ending: str, content: str = "a view\n") -> Files:
    return {f"{name}{ending}": content for name in names}


def spread(count: int, length: int, indent: str = "  ") -> str:
    """Records over several lines, as tutorials print them."""
    record = f'{{\n{indent}"file_name": "%s.png",\n{indent}"text": "%s"\n}}\n'
    return "".join(record % ("ab"[n % 2], "x" * length) for n in range(count))


def long_file(count: int, *last: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """More than the 10 MB that are read at once, then `last`."""
    return [{"file_name": "a.png", "text": "x" * 4000} | more for _ in range(count)] + list(last)


JPEG = Picture(1, (64, 64)).data(".jpg")
PNG = Picture(1).data()
EXIF = Image.Exif()
EXIF[0x0112] = 6


def jpeg_with(exif: bytes) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 6)).save(out, "JPEG", exif=exif)
    return out.getvalue()


# --- sets without a fault ------------------------------------------------------------------------

WELL_FORMED: dict[str, Files] = {
    "jsonl": good(),
    "csv": two(
        spreadsheet([["file_name", "text"], ["a.png", "one, two"], ["b.png", 'say "b"']]),
        "metadata.csv",
    ),
    "parquet": two(
        parquet({"file_name": ["a.png", "b.png"], "text": ["one", "two"]}), "metadata.parquet"
    ),
    "pictures_below": pictures("images/a", "images/b")
    | {"metadata.jsonl": rows("images/a", "images/b")},
    "metadata_below": pictures("men/a", "women/b")
    | {"men/metadata.jsonl": rows("a"), "women/metadata.jsonl": rows("b")},
    "splits_with_metadata": split_dirs(rows("a", "b"), rows("a")),
    "splits_in_csv": split_dirs(HEAD + "a.png,x\nb.png,y\n", HEAD + "a.png,z\n", "csv"),
    "three_splits": {
        f"{folder}/{name}": content
        for folder in ("train", "valid", "test")
        for name, content in good(2).items()
    },
    "more_columns": two(
        [json.loads(A) | {"seed": 1, "tags": ["x"]}, json.loads(B) | {"seed": 2, "tags": []}]
    ),
    "float_and_int": two([json.loads(A) | {"s": 1}, json.loads(B) | {"s": 1.5}]),
    "numbers_not_finite": two(A[:-1] + ', "s": NaN}\n' + B[:-1] + ', "s": 1.0}\n'),
    "crlf": two(f"{A}\r\n{B}\r\n"),
    "cr_only": two(f"{A}\r{B}\r"),
    "blank_lines": two(f"\n{A}\n\n   \n{B}\n\n"),
    "no_last_line_end": two(f"{A}\n{B}"),
    "bom": two("\ufeff" + f"{A}\n{B}\n"),
    "csv_bom": two("\ufeff" + HEAD + "a.png,x\nb.png,y\n", "metadata.csv"),
    "csv_crlf": two(HEAD.replace("\n", "\r\n") + "a.png,x\r\nb.png,y\r\n", "metadata.csv"),
    "csv_text_of_two_lines": two(HEAD + 'a.png,"x\ny"\nb.png,z\n', "metadata.csv"),
    "card_with_configs": good() | configs("data_files:\n- split: train\n  path: '**'"),
    "card_names_misleading_file": pictures("a", "dress-test-2")
    | {"metadata.jsonl": rows("a", "dress-test-2")}
    | configs("data_files:\n- split: train\n  path: '**'"),
    "card_splits": split_dirs(rows("a", "b"), rows("a"))
    | configs("data_files:\n- split: train\n  path: train/**\n- split: test\n  path: test/**"),
    "odd_names": pictures("a b", "é", "x[1]", "#&%", "c'd", "1,2;3", "😀")
    | {"metadata.jsonl": rows("a b", "é", "x[1]", "#&%", "c'd", "1,2;3", "😀")},
    "capital_endings": {"a.PNG": Picture(1), "b.JPG": Picture(2)}
    | {
        "metadata.jsonl": [{"file_name": "a.PNG", "text": "x"}, {"file_name": "b.JPG", "text": "y"}]
    },
    "formats": {
        f"p{n}{e}": Picture(n, (8, 8))
        for n, e in enumerate((".png", ".jpg", ".webp", ".bmp", ".tif"))
    }
    | {
        "metadata.jsonl": [
            {"file_name": f"p{n}{e}", "text": f"v {n}"}
            for n, e in enumerate((".png", ".jpg", ".webp", ".bmp", ".tif"))
        ]
    },
    "readme_and_licence": good()
    | {"README.md": "# Pictures\n", "LICENSE": "CC0", ".gitattributes": "*.png lfs"},
    "names_that_only_look_like_splits": pictures(
        "contest", "latest", "trainer", "Test", "devil", "value"
    )
    | {"metadata.jsonl": rows("contest", "latest", "trainer", "Test", "devil", "value")},
}

# --- names that mislead --------------------------------------------------------------------------

SPLITS: dict[str, Files] = {
    "root_metadata_split_folders": pictures("train/a", "train/b", "test/a", "test/b")
    | {"metadata.jsonl": rows("train/a", "train/b", "test/a", "test/b")},
    "one_called_test": pictures("a", "b", "c", "test"),
    "one_called_test_with_metadata": pictures("a", "b", "dress-test-2")
    | {"metadata.jsonl": rows("a", "b", "dress-test-2")},
    "shard_name": pictures("a", "b", "data/train-00000-of-00001"),
    "shard_names": pictures(
        "data/train-00000-of-00002", "data/train-00001-of-00002", "data/odd-00000-of-00001"
    ),
    "shard_split_with_dash": pictures("data/my-split-00000-of-00001"),
    "folder_called_dev_kit": pictures("dev kit/a", "b")
    | {"metadata.jsonl": rows("dev kit/a", "b")},
    "class_folder_called_test": pictures("cat/a", "test/b"),
    "train_and_training": pictures("train/training/a", "train/b"),
    "train_twice_over": pictures("train/my-train/a", "train/b"),
    "matches_twice_in_its_name": pictures("train_train_1", "train_2"),
    "train_within_test": pictures("test/train/a", "test/b"),
    "val_and_valid": pictures("val/a", "valid/b"),
    "numbered_folders": pictures("train1/a", "train2/b", "test_3/c"),
    "files_train_and_test": pictures("train_1", "train_2", "test_1", "other"),
    "train_without_mark": pictures("train", "trainx"),
    "eval_folder": pictures("eval/a", "evaluation/b"),
    "capital_folders": pictures("Train/a", "Test/b"),
    "test_only": pictures("test/a", "test/b") | {"test/metadata.jsonl": rows("a", "b")},
    "metadata_only_in_train": split_dirs(rows("a", "b"), None),
    "metadata_only_in_test": split_dirs(None, rows("a")),
    "metadata_at_both_levels": split_dirs(rows("a", "b"), rows("a"))
    | {"metadata.jsonl": rows("train/a", "train/b", "test/a")},
    "split_columns_differ": split_dirs(rows("a", "b"), [{"file_name": "a.png", "caption": "x"}]),
    "split_column_order_differs": split_dirs(rows("a", "b"), [{"text": "x", "file_name": "a.png"}]),
    "split_types_differ": split_dirs(rows("a", "b", s=1), rows("a", s=1.5)),
    "split_captions_all_null": split_dirs(rows("a", "b"), rows("a", text=None)),
    "split_formats_differ": split_dirs(rows("a", "b"), None)
    | {"test/metadata.csv": HEAD + "a.png,x\n"},
    "split_metadata_empty": split_dirs(rows("a", "b"), ""),
    "split_csv_header_only": split_dirs(HEAD + "a.png,x\n", HEAD, "csv"),
    "split_modules_differ": pictures("train/a", "train/b") | {"test/a.txt": "x", "test/b.txt": "y"},
    "label_folders": pictures("cat/a", "cat/b", "dog/c"),
    "label_folders_of_two_depths": pictures("cat/a", "dog/deep/b"),
    "label_folder_and_root": pictures("cat/a", "b"),
    "one_label_folder": pictures("10_sks person/a", "10_sks person/b")
    | {"10_sks person/a.txt": "x"},
    "labels_in_splits": pictures("train/cat/a", "train/dog/b", "test/cat/c"),
    "two_metadata_one_split": pictures("x/a", "y/b")
    | {"x/metadata.jsonl": rows("a"), "y/metadata.jsonl": [{"file_name": "b.png", "caption": "q"}]},
    "two_metadata_other_order": pictures("x/a", "y/b")
    | {"x/metadata.jsonl": rows("a"), "y/metadata.jsonl": [{"text": "q", "file_name": "b.png"}]},
    "two_metadata_other_type": pictures("x/a", "y/b")
    | {"x/metadata.jsonl": rows("a"), "y/metadata.jsonl": rows("b", text=5)},
    "two_metadata_one_empty": pictures("x/a", "y/b")
    | {"x/metadata.jsonl": rows("a"), "y/metadata.jsonl": ""},
    "two_metadata_one_broken": pictures("x/a", "y/b")
    | {"x/metadata.jsonl": rows("a"), "y/metadata.jsonl": "{"},
    "same_picture_at_two_levels": pictures("x/a")
    | {"metadata.jsonl": rows("x/a"), "x/metadata.jsonl": rows("a")},
}

# --- files beside the pictures -------------------------------------------------------------------

BESIDE: dict[str, Files] = {
    "txt_each": pictures("a", "b") | sidecars("ab", ".txt"),
    "txt_fewer": pictures("a", "b", "c") | sidecars("ab", ".txt"),
    "txt_and_metadata": good(2) | sidecars(("p0", "p1"), ".txt"),
    "txt_of_many_lines": pictures("a") | {"a.txt": "one\ntwo\r\nthree\rfour", "b.txt": ""},
    "txt_empty": pictures("a") | {"a.txt": ""},
    "txt_latin_1": pictures("a") | {"a.txt": "caf\xe9".encode("latin-1")},
    "txt_in_splits": pictures("train/a", "test/a") | {"train/a.txt": "x\ny\n", "test/a.txt": "z\n"},
    "jpg_txt": pictures("a.jpg", "b.jpg") | sidecars(("a.jpg", "b.jpg"), ".txt"),
    "png_bak": pictures("a") | {"a.png.bak": b"old", "b.png.bak": PNG},
    "bak_in_other_folder": pictures("x/a", "y/b") | {"z/c.png.bak": PNG},
    "json_each_with_metadata": good(2) | sidecars(("p0", "p1"), ".json", '{"caption": "x"}'),
    "json_each": pictures("a", "b") | sidecars("ab", ".json", '{"caption": "x"}'),
    "json_one": pictures("a", "b") | {"annotations.json": '{"a": [1, 2]}'},
    "json_lists": pictures("a") | {"a.json": '[{"x": 1}, {"x": 2}]'},
    "json_spread": pictures("a") | {"a.json": '{\n "x": 1,\n "y": "z"\n}\n'},
    "json_other_keys": pictures("a", "b") | {"a.json": '{"x": 1}', "b.json": '{"y": 1}'},
    "json_fewer_keys": pictures("a", "b") | {"a.json": '{"x": 1, "y": 2}', "b.json": '{"y": 1}'},
    "csv_as_many": pictures("a") | {"captions.csv": "a,b\n1,2\n3,4\n"},
    "csv_two_alike": pictures("a", "b") | {"x.csv": "a,b\n1,2\n", "y.csv": "a,b\n3,4\n5,6\n"},
    "csv_two_unlike": pictures("a", "b") | {"x.csv": "a,b\n1,2\n", "y.csv": "a,c\n3,4\n"},
    "tsv": pictures("a") | {"b.tsv": "a\tb\n1\t2\n"},
    "parquet_shard": {"data/train-00000-of-00001.parquet": parquet({"n": [1, 2, 3]})},
    "parquet_among": pictures("a", "b", "c") | {"x.parquet": parquet({"n": [1, 2, 3]})},
    "md_most": pictures("a", "b") | {f"note{n}.md": "x" for n in range(3)},
    "md_as_many": pictures("a", "b") | {"x.md": "x", "y.md": "y"},
    "instruction_md": good() | {"instruction.md": "# how to\n"},
    "instruction_md_below": good() | {"docs/instruction.md": "# how to\n"},
    "task_toml": good() | {"notes/task.toml": "a = 1\n"},
    "harbor_task": good() | {"t/task.toml": 'version = "1"\n', "t/instruction.md": "do it\n"},
    "eval_file": good() | {"run1.eval": b"PK"},
    "many_dots": {"a.1.csv.png": Picture(1), "b.2.csv.png": Picture(2)},
    "version_in_name": pictures("a.v2.png", "b.v3.png"),
    "tar_in_name": pictures("a.tar.png", "b.tar.png"),
    "npz_latents": good() | {"p0.npz": b"x", "p1.npz": b"x", "p2.npz": b"x"},
    "safetensors": good() | {f"p{n}.safetensors": b"x" for n in range(5)},
    "videos_most": pictures("a") | {"a.mp4": b"x", "b.mp4": b"y"},
    "pdf_most": pictures("a") | {"a.pdf": b"%PDF", "b.pdf": b"%PDF"},
    "system_junk": pictures("a", "b")
    | {
        "._a.png": b"\0\5\x16\7",
        ".DS_Store": b"x",
        "Thumbs.db": b"x",
        "__MACOSX/._a.png": b"x",
        "__MACOSX/b.png": Picture(3),
    },
    "hidden": pictures("a", ".b", ".c/d", "__e__/f", "__g.png"),
    "config_json": pictures("a") | {"config.json": "{}", "x/dataset_info.json": "{}"},
    "folder_with_ending": pictures("a", "b") | {"set.png.d/x.npy": b"x"},
    "double_colon": pictures("a::b", "c") | {"metadata.jsonl": rows("a::b", "c")},
    "double_colon_txt": good() | {"a::b.txt": "x"},
    "link": pictures("a") | {"b.png": Link("a.png")},
    "link_to_nothing": pictures("a") | {"b.png": Link("nowhere.png")},
    "link_to_folder": pictures("real/a", "real/b") | {"linked": Link("real")},
    "names_linked_folder": pictures("real/a")
    | {"linked": Link("real"), "metadata.jsonl": rows("linked/a")},
    "empty": {},
    "only_a_card": {"README.md": "# Pictures\n"},
    "only_a_folder": {"sub": FOLDER},
    "only_notes": {"notes.txt": "one\ntwo\n"},
    "only_metadata": {"metadata.jsonl": rows("a")},
    "only_metadata_csv": {"metadata.csv": HEAD + "a.png,x\n"},
    "only_metadata_parquet": {"metadata.parquet": parquet({"file_name": ["a.png"], "text": ["x"]})},
    "only_unknown": {"a.xyz": b"x", "b": b"y"},
}

# --- records and pictures ------------------------------------------------------------------------

RECORDS: dict[str, Files] = {
    "picture_missing": named("ghost.png"),
    "picture_without_record": pictures("c") | named("b.png"),
    "two_records_of_one": named("a.png"),
    "case_differs": {"IMG.PNG": Picture(1)} | named("img.png"),
    "accents_composed_otherwise": {unicodedata.normalize("NFD", "café.png"): Picture(1)}
    | named(unicodedata.normalize("NFC", "café.png")),
    "dot_slash": named("./b.png"),
    "double_slash": named("sub//a.png"),
    "up_and_down": named("sub/../b.png"),
    "backslash": named("sub\\a.png"),
    "backslash_out": named("..\\b.png"),
    "trailing_space": named("b.png "),
    "drive_letter": named("C:\\b.png"),
    "absolute": named("/b.png"),
    "parent": named("../b.png"),
    "address": named("https://example.com/b.png"),
    "file_address": named("file://b.png"),
    "home": named("~/b.png"),
    "folder": named("sub"),
    "dot": named("."),
    "empty_text": named(""),
    "null": named(None),
    "number": named(5),
    "text_file": pictures("a") | {"notes.txt": "x"} | named("notes.txt"),
    "hidden_named": {".b.png": Picture(1)} | named(".b.png"),
    "no_ending": {"c": Picture(1, format="PNG")} | named("c"),
    "no_ending_unnamed": {"c": Picture(1, format="PNG")} | pictures("a"),
    "avif_named": {"c.avif": b"no avif"} | named("c.avif"),
    "heic_unnamed": {"c.heic": b"ftypheic", "d.avif": b"x"} | pictures("a"),
    "names_parent_from_below": pictures("a") | {"meta/metadata.jsonl": [{"file_name": "../a.png"}]},
    "absent_in_one": two(f'{A}\n{{"text": "two"}}\n'),
    "all_null": two([{"file_name": None, "text": "x"}]),
    "key_filename": two([{"filename": "a.png", "text": "x"}]),
    "key_image": two([{"image": "a.png", "text": "x"}]),
    "names_are_dates": two([{"file_name": "2024-01-01", "text": "x"}]),
    "image_column_after": two([{"file_name": "a.png", "image": "x"}]),
    "image_column_before": two([{"image": "x", "file_name": "a.png"}]),
    "label_column": two(
        [{"file_name": "a.png", "label": "x"}, {"file_name": "b.png", "label": "y"}]
    ),
    "mask_after": two([{"file_name": "a.png", "mask_file_name": "b.png", "text": "x"}]),
    "mask_before": two([{"mask_file_name": "b.png", "file_name": "a.png", "text": "x"}]),
    "mask_only": two([{"mask_file_name": "b.png", "text": "x"}]),
    "mask_missing": two([{"file_name": "a.png", "mask_file_name": "ghost.png"}]),
    "list_of_files": two([{"file_names": ["a.png", "b.png"], "text": "x"}]),
    "list_with_missing": two([{"file_names": ["a.png", "ghost.png"]}, {"file_names": ["a.png"]}]),
    "list_null": two([{"file_names": ["a.png"]}, {"file_names": None}]),
    "list_empty": two([{"file_names": ["a.png"]}, {"file_names": []}]),
    "list_all_empty": two([{"file_names": []}]),
    "list_named": two([{"view_file_names": ["a.png", "b.png"]}]),
    "nested": two([{"pair": {"left_file_name": "a.png", "right_file_name": "b.png"}, "text": "x"}]),
    "nested_null": two([{"pair": {"left_file_name": "a.png"}}, {"pair": None}]),
    "nested_list": two(
        [{"views": [{"file_name": "a.png", "n": 1}, {"file_name": "b.png", "n": 2}]}]
    ),
}

# --- the text of the metadata --------------------------------------------------------------------

SYNTAX: dict[str, Files] = {
    "record_over_lines": two(spread(2, 3)),
    "record_over_lines_commas": two(spread(2, 3).replace("}\n{", "},\n{")),
    "record_over_lines_400_kB": two(spread(450, 900)),
    "record_over_lines_cut_between": two(spread(400, 900, indent="")[: 327_680 - 20 * 940]),
    "record_over_lines_12_MB": two(
        "".join('{"file_name": "a.png",\n"text": "%s"}\n' % ("x" * 1900) for _ in range(6500))
    ),
    "record_over_lines_long": two(spread(2, 400_000)),
    "array": two(json.dumps([json.loads(A), json.loads(B)])),
    "array_over_lines": two(f"[\n{A},\n{B}\n]\n"),
    "cut_in_the_middle": two(A + '\n{"file_name": "b.png", "te\n' + B + "\n"),
    "two_on_a_line": two(f"{A} {B}\n"),
    "comma_behind": two(f"{A},\n{B}\n"),
    "comma_within": two(A[:-1] + ",}\n"),
    "single_quotes": two("{'file_name': 'a.png'}\n"),
    "comment": two(f"// pictures\n{A}\n"),
    "junk_behind": two(f"{A} x\n"),
    "text_line": two(f'{A}\n"b.png"\n'),
    "number_line": two(f"{A}\n5\n"),
    "key_twice": two('{"file_name": "a.png", "text": "x", "text": "y"}\n'),
    "key_twice_within": two('{"file_name": "a.png", "t": {"x": 1, "x": 2}}\n'),
    "half_surrogate": two('{"file_name": "a.png", "text": "x \\ud800 y"}\n'),
    "raw_line_end": two('{"file_name": "a.png", "text": "x\ny"}\n'),
    "raw_tab": two('{"file_name": "a.png", "text": "x\ty"}\n'),
    "latin_1": two('{"file_name": "a.png", "text": "caf\xe9"}\n'.encode("latin-1")),
    "utf_16": two(f"{A}\n{B}\n".encode("utf-16")),
    "empty": two(""),
    "blank": two("\n\n  \n"),
    "empty_objects": two("{}\n{}\n"),
    "gz": two(gzip.compress(A.encode()), "metadata.jsonl.gz"),
    "capital_name": two(A, "Metadata.jsonl"),
    "capital_ending": two(A, "metadata.JSONL"),
    "json_name": two(A, "metadata.json"),
    "other_name": two(A, "captions.jsonl"),
    "two_formats": two(A) | {"metadata.csv": HEAD + "b.png,x\n"},
    "text_missing_once": two(f'{A}\n{{"file_name": "b.png"}}\n'),
    "text_null_everywhere": two([{"file_name": "a.png", "text": None}]),
    "text_then_list": two(f'{A}\n{{"file_name": "b.png", "text": ["x"]}}\n'),
    "text_then_number": two(f'{A}\n{{"file_name": "b.png", "text": 5}}\n'),
    "truth_then_number": two('{"file_name": "a.png", "s": true}\n{"file_name": "b.png", "s": 1}\n'),
    "list_of_both": two('{"file_name": "a.png", "s": ["x", 1]}\n'),
    "object_then_text": two(
        '{"file_name": "a.png", "s": {"x": 1}}\n{"file_name": "b.png", "s": "x"}\n'
    ),
    "objects_of_other_keys": two(
        '{"file_name": "a.png", "s": {"x": 1}}\n{"file_name": "b.png", "s": {"y": "z"}}\n'
    ),
    "huge_number": two('{"file_name": "a.png", "s": 99999999999999999999}\n'),
    "captions_are_dates": two([{"file_name": "a.png", "text": "2024-01-01"}]),
    "new_key_after_10_MB": two(long_file(2800, {"file_name": "b.png", "text": "x", "extra": "y"})),
    "number_after_10_MB": two(long_file(2800, {"file_name": "b.png", "text": 7})),
    "number_in_second_part": two(
        long_file(2630, *[{"file_name": "b.png", "text": "x" * 4000, "n": "seven"}] * 300, n=7)
    ),
    "null_in_first_part": two(
        long_file(2630, *[{"file_name": "b.png", "text": "x" * 4000, "n": "seven"}] * 300, n=None)
    ),
    "csv_nothing_words": pictures("a", "b", "c")
    | {"metadata.csv": HEAD + "a.png,NA\nb.png,None\nc.png,a dog\n"},
    "csv_all_nothing": two(HEAD + "a.png,NA\nb.png,\n", "metadata.csv"),
    "csv_numbers": two(HEAD + "a.png,001\nb.png,1e5\n", "metadata.csv"),
    "csv_number_names": two(HEAD + "1,x\n2,y\n", "metadata.csv"),
    "csv_truth": two(HEAD + "a.png,True\nb.png,false\n", "metadata.csv"),
    "csv_comma_first_row": two(HEAD + "a.png,a dog, a cat\nb.png,x\n", "metadata.csv"),
    "csv_two_commas_first_row": two(HEAD + "a.png,a, b, c\nb.png,x\n", "metadata.csv"),
    "csv_comma_later": two(HEAD + "a.png,x\nb.png,a dog, a cat\n", "metadata.csv"),
    "csv_short_row": two(HEAD + "a.png\nb.png,x\n", "metadata.csv"),
    "csv_commas_behind": two(HEAD + "a.png,x,\nb.png,y,\n", "metadata.csv"),
    "csv_semicolons": two("file_name;text\na.png;x\n", "metadata.csv"),
    "csv_semicolons_and_comma": two("file_name;text\na.png;x, y\n", "metadata.csv"),
    "csv_tabs": two("file_name\ttext\na.png\tx\n", "metadata.csv"),
    "csv_header_spaces": two("file_name, text\na.png, x\n", "metadata.csv"),
    "csv_header_space_before": two(" file_name,text\na.png,x\n", "metadata.csv"),
    "csv_header_only": two(HEAD, "metadata.csv"),
    "csv_empty": two("", "metadata.csv"),
    "csv_blank_lines": two("\n" + HEAD + "\n  \na.png,x\n\nb.png,y\n\n", "metadata.csv"),
    "csv_cr": two((HEAD + "a.png,x\nb.png,y\n").replace("\n", "\r"), "metadata.csv"),
    "csv_open_quote": two(HEAD + 'a.png,"x\nb.png,y\n', "metadata.csv"),
    "csv_quote_swallows": two(HEAD + 'a.png,"x\nb.png,"y\n', "metadata.csv"),
    "csv_quotes_within": two(HEAD + 'a.png,x "y" z\nb.png,"q"r\n', "metadata.csv"),
    "csv_latin_1": two((HEAD + "a.png,caf\xe9\n").encode("latin-1"), "metadata.csv"),
    "csv_utf_16": two((HEAD + "a.png,x\n").encode("utf-16"), "metadata.csv"),
    "csv_column_twice": two("file_name,text,text\na.png,x,y\n", "metadata.csv"),
    "csv_column_without_name": two("file_name,text,\na.png,x,\n", "metadata.csv"),
    "csv_index_column": two(",file_name,text\n0,a.png,x\n1,b.png,y\n", "metadata.csv"),
    "csv_many_rows": two(HEAD + "a.png,x\n" * 10_005, "metadata.csv"),
    "csv_type_changes_late": two(
        "file_name,n\n" + "a.png,1\n" * 10_000 + "b.png,x\n", "metadata.csv"
    ),
    "parquet_damaged": two(b"PAR1 cut off", "metadata.parquet"),
    "parquet_groups": two(
        parquet({"file_name": ["a.png", "b.png"] * 4, "n": list(range(8))}, group=3),
        "metadata.parquet",
    ),
    "parquet_null_column": two(
        parquet({"file_name": ["a.png"], "text": [None]}), "metadata.parquet"
    ),
    "parquet_list": two(
        parquet({"file_names": [["a.png", "b.png"]], "n": [1]}), "metadata.parquet"
    ),
    "parquet_types_differ": split_dirs(
        parquet({"file_name": ["a.png"], "n": pyarrow.array([1], pyarrow.int32())}),
        parquet({"file_name": ["a.png"], "n": pyarrow.array([1], pyarrow.int64())}),
        "parquet",
    ),
    "parquet_no_rows": two(
        parquet({"file_name": pyarrow.array([], pyarrow.string())}), "metadata.parquet"
    ),
    "parquet_no_name": two(parquet({"file": ["a.png"]}), "metadata.parquet"),
}

# --- the card ------------------------------------------------------------------------------------

SPLIT = "data_files:\n- split: {0}\n  path: {1}"
INFO = (
    "dataset_info:\n  features:\n  - name: {0}\n    dtype: {1}\n"
    "  splits:\n  - name: {2}\n    num_examples: {3}"
)

CARDS: dict[str, Files] = {
    "split_with_dash": good() | configs(SPLIT.format("my-split", "'*'")),
    "other_split_name": good() | configs(SPLIT.format("angles", "'*'")),
    "pattern_of_pictures_only": good() | configs(SPLIT.format("train", "'*.png'")),
    "pattern_without_match": good() | configs(SPLIT.format("train", "'x/*'")),
    "file_that_is_missing": good() | configs(SPLIT.format("train", "ghost.png")),
    "one_file": good() | configs(SPLIT.format("train", "p0.png")),
    "double_star_in_name": good() | configs(SPLIT.format("train", "'p**.png'")),
    "pattern_as_text": good() | configs("data_files: '*'"),
    "patterns_as_list": pictures("x/a", "y/b", "z/c") | configs("data_files:\n- x/*\n- y/*"),
    "patterns_overlap": pictures("a", "b") | configs("data_files:\n- '*.png'\n- a.png"),
    "path_list": split_dirs(rows("a", "b"), rows("a"))
    | configs("data_files:\n- split: train\n  path:\n  - train/*\n  - test/*"),
    "question_and_set": pictures("p1", "p2", "p3", "px")
    | configs(SPLIT.format("train", "'p[0-2].pn?'")),
    "negated_set": pictures("p1", "p2", "p3") | configs(SPLIT.format("train", "'p[!2].png'")),
    "hidden_by_pattern": pictures("a", ".h/b") | configs(SPLIT.format("train", "'.h/*'")),
    "folder_by_pattern": pictures("a", "sub/b") | configs(SPLIT.format("train", "sub")),
    "dot_slash_pattern": good() | configs(SPLIT.format("train", "'./*'")),
    "split_twice": good()
    | configs("data_files:\n- split: train\n  path: p0.png\n- split: train\n  path: p1.png"),
    "train_star_held_out": pictures("a", "b", "test/c")
    | {"metadata.jsonl": rows("a", "b"), "test/metadata.jsonl": rows("c")}
    | configs("data_files:\n- split: train\n  path: '*'\n- split: test\n  path: test/**"),
    "root_metadata_for_splits": pictures("train/a", "test/b")
    | {"metadata.jsonl": rows("train/a", "test/b")}
    | configs("data_files:\n- split: train\n  path: '**'"),
    "data_dir": pictures("sub/a", "sub/b", "c") | configs("data_dir: sub"),
    "drop_labels": pictures("cat/a", "dog/b") | configs("data_files: '**'\ndrop_labels: true"),
    "keep_labels": pictures("cat/a", "cat/b") | configs("data_files: '**'\ndrop_labels: false"),
    "drop_metadata": good() | configs("data_files: '**'\ndrop_metadata: true"),
    "drop_both": pictures("cat/a", "dog/b")
    | configs("data_files: '**'\ndrop_metadata: true\ndrop_labels: true"),
    "name_only": good() | {"README.md": card("configs:\n- config_name: all")},
    "two_no_default": good()
    | {
        "README.md": card(
            "configs:\n- config_name: x\n  data_files: '*'\n- config_name: y\n  data_files: '*'"
        )
    },
    "two_one_default": good()
    | {
        "README.md": card(
            "configs:\n- config_name: x\n  data_files: p0.png\n"
            "- config_name: y\n  default: true\n  data_files: '*'"
        )
    },
    "two_defaults": good()
    | {
        "README.md": card(
            "configs:\n- config_name: default\n  data_files: '*'\n"
            "- config_name: y\n  default: true\n  data_files: '*'"
        )
    },
    "no_name": good() | {"README.md": card("configs:\n- data_files: '*'")},
    "configs_no_list": good() | {"README.md": card("configs: all")},
    "files_no_list": good() | configs("data_files: 5"),
    "entry_with_more_keys": good() | configs("data_files:\n- split: train\n  path: '*'\n  x: 1"),
    "txt_beside_with_configs": good(2)
    | sidecars(("p0", "p1"), ".txt")
    | configs("data_files: '**'"),
    "mixed_case_with_configs": {"a.PnG": Picture(1), "b.png": Picture(2)}
    | configs("data_files: '*'"),
    "not_yaml": good() | {"README.md": card("title: a: b")},
    "not_closed": good() | {"README.md": "---\nlicense: mit\n"},
    "no_mapping": good() | {"README.md": card("- a\n- b")},
    "no_front_matter": good() | {"README.md": "# Pictures\n"},
    "front_matter_empty": good() | {"README.md": "---\n---\n"},
    "not_utf_8": good() | {"README.md": b"# caf\xe9\n"},
    "info_of_other_features": good()
    | {"README.md": card(INFO.format("prompt", "string", "train", 3))},
    "info_right": good() | {"README.md": card(INFO.format("image", "image", "train", 3))},
    "info_wrong_count": good() | {"README.md": card(INFO.format("image", "image", "train", 9))},
    "info_other_split": good() | {"README.md": card(INFO.format("image", "image", "test", 3))},
    "info_of_other_config": good()
    | {
        "README.md": card(
            "configs:\n- config_name: x\n  data_files: '*'\n"
            + INFO.format("image", "image", "train", 9)
        )
    },
}

# --- what is in the files ------------------------------------------------------------------------

CONTENT: dict[str, Files] = {
    "png_cut": pictures("b") | {"a.png": Picture(1, (64, 64), cut=200)},
    "png_without_end": pictures("b") | {"a.png": Picture(1, cut=12)},
    "png_bad_checksum": pictures("b") | {"a.png": PNG[:45] + b"\xff\xff" + PNG[47:]},
    "jpeg_bits_flipped": pictures("b.jpg") | {"a.jpg": flipped(JPEG)},
    "jpeg_without_end": pictures("b.jpg") | {"a.jpg": JPEG[:-2]},
    "jpeg_cut": pictures("b.jpg") | {"a.jpg": JPEG[: len(JPEG) // 2]},
    "jpeg_half_zeros": pictures("b.jpg") | {"a.jpg": Picture(1, (64, 64), zeros=True)},
    "jpeg_and_more": pictures("b.jpg") | {"a.jpg": JPEG + b"PK" * 5000},
    "zero_bytes": pictures("b") | {"a.png": b""},
    "web_page": pictures("b") | {"a.png": "<!DOCTYPE html><html></html>"},
    "lfs_pointer": pictures("b")
    | {"a.png": "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"},
    "svg_named": pictures("b")
    | {"a.svg": "<svg/>", "metadata.jsonl": [{"file_name": "a.svg"}, {"file_name": "b.png"}]},
    "says_100_megapixels": pictures("b") | {"a.png": huge_png(10_000, 9_000)},
    "says_400_megapixels": pictures("b") | {"a.png": huge_png(20_000, 20_000)},
    "tiff_of_pages": {"a.tif": Picture(1, frames=3)},
    "gif_moves": {"a.gif": Picture(1, frames=3), "b.webp": Picture(2, frames=2)},
    "modes": {
        f"{m.replace(';', '')}.png": Picture(1, mode=m)
        for m in ("L", "LA", "P", "RGBA", "1", "I;16")
    }
    | {"c.jpg": Picture(1, mode="CMYK"), "f.tif": Picture(1, mode="F")},
    "wrong_ending": pictures("b") | {"a.png": JPEG},
    "turned": pictures("b.jpg") | {"a.jpg": jpeg_with(EXIF.tobytes())},
    "exif_garbage": pictures("b.jpg")
    | {"a.jpg": jpeg_with(b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xfe" * 60)},
    "mixed_case_endings": {
        "a.JPG": Picture(1),
        "b.PNG": Picture(2),
        "c.JpEg": Picture(3, format="JPEG"),
    },
    "odd_endings": {"a.mpg": b"x", "b.psd": b"x", "c.png": Picture(1), "d.raw": b"x"},
    "damaged_with_record": good() | {"p1.png": b""},
}

# --- archives ------------------------------------------------------------------------------------

ARCHIVES: dict[str, Files] = {
    "zip": {"data.zip": archive(pictures("a", "b"))},
    "zip_metadata_inside": {"data.zip": archive(good())},
    "zip_metadata_inside_missing": {
        "data.zip": archive(pictures("a") | {"metadata.jsonl": rows("a", "ghost")})
    },
    "zip_metadata_inside_below": {"data.zip": archive({f"set/{n}": c for n, c in good().items()})},
    "zip_metadata_outside": {
        "data.zip": archive(pictures("a", "b")),
        "metadata.jsonl": rows("a", "b"),
    },
    "zip_with_notes": {
        "data.zip": archive(pictures("a", "b") | {"readme.txt": "x", "__MACOSX/._a.png": b"x"})
    },
    "zip_labels": {"data.zip": archive(pictures("cat/a", "dog/b"))},
    "zips_with_labels": {
        "a.zip": archive(pictures("cat/a", "dog/b")),
        "b.zip": archive(pictures("cat/c", "dog/d")),
    },
    "zips_flat": {"a.zip": archive(pictures("a")), "b.zip": archive(pictures("b"))},
    "zip_and_pictures": pictures("a", "b") | {"c.zip": archive(pictures("c"))},
    "zip_damaged_picture": {"data.zip": archive(pictures("a") | {"b.png": b"no"})},
    "zip_of_texts": {"data.zip": archive({"a.txt": "x", "b.txt": "y", "c.png": Picture(1)})},
    "no_zip": pictures("a") | {"x.zip": b"no archive", "y.zip": b"no archive"},
    "tar_gz": {"images.tar.gz": tar_gz({"a.png": Picture(1)})},
}

# --- what the DreamBooth scripts meet ------------------------------------------------------------

FLAT: dict[str, Files] = {
    "pictures": pictures("a", "b.jpg"),
    "desktop_file": pictures("a") | {".DS_Store": b"x"},
    "folder": pictures("a", "sub/b"),
    "empty_folder": pictures("a") | {"sub": FOLDER},
    "damaged": pictures("a", "b") | {"c.png": Picture(1, (64, 64), cut=200)},
    "hidden_picture": pictures("a", ".b"),
    "no_ending": pictures("a") | {"b": Picture(1, format="PNG")},
    "link_to_nothing": pictures("a") | {"b.png": Link("nowhere")},
    "link_to_folder": pictures("a") | {"sub": Link(".")},
}

GROUPS: dict[str, dict[str, Files]] = {
    "well_formed": WELL_FORMED,
    "splits": SPLITS,
    "beside": BESIDE,
    "records": RECORDS,
    "syntax": SYNTAX,
    "cards": CARDS,
    "content": CONTENT,
    "archives": ARCHIVES,
    "flat": FLAT,
}
SETS: dict[str, Files] = {
    f"{group}/{name}": files for group, sets in GROUPS.items() for name, files in sets.items()
}
