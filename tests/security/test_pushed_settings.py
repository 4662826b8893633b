"""What lies in the way of a push, and cards of wrong types: a sentence with the place."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from hubtools.cards.rules import check_card
from hubtools.localhub.server import Hub
from tests.security.pushing import REPO
from tests.typed import typed


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(path.parent)  # such names are short
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


THINGS: dict[str, Callable[[Path], object]] = {
    "file": lambda path: path.write_text("mine"),
    "pipe": os.mkfifo,
    "socket": a_socket,
    "link": lambda path: path.symlink_to(path.parent.parent),
    "link to a file": lambda path: path.symlink_to(path.parent / "README.md"),
    "link to nothing": lambda path: path.symlink_to("nowhere"),
}
COMMANDS = {
    "push": ["push", "FOLDER", REPO, "--type", "dataset"],
    "dry run": ["push", "FOLDER", REPO, "--type", "dataset", "--dry-run"],
    "card": ["card", "FOLDER"],
    "fix": ["fix", "FOLDER", "--yes"],
    "undo": ["fix", "FOLDER", "--undo"],
    "prune": ["prune", "FOLDER", "--undo"],
    "ship": ["ship", "--base-model", "x", "--output-dir", "../run"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("thing", THINGS)
def test_something_else_in_the_place_of_the_work_folder(
    local_hub: Hub, dataset: Path, thing: str, command: str
) -> None:
    settings = '[dataset]\npath = "."\nrepo = "me/people"\n[model]\nrepo = "me/lora"\n'
    (dataset / "hubtools.toml").write_text(settings)
    THINGS[thing](dataset / ".hubtools")
    words = [str(dataset) if word == "FOLDER" else word for word in COMMANDS[command]]
    told = typed(*words, cwd=dataset)
    assert told.returncode == 1, told.stderr
    assert str(Path(".hubtools")) in told.stderr
    assert "no folder" in told.stderr or "symbolic link" in told.stderr
    assert "Hint: " in told.stderr
    assert "Not a directory" not in told.stderr
    if thing == "file":
        assert (dataset / ".hubtools").read_text() == "mine"


@pytest.mark.parametrize("thing", THINGS)
def test_validate_needs_no_work_folder(dataset: Path, thing: str) -> None:
    THINGS[thing](dataset / ".hubtools")
    told = typed("validate", dataset)
    assert told.returncode in (0, 3)
    assert "Not a directory" not in told.stderr + told.stdout


# --- cards of wrong types ------------------------------------------------------------------------

WRONG = {
    "configs: 5": 3,
    "configs: words": 3,
    "configs: {config_name: a}": 3,
    "configs: true": 3,
    "configs: [1, 2]": 3,
    "configs:\n- - a": 4,
    "configs:\n- config_name: 7": 4,
    "configs:\n- config_name: a\n  data_files: 7": 5,
    "configs:\n- config_name: a\n  data_files: {split: train, path: x}": 5,
    "configs:\n- config_name: a\n  data_files: []": 5,
    "configs:\n- config_name: a\n  data_files:\n  - 7": 6,
    "configs:\n- config_name: a\n  data_files:\n  - split: train\n    path: 7": 7,
    "configs:\n- config_name: a\n  data_files:\n  - split: train\n    path: [7]": 7,
    "configs:\n- config_name: a\n  data_files:\n  - path: x\n    split: [train]": 7,
    "configs:\n- config_name: a\n  data_dir: 7": 5,
    "configs:\n- config_name: a\n  data_dir: [x]": 5,
}


@pytest.mark.parametrize("text", WRONG)
def test_configs_of_a_wrong_type_are_named_by_file_and_line(dataset: Path, text: str) -> None:
    (dataset / "README.md").write_text(f"---\nlicense: mit\n{text}\n---\n# A\n")
    told = typed("validate", dataset, "--select", "D2")
    assert told.returncode == 3, told.stderr
    assert f"README.md:{WRONG[text]}: error D214" in told.stdout
    assert "bug" not in told.stderr


@pytest.mark.parametrize("rows", ["[1]", "{a: 1}", "many", "true", "2020-01-01"])
def test_sizes_of_a_wrong_type(dataset: Path, rows: str) -> None:
    info = f"dataset_info:\n  splits:\n  - name: train\n    num_examples: {rows}"
    (dataset / "README.md").write_text(f"---\nlicense: mit\n{info}\n---\n# A\n")
    told = typed("validate", dataset, "--select", "D2")
    assert "README.md:3: num_examples" in told.stdout
    assert "bug" not in told.stderr


def test_the_check_of_a_card_says_so_too(dataset: Path) -> None:
    (dataset / "README.md").write_text("---\nlicense: mit\nconfigs: 5\n---\n# A\n")
    found = {(f.rule, f.line) for f in check_card(dataset, "dataset").findings}
    assert ("C126", 3) in found
