"""What hubtools says the loader will do is what `datasets` does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simple import picture

from hubtools.cards.render import write_dataset_card
from hubtools.dataset.examples import read_examples
from hubtools.dataset.folder.splits import infer_splits
from hubtools.dataset.validate import validate
from hubtools.findings import Severity
from hubtools.project import Project
from hubtools.settings import DatasetSettings

datasets = pytest.importorskip("datasets")
datasets.disable_progress_bars()

Build = Callable[[Path], object]


def load(root: Path, cache: Path) -> dict[str, list[dict[str, Any]]]:
    """Split -> rows, as `load_dataset` gives them."""
    loaded = datasets.load_dataset(str(root), cache_dir=str(cache))
    return {split: list(table) for split, table in loaded.items()}


def records(root: Path, name: str, rows: list[dict[str, Any]]) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif name.endswith(".csv"):
        import csv

        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
    else:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def rows_for(names: list[str]) -> list[dict[str, Any]]:
    return [{"file_name": name, "text": f'caption {n}, "quoted"'} for n, name in enumerate(names)]


def flat(form: str) -> Build:
    def build(root: Path) -> None:
        for number in range(3):
            picture(root / f"{number}.png", number)
        records(root, f"metadata.{form}", rows_for(["2.png", "0.png", "1.png"]))

    return build


def below(root: Path) -> None:
    for folder, number in (("men", 0), ("women", 1), ("women", 2)):
        picture(root / folder / f"{number}.png", number)
    records(root, "men/metadata.jsonl", rows_for(["0.png"]))
    records(root, "women/metadata.jsonl", rows_for(["1.png", "2.png"]))


def rooted(root: Path) -> None:
    picture(root / "a/0.png", 0)
    picture(root / "a/b/1.jpg", 1)
    records(root, "metadata.jsonl", rows_for(["a/0.png", "a/b/1.jpg"]))


def split(root: Path) -> None:
    for folder, number in (("train", 0), ("train", 1), ("test", 2)):
        picture(root / folder / f"{number}.png", number)
    records(root, "train/metadata.jsonl", rows_for(["0.png", "1.png"]))
    records(root, "test/metadata.jsonl", rows_for(["2.png"]))


def carded(root: Path) -> None:
    """A name that would mislead the loader, made harmless by the card."""
    flat("jsonl")(root)
    (root / "1.png").rename(root / "dress-test-1.png")
    records(root, "metadata.jsonl", rows_for(["0.png", "dress-test-1.png", "2.png"]))
    write_dataset_card(root, Project(dataset=DatasetSettings(license="cc0-1.0", rights="own")))


@pytest.mark.parametrize(
    "build", [flat("jsonl"), flat("csv"), flat("parquet"), below, rooted, split, carded]
)
def test_a_dataset_that_passes_loads_as_hubtools_reads_it(tmp_path: Path, build: Build) -> None:
    root = tmp_path / "data"
    build(root)
    report = validate(
        root, DatasetSettings(license="cc0-1.0", rights="own", trigger="caption"), resolution=64
    )
    assert [f for f in report.findings if f.severity is not Severity.INFO] == []
    examples = read_examples(root, "text")
    train = load(root, tmp_path / "cache")["train"]
    theirs = [(row["image"].filename, row["text"]) for row in train]
    ours = [(str(example.image), example.caption) for example in examples]
    if build is below:  # several metadata files come in the order of the disk
        theirs.sort()
        ours.sort()
    assert ours == theirs


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda root: (root / "3.png").write_bytes((root / "0.png").read_bytes()), "D202"),
        (lambda root: records(root, "metadata.jsonl", rows_for(["0.png", "0.png"])), "D203"),
    ],
)
def test_what_the_loader_does_in_silence_is_said(tmp_path: Path, spoil: Build, rule: str) -> None:
    root = tmp_path / "data"
    flat("jsonl")(root)
    spoil(root)
    named = [example.file_name for example in read_examples(root, "text")]
    train = load(root, tmp_path / "cache")["train"]
    assert [Path(row["image"].filename).name for row in train] == named
    assert rule in {finding.rule for finding in validate(root, resolution=64).findings}


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ('{"file_name": "0.png", "text": "a",}\n', "D101"),
        ('[{"file_name": "0.png", "text": "a"}]', "D103"),
        ('"0.png"\n', "D104"),
        ('{"file_name": "0.png", "text": "a", "text": "b"}\n', "D105"),
        ("", "D107"),
        ('{"name": "0.png", "text": "a"}\n', "D115"),
        ('{"file_name": "0.png", "text": "a"}\n{"file_name": "1.png", "text": 5}\n', "D118"),
        ('{"file_name": "../0.png", "text": "a"}\n', "D204"),
    ],
)
def test_what_hubtools_calls_an_error_fails_in_the_loader(
    tmp_path: Path, content: str, rule: str
) -> None:
    root = tmp_path / "data"
    for number in range(2):
        picture(root / f"{number}.png", number)
    (root / "metadata.jsonl").write_text(content)
    assert rule in {finding.rule for finding in validate(root, resolution=64).findings}
    with pytest.raises(Exception, match=r".") as caught:
        load(root, tmp_path / "cache")
    assert type(caught.value).__module__.startswith(("datasets", "pyarrow", "builtins"))


# Names made of the words that mislead the loader, and of separators.
words = st.sampled_from(["train", "test", "val", "dress", "a", "training", "dev", "x"])
names = st.builds(
    lambda parts, separator, folder: "/".join(filter(None, [folder, separator.join(parts)])),
    st.lists(words, min_size=1, max_size=3),
    st.sampled_from(["-", "_", ".", " ", "0", ""]),
    st.sampled_from(["", "train", "test", "data", "my val", "women"]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(names, min_size=1, max_size=4, unique=True))
def test_splits_are_guessed_as_the_loader_guesses_them(
    tmp_path_factory: pytest.TempPathFactory, stems: list[str]
) -> None:
    from datasets.data_files import DataFilesDict, get_data_patterns

    root = tmp_path_factory.mktemp("names")
    files = [f"{stem}.png" for stem in stems]
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    patterns = get_data_patterns(str(root))
    found = DataFilesDict.from_patterns(patterns, base_path=str(root))
    theirs = {
        str(split): {Path(path).relative_to(root).as_posix() for path in paths}
        for split, paths in found.items()
    }
    ours = {split: set(named) for split, named in infer_splits(files).files.items()}
    assert ours == theirs
