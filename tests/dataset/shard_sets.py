"""Shards and tables as people have them: small sets, as `broken_sets` writes them.

Kinds: parquet files that do not fit together, columns that hold pictures in other ways than
`datasets` writes, WebDataset with odd names, archives beside metadata, cards with `configs:`.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
import zipfile
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

# what `datasets` stores pictures as
IMG = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
F: dict[str, Any] = {"image": {"_type": "Image"}}


def png(number: int, form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (number * 37 % 256, number, 9)).save(out, form)
    return out.getvalue()


def pqb(columns: dict[str, Any], features: Any = None, group: int | None = None) -> bytes:
    """A parquet file; `features`: what its schema tells `datasets`."""
    table = pa.table(columns)
    if features:
        told = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({b"huggingface": told.encode()})
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=group)
    return out.getvalue()


def im(*numbers: int, path: bool = True, by: bool = True) -> Any:
    """A column of pictures."""
    return pa.array(
        [{"bytes": png(n) if by else None, "path": f"{n}.png" if path else None} for n in numbers],
        IMG,
    )


def tar(*members: tuple[str, str | bytes], mode: Any = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as opened:
        for name, content in members:
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zp(*members: tuple[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        for name, content in members:
            opened.writestr(name, content)
    return out.getvalue()


def card(front: dict[str, Any]) -> str:
    return f"---\n{json.dumps(front)}\n---\n"


def cfg(**keys: Any) -> str:
    return card({"configs": [{"config_name": "default", **keys}]})


def without_groups() -> bytes:
    out = io.BytesIO()
    pq.ParquetWriter(out, pa.schema([("image", IMG)])).close()
    return out.getvalue()


P = [png(number) for number in range(8)]
S = "data/train-0000%d-of-0000%d.parquet"
T = "train-00000.tar"
ML = '{"file_name":"a.png","text":"x"}\n{"file_name":"b.png","text":"y"}\n'
AB = {"a.png": P[0], "b.png": P[1]}
D = [{"split": "train", "path": "**"}]


def six(*endings: str, text: str = "t") -> list[tuple[str, str | bytes]]:
    """Members of six samples."""
    return [
        (f"{n}.{ending}", P[n] if ending == "png" else text) for n in range(6) for ending in endings
    ]


PARQUET: dict[str, Any] = {
    "feature": {S % (0, 1): pqb({"image": im(1, 2), "text": ["a", "b"]}, F)},
    "nofeature": {S % (0, 1): pqb({"image": im(1, 2), "text": ["a", "b"]})},
    "two_schemas": {
        S % (0, 2): pqb({"image": im(1, 2), "text": ["a", "b"]}),
        S % (1, 2): pqb({"image": im(1, 2), "caption": ["a", "b"]}),
    },
    "missing_col": {
        S % (0, 2): pqb({"image": im(1, 2), "text": ["a", "b"]}),
        S % (1, 2): pqb({"image": im(1, 2)}),
    },
    "extra_col": {
        S % (0, 2): pqb({"image": im(1, 2)}),
        S % (1, 2): pqb({"image": im(1, 2), "text": ["a", "b"]}),
    },
    "order": {
        S % (0, 2): pqb({"image": im(1, 2), "text": ["a", "b"]}),
        S % (1, 2): pqb({"text": ["a", "b"], "image": im(1, 2)}),
    },
    "int_str": {
        S % (0, 2): pqb({"image": im(1, 2), "n": ["a", "b"]}),
        S % (1, 2): pqb({"image": im(1, 2), "n": [1, 2]}),
    },
    "str_int": {
        S % (0, 2): pqb({"image": im(1, 2), "n": [1, 2]}),
        S % (1, 2): pqb({"image": im(1, 2), "n": ["a", "b"]}),
    },
    "str_int_digits": {
        S % (0, 2): pqb({"image": im(1, 2), "n": [1, 2]}),
        S % (1, 2): pqb({"image": im(1, 2), "n": ["3", "4"]}),
    },
    "int_float": {
        S % (0, 2): pqb({"image": im(1, 2), "n": [1, 2]}),
        S % (1, 2): pqb({"image": im(1, 2), "n": [1.5, 2]}),
    },
    "float_int": {
        S % (0, 2): pqb({"image": im(1, 2), "n": [1.5, 2]}),
        S % (1, 2): pqb({"image": im(1, 2), "n": [1, 2]}),
    },
    "int_wholefloat": {
        S % (0, 2): pqb({"image": im(1, 2), "n": [1, 2]}),
        S % (1, 2): pqb({"image": im(1, 2), "n": [1.0, 2.0]}),
    },
    "null_str": {
        S % (0, 2): pqb({"image": im(1, 2), "n": pa.nulls(2)}),
        S % (1, 2): pqb({"image": im(1, 2), "n": ["a", "b"]}),
    },
    "str_null": {
        S % (0, 2): pqb({"image": im(1, 2), "n": ["a", "b"]}),
        S % (1, 2): pqb({"image": im(1, 2), "n": pa.nulls(2)}),
    },
    "str_list": {
        S % (0, 2): pqb({"image": im(1, 2), "n": ["a", "b"]}),
        S % (1, 2): pqb({"image": im(1, 2), "n": [["a"], ["b"]]}),
    },
    "bool_int": {
        S % (0, 2): pqb({"image": im(1, 2), "n": [True, False]}),
        S % (1, 2): pqb({"image": im(1, 2), "n": [1, 2]}),
    },
    "int_bool": {
        S % (0, 2): pqb({"image": im(1, 2), "n": [1, 2]}),
        S % (1, 2): pqb({"image": im(1, 2), "n": [True, False]}),
    },
    "feature_vs_none": {
        S % (0, 2): pqb({"image": im(1, 2)}, F),
        S % (1, 2): pqb({"image": im(1, 2)}),
    },
    "none_vs_feature": {
        S % (0, 2): pqb({"image": im(1, 2)}),
        S % (1, 2): pqb({"image": im(1, 2)}, F),
    },
    "feature_bytes": {S % (0, 1): pqb({"image": [png(1), png(2)]}, F)},
    "bytes": {S % (0, 1): pqb({"image": [png(1), png(2)], "text": ["a", "b"]})},
    "struct_then_bytes": {
        S % (0, 2): pqb({"image": im(1, 2)}, F),
        S % (1, 2): pqb({"image": [png(1), png(2)]}),
    },
    "struct_then_bytes_nofeat": {
        S % (0, 2): pqb({"image": im(1, 2)}),
        S % (1, 2): pqb({"image": [png(1), png(2)]}),
    },
    "feature_string": {S % (0, 1): pqb({"image": ["/x/a.png", "/x/b.png"]}, F)},
    "string_path": {S % (0, 1): pqb({"image": ["/x/a.png", "/x/b.png"]})},
    "base64": {S % (0, 1): pqb({"image": [base64.b64encode(png(1)).decode()]})},
    "list_struct": {
        S % (0, 1): pqb(
            {
                "image": pa.array(
                    [[{"bytes": png(1), "path": None}], [{"bytes": png(1), "path": None}]],
                    pa.list_(IMG),
                )
            }
        )
    },
    "list_feature": {
        S % (0, 1): pqb(
            {"image": pa.array([[{"bytes": png(1), "path": None}]], pa.list_(IMG))},
            {"image": {"feature": {"_type": "Image"}, "_type": "List"}},
        )
    },
    "list_bytes": {S % (0, 1): pqb({"image": [[png(1)], [png(2)]]})},
    "list_int": {S % (0, 1): pqb({"image": [[1, 2, 3], [4, 5, 6]]})},
    "struct_nobytes": {S % (0, 1): pqb({"image": im(1, 2, by=False)}, F)},
    "struct_nobytes_nofeat": {S % (0, 1): pqb({"image": im(1, 2, by=False)})},
    "struct_nullrow": {
        S % (0, 1): pqb({"image": pa.array([{"bytes": png(1), "path": "a"}, None], IMG)}, F)
    },
    "struct_badbytes": {
        S % (0, 1): pqb(
            {
                "image": pa.array(
                    [{"bytes": png(1), "path": "a"}, {"bytes": b"no", "path": "b"}], IMG
                )
            },
            F,
        )
    },
    "struct_only_bytes": {
        S % (0, 1): pqb(
            {"image": pa.array([{"bytes": png(1)}], pa.struct([("bytes", pa.binary())]))}, F
        )
    },
    "struct_only_bytes_nofeat": {
        S % (0, 1): pqb(
            {"image": pa.array([{"bytes": png(1)}], pa.struct([("bytes", pa.binary())]))}
        )
    },
    "struct_more": {
        S % (0, 1): pqb(
            {
                "image": pa.array(
                    [{"bytes": png(1), "path": "a", "w": 3}],
                    pa.struct([("bytes", pa.binary()), ("path", pa.string()), ("w", pa.int64())]),
                )
            },
            F,
        )
    },
    "large_binary": {
        S % (0, 1): pqb(
            {
                "image": pa.array(
                    [{"bytes": png(1), "path": "a"}],
                    pa.struct([("bytes", pa.large_binary()), ("path", pa.large_string())]),
                )
            },
            F,
        )
    },
    "empty": {S % (0, 1): pqb({"image": pa.array([], IMG), "text": pa.array([], pa.string())}, F)},
    "empty_first": {
        S % (0, 2): pqb({"image": pa.array([], IMG)}, F),
        S % (1, 2): pqb({"image": im(1)}, F),
    },
    "damaged": {S % (0, 1): b"PAR1nope"},
    "damaged2": {S % (0, 2): pqb({"image": im(1)}, F), S % (1, 2): b"PAR1nope"},
    "missing": {S % (0, 3): pqb({"image": im(1)}, F)},
    "splits_differ": {
        "data/train-00000-of-00001.parquet": pqb({"image": im(1, 2), "text": ["a", "b"]}, F),
        "data/test-00000-of-00001.parquet": pqb({"image": im(1, 2), "caption": ["a", "b"]}, F),
    },
    "splits_less": {
        "data/train-00000-of-00001.parquet": pqb({"image": im(1, 2), "text": ["a", "b"]}, F),
        "data/test-00000-of-00001.parquet": pqb({"image": im(1, 2)}, F),
    },
    "plainname": {"a.parquet": pqb({"image": im(1)}, F), "b.parquet": pqb({"image": im(1)}, F)},
    "with_txt": {"a.parquet": pqb({"image": im(1)}, F), "x.txt": "hello", "y.txt": "z"},
    "with_json": {"a.parquet": pqb({"image": im(1)}, F), "x.json": '{"a":1}'},
    "info_less": {S % (0, 1): pqb({"image": im(1), "text": ["a"]}, F)},
    "info_more": {
        S % (0, 1): pqb(
            {"image": im(1)},
            {"image": {"_type": "Image"}, "gone": {"dtype": "string", "_type": "Value"}},
        )
    },
    "info_classlabel": {
        S % (0, 1): pqb(
            {"image": im(1), "label": [0]},
            {"image": {"_type": "Image"}, "label": {"names": ["x", "y"], "_type": "ClassLabel"}},
        )
    },
    "dict": {
        S % (0, 2): pqb({"image": im(1), "t": pa.array(["a"]).dictionary_encode()}, F),
        S % (1, 2): pqb({"image": im(1), "t": ["b"]}, F),
    },
}

WEBDATASET: dict[str, Any] = {
    "plain": {T: tar(("a.png", P[0]), ("a.txt", "x"), ("b.png", P[1]), ("b.txt", "y"))},
    "dots": {T: tar(("photo.1.png", P[0]), ("photo.2.png", P[1]), ("photo.3.png", P[2]))},
    "dots_txt": {
        T: tar(
            ("photo.1.png", P[0]), ("photo.1.txt", "a"), ("photo.2.png", P[1]), ("photo.2.txt", "b")
        )
    },
    "dots_mixed": {T: tar(("photo.1.png", P[0]), ("photo.2.png", P[1]), ("z.3.png", P[2]))},
    "dup": {T: tar(("a.png", P[0]), ("b.png", P[1]), ("a.png", P[2]))},
    "dup_adj": {T: tar(("a.png", P[0]), ("a.png", P[2]))},
    "shuffled": {T: tar(("a.png", P[0]), ("b.png", P[1]), ("a.txt", "x"), ("b.txt", "y"))},
    "missing_txt": {T: tar(("a.png", P[0]), ("a.txt", "x"), ("b.png", P[1]))},
    "missing_txt_late": {T: tar(*six("png", "txt"), ("z.png", P[1]))},
    "extra_late": {T: tar(*six("png"), ("z.png", P[1]), ("z.txt", "q"))},
    "mixed_ext": {T: tar(("a.png", P[0]), ("b.jpg", png(1, "JPEG")))},
    "mixed_ext_late": {T: tar(*six("png"), ("z.jpg", png(1, "JPEG")))},
    "json": {
        T: tar(
            ("a.png", P[0]),
            ("a.json", '{"t":"x","n":1}'),
            ("b.png", P[1]),
            ("b.json", '{"t":"y","n":2}'),
        )
    },
    "json_differ": {
        T: tar(
            ("a.png", P[0]), ("a.json", '{"t":"x","n":1}'), ("b.png", P[1]), ("b.json", '{"t":"y"}')
        )
    },
    "json_types": {
        T: tar(("a.png", P[0]), ("a.json", '{"t":"x"}'), ("b.png", P[1]), ("b.json", '{"t":3}'))
    },
    "json_late_key": {
        T: tar(
            *six("png", "json", text='{"t":"x"}'), ("z.png", P[1]), ("z.json", '{"t":"x","u":3}')
        )
    },
    "json_late_lack": {
        T: tar(*six("png", "json", text='{"t":"x"}'), ("z.png", P[1]), ("z.json", "{}"))
    },
    "json_late_type": {
        T: tar(*six("png", "json", text='{"t":"x"}'), ("z.png", P[1]), ("z.json", '{"t":3}'))
    },
    "json_late_type2": {
        T: tar(*six("png", "json", text='{"t":3}'), ("z.png", P[1]), ("z.json", '{"t":"x"}'))
    },
    "json_bad": {T: tar(("a.png", P[0]), ("a.json", "{no"))},
    "json_list": {
        T: tar(("a.png", P[0]), ("a.json", "[1,2]"), ("b.png", P[0]), ("b.json", "[1,2]"))
    },
    "cls": {T: tar(("a.png", P[0]), ("a.cls", "3"), ("b.png", P[0]), ("b.cls", "4"))},
    "cls_bad": {T: tar(("a.png", P[0]), ("a.cls", "x"))},
    "caption": {T: tar(("a.png", P[0]), ("a.caption", "x"))},
    "txt_latin": {T: tar(("a.png", P[0]), ("a.txt", b"caf\xe9"))},
    "upper": {T: tar(("a.PNG", P[0]), ("a.TXT", "x"))},
    "folder": {T: tar(("s/a.png", P[0]), ("s/a.txt", "x"), ("t/a.png", P[1]), ("t/a.txt", "y"))},
    "dotfolder": {T: tar(("v1.0/a.png", P[0]), ("v1.0/b.png", P[1]))},
    "dotslash": {T: tar(("./a.png", P[0]), ("./b.png", P[1]))},
    "hidden": {T: tar((".a.png", P[0]), ("__MACOSX/._a.png", b"x"), ("b.png", P[1]))},
    "noext": {T: tar(("README", b"x"), ("a.png", P[1]))},
    "readme": {T: tar(("README.md", b"x"), ("a.png", P[1]))},
    "meta": {
        T: tar(("a.png", P[0]), ("b.png", P[1]), ("metadata.jsonl", b'{"file_name":"a.png"}\n'))
    },
    "multi": {T: tar(("1.png", P[0]), ("1.mask.png", P[1]), ("2.png", P[0]), ("2.mask.png", P[1]))},
    "avif": {T: tar(("a.avif", png(1, "AVIF")), ("b.avif", png(1, "AVIF")))},
    "webp": {T: tar(("a.webp", png(1, "WEBP")))},
    "heic": {T: tar(("a.heic", b"x"))},
    "bad": {T: tar(("a.png", b"no"), ("b.png", P[1]))},
    "two_tars": {
        "a-000.tar": tar(("a.png", P[0]), ("a.txt", "x")),
        "a-001.tar": tar(("b.png", P[1])),
    },
    "two_tars_more": {
        "a-000.tar": tar(("a.png", P[0])),
        "a-001.tar": tar(("b.png", P[1]), ("b.txt", "x")),
    },
    "two_tars_other": {
        "a-000.tar": tar(("a.png", P[0])),
        "a-001.tar": tar(("b.jpg", png(1, "JPEG"))),
    },
    "two_tars_folder": {"a-000.tar": tar(("a.png", P[0])), "b/a-001.tar": tar(("b.png", P[1]))},
    "gz": {"a.tar.gz": tar(("a.png", P[0]), ("b.png", P[1]), mode="w:gz")},
    "tgz": {"a.tgz": tar(("a.png", P[0]), ("b.png", P[1]), mode="w:gz")},
    "empty": {T: tar()},
    "notar": {T: b"nothing"},
    "cut": {T: tar(("a.png", P[0]), ("b.png", P[1]))[:700]},
    "tar_and_meta": {
        "images.tar": tar(("a.png", P[0]), ("b.png", P[1])),
        "metadata.jsonl": '{"file_name":"a.png","text":"x"}\n{"file_name":"b.png","text":"x"}\n',
    },
    "targz_and_meta": {
        "images.tar.gz": tar(("a.png", P[0]), ("b.png", P[1]), mode="w:gz"),
        "metadata.jsonl": '{"file_name":"a.png","text":"x"}\n{"file_name":"b.png","text":"x"}\n',
    },
    "tar_splits": {"train/a.tar": tar(("a.png", P[0])), "test/b.tar": tar(("b.png", P[1]))},
    "tar_splits_differ": {"train/a.tar": tar(("a.png", P[0])), "test/b.tar": tar(("b.jpg", P[1]))},
    "txt_dots": {T: tar(("a.b.txt", "x"), ("a.png", P[0]))},
    "npy": {T: tar(("a.png", P[0]), ("a.npy", b"xx"))},
    "bin": {T: tar(("a.png", P[0]), ("a.bin", b"xx"))},
}

TABLES: dict[str, Any] = {
    "mf_labels": {
        **AB,
        "labels.csv": "file_name,text\na.png,x\nb.png,y\n",
        "README.md": cfg(metadata_filenames=["labels.csv"]),
    },
    "mf_files": {
        **AB,
        "labels.csv": "file_name,text\na.png,x\nb.png,y\n",
        "README.md": cfg(metadata_filenames=["labels.csv"], data_files=D),
    },
    "mf_files_star": {
        **AB,
        "labels.csv": "file_name,text\na.png,x\nb.png,y\n",
        "README.md": cfg(
            metadata_filenames=["labels.csv"],
            data_files=[{"split": "train", "path": ["*.png", "labels.csv"]}],
        ),
    },
    "mf_jsonl": {
        **AB,
        "metadata1000.jsonl": ML,
        "README.md": cfg(metadata_filenames=["metadata1000.jsonl"], data_files=D),
    },
    "mf_jsonl_less": {
        **AB,
        "c.png": P[2],
        "metadata1000.jsonl": ML,
        "README.md": cfg(metadata_filenames=["metadata1000.jsonl"], data_files=D),
    },
    "mf_str": {
        **AB,
        "labels.csv": "file_name,text\na.png,x\n",
        "README.md": cfg(metadata_filenames="labels.csv", data_files=D),
    },
    "mf_other": {
        **AB,
        "metadata.jsonl": ML,
        "README.md": cfg(metadata_filenames=["labels.csv"], data_files=D),
    },
    "mf_wrong_key": {
        **AB,
        "metadata.jsonl": ML,
        "README.md": cfg(metadata_filename=["labels.csv"], data_files=D),
    },
    "unknown_key": {**AB, "metadata.jsonl": ML, "README.md": cfg(banana=1, data_files=D)},
    "mf_empty": {**AB, "metadata.jsonl": ML, "README.md": cfg(metadata_filenames=[], data_files=D)},
    "mf_txt": {
        **AB,
        "labels.txt": ML,
        "README.md": cfg(metadata_filenames=["labels.txt"], data_files=D),
    },
    "mf_sub": {
        "x/a.png": P[0],
        "x/labels.csv": "file_name,text\na.png,x\n",
        "b.png": P[1],
        "README.md": cfg(metadata_filenames=["labels.csv"], data_files=D),
    },
    "mf_subpath": {
        "x/a.png": P[0],
        "x/labels.csv": "file_name,text\na.png,x\n",
        "b.png": P[1],
        "README.md": cfg(metadata_filenames=["x/labels.csv"], data_files=D),
    },
    "mf_two": {
        **AB,
        "labels.csv": "file_name,text\na.png,x\n",
        "metadata.csv": "file_name,text\nb.png,y\n",
        "README.md": cfg(metadata_filenames=["labels.csv", "metadata.csv"], data_files=D),
    },
    "mf_parquet": {
        **AB,
        "labels.parquet": pqb({"file_name": ["a.png"], "t": ["x"]}),
        "README.md": cfg(metadata_filenames=["labels.parquet"], data_files=D),
    },
    "mf_droplabels": {
        "x/a.png": P[0],
        "y/b.png": P[1],
        "README.md": cfg(drop_labels=True, data_files=D),
    },
    "labels_invented": {"x/a.png": P[0], "y/b.png": P[1]},
    "labels_meta": {
        "x/a.png": P[0],
        "y/b.png": P[1],
        "metadata1000.jsonl": '{"file_name":"x/a.png","text":"x"}\n',
    },
    "labels_true": {
        "x/a.png": P[0],
        "y/b.png": P[1],
        "metadata.jsonl": '{"file_name":"x/a.png","text":"x"}\n',
        "README.md": cfg(drop_labels=False, data_files=D),
    },
    "dropmeta": {**AB, "metadata.jsonl": ML, "README.md": cfg(drop_metadata=True, data_files=D)},
    "two_configs": {
        **AB,
        "README.md": card(
            {
                "configs": [
                    {"config_name": "one", "data_files": "a.png"},
                    {"config_name": "two", "data_files": "b.png"},
                ]
            }
        ),
    },
    "two_configs_def": {
        **AB,
        "README.md": card(
            {
                "configs": [
                    {"config_name": "one", "data_files": "a.png"},
                    {"config_name": "two", "data_files": "b.png", "default": True},
                ]
            }
        ),
    },
    "two_configs_default": {
        **AB,
        "README.md": card(
            {
                "configs": [
                    {"config_name": "one", "data_files": "a.png"},
                    {"config_name": "default", "data_files": "b.png"},
                ]
            }
        ),
    },
    "cfg_features": {
        **AB,
        "README.md": card(
            {
                "configs": [{"config_name": "default", "data_files": "a.png"}],
                "dataset_info": {"features": [{"name": "image", "dtype": "image"}]},
            }
        ),
    },
    "info_feat_pq": {
        "a.parquet": pqb({"image": im(1)}),
        "README.md": card({"dataset_info": {"features": [{"name": "image", "dtype": "image"}]}}),
    },
    "info_feat_pq_cfg": {
        "a.parquet": pqb({"image": im(1)}),
        "README.md": card(
            {
                "configs": [{"config_name": "default", "data_files": "a.parquet"}],
                "dataset_info": {
                    "config_name": "default",
                    "features": [{"name": "image", "dtype": "image"}],
                },
            }
        ),
    },
    "info_feat_bytes": {
        "a.parquet": pqb({"image": [png(1)]}),
        "README.md": card({"dataset_info": {"features": [{"name": "image", "dtype": "image"}]}}),
    },
    "info_feat_less": {
        "a.parquet": pqb({"image": im(1), "t": ["x"]}),
        "README.md": card({"dataset_info": {"features": [{"name": "image", "dtype": "image"}]}}),
    },
    "info_feat_more": {
        "a.parquet": pqb({"image": im(1)}),
        "README.md": card(
            {
                "dataset_info": {
                    "features": [
                        {"name": "image", "dtype": "image"},
                        {"name": "t", "dtype": "string"},
                    ]
                }
            }
        ),
    },
    "zip_meta": {"images.zip": zp(*AB.items()), "metadata.jsonl": ML},
    "zip_meta_folder": {
        "images.zip": zp(("images/a.png", P[0]), ("images/b.png", P[1])),
        "metadata.jsonl": ML.replace('"a.', '"images/a.').replace('"b.', '"images/b.'),
    },
    "zip_in": {"images.zip": zp(*AB.items(), ("metadata.jsonl", ML))},
    "zip_in_csv": {"images.zip": zp(*AB.items(), ("metadata.csv", "file_name,text\na.png,x\n"))},
    "zip_labels": {"images.zip": zp(("x/a.png", P[0]), ("y/b.png", P[1]))},
    "zip_mf": {
        "images.zip": zp(*AB.items(), ("labels.csv", "file_name,text\na.png,x\n")),
        "README.md": cfg(metadata_filenames=["labels.csv"], data_files=D),
    },
    "two_zips_meta": {
        "1.zip": zp(("a.png", P[0])),
        "2.zip": zp(("b.png", P[1])),
        "metadata.jsonl": ML,
    },
    "zip_pq_meta": {"1.zip": zp(("a.png", P[0])), "a.parquet": pqb({"image": im(1)})},
    "cfg_pq_cols": {
        "a.parquet": pqb({"image": im(1), "t": ["x"]}),
        "README.md": cfg(data_files="a.parquet", columns=["t"]),
    },
    "cfg_tar": {
        "a.tar": tar(("a.png", P[0])),
        "README.md": cfg(data_files=[{"split": "train", "path": "a.tar"}]),
    },
    "cfg_pq_splits": {
        "a.parquet": pqb({"image": im(1)}),
        "b.parquet": pqb({"image": im(1)}),
        "README.md": cfg(
            data_files=[
                {"split": "train", "path": "a.parquet"},
                {"split": "test", "path": "b.parquet"},
            ]
        ),
    },
    "pq_dirs_configs": {
        "en/train-00000-of-00001.parquet": pqb({"image": im(1)}),
        "de/train-00000-of-00001.parquet": pqb({"image": im(1), "t": ["x"]}),
        "README.md": card(
            {
                "configs": [
                    {"config_name": "en", "data_files": "en/*"},
                    {"config_name": "de", "data_files": "de/*"},
                ]
            }
        ),
    },
    "pq_dirs_default": {
        "en/train-00000-of-00001.parquet": pqb({"image": im(1)}),
        "de/train-00000-of-00001.parquet": pqb({"image": im(1), "t": ["x"]}),
        "README.md": card(
            {
                "configs": [
                    {"config_name": "en", "data_files": "en/*", "default": True},
                    {"config_name": "de", "data_files": "de/*"},
                ]
            }
        ),
    },
    "pq_datadir": {
        "en/a.parquet": pqb({"image": im(1)}),
        "README.md": card({"configs": [{"config_name": "en", "data_dir": "en"}]}),
    },
    "pq_nogroups": {"a.parquet": without_groups(), "b.parquet": pqb({"image": im(1)})},
    "pq_nogroups_only": {"a.parquet": without_groups()},
}
