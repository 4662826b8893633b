"""What a stranger's project may not tell wandb, which reads settings of the working directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubtools.errors import HubtoolsError
from hubtools.training.trackers.wandb import check_settings_here


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
