"""What a training reads of its pictures: each twice, and the rows that `validate` tells of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

pytest.importorskip("torch")

from hubtools.cards.render import write_dataset_card
from hubtools.dataset.validate import validate
from hubtools.errors import HubtoolsError
from hubtools.progress import silent
from hubtools.project import Project
from hubtools.training.pictures import find_pictures
from hubtools.training.train import train
from tests.drawing import write_pictures

if TYPE_CHECKING:
    from hubtools.localhub.server import Hub

MakeProject = Callable[..., Project]
TRAIN_ONLY = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: train/**
---
"""


@contextmanager
def reads_of(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Counter[str]]:
    """How often each picture of the folder is opened, by whatever of ours opens it."""
    import builtins
    import io
    import os

    found: Counter[str] = Counter()

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def opening(path: Any, *rest: Any, **more: Any) -> Any:
            if isinstance(path, (str, os.PathLike)):
                path = os.fspath(path)
                if str(path).startswith(str(folder)) and str(path).endswith(".png"):
                    found[Path(path).name] += 1
            return real(path, *rest, **more)

        return opening

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", counted(os.open))
        patch.setattr(io, "open", counted(io.open))
        patch.setattr(builtins, "open", counted(builtins.open))
        yield found


def test_a_picture_is_read_twice_once_scanned_and_once_encoded(
    make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_pictures(tmp_path / "data", 3)
    for number in range(3):  # nothing alike: what looks like a copy is compared byte by byte
        noise = Image.effect_noise((80, 96), 20 + 30 * number)
        noise.save(data / f"picture{number}.png")
    project = make_project(data=data, dataset={"license": "cc0-1.0", "rights": "own"})
    with reads_of(monkeypatch, data) as dry:
        train(project, dry_run=True)
    assert set(dry.values()) == {1}
    with reads_of(monkeypatch, data) as whole:
        train(project)
    assert len(whole) == 3
    assert set(whole.values()) == {2}


def test_a_picture_that_changes_meanwhile_is_refused(
    make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hubtools.training import train as module

    data = write_pictures(tmp_path / "data", 2, size=(88, 96))
    project = make_project(data=data)

    def found_and_changed(*given: Any, **more: Any) -> Any:
        source = find_pictures(*given, **more)
        with (data / "picture1.png").open("ab") as file:
            file.write(b"more")
        return source

    monkeypatch.setattr(module, "find_pictures", found_and_changed)
    with pytest.raises(HubtoolsError, match=r"picture1\.png has changed since the run began"):
        train(project, skip_validation=True)


def test_a_dry_run_counts_what_validate_tells(make_project: MakeProject, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_pictures(data / "train", 2)
    write_pictures(data / "extra", 1, size=(90, 90))
    (data / "README.md").write_text(TRAIN_ONLY)
    project = make_project(data=data)
    told = validate(data, project.dataset, resolution=64).facts["loaders"]["auto"]["splits"]
    assert told["train"]["rows"] == 2
    assert train(project, dry_run=True, skip_validation=True).dataset.images == 2


def test_of_shards_on_the_hub_the_split_train_is_trained_on(
    local_hub: Hub, make_project: MakeProject, tmp_path: Path
) -> None:
    import pyarrow
    import pyarrow.parquet

    repo = tmp_path / "shards"
    (repo / "data").mkdir(parents=True)
    for split, count in (("train", 3), ("test", 2)):
        drawn = write_pictures(tmp_path / split, count)
        rows = [
            {
                "image": {"bytes": (drawn / f"picture{n}.png").read_bytes(), "path": f"{n}.png"},
                "text": f"{split} {n}",
            }
            for n in range(count)
        ]
        table = pyarrow.Table.from_pylist(rows)
        pyarrow.parquet.write_table(table, repo / "data" / f"{split}-00000-of-00001.parquet")
    local_hub.store.mount("dataset", "someone/split", repo)
    told = validate("hf://datasets/someone/split", resolution=64).facts["loaders"]["auto"]
    project = make_project(data=tmp_path / "not-here", dataset={"repo": "someone/split"})
    source = find_pictures(project, silent(), from_hub=False, skip_validation=True)
    assert [example.caption for example in source.examples] == ["train 0", "train 1", "train 2"]
    assert told["splits"]["train"]["rows"] == len(source.examples)


def test_the_card_counts_what_is_trained_on_once_it_is_there(
    make_project: MakeProject, tmp_path: Path
) -> None:
    data = write_pictures(tmp_path / "data", 3)
    write_pictures(data / "Test", 1, size=(90, 90))
    write_pictures(data / "test", 1, size=(92, 90))
    project = make_project(data=data, dataset={"license": "cc0-1.0", "rights": "own"})
    write_dataset_card(data, project)
    text = (data / "README.md").read_text()
    source = find_pictures(project, silent(), from_hub=False, skip_validation=True)
    assert f"| pictures | {len(source.examples)} |" in text
    assert not any(e.file_name.lower().startswith("test/") for e in source.examples)
    assert not write_dataset_card(data, project).changed
