"""`doctor --family` tries a family on this machine, and says what does not work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("torch")

from hubtools.errors import UsageError
from hubtools.journey.selftest import self_test
from hubtools.models.families.tinies import BUILDERS
from hubtools.models.registry import SUPPORTED
from tests.typed import typed


def test_every_family_has_a_tiny_base() -> None:
    assert list(BUILDERS) != []
    assert set(BUILDERS) == set(SUPPORTED)


def test_a_family_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = "sana"
    for name in ("TMPDIR", "HUBTOOLS_CACHE"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr("tempfile.tempdir", None)
    facts = self_test(family)
    assert [(fact.topic, fact.state) for fact in facts] == [(family, "ok")] * 5
    values = {fact.name: fact.value for fact in facts}
    assert values["trains"].startswith("2 steps on ")
    assert values["goes on after a crash"] == "bit for bit"
    found, _, whole = values["stock diffusers reads it"].removesuffix(" tensors").split()
    assert int(found) == int(whole) > 0
    assert values["draws"] == "64 x 64 pixels in 2 steps"
    assert not list((tmp_path / "TMPDIR").glob("hubtools*"))  # nothing is left
    assert not list((tmp_path / "HUBTOOLS_CACHE").iterdir())
    assert os.environ["HUBTOOLS_CACHE"] == str(tmp_path / "HUBTOOLS_CACHE")


def test_a_family_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that reads nothing of the file."""
    from diffusers.loaders import SanaLoraLoaderMixin

    monkeypatch.setattr(SanaLoraLoaderMixin, "load_lora_weights", lambda *a, **k: None)
    facts = self_test("sana")
    assert [(fact.name, fact.state) for fact in facts] == [
        ("a tiny base", "ok"), ("trains", "problem"),
    ]  # fmt: skip
    assert "changes nothing in this base model's denoiser" in facts[-1].value


def test_a_family_that_nobody_knows() -> None:
    with pytest.raises(UsageError, match="knows no family sdxl"):
        self_test("sdxl")
    done = typed("doctor", "--family", "sdxl", "--format", "json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"]
