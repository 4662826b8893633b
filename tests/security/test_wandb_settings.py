"""What a stranger's project may not tell wandb, which reads settings of the working directory and
writes through links in a run folder."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from hubtools.errors import HubtoolsError
from hubtools.rooted import Root
from hubtools.training.trackers.kinds import About
from hubtools.training.trackers.wandb import Wandb, check_settings_here


@pytest.mark.parametrize("folder", ["wandb", ".wandb"])
@pytest.mark.parametrize(
    "text",
    [
        "[default]\nbase_url = http://evil.example\n",
        "[default]\nBASE_URL: http://evil.example\nmode = online\n",
        "[other]\nentity = evil\n",
        "[DEFAULT]\nx_executable = /bin/sh\n",
        "no settings at all",
        "[default]\nmode = x\n" + "#" * 100_000,
    ],
)
def test_a_server_of_somebody_else_is_sent_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "settings").write_text(text)
    with pytest.raises(HubtoolsError, match="of the working directory"):
        check_settings_here()


def test_what_is_harmless_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_settings_here()
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb/settings").write_text("[default]\nmode = offline\nproject = x\n")
    check_settings_here()


@pytest.mark.parametrize("link", ["logs", "logs/wandb", "logs/.wandb"])
def test_what_it_writes_stays_in_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    """wandb removes a `debug.log` that it finds where it writes, whatever that is."""
    run, victim, asked = tmp_path / "run", tmp_path / "victim", []
    (run / link).parent.mkdir(parents=True)
    victim.mkdir()
    (run / link).symlink_to(victim)
    wandb = SimpleNamespace(init=lambda **options: asked.append(options))
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.delenv("WANDB_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    with Root(run) as root, pytest.raises(HubtoolsError):
        Wandb(print).begin(root, About("p", "run", "run-1", "logs", {}))
    assert asked == []
    assert list(victim.iterdir()) == []
