"""The first things that somebody types who knows nothing."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from hubtools.cli.hub import _told
from hubtools.cli.main import COMMANDS, group, run
from hubtools.cli.start import GROUPS, START
from hubtools.journey.steps import STEPS
from hubtools.localhub.accounts import parse_user
from hubtools.localhub.server import Hub
from hubtools.set_often import SET_OFTEN
from hubtools.settings import SECTIONS
from tests.typed import typed


def test_bare_hubtools_says_where_to_start() -> None:
    done = typed()
    assert done.returncode == 0
    assert done.stdout.strip() == START.strip()
    assert done.stderr == ""
    assert "(tok) is a word of yours" in done.stdout
    for who in ("I have pictures", "I have a LoRA", "I have a repository"):
        assert who in done.stdout
    assert max(map(len, START.splitlines())) <= 80


def test_what_it_shows_can_be_typed() -> None:
    lines = re.findall(r"^  (hubtools .*?)(?:  .*)?$", START, re.MULTILINE)
    assert len(lines) > 7
    for line in lines:
        words = shlex.split(line)[1:]
        context = click.Context(group)
        command = group.get_command(context, words[0])
        assert command is not None, line
        rest = words[1:]
        if isinstance(command, click.Group):
            command = command.commands[rest.pop(0)]
        command.make_parser(click.Context(command)).parse_args(list(rest))


def test_every_command_stands_in_one_group() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(COMMANDS)
    shown = typed("--help").stdout
    for title in GROUPS:
        assert f"\n{title}:\n" in shown


@pytest.mark.parametrize(
    ("words", "same"),
    [
        (("help",), ("--help",)),
        (("help", "push"), ("push", "--help")),
        (("help", "ci", "run"), ("ci", "run", "--help")),
        (("hub",), ("hub", "--help")),
        (("ci",), ("ci", "--help")),
    ],
)
def test_help_is_help(words: tuple[str, ...], same: tuple[str, ...]) -> None:
    asked, shown = typed(*words), typed(*same)
    assert asked.returncode == 0
    assert asked.stdout == shown.stdout
    assert "\\n" not in asked.stdout


def test_help_of_many_settings_shows_those_that_are_set_often() -> None:
    short, whole = (typed("ship", word).stdout for word in ("--help", "--help-all"))
    assert "--rank" in short
    assert "--snr-gamma" not in short
    assert set(re.findall(r"^  (--[\w-]+)", short, re.MULTILINE)) < set(
        re.findall(r"^  (--[\w-]+)", whole, re.MULTILINE)
    )
    left = len(re.findall(r"^  --", whole, re.MULTILINE)) - len(
        re.findall(r"^  --", short, re.MULTILINE)
    )
    assert f"`hubtools ship --help-all` lists {left} more settings" in short
    assert "--help-all" not in typed("push", "--help").stdout  # which shows all of its few
    for section, keys in SET_OFTEN.items():
        assert set(keys) <= set(SECTIONS[section].model_fields)


def test_help_of_ship_names_its_steps_in_order() -> None:
    names = [step.name for step in STEPS]
    said = " ".join(typed("ship", "--help").stdout.split())
    listed = said.split("The steps are")[1].split("A step whose")[0]
    words = (word.strip(",.()") for word in listed.split())
    assert [word for word in words if word in names] == names


def test_help_of_what_is_no_command_is_told() -> None:
    done = typed("help", "nothing")
    assert done.returncode == 2
    assert "There is no command 'nothing'" in done.stderr


def test_the_embedded_hub_says_who_one_is_and_what_to_type(tmp_path: Path) -> None:
    users = [parse_user("ann+studio:tok_ann"), parse_user("bob:tok_bob:read")]
    with Hub(tmp_path / "hub", users=users) as hub:
        said = "\n".join(_told(hub))
    assert "export HF_TOKEN=tok_ann" in said
    assert "You are ann then, and may write to repositories of ann and studio." in said
    assert "  hubtools push FOLDER ann/NAME\n" in said
    assert "export HF_TOKEN=tok_bob" in said
    assert "makes you bob: may read repositories of bob." in said


def test_after_the_demo_come_one_s_own_pictures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = SimpleNamespace(ok=True)
    monkeypatch.setattr("hubtools.commands.journeys.demo", lambda *_, **__: shown)
    assert run(["demo", "--format", "human"]) == 0
    assert "hubtools init NAME --from PICTURES" in capsys.readouterr().err
