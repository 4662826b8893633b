"""shard and unshard: the same files and rows come back, and `datasets` reads what lies between."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from simple import picture

from hubtools import shard, unshard
from hubtools.errors import HubtoolsError
from hubtools.frontmatter import read_card
from tests.doomed import RENAME, doomed
from tests.typed import typed

FORMATS = ["parquet", "webdataset"]


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def files_of(root: Path, *, but: tuple[str, ...] = ("metadata.jsonl",)) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and path.name not in but and ".hubtools" not in path.parts
    }


def write_rows(root: Path, rows: list[dict[str, Any]], name: str = "metadata.jsonl") -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (root / name).write_text(text, encoding="utf-8")


@pytest.fixture
def rich(tmp_path: Path) -> Path:
    """Two pictures of one name, several kinds of columns, a card and a licence."""
    root = tmp_path / "rich"
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(["a/1.png", "b/1.png", "b/2.v2.png", "é x.png"]):
        picture(root / name, number)
        row = {
            "file_name": name, "text": f"(tok), «{number}»\nline", "n": number, "half": number / 2,
            "tags": ["x"] * number, "box": {"x": number, "y": None}, "ok": number % 2 == 0,
        }  # fmt: skip
        if number > 1:
            row["view"] = "front"
        rows.append(row)
    write_rows(root, rows)
    (root / "README.md").write_bytes(b"---\nlicense: cc0-1.0\n---\r\n# Rich\n")
    (root / "LICENSE").write_text("CC0")
    return root


@pytest.mark.parametrize("format", FORMATS)
def test_round_trip(rich: Path, tmp_path: Path, format: Any) -> None:
    made = shard(rich, tmp_path / "shards", format=format, max_shard_size=500)
    assert (made.rows, made.unnamed, made.left_count) == (4, 0, 0)
    assert len(made.shards) > 1
    for one in made.shards:
        assert hashlib.sha256((made.folder / one.name).read_bytes()).hexdigest() == one.sha256
    back = unshard(made.folder, tmp_path / "back")
    assert (back.rows, back.pictures) == (4, 4)
    assert files_of(back.folder) == files_of(rich)
    before, after = rows_of(rich / "metadata.jsonl"), rows_of(back.folder / "metadata.jsonl")
    assert after == before
    assert [list(row) for row in after] == [list(row) for row in before]


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_bytes_every_time(rich: Path, tmp_path: Path, format: Any) -> None:
    one = shard(rich, tmp_path / "one", format=format)
    two = shard(rich, tmp_path / "two", format=format)
    assert files_of(one.folder) == files_of(two.folder)
    again = shard(rich, tmp_path / "one", format=format)
    assert all(item.kept for item in again.shards)
    assert not any(item.kept for item in two.shards)


def load(cache: Path, *arguments: Any, **options: Any) -> Any:
    import datasets

    return datasets.load_dataset(*arguments, cache_dir=str(cache), **options)


def test_datasets_reads_parquet(rich: Path, tmp_path: Path) -> None:
    import datasets

    made = shard(rich, tmp_path / "shards", max_shard_size=500)
    files = [str(made.folder / item.name) for item in made.shards]
    for read in (
        load(tmp_path / "c1", "parquet", data_files={"train": files}, split="train"),
        load(tmp_path / "c2", str(made.folder), split="train"),
    ):
        assert isinstance(read.features["image"], datasets.Image)
        assert read.column_names == ["image", "text", "n", "half", "tags", "box", "ok", "view"]
        rows = rows_of(rich / "metadata.jsonl")
        assert read["text"][:] == [row["text"] for row in rows]
        assert read["n"][:] == [0, 1, 2, 3]
        raw = read.cast_column("image", datasets.Image(decode=False))["image"][:]
        assert [cell["path"] for cell in raw] == [row["file_name"] for row in rows]
        for cell, row in zip(raw, rows, strict=True):
            assert cell["bytes"] == (rich / row["file_name"]).read_bytes()
        with Image.open(rich / "b/1.png") as wanted:
            assert read[1]["image"].tobytes() == wanted.tobytes()


def test_datasets_reads_webdataset(rich: Path, tmp_path: Path) -> None:
    import datasets

    picture(rich / "c.jpg", 7)  # endings differ: readers of WebDataset want them alike
    with (rich / "metadata.jsonl").open("a") as rows:
        rows.write(json.dumps({"file_name": "c.jpg", "text": "c"}) + "\n")
    made = shard(rich, tmp_path / "shards", format="webdataset")
    files = [str(made.folder / item.name) for item in made.shards]
    for read in (
        load(tmp_path / "c1", "webdataset", data_files={"train": files}, split="train"),
        load(tmp_path / "c2", str(made.folder), split="train"),
    ):
        assert isinstance(read.features["jpg"], datasets.Image)
        assert [row["file_name"] for row in read["json"]][1:3] == ["b/1.png", "b/2.v2.png"]
        assert read[4]["jpg"].size == (64, 64)
        with Image.open(rich / "b/1.png") as wanted:
            assert read[1]["jpg"].tobytes() == wanted.tobytes()


def test_the_file_is_made_for_the_hub(rich: Path, tmp_path: Path) -> None:
    for number in range(250):
        picture(rich / f"many/{number}.png", number % 40)
    rows = rows_of(rich / "metadata.jsonl")
    rows += [{"file_name": f"many/{n}.png", "text": str(n)} for n in range(250)]
    write_rows(rich, rows)
    made = shard(rich, tmp_path / "shards")
    file = parquet.ParquetFile(made.folder / made.shards[0].name)
    assert [file.metadata.row_group(n).num_rows for n in range(3)] == [100, 100, 54]
    group = file.metadata.row_group(0)
    by_path = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert by_path["image.bytes"].compression == "UNCOMPRESSED"
    assert by_path["text"].compression == "SNAPPY"
    assert all(column.has_offset_index for column in by_path.values())


def test_splits_masks_and_several_metadata_files(tmp_path: Path) -> None:
    import datasets

    root = tmp_path / "set"
    for split in ("train", "test"):
        rows = []
        for number in range(3):
            picture(root / split / f"{number}.png", number)
            picture(root / split / f"masks/{number}.png", number + 9)
            mask = f"masks/{number}.png" if number != 1 else None
            rows.append({"mask_file_name": mask, "file_name": f"{number}.png", "text": split})
        write_rows(root, rows, f"{split}/metadata.jsonl")
    (root / "test/masks/1.png").unlink()  # nobody names it
    made = shard(root, tmp_path / "shards")
    assert made.unnamed == 1
    assert {item.name for item in made.shards} == {
        "data/test-00000-of-00001.parquet", "data/train-00000-of-00001.parquet",
    }  # fmt: skip
    read = load(tmp_path / "cache", str(made.folder))
    assert {split: len(read[split]) for split in read} == {"train": 3, "test": 3}
    assert isinstance(read["train"].features["mask"], datasets.Image)
    assert read["train"][1]["mask"] is None
    back = unshard(made.folder, tmp_path / "back")
    (root / "train/masks/1.png").unlink()
    assert files_of(back.folder, but=()).keys() == files_of(root, but=()).keys()
    for split in ("train", "test"):
        name = f"{split}/metadata.jsonl"
        assert rows_of(back.folder / name) == rows_of(root / name)


@pytest.mark.parametrize("format", FORMATS)
def test_without_metadata_and_with_csv(tmp_path: Path, format: Any) -> None:
    bare = tmp_path / "bare"
    picture(bare / "cats/1.png", 1)
    picture(bare / "dogs/1.png", 2)
    shard(bare, tmp_path / "s1", format=format)
    unshard(tmp_path / "s1", tmp_path / "b1")
    assert files_of(tmp_path / "b1") == files_of(bare)
    (bare / "metadata.csv").write_text('file_name,text,n\ncats/1.png,"a, b",007\ndogs/1.png,,NA\n')
    shard(bare, tmp_path / "s2", format=format)
    unshard(tmp_path / "s2", tmp_path / "b2")
    assert files_of(tmp_path / "b2") == files_of(bare)


def test_the_card_comes_back(rich: Path, tmp_path: Path) -> None:
    card = rich / "README.md"
    configs = "configs:\n- config_name: default\n  data_files:\n  - split: all\n    path: '**'\n"
    card.write_bytes(f"---\nlicense: mit\n{configs}---\n# Rich\n".encode())
    made = shard(rich, tmp_path / "shards")
    (files,) = read_card(made.folder / "README.md").data["configs"]
    assert files["data_files"] == [{"split": "all", "path": "data/all-*"}]
    back = unshard(made.folder, tmp_path / "back")
    assert read_card(back.folder / "README.md").data == read_card(card).data
    assert (back.folder / "LICENSE").read_text() == "CC0"
    # what a person has written beside the shards since stays; a card that went along is renewed
    card.write_bytes(card.read_bytes() + b"More.\n")
    again = shard(rich, made.folder).folder
    assert "More." in (again / "README.md").read_text()
    for name in ("README.md", "LICENSE"):
        as_made = (again / name).read_text()
        (again / name).write_text(f"{as_made}Mine.\n")
        with pytest.raises(HubtoolsError, match=f"{name} is there.*not written over"):
            shard(rich, made.folder)
        assert (again / name).read_text() == f"{as_made}Mine.\n"
        (again / name).write_text(as_made)


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    root, to = tmp_path / "set", tmp_path / "to"
    root.mkdir()
    for number in range(60):
        (root / f"{number:02d}.png").write_bytes(os.urandom(60_000))
    write_rows(root, [{"file_name": f"{n:02d}.png", "text": str(n)} for n in range(60)])
    code = f"from hubtools import shard; shard({str(root)!r}, {str(to)!r}, max_shard_size=60000)"
    doomed(RENAME, "train-", code=code, nth=6)
    assert not (to / "README.md").exists()
    made = shard(root, to, max_shard_size=60_000)
    assert sum(item.kept for item in made.shards) == 5
    whole = shard(root, tmp_path / "whole", max_shard_size=60_000)
    assert files_of(made.folder, but=()) == files_of(whole.folder, but=())
    unshard(to, tmp_path / "back")
    assert files_of(tmp_path / "back", but=("README.md",)) == files_of(root, but=())
    assert made.replaced is None
    # a shard that was damaged since is written again; a person may have changed it, and it is kept
    first = to / made.shards[0].name
    first.write_bytes(mine := first.read_bytes()[:-1] + b"X")
    again = shard(root, to, max_shard_size=60_000)
    assert [item.name for item in again.shards if not item.kept] == [made.shards[0].name]
    assert (to / str(again.replaced) / made.shards[0].name).read_bytes() == mine


def test_a_card_that_begins_with_two_rules_comes_back(tmp_path: Path) -> None:
    """No front matter lies between them: they are the user's own words."""
    root = tmp_path / "set"
    root.mkdir()
    (root / "0.png").write_bytes(os.urandom(100))
    write_rows(root, [{"file_name": "0.png", "text": "a"}])
    (root / "README.md").write_bytes(b"---\n---\n# Ours\n")
    shard(root, tmp_path / "to")
    unshard(tmp_path / "to", tmp_path / "back")
    assert (tmp_path / "back" / "README.md").read_bytes() == b"---\n---\n# Ours\n"


def refused(root: Path, to: Path, **options: Any) -> str:
    with pytest.raises(HubtoolsError) as caught:
        shard(root, to, **options)
    return caught.value.message


def test_what_cannot_be_sharded_gets_a_sentence(rich: Path, tmp_path: Path) -> None:
    to = tmp_path / "to"
    assert refused(rich / "a/1.png", to).endswith("1.png is a file.")
    assert "There is no folder" in refused(rich / "none", to)
    rows = rows_of(rich / "metadata.jsonl")
    write_rows(rich, [*rows, {"file_name": "none.png"}])
    assert refused(rich, to).endswith("metadata.jsonl:5: there is no picture none.png.")
    write_rows(rich, [*rows, {"file_name": "no\0ne.png"}])
    assert "metadata.jsonl:5: there is no picture no" in refused(rich, to)
    write_rows(rich, [*rows, {"file_name": "../rich/a/1.png"}])
    assert "metadata.jsonl:5: ../rich/a/1.png lies outside" in refused(rich, to)
    (rich / ".x").mkdir()
    (rich / ".x/1.png").write_bytes((rich / "a/1.png").read_bytes())
    write_rows(rich, [*rows, {"file_name": ".x/1.png"}])
    assert refused(rich, to).endswith("metadata.jsonl:5: .x/1.png is no name of a picture.")
    write_rows(rich, [*rows, {"file_name": "a/1.png", "n": "five"}])
    assert refused(rich, to).startswith("metadata.jsonl:5: n is 'five', but a whole number")
    write_rows(rich, [*rows, {"file_name": "a/1.png", "image": "x"}])
    assert "'image'" in refused(rich, to)
    (rich / "metadata.jsonl").write_text('{"file_name": "a/1.png"}\n{"file_name": \n')
    assert "metadata.jsonl:2: " in refused(rich, to)
    write_rows(rich, rows)
    assert "inside" in refused(rich, rich / "shards")
    to.mkdir(exist_ok=True)
    (to / "mine.txt").write_text("keep me")
    assert "mine.txt" in refused(rich, to)
    assert sorted(path.name for path in to.iterdir() if path.name != ".hubtools") == ["mine.txt"]
    (to / "mine.txt").unlink()
    shard(rich, to)
    (rich / "a/1.png").write_bytes((rich / "b/1.png").read_bytes())
    assert "before it changed" in refused(rich, to)


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_wrong_is_unpacked(rich: Path, tmp_path: Path, format: Any) -> None:
    made = shard(rich, tmp_path / "shards", format=format, max_shard_size=500)
    last = made.folder / made.shards[-1].name
    data = last.read_bytes()
    last.write_bytes(data[:2500] if format == "webdataset" else data[:-9])
    with pytest.raises(HubtoolsError, match="no whole"):
        unshard(made.folder, tmp_path / "back")
    last.unlink()
    with pytest.raises(HubtoolsError, match=f"lacks {made.shards[-1].name}"):
        unshard(made.folder, tmp_path / "back")
    assert {path.name for path in tmp_path.iterdir()} == {"rich", "shards"}
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    with pytest.raises(HubtoolsError, match="there already"):
        unshard(made.folder, tmp_path / "full")


def test_a_shard_cannot_write_outside(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    (bad / "data").mkdir(parents=True)
    text = {"hubtools": {"hubtools": 1, "split": "train", "first": 0, "absent": [], "card": {},
            "files": {"image": "file_name"}, "sources": [["metadata.jsonl", 1]],
            "ending": "png"}}  # fmt: skip
    with tarfile.TarFile(
        bad / "data/train-00000-of-00001.tar", "w", pax_headers={"comment": json.dumps(text)}
    ) as tar:
        for name, data in (("0.json", b'{"file_name": "../../evil.png"}'), ("0.png", b"x")):
            (tmp_path / "member").write_bytes(data)
            tar.add(tmp_path / "member", name)
    with pytest.raises(HubtoolsError, match="nothing was unpacked"):
        unshard(bad, tmp_path / "back")
    assert not list(tmp_path.rglob("evil.png"))


def test_shards_of_others(rich: Path, tmp_path: Path) -> None:
    read = load(tmp_path / "cache", "imagefolder", data_dir=str(rich), split="train")
    (tmp_path / "theirs/data").mkdir(parents=True)
    from datasets.table import embed_table_storage

    embedded = read.with_format("arrow").map(embed_table_storage, batched=True)
    embedded.with_format(None).to_parquet(tmp_path / "theirs/data/train-00000-of-00001.parquet")
    back = unshard(tmp_path / "theirs", tmp_path / "back")
    rows = rows_of(back.folder / "metadata.jsonl")
    wanted = rows_of(rich / "metadata.jsonl")
    assert [row["text"] for row in rows] == [row["text"] for row in wanted]
    for row, other in zip(rows, wanted, strict=True):
        mine, theirs = back.folder / row["file_name"], rich / other["file_name"]
        assert mine.read_bytes() == theirs.read_bytes()
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(rich / "a/1.png", "x/0001.png")
        (tmp_path / "t").write_text("a caption\n")
        tar.add(tmp_path / "t", "x/0001.txt")
    unshard(tmp_path / "other.tar", tmp_path / "back2")
    assert rows_of(tmp_path / "back2/metadata.jsonl") == [
        {"file_name": "x/0001.png", "text": "a caption"}
    ]


def test_gps_is_told(tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    for name in ("a.jpg", "b.webp", "c.png", "d.jpg"):
        exif = Image.Exif()
        exif[0x010F] = "camera"
        if name != "d.jpg":
            exif.get_ifd(0x8825)[1] = "N"
        Image.new("RGB", (32, 32)).save(root / name, exif=exif)
    assert shard(root, tmp_path / "to").located == 3
    assert shard(root, tmp_path / "to").located == 3  # remembered


def test_as_typed(rich: Path, tmp_path: Path) -> None:
    def hubtools(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return typed(*arguments, cwd=tmp_path)

    made = hubtools("shard", rich, "--to", "out", "--as", "webdataset", "--format", "json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert (told["rows"], len(told["shards"])) == (4, 1)
    assert hubtools("shard", rich, "--to", "out2", "--format", "webdataset").returncode == 0
    assert (tmp_path / "out2/data/train-00000-of-00001.tar").is_file()
    back = hubtools("unshard", "out", "--to", "back", "-q")
    assert (back.returncode, back.stdout) == (0, "back\n")
    assert hubtools("shard", rich, "--to", "x", "--max-shard-size", "0GB").returncode == 2
    lost = hubtools("unshard", "nowhere", "--to", "y")
    assert (lost.returncode, lost.stderr.startswith("Error: There is no")) == (1, True)


# --- any dataset ----------------------------------------------------------------------------

_NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"],
                 exclude_characters='/\\:~."'), min_size=1, max_size=12)  # fmt: skip
_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


def _columns() -> st.SearchStrategy[dict[str, st.SearchStrategy[Any]]]:
    whole = st.integers(-(2**53), 2**53)
    kinds = st.sampled_from([
        _TEXT, whole, st.floats(allow_nan=False, allow_infinity=False), st.booleans(),
        st.lists(_TEXT, max_size=3), st.lists(whole, max_size=3),
        st.fixed_dictionaries({"a": whole, "b": _TEXT}), st.lists(st.lists(_TEXT), max_size=2),
    ])  # fmt: skip
    keys = _TEXT.filter(lambda key: key and not key.endswith(("file_name", "file_names")))
    return st.dictionaries(keys.filter(lambda key: key != "image"), kinds, max_size=4)


@st.composite
def data_sets(draw: st.DrawFn) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    folders = draw(st.lists(_NAMES.filter(lambda n: not n.startswith("__")), max_size=3))
    columns = draw(_columns())
    files: dict[str, bytes] = {}
    rows = []
    for number in range(draw(st.integers(1, 12))):
        folder = draw(st.sampled_from([*[f"d{f}x/" for f in folders], ""]))
        name = f"{folder}p{draw(_NAMES)}x{number}.{draw(st.sampled_from(['png', 'jpg', 'v1.PNG']))}"
        files[name] = draw(st.binary(max_size=200))
        row: dict[str, Any] = {"file_name": name}
        for key, kind in columns.items():
            row[key] = draw(kind)
        rows.append(row)
    if columns:  # one column that some rows lack, another that is sometimes null
        key = draw(st.sampled_from(sorted(columns)))
        for row in rows[1:]:
            if draw(st.booleans()):
                del row[key]
    return files, rows


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture,
    HealthCheck.too_slow]
)  # fmt: skip
@given(content=data_sets(), format=st.sampled_from(FORMATS), limit=st.integers(1, 600))
def test_any_data_set_comes_back(
    tmp_path_factory: pytest.TempPathFactory, content: Any, format: Any, limit: int
) -> None:
    files, rows = content
    root = tmp_path_factory.mktemp("any")
    for name, data in files.items():
        (root / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "set" / name).write_bytes(data)
    write_rows(root / "set", rows)
    made = shard(root / "set", root / "shards", format=format, max_shard_size=limit)
    assert made.rows == len(rows)
    unshard(root / "shards", root / "back")
    assert files_of(root / "back") == files_of(root / "set")
    assert rows_of(root / "back/metadata.jsonl") == rows
