"""What is trained on is what `validate` says is read, and what `load_dataset` gives."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from broken_sets import SETS, Picture, build, spreadsheet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubtools.dataset.loaders import TRAIN, Mode
from hubtools.dataset.validate import validate
from hubtools.errors import ChecksFailed, HubtoolsError
from hubtools.findings import Report
from hubtools.progress import PlainReporter
from hubtools.project import Project
from hubtools.settings import DatasetSettings, RulesSettings, TrainSettings
from hubtools.training.pictures import TrainingPictures, find_pictures

datasets = pytest.importorskip("datasets", minversion="5")
from oracle import simulated  # noqa: E402

datasets.disable_progress_bars()
datasets.logging.set_verbosity_error()
LOADING = ["D1", "D2"]  # not the quality of such pictures


class Heard(PlainReporter):
    """Keeps the report."""

    found: Report | None = None

    def __init__(self) -> None:
        super().__init__(lambda sentence: None)

    def report(self, report: Report) -> None:
        self.found = report


def project_of(root: Path) -> Project:
    return Project(
        dataset=DatasetSettings(path=str(root), license="cc0-1.0", rights="own"),
        train=TrainSettings(resolution=32),
        rules=RulesSettings(select=LOADING),
    )


def pictures_of(root: Path, *, skip: bool = True, heard: Heard | None = None) -> TrainingPictures:
    return find_pictures(project_of(root), heard or Heard(), from_hub=False, skip_validation=skip)


def trained_on(root: Path) -> list[tuple[str, str]]:
    return [(one.file_name, one.caption) for one in pictures_of(root).examples]


def loaded_by_the_library(root: Path, cache: Path) -> list[tuple[str, Any]]:
    rows = datasets.load_dataset(str(root), split=TRAIN, cache_dir=str(cache))
    rows = rows.cast_column("image", datasets.Image(decode=False))
    # an empty field of a CSV file is nothing to pandas, and an empty caption to us
    return [(Path(r["image"]["path"]).relative_to(root).as_posix(), r["text"] or "") for r in rows]


def check(root: Path, cache: Path) -> int | None:
    """How many rows are trained on, None if it is refused."""
    report = validate(root, project_of(root).dataset, select=LOADING, resolution=32)
    told = report.facts["loaders"]["auto"]["splits"].get(TRAIN, {"rows": None})
    predicted = simulated(root)[Mode.AUTO].split(TRAIN)
    heard = Heard()
    if not report.ok:
        with pytest.raises(ChecksFailed):
            pictures_of(root, skip=False, heard=heard)
        assert heard.found is not None
        assert heard.found.findings == report.findings
    found = read(root, skip=not report.ok)
    if isinstance(found, HubtoolsError):
        assert str(root) in found.message
        assert not isinstance(found, ChecksFailed)
        return None
    assert predicted is not None
    assert told["rows"] == predicted.rows == len(found.examples)
    names = [example.file_name for example in found.examples]
    assert names == list(predicted.files)
    assert len(found.sizes) == len(names)
    theirs = loaded_by_the_library(root, cache)
    ours = [(example.file_name, example.caption) for example in found.examples]
    if len(predicted.records) > 1:  # `datasets` takes them in an order of chance
        ours, theirs = sorted(ours), sorted(theirs)
    assert ours == theirs
    for example in found.examples:
        assert example.image == root / example.file_name
        if example.line is not None:
            (entry,) = (name for name, _ in predicted.records if _has(root, name, example))
            assert entry
    return len(names)


def read(root: Path, *, skip: bool) -> TrainingPictures | HubtoolsError:
    try:
        return pictures_of(root, skip=skip)
    except HubtoolsError as error:
        return error


def _has(root: Path, name: str, example: Any) -> bool:
    """True if the record on the example's line of this file is the example's."""
    if not name.endswith(".jsonl"):
        return name.endswith(".csv")
    lines = (root / name).read_text(encoding="utf-8-sig").splitlines()
    if example.line > len(lines):
        return False
    record = json.loads(lines[example.line - 1])
    folder = name.rpartition("/")[0]
    named = f"{folder}/{record['file_name']}" if folder else record["file_name"]
    return bool(named == example.file_name and record["text"] == example.caption)


def front(splits: dict[str, Any]) -> str:
    files = [{"split": split, "path": path} for split, path in splits.items()]
    return (
        f"---\n{json.dumps({'configs': [{'config_name': 'default', 'data_files': files}]})}\n---\n"
    )


def two_folders(first: str, second: str) -> dict[str, Any]:
    return {
        f"{first}/a.png": Picture(1),
        f"{first}/b.png": Picture(2),
        f"{first}/metadata.jsonl": [
            {"file_name": "b.png", "text": "one"},
            {"file_name": "a.png", "text": "two"},
        ],
        f"{second}/c.png": Picture(3),
        f"{second}/metadata.jsonl": [{"file_name": "c.png", "text": "three"}],
    }


def test_what_the_card_leaves_out_is_not_trained_on(tmp_path: Path) -> None:
    files = two_folders("train", "extra") | {"README.md": front({"train": "train/**"})}
    root = build(tmp_path / "set", files)
    assert trained_on(root) == [("train/b.png", "one"), ("train/a.png", "two")]
    assert check(root, tmp_path / "cache") == 2


@pytest.mark.parametrize("held", ["test", "my val", "eval-2", "dev"])
def test_held_out_folders_are_those_of_the_loader(tmp_path: Path, held: str) -> None:
    root = build(tmp_path / "set", two_folders("train", held))
    assert check(root, tmp_path / "cache") == 2


def test_a_folder_that_only_looks_held_out_is_trained_on(tmp_path: Path) -> None:
    """`datasets` knows its words in lower case only."""
    root = build(tmp_path / "set", two_folders("women", "Test"))
    assert check(root, tmp_path / "cache") == 3


def test_the_card_may_name_a_held_out_folder_for_training(tmp_path: Path) -> None:
    files = two_folders("test", "train") | {"README.md": front({"train": ["test/**", "train/**"]})}
    assert check(build(tmp_path / "set", files), tmp_path / "cache") == 3


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (two_folders("test", "dev"), "has no split train: it loads as validation and test"),
        (two_folders("a", "b") | {"README.md": front({"train": "*.gif"})}, "does not load"),
        ({"a.png": Picture(1)}, "has no metadata.jsonl"),
        (two_folders("a", "b") | {"README.md": front({"train": "**/*.png"})}, "without metadata"),
        (
            {"a.csv": "x,y\n1,2\n" * 2, "b.csv": "x,y\n1,2\n", **two_folders("a", "b")}
            | {f"{n}.txt": "x" for n in range(9)},
            "it is read as text",
        ),
        (
            {"a.png": Picture(1), "metadata.csv": "file_name,text\na.png,NA\n"},
            "metadata.csv:2: 'NA' in a CSV file is read as no caption",
        ),
        (
            {"a.png": Picture(1, cut=40), "metadata.jsonl": [{"file_name": "a.png", "text": "a"}]},
            "metadata.jsonl:1: a.png cannot be read as a picture",
        ),
        (
            {"a.png": Picture(1), "metadata.jsonl": [{"file_name": "a.png", "text": None}]},
            "metadata.jsonl:1: text is None, not a text",
        ),
        (
            {"a.png": Picture(1), "metadata.jsonl": '{"file_name": "a.png"\n'},
            "metadata.jsonl:1: ",
        ),
    ],
)
def test_what_cannot_be_trained_on_is_a_sentence(
    tmp_path: Path, files: dict[str, Any], said: str
) -> None:
    root = build(tmp_path / "set", files)
    with pytest.raises(HubtoolsError) as caught:
        pictures_of(root)
    assert said in caught.value.message


# Sets that take seconds to build, or of other things than pictures.
KINDS = ("well_formed", "splits", "card", "layout", "rows", "beside", "names")
SAMPLE = [n for n in SETS if n.startswith(KINDS) and not n.endswith(("10_MB", "12_MB", "_long"))]


@pytest.mark.parametrize("name", SAMPLE[::6])
def test_of_the_broken_sets_the_same_is_read(tmp_path: Path, name: str) -> None:
    files = {
        key: [{"text": f"caption {n}", **row} for n, row in enumerate(value)]
        if isinstance(value, list) and key.endswith("metadata.jsonl")
        else value
        for key, value in SETS[name].items()
    }
    check(build(tmp_path / "set", files), tmp_path / "cache")


# --- drawn at random -----------------------------------------------------------------------------

_FOLDERS = ["", "train", "extra", "test", "my val", "women", ".h", "data", "train/sub"]
_STEMS = ["a", "b c", "dress-test-1", "ü", "train_2", "x[1]", "a#b"]
_CAPTIONS = st.sampled_from(["one", "two, three", 'a "b"', "ünder", "x\ty", " end ", "NA"])
_PATTERNS = st.sampled_from(
    ["**", "*", "train/**", "extra/**", "te*/**", "**/*.png", "train/*", "women/**", "data/**"]
)
_CARDS = st.none() | st.dictionaries(
    st.sampled_from(["train", "test", "odd.name"]),
    st.lists(_PATTERNS, min_size=1, max_size=2, unique=True),
    min_size=1,
    max_size=2,
)
_COUNT = itertools.count()


@st.composite
def sets(draw: st.DrawFn) -> dict[str, Any]:
    files: dict[str, Any] = {}
    records: dict[str, list[dict[str, Any]]] = {}
    form = draw(st.sampled_from(["jsonl", "jsonl", "csv", "parquet"]))
    for number, folder in enumerate(
        draw(st.lists(st.sampled_from(_FOLDERS), min_size=1, max_size=3, unique=True))
    ):
        at_root = folder and draw(st.integers(0, 3)) == 0
        for stem in draw(st.lists(st.sampled_from(_STEMS), min_size=1, max_size=2, unique=True)):
            name = f"{folder}/{stem}.png" if folder else f"{stem}.png"
            files[name] = Picture(10 * number + len(files))
            if draw(st.integers(0, 9)) == 0:
                files[name.replace(".png", ".txt")] = "beside"
            if draw(st.integers(0, 9)) == 0:
                continue  # no record
            place = "" if at_root or not folder else folder + "/"
            row = {"file_name": name.removeprefix(place), "text": draw(_CAPTIONS)}
            if draw(st.integers(0, 19)) == 0:
                del row["text"]
            records.setdefault(f"{place}metadata.{form}", []).append(row)
    for name, rows in records.items():
        if form == "jsonl":
            files[name] = rows
        elif form == "csv":
            cells = [["file_name", "text"]]
            files[name] = spreadsheet(cells + [[r["file_name"], r.get("text", "")] for r in rows])
        else:
            files[name] = parquet_of(rows)
    if (card := draw(_CARDS)) is not None:
        files["README.md"] = front(card)
    return files


def parquet_of(rows: list[dict[str, Any]]) -> bytes:
    import io

    import pyarrow
    import pyarrow.parquet

    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), out)
    return out.getvalue()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drawn")


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(sets())
def test_what_is_trained_on_is_what_is_predicted(base: Path, files: dict[str, Any]) -> None:
    root = build(base / f"set{next(_COUNT)}", files)
    check(root, base / "cache" / root.name)
