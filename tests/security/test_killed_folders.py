"""A folder that appears when it is whole: whenever the command was killed, the same one goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubtools.rooted import is_left_over
from tests.doomed import MKDIR, RENAME, doomed
from tests.drawing import write_pictures
from tests.lorafiles import good, save
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
    if moment == "before the mark goes":  # it is whole
        assert "new is there already" in again.stderr
        return
    assert again.returncode == 0, again.stderr
    assert names(tmp_path) == {"ds", "packed", "new"}


@pytest.mark.parametrize("name", [r"adapter_model\.safetensors", r"adapter_config\.json"])
def test_a_lora_of_two_files(tmp_path: Path, name: str) -> None:
    pytest.importorskip("torch")
    save(tmp_path / "lora.safetensors", good())
    words = ("export", "lora.safetensors", "--as", "peft", "--to", "new")
    doomed(RENAME, name, *words, cwd=tmp_path)
    again = typed(*words, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert names(tmp_path) == {"lora.safetensors", "new"}
