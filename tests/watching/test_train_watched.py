"""A training, and the page that shows it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import hubtools
from hubtools.errors import HubtoolsError
from hubtools.watching.serving import watching
from tests.typed import typed


def state(url: str) -> Any:
    with urllib.request.urlopen(f"{url}state/none/none") as answer:  # noqa: S310
        return json.load(answer)


def test_train_watch_serves_the_page_of_its_run(
    tiny_base: Path, pictures: Path, tmp_path: Path
) -> None:
    words = [
        "train", "--pretrained-model-name-or-path", tiny_base, "--train-data-dir", pictures,
        "--resolution", "64", "--max-train-steps", "3", "--validation-steps", "0", "--rank", "4",
        "--num-threads", "1", "--target-modules", "to_v", "--skip-validation", "--watch",
    ]  # fmt: skip
    with watching(tmp_path / "runs" / "lora", 1.0) as page:
        assert page.status == "waiting"
        assert state(page.url)["run"]["status"] == "waiting"
        done = typed(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        found = state(page.url)
    assert "The page is at http://127.0.0.1:" in done.stderr
    assert (found["run"]["status"], found["run"]["done"], found["run"]["steps"]) == (
        "finished", 3, 3,
    )  # fmt: skip
    assert found["curve"]["step"] == [1, 2, 3]
    assert found["run"]["cost"] > 0
    done = typed(*words, "--dry-run", cwd=tmp_path)
    assert "The page is at" not in done.stderr
    with hubtools.watch(tmp_path / "runs" / "lora") as page:
        assert page.status == "finished"


def test_a_project_folder_means_its_run(tmp_path: Path) -> None:
    (tmp_path / "hubtools.toml").write_text('[train]\noutput_dir = "here"\n')
    with hubtools.watch(tmp_path) as page:
        assert (page.folder, page.status) == (tmp_path / "here", "waiting")


def test_a_file_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "lora.safetensors").write_bytes(b"")
    file = tmp_path / "lora.safetensors"
    with pytest.raises(HubtoolsError, match="is no folder"), hubtools.watch(file):
        pass
    done = typed("watch", tmp_path / "lora.safetensors", "--format", "json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "wrong-kind"
