"""A finding about a card says to run `hubtools card --renew`: running it takes the finding away."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from test_card_rules import BAD, source, write

from hubtools.cards.rules import Kind, check_card
from hubtools.commands.releasing import card
from hubtools.project import Project
from tests import lorafiles
from tests.typed import typed

Spoil = Callable[[str], str]


def without_body(text: str) -> str:
    """Front matter and a heading."""
    head = text.index("---\n", 4) + 4
    return text[:head] + "# People\n"


SPOILT: dict[str, tuple[Kind, Spoil]] = {
    "C107": ("model", lambda text: re.sub(r"url: images/\S+", "url: images/77.png", text, count=1)),
    "C110": ("model", lambda text: text.replace("widget:\n", "widget:\n- just text\n", 1)),
    "C204": ("model", lambda text: text.replace("<Gallery />", "")),
    "C205": ("model", lambda text: text.replace("images/", "pictures/")),
    "C206": ("model", lambda text: re.sub(r"[\w.-]+\.safetensors", "other.safetensors", text)),
    "C102": ("model", lambda text: text.replace("text-to-image", "text-to-picture")),
    "C207": ("dataset", without_body),
    "C301": ("model", lambda text: re.sub(r"license: .*\n", "", text)),
}


@pytest.mark.parametrize("rule", sorted(SPOILT))
def test_the_card_is_mended(run_dir: Path, dataset: Path, project: Project, rule: str) -> None:
    kind, spoil = SPOILT[rule]
    folder = run_dir if kind == "model" else dataset
    card(folder, project, kind=kind)
    path = folder / "README.md"
    path.write_text(spoil(path.read_text()))

    def told() -> list[str | None]:
        return [found.fix for found in check_card(folder, kind).findings if found.rule == rule]

    before = told()
    assert before
    card(folder, project, kind=kind)
    assert told() == before, "what a person made of the card stays"
    if " --renew`" in str(before):
        card(folder, project, kind=kind, renew=True)
        assert not told()


def test_a_gallery_without_its_pictures_goes_when_it_is_renewed(
    run_dir: Path, project: Project
) -> None:
    card(run_dir, project, kind="model")
    path = run_dir / "README.md"
    path.write_text(path.read_text().replace("widget:\n", "widget:\n- text: mine\n", 1))
    shutil.rmtree(run_dir / "samples")
    shutil.rmtree(run_dir / "images")
    assert "C107" in {found.rule for found in check_card(run_dir, "model").findings}
    card(run_dir, project, kind="model", renew=True)
    assert "C107" not in {found.rule for found in check_card(run_dir, "model").findings}


def test_the_licence_of_the_base_is_told_as_it_is_typed(run_dir: Path, project: Project) -> None:
    card(run_dir, project, kind="model")
    path = run_dir / "README.md"
    path.write_text(path.read_text().replace("license: openrail++", "license: mit"))
    (found,) = [one for one in check_card(run_dir, "model").findings if one.rule == "C304"]
    told = re.search(r"`hubtools ([^`]+)`", str(found.fix))
    assert told is not None
    typed(*shlex.split(told[1]))
    assert "C304" not in {one.rule for one in check_card(run_dir, "model").findings}


def test_a_prompt_without_the_trigger_is_answered_with_what_draws_one(
    run_dir: Path, project: Project
) -> None:
    card(run_dir, project, kind="model")
    path = run_dir / "README.md"
    path.write_text(path.read_text().replace("a woman (tok)", "a woman"))
    (found,) = [one for one in check_card(run_dir, "model").findings if one.rule == "C109"]
    place = shlex.quote(str(run_dir))
    drawn = f"`hubtools generate '(tok), WORDS' --lora {place} --output {place}/samples`"
    assert f"{drawn}), then `hubtools card {place}`" in str(found.fix)


SAID = {"ID": "mit", "OWNER/NAME": "me/people", "WORD": "tok"}  # what a person puts there


@pytest.mark.parametrize("rule", sorted(BAD))
def test_every_command_that_is_told_takes_the_finding_away(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    kind, old, new, _ = BAD[rule]
    folder = dataset
    if kind == "model":  # from elsewhere
        (folder := tmp_path / "lora").mkdir()
    write(folder, source(kind).replace(old, new))
    (folder / "lora.safetensors").unlink()
    if kind == "model":
        lorafiles.save(folder / "lora.safetensors", lorafiles.good(sd2=True))
    monkeypatch.chdir(tmp_path)

    def told() -> list[str]:
        found = [one for one in check_card(folder, kind).findings if one.rule == rule]
        return [str(one.fix) for one in found]

    for command in re.findall(r"`hubtools ([^`]+)`", " ".join(told())):
        if command.startswith(("generate", "validate")):  # needs the base; shows what to do
            return
        typed(*(SAID.get(word, word) for word in shlex.split(command)))
        assert not told(), command
