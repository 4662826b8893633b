"""How a terminal shows findings."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import click
import pytest

from hubtools.cli.finding_lines import finding_lines
from hubtools.cli.following import dataset_option
from hubtools.cli.main import COMMANDS, group
from hubtools.cli.mistyped import EXAMPLES
from hubtools.findings import Finding, Report, Rule, Severity
from tests.drawing import write_pictures
from tests.typed import typed

RULES = tuple(Rule(id, f"Title of {id}", Severity.WARNING, "") for id in ("X1", "X2"))


def lines(*counts: int, verbose: bool = False) -> list[str]:
    findings = tuple(
        Finding(f"X{rule}", Severity.WARNING, f"no. {n}", "mend it", f"{n:02}.png", 1, picture="p")
        for rule, count in enumerate(counts, 1)
        for n in range(count)
    )
    report = Report("pictures", findings, rules=RULES)
    return list(finding_lines(report, colours=False, verbose=verbose))


def test_many_findings_of_a_rule_are_told_together() -> None:
    assert lines(20, 1) == [
        "warning X1: Title of X1 (20 findings)",
        "    00.png:1 (p): no. 0",
        "    01.png:1 (p): no. 1",
        "    02.png:1 (p): no. 2",
        "    and 17 more; --verbose lists all",
        "    fix: mend it",
        "00.png:1 (p): warning X2: no. 0",
        "    fix: mend it",
        "pictures: 21 warnings",
    ]
    assert "more" not in "".join(lines(3))
    assert len(lines(20, 1, verbose=True)) == 2 * 21 + 1


def test_validate_says_what_to_type_next(tmp_path: Path) -> None:
    write_pictures(tmp_path / "small", 5)  # of 64 pixels
    done = typed("validate", "small", cwd=tmp_path)
    assert "and 2 more; --verbose lists all" in done.stdout
    for words in (["--verbose"], ["--format", "text"]):
        whole = typed("validate", "small", *words, cwd=tmp_path).stdout
        assert whole.count("D304") == 5
        assert "--verbose" not in whole
    assert json.loads(typed("validate", "small", "--format", "json", cwd=tmp_path).stdout)
    assert "next: hubtools init NAME --from small" in done.stderr
    (tmp_path / "small/picture4.png").rename(tmp_path / "away.png")
    (tmp_path / "p.toml").write_text('[dataset]\npath = "small"\n')
    for words, place in ((["small"], "small"), (["--project", "p.toml"], "--project p.toml")):
        done = typed("validate", *words, cwd=tmp_path)
        assert f"`hubtools fix {place} --unsafe drop-rows` drops the record" in done.stdout
        assert f"`hubtools fix {place} --unsafe drop-rows` repairs" in done.stderr
    (tmp_path / "away.png").rename(tmp_path / "small/picture4.png")
    file = tmp_path / "small/metadata.jsonl"
    file.write_text("".join(json.dumps(json.loads(line) | {"text": ""}) + "\n"
                            for line in file.read_text().splitlines()))  # fmt: skip
    done = typed("validate", "small", cwd=tmp_path)
    assert "metadata.jsonl:1 (picture0.png): the caption is empty" in done.stdout
    assert "hubtools review small" in done.stderr
    assert "next: hubtools caption small --template 'a photo'" in done.stderr
    file.unlink()
    done = typed("validate", "small", cwd=tmp_path)
    assert "`hubtools caption small --template 'a photo'`" in done.stdout
    assert "next: hubtools caption small --template 'a photo'" in done.stderr


def test_the_next_command_is_the_one_that_repairs(tmp_path: Path) -> None:
    """By name if need be, with the settings that were typed; of a copy that goes, its caption is
    no repair."""
    settings = ["--license", "CC0-1.0", "--rights", "own"]
    write_pictures(tmp_path / "my set", 4, size=(640, 640))
    place = ["validate", "my set", *settings]
    done = typed(*place, "--trigger", "(sks)", cwd=tmp_path)
    (found,) = re.findall("next: hubtools (.+)", done.stderr)
    assert found.startswith("fix 'my set' ")
    assert found.endswith(" --unsafe add-trigger")
    fixed = typed(*shlex.split(found), "--yes", cwd=tmp_path)
    assert fixed.returncode == 0, fixed.stderr
    done = typed(*place, "--trigger", "(sks)", cwd=tmp_path)
    assert done.returncode == 0
    assert "--trigger '(sks)'" in done.stderr.split("next: hubtools init")[1]
    (tmp_path / "p.toml").write_text('[dataset]\npath = "my set"\n[train]\nresolution = 64\n')
    given = ["--trigger", "(sks)", "--plan", "portrait=1"]
    done = typed("validate", "--project=p.toml", *given, cwd=tmp_path)
    (found,) = re.findall("next: hubtools (.+)", done.stderr)
    train = "train --project p.toml --trigger '(sks)' --dataset-plan portrait=1 --dry-run"
    assert found.startswith(train)
    assert "No such option" not in typed(*shlex.split(found), cwd=tmp_path).stderr
    shutil.copy(tmp_path / "my set/picture1.png", tmp_path / "my set/picture9.png")
    with (tmp_path / "my set/metadata.jsonl").open("a") as file:
        file.write('{"file_name": "picture9.png", "text": ""}\n')
    said = typed(*place, cwd=tmp_path).stderr
    assert "--unsafe delete-duplicates` repairs 1 of these findings" in said
    assert "next: hubtools caption 'my set' --dataset-license CC0-1.0" in said
    assert "is read as cc0-1.0" in said


def test_what_has_to_be_named_is_told_by_an_example() -> None:
    """For each command that needs something, one that it takes as far as its words go."""
    needing = set()
    for name in COMMANDS:
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if any(one.required for one in command.params):
            needing.add(name)
            command.make_context(name, shlex.split(EXAMPLES[name]))
    assert needing == set(EXAMPLES)
    said = typed("grid").stderr
    assert '`hubtools grid "a photo of ..." --x seed=0..3`' in said


def test_what_is_mistyped_is_told_where_it_belongs(tmp_path: Path) -> None:
    said = typed("validate", "--num-images", "3").stderr
    assert (
        "`hubtools generate`, `hubtools evaluate` have it; see `hubtools validate --help`" in said
    )
    assert "see `hubtools validate --help`" in typed("validate", "--select").stderr
    assert "Choose from: diffusers, kohya" in typed("export", "x").stderr
    assert "it takes `hubtools ship [OPTIONS]`" in typed("ship", "a", "me/x").stderr
    (tmp_path / "a b.safetensors").write_bytes(b"")
    for command in ("push", "card"):
        words = [command, "a b.safetensors", *["me/x"] * (command == "push")]
        assert "`hubtools convert 'a b.safetensors'`" in typed(*words, cwd=tmp_path).stderr


@pytest.mark.parametrize("name", ["fix", "caption", "review", "train"])
def test_settings_of_a_dataset_are_spelt_alike_in_its_commands(name: str) -> None:
    """So that the command that is told next takes what `validate` was given."""

    def options(command: str) -> list[click.Parameter]:
        made = group.get_command(click.Context(group), command)
        assert made is not None
        return made.params

    takes = {word: one.name for one in options(name) for word in one.opts}
    for option in options("validate"):
        if word := dataset_option(option):
            assert takes.get(word) == option.name, word


def test_the_captions_that_another_folder_lacks_are_its_own(tmp_path: Path) -> None:
    """Pictures of the class have no trigger: what to type names their folder and the noun."""
    write_pictures(tmp_path / "p/data", 2, size=(640, 640))
    write_pictures(tmp_path / "owls", 2, size=(640, 640))
    (tmp_path / "owls/metadata.jsonl").unlink()
    (tmp_path / "p/hubtools.toml").write_text(
        '[dataset]\npath = "data"\nclass_noun = "owl"\n'
        '[train]\nwith_prior_preservation = true\nclass_data_dir = "../owls"\n'
    )
    for place, owls in (("p", "../owls"), ("p/data", "../../owls"), (".", "owls")):
        words = ["p"] if place == "." else []
        done = typed("validate", *words, cwd=tmp_path / place)
        command = f"hubtools caption {owls} --template 'a photo of an owl'"
        assert f"{owls}: error D120" in done.stdout
        assert f"describe them: `{command}`" in done.stdout
        assert done.stderr.splitlines()[-1] == f"Hint: next: {command}"
        assert "review" not in done.stderr
