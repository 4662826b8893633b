"""What a run writes down of a base on this disk: whoever has the run alone could not look there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hubtools.cards.render import write_model_card
from hubtools.cards.rules import check_card
from hubtools.findings import Severity
from hubtools.licensing.resolve import base_facts
from hubtools.manifest import RunManifest
from hubtools.models.base import resolve_base
from hubtools.project import Project
from hubtools.tinypeople import MODEL

CARD = "---\nlicense: {}\n---\n# A base\n"


def test_the_bundled_base_is_told_with_its_licence(run_dir: Path) -> None:
    manifest = RunManifest.read(run_dir)
    manifest.base_model = base_facts(resolve_base(str(MODEL)))
    assert manifest.base_model.named == "tiny-people"
    manifest.write(run_dir)
    text = write_model_card(run_dir, Project()).text
    assert "license: apache-2.0\n" in text
    assert (
        "A LoRA for tiny-people, the small Stable Diffusion model that comes with hubtools" in text
    )
    assert "base_model:" not in text, "it is on no Hub"
    (told,) = [one for one in check_card(run_dir, "model").findings if one.rule == "C103"]
    assert (told.severity, told.fix) == (Severity.INFO, None)
    assert "tiny-people, which comes with hubtools" in told.message


@pytest.mark.parametrize(
    ("said", "known_as", "license"),
    [
        ("mit", None, "mit"),
        ("mit", "me/mine", "mit"),
        ("of my own", None, None),
        # the table of known bases is asked before a copy's card
        ("mit", "stable-diffusion-v1-5/stable-diffusion-v1-5", None),
    ],
)
def test_a_folder_is_asked_for_its_card(
    tmp_path: Path, said: str, known_as: str | None, license: str | None
) -> None:
    for name in ("model_index.json", "unet/config.json", "scheduler/scheduler_config.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(MODEL / name, tmp_path / name)
    (tmp_path / "README.md").write_text(CARD.format(said))
    facts = base_facts(resolve_base(str(tmp_path), known_as=known_as))
    assert (facts.license, facts.bundled) == (license, None)
