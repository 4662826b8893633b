"""What the simulator says of shards, archives and odd tables is what the loaders do with them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from broken_sets import build
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shard_sets import IMG, PARQUET, TABLES, WEBDATASET, F, P, im, pqb, tar

from hubtools.dataset.loaders import Mode, Outcome

datasets = pytest.importorskip("datasets", minversion="5")
from oracle import disagreement, simulated, unchanged  # noqa: E402

datasets.disable_progress_bars()
datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
datasets.logging.set_verbosity(datasets.logging.CRITICAL)

SETS = {
    f"{group}/{name}": files
    for group, sets in (("parquet", PARQUET), ("tar", WEBDATASET), ("tables", TABLES))
    for name, files in sets.items()
}
# The sets for which an exact answer is out of reach; the list is to stay short.
UNSURE = {"tar/dup", "tar/dup_adj", "tar/npy", "tables/cfg_pq_cols"}
# Folders of loose pictures are read in every mode; of shards all others raise alike.
ONCE = {"parquet/feature", "tar/plain"}


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a set is built: always the same folder, whose patterns are translated once."""
    root = tmp_path_factory.getbasetemp() / "shards-of-the-oracle"
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.mark.parametrize("name", SETS)
def test_every_mode_does_as_predicted(place: Path, name: str) -> None:
    every = name.startswith("tables/") or name in ONCE
    told = check(place, SETS[name], tuple(Mode) if every else (Mode.AUTO,))
    assert (told[Mode.AUTO] is Outcome.MAY_RAISE) == (name in UNSURE)


def check(
    root: Path, files: dict[str, Any], modes: tuple[Mode, ...] = (Mode.AUTO,)
) -> dict[Mode, Outcome]:
    build(root, files)
    try:
        with unchanged():
            found = simulated(root)
            for mode in modes:
                assert disagreement(root, found[mode]) is None, (mode, files)
            return {mode: loaded.outcome for mode, loaded in found.items()}
    finally:
        shutil.rmtree(root)


def test_the_endings_are_those_of_the_installed_library() -> None:
    from datasets.packaged_modules.webdataset.webdataset import WebDataset

    from hubtools.dataset.loaders import tar_files

    assert set(WebDataset.IMAGE_EXTENSIONS) == tar_files.IMAGES
    assert set(WebDataset.DECODERS) == tar_files.DECODED | (
        tar_files.OTHER & set(WebDataset.DECODERS)
    )


# --- drawn at random -----------------------------------------------------------------------------

_FEW = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)

_plain = st.sampled_from(
    [
        ["a", "b"], ["1", "2"], [1, 2], [1.5, 2.0], [1.0, 2.0], [True, False], [None, None],
        [["a"], ["b"]], [{"x": 1}, {"x": 2}], [{"x": 1, "y": "q"}, None], [None, "a"],
    ]
)  # fmt: skip
_pictures = st.sampled_from(
    [
        im(1, 2), im(1, 2, path=False), im(1, 2, by=False), pa.array([P[0], P[1]]),
        pa.array(["/x/a.png", "b.png"]), pa.array([None, {"bytes": P[1], "path": "b"}], IMG),
        pa.array([{"bytes": b"no", "path": "b"}, {"bytes": P[1], "path": "b"}], IMG),
        pa.array([[{"bytes": P[0], "path": None}], []], pa.list_(IMG)),
    ]
)  # fmt: skip
_shard = st.tuples(
    st.fixed_dictionaries(
        {"image": _pictures}, optional={"text": _plain, "n": _plain, "mask": _pictures}
    ),
    st.sampled_from([F, F, None, F | {"mask": {"_type": "Image"}}]),
    st.sampled_from([None, 1]),
)


@_FEW
@given(st.lists(_shard, min_size=1, max_size=3), st.sampled_from(["train", "test"]))
def test_parquet_shards(
    tmp_path_factory: pytest.TempPathFactory, shards: list[Any], split: str
) -> None:
    files = {
        f"data/{split if n else 'train'}-{n:05}-of-{len(shards):05}.parquet": pqb(*shard)
        for n, shard in enumerate(shards)
    }
    check(tmp_path_factory.getbasetemp() / "drawn-shards", files)


_member = st.builds(
    lambda stem, dots, ending: (stem + dots + ending[0], ending[1]),
    st.sampled_from(["a", "b", "s/a", "v1.0/a", "photo", "_x", ".h"]),
    st.sampled_from([""] * 4 + [".1", ".2", ".mask"]),
    st.sampled_from(
        [
            (".png", P[0]), (".png", P[1]), (".png", P[2]), (".jpg", P[1]), (".PNG", P[1]),
            (".png", b"no"), (".txt", "one"), (".json", '{"t": 1}'), (".json", '{"t": "x"}'),
            (".json", "[1]"), (".cls", "3"), (".caption", "x"), (".avif", "x"), ("", "x"),
        ]
    ),
)  # fmt: skip
_tars = st.lists(
    st.lists(_member, min_size=1, max_size=8, unique_by=lambda item: item[0]),
    min_size=1,
    max_size=2,
)


@_FEW
@given(_tars, st.sampled_from(["a-{}.tar", "train/{}.tar", "a-{}.tar.gz"]))
def test_tars(tmp_path_factory: pytest.TempPathFactory, tars: list[Any], name: str) -> None:
    mode = "w:gz" if name.endswith("gz") else "w"
    files = {name.format(n): tar(*members, mode=mode) for n, members in enumerate(tars)}
    check(tmp_path_factory.getbasetemp() / "drawn-shards", files)
