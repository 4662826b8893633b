"""What the simulator says each loader will do is what it does.

The same question goes to both sides: the module chosen, the rows and columns of every split, an
error at load, and the rows that cannot be read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from broken_sets import GROUPS, SETS, WELL_FORMED, Picture, build, spreadsheet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubtools.dataset.loaders import Mode, Outcome
from hubtools.dataset.loaders.endings import MODULE_OF, endings_of, folder_endings, kept_names
from hubtools.dataset.loaders.patterns import translate
from hubtools.dataset.validate import validate
from hubtools.findings import Severity
from hubtools.settings import DatasetSettings

datasets = pytest.importorskip("datasets", minversion="5")
from oracle import disagreement, simulated, unchanged  # noqa: E402

datasets.disable_progress_bars()
datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
datasets.logging.set_verbosity_error()

# The sets for which an exact answer is out of reach in one mode; the list is to stay short.
UNSURE = {
    ("archives/zip_of_texts", Mode.AUTO),
    ("beside/pdf_most", Mode.AUTO),
    ("beside/videos_most", Mode.AUTO),
    ("content/odd_endings", Mode.AUTO),
}
SETTINGS = DatasetSettings(license="cc0-1.0", rights="own")


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a set is built: always the same folder, whose patterns are translated once."""
    root = tmp_path_factory.getbasetemp() / "set-of-the-oracle"
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.mark.parametrize("name", SETS)
def test_every_mode_does_as_predicted(place: Path, name: str) -> None:
    root = build(place, SETS[name])
    with unchanged():
        for mode, loaded in simulated(root).items():
            unsure = loaded.outcome is Outcome.MAY_RAISE
            assert unsure == ((name, mode) in UNSURE), (mode, loaded.reason)
            assert disagreement(root, loaded) is None, mode


# `validate` takes seconds for sets of many megabytes, and finds nothing else in them
SMALL = [name for name in SETS if not name.endswith(("10_MB", "12_MB", "_part", "_long"))]


@pytest.mark.parametrize("name", SMALL)
def test_what_fails_or_is_lost_has_a_finding(tmp_path: Path, name: str) -> None:
    root = build(tmp_path / "set", SETS[name])
    report = validate(root, SETTINGS, resolution=8)
    errors = {finding.rule for finding in report.findings if finding.severity is Severity.ERROR}
    # shards are loaded by their path, and not expected to be a folder of pictures
    shards = report.facts["loaders"]["auto"]["module"] in ("parquet", "webdataset")
    for mode, loaded in list(simulated(root).items())[: 1 if shards else 3]:
        if loaded.outcome in (Outcome.RAISES, Outcome.ON_ACCESS):
            assert errors, (mode, loaded.reason)
        if loaded.outcome is Outcome.RAISES and loaded.rule is not None:
            assert {loaded.rule, "D120", "D206", "D207", "D801"} & errors, (mode, loaded.reason)
        if loaded.lost:
            # a card that names the files keeps them from being lost in one way of reading only
            said = [
                f
                for f in report.findings
                if f.severity is not Severity.INFO or "README.md" in SETS[name]
            ]
            assert said, loaded.lost


@pytest.mark.parametrize("name", WELL_FORMED)
def test_no_false_alarm_on_a_well_formed_set(tmp_path: Path, name: str) -> None:
    root = build(tmp_path / "set", WELL_FORMED[name])
    report = validate(root, SETTINGS, select=("D1", "D2", "D6"), resolution=8)
    assert [f for f in report.findings if f.severity is not Severity.INFO] == []
    for mode, loaded in simulated(root).items():
        if mode is not Mode.DREAMBOOTH:
            assert loaded.outcome is Outcome.LOADS


def test_there_are_enough_sets() -> None:
    assert len(SETS) >= 160
    assert {"well_formed", "splits", "archives"} <= GROUPS.keys()


def test_the_endings_are_those_of_the_installed_library() -> None:
    from datasets.packaged_modules import (
        _EXTENSION_TO_MODULE,
        _MODULE_TO_EXTENSIONS,
        _MODULE_TO_METADATA_FILE_NAMES,
    )
    from datasets.packaged_modules.audiofolder.audiofolder import AudioFolder
    from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder

    assert {ending: module for ending, (module, _) in _EXTENSION_TO_MODULE.items()} == MODULE_OF
    for module, endings in _MODULE_TO_EXTENSIONS.items():
        assert endings_of(module) == set(endings)
        if module != "lance":
            assert kept_names(module) == set(_MODULE_TO_METADATA_FILE_NAMES[module])
    assert folder_endings("imagefolder") == set(ImageFolder.EXTENSIONS)
    assert folder_endings("audiofolder") == set(AudioFolder.EXTENSIONS)


# --- drawn at random -----------------------------------------------------------------------------

# The same examples every time: a new one that differs is a find for whoever draws more, and must
# not fail the build of somebody who changed something else.
_FEW = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def check(base: Path, files: dict[str, Any], modes: tuple[Mode, ...] = tuple(Mode)) -> None:
    root = build(base / "set", files)
    try:
        with unchanged():
            for mode, loaded in simulated(root).items():
                if mode in modes:
                    assert disagreement(root, loaded) is None, (mode, files)
    finally:
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drawn")


_words = st.sampled_from(["train", "test", "val", "dress", "a", "training", "dev", "x", "eval"])
_stems = st.builds(
    lambda parts, mark, folder: "/".join([*folder, mark.join(parts)]),
    st.lists(_words, min_size=1, max_size=3),
    st.sampled_from(["-", "_", ".", " ", "0", ""]),
    st.lists(
        st.sampled_from(["train", "test", "data", "my val", "women", ".h", "__p"]), max_size=2
    ),
)
_endings = st.sampled_from(
    [".png"] * 8 + [".PNG", ".PnG", ".jpg", ".txt", ".json", ".csv", ".md", ".png.bak", ".npz", ""]
)


@_FEW
@given(st.dictionaries(_stems, _endings, min_size=1, max_size=5))
def test_names(base: Path, stems: dict[str, str]) -> None:
    content = {".txt": "one\ntwo\n", ".json": '{"a": 1}', ".csv": "a,b\n1,2\n"}
    names = {f"{stem}{ending}": ending for stem, ending in stems.items()}
    clash = {folder for name in names for folder in _parents(name)} & names.keys()
    files = {
        name: content.get(ending, Picture(len(name)))
        for name, ending in names.items()
        if name not in clash
    }
    check(base, files)


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "a.png", "2024-01-01", "NA", "1", 'a "b", c', "café"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner, max_size=2)
    ),
    max_leaves=3,
)
_file_names = st.sampled_from(
    ["a.png", "b.png"] * 4 + ["ghost.png", "sub/a.png", "", None, "./b.png"]
)
_records = st.fixed_dictionaries(
    {"file_name": _file_names},
    optional={"text": st.sampled_from(["one", "two"]), "n": _values, "mask_file_name": _file_names},
)


@_FEW
@given(st.lists(_records, min_size=1, max_size=4))
def test_records(base: Path, found: list[dict[str, Any]]) -> None:
    files = {"a.png": Picture(1), "b.png": Picture(2), "sub/a.png": Picture(3)}
    check(base, files | {"metadata.jsonl": found}, (Mode.AUTO, Mode.DIFFUSERS))


@_FEW
@given(st.lists(_records, max_size=2), st.lists(_records, max_size=2))
def test_records_of_two_splits(
    base: Path, train: list[dict[str, Any]], test: list[dict[str, Any]]
) -> None:
    files = {
        f"{folder}/{name}": content
        for folder, found in (("train", train), ("test", test))
        for name, content in {"a.png": Picture(1), "metadata.jsonl": found}.items()
    }
    check(base, files, (Mode.AUTO, Mode.DIFFUSERS))


_cells = st.sampled_from(
    ["a.png", "b.png", "", "NA", "1", "2.5", "true", "x, y", 'a "b"', "x\ny", " "]
)


@_FEW
@given(st.lists(st.lists(_cells, min_size=1, max_size=3), min_size=1, max_size=4), st.booleans())
def test_spreadsheets(base: Path, cells: list[list[str]], quoted: bool) -> None:
    text = spreadsheet(cells) if quoted else "".join(",".join(row) + "\n" for row in cells)
    files = {"a.png": Picture(1), "b.png": Picture(2), "metadata.csv": "file_name,text\n" + text}
    check(base, files, (Mode.AUTO,))


_patterns = st.sampled_from(
    ["*", "**", "*.png", "train/*", "train/**", "**/a.png", "te*/?.png", "[ab].png", "[!a].png",
     "a.png", "ghost.png", ".h/*", "**/.*", "x**", "sub", "__p/*", "metadata.jsonl", "*/"]
)  # fmt: skip
_splits = st.dictionaries(
    st.sampled_from(["train", "test", "odd.name", "my-split"]),
    st.lists(_patterns, min_size=1, max_size=2),
    min_size=1,
    max_size=2,
)


@_FEW
@given(_splits)
def test_patterns_of_the_card(base: Path, splits: dict[str, list[str]]) -> None:
    names = [
        "a.png",
        "b.png",
        "train/a.png",
        "train/sub/c.png",
        "test/b.png",
        ".h/d.png",
        "__p/e.png",
    ]
    entries = [{"split": split, "path": paths} for split, paths in splits.items()]
    front = json.dumps({"configs": [{"config_name": "default", "data_files": entries}]})
    files = {name: Picture(n) for n, name in enumerate(names)}
    files |= {"metadata.jsonl": [{"file_name": "a.png", "text": "x"}]} if len(splits) > 1 else {}
    check(base, files | {"README.md": f"---\n{front}\n---\n"}, (Mode.AUTO,))


@_FEW
@given(st.text("a/*?[]!b.-", min_size=1, max_size=8))
def test_globs_are_translated_as_fsspec_does(pattern: str) -> None:
    import re

    from fsspec.utils import glob_translate

    try:
        theirs = re.compile(glob_translate(pattern))
    except (ValueError, re.error):
        return
    try:
        ours = re.compile(f"(?s:{translate(pattern)})")
    except (ValueError, re.error):
        pytest.fail(f"{pattern!r} is a pattern to fsspec")
    for name in ("a", "b", "a/b", "a.b", "-", "ab/a.b", "!", "a-b", "[a]", "aa/bb/ab"):
        assert bool(ours.fullmatch(name)) == bool(theirs.match(name)), (pattern, name)
