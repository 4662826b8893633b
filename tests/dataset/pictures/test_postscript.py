"""PostScript is a program: nothing runs it, whatever it is called."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hubtools
from hubtools.inference.png import read_record
from hubtools.inference.repeat import largest_difference
from hubtools.journey import readback
from hubtools.manifest import SampleRecord

EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 20 20
%%EndComments
0 0 20 20 rectfill
%%EOF
"""


@pytest.mark.skipif(os.name == "nt", reason="the program is a shell script")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("validate", "."), 3),
        (("fix", ".", "--dry-run", "--unsafe", "convert,remove-damaged"), 0),
        (("inspect", ".", "--all", "--pictures", "2", "--draw", "blocks"), 0),
        (("caption", ".", "--template", "{stem}", "--dry-run"), None),
        (("shard", ".", "--to", "../shards"), None),
    ],
)
def test_no_command_runs_it(good: Path, command: tuple[str, ...], code: int | None) -> None:
    (good / "2.png").write_bytes(EPS)
    (good / "0.eps").write_bytes(EPS)
    ran = good.parent / "ran"
    programs = good.parent / "bin"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\necho run >> {ran}\n")
    (programs / "gs").chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "hubtools", *command],
        cwd=good,
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert not ran.exists(), done.stderr
    assert code is None or done.returncode == code, done.stdout + done.stderr
    if command[0] == "validate":
        assert "2.png: error D302: this is a PostScript drawing, not a picture" in done.stdout


def test_whatever_opens_a_picture_names_the_formats() -> None:
    """Pillow takes a file for what its first bytes say, whatever it is called."""
    sources = Path(hubtools.__file__).parent.rglob("*.py")
    opening = re.compile(r"Image\.open\((?!.*formats=)")
    texts = ((path, path.read_text(encoding="utf-8").splitlines()) for path in sources)
    lines = ((path.name, line.partition("#")[0]) for path, lines in texts for line in lines)
    assert [one for one in lines if opening.search(one[1]) and "`" not in one[1]] == []


@pytest.mark.skipif(os.name == "nt", reason="the program is a shell script")
def test_a_record_beside_it_does_not_make_it_a_picture_to_draw_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"
    (tmp_path / "gs").write_text(f"#!/bin/sh\necho run >> {ran}\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    told = tmp_path / "told.png"
    told.write_bytes(EPS)
    record = {name: 1 for name, one in SampleRecord.model_fields.items() if one.is_required()}
    record |= {"file": "told.png", "prompt": "a dog", "scheduler": "default"}
    record |= {"scheduler_class": "DDIMScheduler", "base_model": "me/base"}
    SampleRecord.model_validate(record)
    (tmp_path / "told.json").write_text(json.dumps(record))
    assert read_record(told) is None
    with pytest.raises(OSError, match="cannot identify"):
        largest_difference(told, told)
    assert not ran.exists()


@pytest.mark.skipif(os.name == "nt", reason="the program is a shell script")
def test_the_stock_loader_of_a_rehearsal_runs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules can be ignored by a project's settings: what D302 says stops no rehearsal then."""
    from PIL import EpsImagePlugin, Image

    (tmp_path / "gs").write_text(f"#!/bin/sh\necho run >> {tmp_path}/ran\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    readback.run_no_postscript()
    with pytest.raises(OSError, match="Ghostscript"):
        Image.open(io.BytesIO(EPS), formats=("EPS",)).load()
    assert not (tmp_path / "ran").exists()
