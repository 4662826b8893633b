"""A folder that appears when it is whole: whenever the command was killed, the same one goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubtools.rooted import is_left_over
from tests.doomed import MKDIR, RENAME, doomed
from tests.drawing import write_pictures
from tests.lorafiles import good, save
from tests.planning import tree
from tests.typed import typed

WORDS = {
    "unshard": ("unshard", "packed", "--to", "new"),
    "export": ("caption", "ds", "--export", "kohya", "new"),
}
MOMENTS = {
    "before it has a mark": (RENAME, r"\.new\.\w+\.json'"),
    "before there is a folder": (MKDIR, r"'\.new\.\w+'"),
    "before a picture": (("open",), r"picture1\.png'"),
    "when all is written": (RENAME, r"'\.new\.\w+', 'new'|\.new\.\w+\b(?!\.json).*new'"),
    "before the mark goes": (("os.remove",), r"\.new\.\w+\.json'"),
}


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("things")
    write_pictures(place / "ds", 2)
    assert typed("shard", "ds", "--to", "packed", "--as", "webdataset", cwd=place).returncode == 0
    return place


def names(place: Path) -> set[str]:
    return {entry.name for entry in place.iterdir() if not is_left_over(entry.name)}


@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_same_command_goes_on(things: Path, tmp_path: Path, kind: str, moment: str) -> None:
    for name in ("ds", "packed"):
        (tmp_path / name).symlink_to(things / name)
    events, pattern = MOMENTS[moment]
    doomed(events, pattern, *WORDS[kind], cwd=tmp_path)
    again = typed(*WORDS[kind], cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert names(tmp_path) == {"ds", "packed", "new"}
    assert "new is there already" in typed(*WORDS[kind], cwd=tmp_path).stderr


@pytest.mark.parametrize("change", ["edited", "more", "less"])
@pytest.mark.parametrize("kind", WORDS)
def test_what_is_worked_on_after_that_kill_stays(
    things: Path, tmp_path: Path, kind: str, change: str
) -> None:
    for name in ("ds", "packed"):
        (tmp_path / name).symlink_to(things / name)
    doomed(*MOMENTS["before the mark goes"], *WORDS[kind], cwd=tmp_path)
    first = min(path for path in (tmp_path / "new").rglob("*") if path.is_file())
    match change:
        case "edited":
            first.write_bytes(first.read_bytes() + b" mine")
        case "more":
            first.with_name("mine.txt").write_bytes(b"mine")
        case _:
            first.unlink()
    left = tree(tmp_path / "new")
    again = typed(*WORDS[kind], cwd=tmp_path)
    assert "new is there already" in again.stderr
    assert tree(tmp_path / "new") == left
    assert names(tmp_path) == {"ds", "packed", "new"}


def test_killed_twice_behind_the_rename(things: Path, tmp_path: Path) -> None:
    (tmp_path / "packed").symlink_to(things / "packed")
    words = WORDS["unshard"]
    for moment in ("before the mark goes", "before a picture", "before the mark goes"):
        doomed(*MOMENTS[moment], *words, cwd=tmp_path)
    left = tree(tmp_path / "new")
    assert typed(*words, cwd=tmp_path).returncode == 0
    assert tree(tmp_path / "new") == left
    assert names(tmp_path) == {"packed", "new"}


def test_a_mark_of_somebody_else_says_nothing(things: Path, tmp_path: Path) -> None:
    (tmp_path / "packed").symlink_to(things / "packed")
    words = WORDS["unshard"]
    assert typed(*words, cwd=tmp_path).returncode == 0
    mark = tmp_path / ".new.unshard.json"
    mark.write_text('{"for": "new", "seal": "x"}')
    assert "new is there already" in typed(*words, cwd=tmp_path).stderr
    assert mark.exists()


@pytest.mark.parametrize("name", [r"adapter_model\.safetensors", r"adapter_config\.json", ""])
def test_a_lora_of_two_files(tmp_path: Path, name: str) -> None:
    pytest.importorskip("torch")
    save(tmp_path / "lora.safetensors", good())
    words = ("export", "lora.safetensors", "--as", "peft", "--to", "new")
    moment = (RENAME, name) if name else MOMENTS["before the mark goes"]
    doomed(*moment, *words, cwd=tmp_path)
    again = typed(*words, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert names(tmp_path) == {"lora.safetensors", "new"}
