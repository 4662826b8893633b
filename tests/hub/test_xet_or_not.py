"""A push goes by Xet where the Hub has it, and without a word to be typed where it has none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants
from PIL import Image

from hubtools.hub import patience, xet
from hubtools.localhub.server import Hub

_PUSH = """
import sys
from huggingface_hub import constants
assert not constants.HF_HUB_DISABLE_XET
import huggingface_hub._commit_api as sending
sent, by_xet = [], sending._upload_xet_files
def counted(**options):
    sent.extend(options["additions"])
    return by_xet(**options)
sending._upload_xet_files = counted
from hubtools.cli.main import run
code = run(["push", sys.argv[1], "me/people"])
print(code, sorted(one.path_in_repo for one in sent))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the child is stopped by a signal")
def test_where_the_hub_has_it(tmp_path: Path) -> None:
    """In processes of their own: hf_xet has threads that no test should carry on with."""
    folder = tmp_path / "people"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: cc0-1.0\n---\n# People\n")
    Image.effect_noise((300, 300), 90).save(folder / "0.png")
    (folder / "metadata.jsonl").write_text('{"file_name": "0.png", "text": "noise"}\n')
    environ = {k: v for k, v in os.environ.items() if k != "HF_HUB_DISABLE_XET"}
    environ |= {
        "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": "hf_local",
        "HUBTOOLS_CACHE": str(tmp_path / "cache"), "HUBTOOLS_CONFIG": str(tmp_path / "config"),
    }  # fmt: skip
    command = [sys.executable, "-m", "hubtools.localhub", "--root", str(tmp_path / "hub")]
    hub = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        assert hub.stdout is not None
        url = json.loads(hub.stdout.readline())["url"]
        done = subprocess.run(
            [sys.executable, "-c", _PUSH, str(folder)],
            env=environ | {"HF_ENDPOINT": url}, capture_output=True, text=True,
            timeout=600,
        )  # fmt: skip
        assert "0 ['0.png']" in done.stdout, done.stderr
        assert "no Xet" not in done.stderr
        assert "Processing Files" not in done.stderr
        assert "verified by checksum" in done.stdout
    finally:
        hub.terminate()
        hub.wait(120)


def test_where_it_has_none_it_is_told_once(local_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    monkeypatch.setattr(xet, "_known", {})
    monkeypatch.setattr("importlib.util.find_spec", lambda *words: None)  # the Hub's
    told: list[str] = []
    monkeypatch.setattr(patience, "tell", told.append)
    HfApi().create_repo("me/people", exist_ok=True)
    for _ in range(2):
        with xet.storage_of("me/people", "model"):
            assert constants.HF_HUB_DISABLE_XET
        assert not constants.HF_HUB_DISABLE_XET
    assert told == [f"{local_hub.url} has no Xet storage: large files are sent by plain LFS"]


def test_what_is_switched_off_stays_off(local_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(xet, "_known", {})
    with xet.storage_of("me/nothing", "model"):
        assert constants.HF_HUB_DISABLE_XET
    assert xet._known == {}
