"""A push goes by Xet to the public Hub alone, and to others without a word to be typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants
from PIL import Image

from hubtools.hub import xet
from hubtools.hub.client import open_file
from hubtools.hub.commit import Repository, addition
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
from hubtools.hub import intact
intact.PUBLIC = (constants.ENDPOINT,)
from hubtools.cli.main import run
code = run(["push", sys.argv[1], "me/people"])
print(code, sorted(one.path_in_repo for one in sent))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the child is stopped by a signal")
def test_to_the_public_hub(tmp_path: Path) -> None:
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
        assert "Processing Files" not in done.stderr
        assert "verified by checksum" in done.stdout
    finally:
        hub.terminate()
        hub.wait(120)


def test_to_another_hub(local_hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks it for a storage."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    repository = Repository("me/people", "model")
    repository.create(private=True)
    noise = addition("a.bin", os.urandom(9) + bytes(9_000_000))[0]
    asked = local_hub.fail_next("GET", "/xet-write-token/", 500, 99)
    with xet.sending():
        assert constants.HF_HUB_DISABLE_XET
        repository.upload([noise])
        repository.commit([noise], commit_message="Noise")
    assert not constants.HF_HUB_DISABLE_XET
    assert asked.hits == 0
    assert open_file("me/people", "model", "main", "a.bin").read(10**7)[9:] == bytes(9_000_000)


@pytest.mark.parametrize("is_public", [False, True])
@pytest.mark.parametrize("is_off", [False, True])
def test_where_it_is_off(monkeypatch: pytest.MonkeyPatch, is_public: bool, is_off: bool) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", is_off)
    place = "https://huggingface.co" if is_public else "https://mirror.invalid"
    monkeypatch.setattr(constants, "ENDPOINT", place)
    with xet.sending():
        assert (not constants.HF_HUB_DISABLE_XET) == (is_public and not is_off)
    assert is_off == constants.HF_HUB_DISABLE_XET
