"""Every command is a function of the same name and arguments; docs/python-api.md shows both."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

import hubtools
from hubtools.cli.options import SettingOption
from hubtools.commands.asked import SECTIONS_OF, TWOFOLD, settings_of
from hubtools.settings import DatasetSettings
from tests.drawing import write_pictures
from tests.typed import typed

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "python-api.md").read_text(encoding="utf-8")

_spec = importlib.util.spec_from_file_location(
    "python_api", DOCS.parent / "tools" / "python_api.py"
)
assert _spec is not None
assert _spec.loader is not None
python_api = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(python_api)
EVERYWHERE, EXCEPTIONS = python_api.EVERYWHERE, python_api.EXCEPTIONS
every_command = python_api.every_command


def _commands() -> list[tuple[str, click.Command, Any]]:
    return [(n, command, getattr(hubtools, called)) for n, command, called in every_command()]


NAMES = [name for name, _, _ in _commands()]


def _word(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len).removeprefix("--").replace("-", "_")
    return parameter.human_readable_name.strip("[].").lower()


@pytest.mark.parametrize(("name", "command", "function"), _commands(), ids=NAMES)
def test_options_are_arguments(name: str, command: click.Command, function: Any) -> None:
    own = inspect.signature(function).parameters
    missing = []
    for parameter in command.params:
        if isinstance(parameter, SettingOption) or getattr(parameter, "hidden", False):
            continue  # the latter is a former name
        word = _word(parameter)
        if word in EXCEPTIONS.get(name, {}) or word in EVERYWHERE:
            continue
        if not isinstance(parameter, click.Option):
            continue  # arguments are compared below
        if word not in own:
            missing.append(word)
            continue
        wanted = () if parameter.multiple else parameter.default
        if (
            isinstance(parameter, click.Option)
            and parameter.is_flag
            and not parameter.secondary_opts
        ):
            wanted = wanted is True
        wanted = None if not isinstance(wanted, (str, int, float, bool, tuple, Path)) else wanted
        given = own[word].default
        if given is inspect.Parameter.empty:
            assert parameter.required, word
        else:
            same = given == wanted or (given is None and parameter.required)
            same = same or str(given) == str(wanted)
            assert same, f"{name} --{word}: {given!r} in Python, {wanted!r} typed"
    assert not missing, f"{name}: no argument for {missing}"


@pytest.mark.parametrize(("name", "command", "function"), _commands(), ids=NAMES)
def test_arguments_are_arguments(name: str, command: click.Command, function: Any) -> None:
    typed_ones = [p.name for p in command.params if isinstance(p, click.Argument)]
    other = {
        ("validate", "sources"): "source", ("generate", "texts"): "prompts",
        ("explain", "rule_ids"): "rule",
    }  # fmt: skip
    own = inspect.signature(function).parameters
    assert {other.get((name, str(word)), word) for word in typed_ones} <= set(own)


@pytest.mark.parametrize(("name", "command", "function"), _commands(), ids=NAMES)
def test_settings_are_arguments(name: str, command: click.Command, function: Any) -> None:
    asked = {
        tuple(str(p.name).split("__")[1:]): [o.removeprefix("--").replace("-", "_") for o in p.opts]
        for p in command.params
        if isinstance(p, SettingOption)
    }
    if not asked:
        assert not SECTIONS_OF.get(name.replace(" ", "_").replace("-", "_"))
        return
    known = settings_of(function)
    own = set(inspect.signature(function).parameters)
    for place, names in asked.items():
        assert place in known.values()
        for word in names:
            assert known.get(word) == place or word in own, word
    assert set(known.values()) == set(asked)


def test_no_exception_is_left_of_what_is_gone() -> None:
    for name, command, _ in _commands():
        words = {_word(p) for p in command.params} | {str(p.name) for p in command.params}
        assert set(EXCEPTIONS.get(name, {})) <= words, name
    for name in {
        n for words in EXCEPTIONS.values() for n in words.values() if "(" in n and "[" not in n
    }:
        assert hasattr(hubtools, name.partition("(")[0]) or name.startswith("meanwhile"), name


def test_a_setting_beside_a_project_counts_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    from hubtools.commands.asked import project_of

    toml = tmp_path / "hubtools.toml"
    toml.write_text("[train]\nmax_train_steps = 7\nrank = 4\n[dataset]\ntrigger = 'tok'\n")
    project = hubtools.load_project(toml)
    for given in (toml, tmp_path, str(tmp_path), project):
        made = project_of(hubtools.train, given, {"max_train_steps": 9, "seed": 3})
        assert (made.train.max_train_steps, made.train.rank, made.train.seed) == (9, 4, 3)
        assert made.root == tmp_path
        assert made.given == {"train.max_train_steps", "train.seed"}
        assert made.dataset.trigger == "tok"
    assert project.train.max_train_steps == 7
    assert project_of(hubtools.fix, DatasetSettings(trigger="t"), {}).dataset.trigger == "t"
    with pytest.raises(TypeError, match="did you mean max_train_steps"):
        project_of(hubtools.train, project, {"max_train_step": 9})
    with pytest.raises(hubtools.UsageError, match="max_train_steps"):
        project_of(hubtools.train, project, {"max_train_steps": -1})


def test_all_that_is_public_is_on_the_page_and_is_there() -> None:
    for name in hubtools.__all__:
        assert getattr(hubtools, name) is not None
        assert f"`{name}" in PAGE or f"hubtools.{name}" in PAGE, name
    assert {called for _, _, called in every_command()} - {"serve"} <= set(hubtools.__all__)


def test_importing_it_is_light() -> None:
    code = (
        "import sys, hubtools; hubtools.validate, hubtools.card, hubtools.prune, hubtools.push;"
        "print([n for n in ('torch', 'diffusers', 'transformers', 'datasets', 'huggingface_hub')"
        " if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 3
    scope: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/python-api.md", "exec"), scope)  # noqa: S102
    for line in re.findall(r"^    \$ hubtools (.*)$", PAGE, re.MULTILINE):
        assert typed(*line.split(), cwd=tmp_path).returncode in (0, 3), line


def test_push_and_its_plan_take_the_same() -> None:
    own = inspect.signature(hubtools.push).parameters
    planned = inspect.signature(hubtools.plan_push).parameters
    only_planned = {"plan_file", "only_shown"}
    assert own.keys() == (planned.keys() - only_planned) | {"plan", "on_commit"}
    assert all(own[name] == planned[name] for name in own.keys() & planned.keys())
    with pytest.raises(TypeError, match="no argument 'alow'; did you mean allow"):
        hubtools.push("nowhere", "me/x", alow=[])


def test_repository_and_licence_have_a_name_that_means_the_same_everywhere() -> None:
    for name, command, _ in _commands():
        places = {
            option: (p.section, str(p.name).rpartition("__")[2])
            for p in command.params
            if isinstance(p, SettingOption)
            for option in p.opts
        }
        for section, key in {*places.values()}:
            if section in ("dataset", "model") and key in TWOFOLD:
                assert places[f"--{section}-{key}"] == (section, key), name


def test_a_short_name_is_that_of_what_is_worked_on(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", 1)
    done = typed("card", "set", "--license", "cc0-1.0", cwd=tmp_path)
    assert "license: cc0-1.0" in (tmp_path / "set/README.md").read_text(), done.stderr
    said = typed("ship", "--until", "validate", "--license", "mit", "--dry-run", cwd=tmp_path)
    assert "--license is that of the dataset here: --dataset-license" in said.stderr
    listed = typed("ship", "--help").stdout
    assert "--dataset-license TEXT" in listed
    assert not re.search(r"--license(,| TEXT)", listed)
