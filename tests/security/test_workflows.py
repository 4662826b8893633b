"""Workflows run in a checkout, whose files and settings anybody may have written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hubtools.errors import UsageError
from hubtools.journey.ci import ci_init
from hubtools.project import load_project
from tests.typed import typed

HERE = Path(__file__).parents[2]


def workflow(root: Path, folder: str, **options: Any) -> str:
    (root / folder).mkdir(exist_ok=True)
    settings = f'[dataset]\npath = {json.dumps(folder)}\nrepo = "me/people"\n'
    (root / "hubtools.toml").write_text(settings)
    return ci_init(load_project(root), repository="me/people", dry_run=True, **options).text


WAYS: list[dict[str, Any]] = [{}, {"action": f"me/hubtools@{'1' * 40}"}, {"provider": "gitlab"}]


@pytest.mark.parametrize("options", WAYS)
@pytest.mark.parametrize(
    "folder",
    ["da: ta", "da #ta", "- a", "'q'", '"dq"', "@CHECK@", "@PUBLISH@", "@RELEASE@", "a\\b"],
)
def test_any_name_of_a_folder(folder: str, options: dict[str, Any], tmp_path: Path) -> None:
    read = yaml.safe_load(workflow(tmp_path, folder, **options))
    usual = yaml.safe_load(workflow(tmp_path, "pictures", **options))
    if "jobs" not in read:
        assert len(read["check"]["script"]) == 1
        return
    for job, steps in read["jobs"].items():
        assert len(steps["steps"]) == len(usual["jobs"][job]["steps"])
    assert any(folder.replace("'", "") in str(one).replace("'", "") for one in _steps(read))


def _steps(read: Any) -> list[Any]:
    steps = read["jobs"]["check"]["steps"]
    return [step.get("run") or step.get("with", {}).get("path") for step in steps]


@pytest.mark.parametrize("options", WAYS)
def test_a_folder_that_is_called_like_an_option(options: dict[str, Any], tmp_path: Path) -> None:
    words = workflow(tmp_path, "--public", **options)
    assert not re.search(r"ci run (--public|'--public')", words)


@pytest.mark.parametrize("options", WAYS)
@pytest.mark.parametrize("folder", ["a\n      - run: evil", "${{ github.token }}", "a\u2028b"])
def test_names_that_add_to_a_workflow(folder: str, options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot name the folder"):
        workflow(tmp_path, folder, **options)


def test_nothing_of_the_checkout_is_imported(tmp_path: Path) -> None:
    """`python -m` looks for modules in the working directory first; `-I` does not."""
    texts = [workflow(tmp_path, "pictures", **options) for options in WAYS]
    texts.append((HERE / "action.yml").read_text())
    starts = [
        found for text in texts for found in re.findall(r"\bpython\"? (.*)|\"\$PYTHON\" (.*)", text)
    ]
    starts = [first or second for first, second in starts]
    assert len(starts) >= 5
    assert all(words.startswith("-I -m ") for words in starts if words.startswith("-")), starts
    (tmp_path / "venv.py").write_text("print('imported'); raise SystemExit(9)")
    words = next(words for words in starts if "venv" in words).split()[:3]
    said = subprocess.check_output([sys.executable, *words, "--help"], cwd=tmp_path, text=True)
    assert "imported" not in said


OLD, NEW = "##[set-output name=commit_url;]x", "::set-output name=plan::x"
NAMES = (OLD, NEW, f"a\n{NEW}", f"\u2003{NEW}", f"a\n \t{NEW}")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder whose names, records and card look like commands."""
    root = tmp_path / "data"
    root.mkdir()
    for name in NAMES:
        (root / f"{name}.png").write_bytes(b"no picture")
        (root / f"{name}.exe").write_bytes(b"x")
    lines = [{"file_name": f"{name}.png", "text": name, name: 3} for name in NAMES]
    (root / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (root / "README.md").write_text(f'---\nlicense: "{OLD}"\n---\n# {NEW}\n')
    return tmp_path


COMMANDS = [
    ("validate", "data"),
    ("validate", "data", "--format", "quiet"),
    ("validate", "data", "--format", "agent"),
    ("validate", "data", "--format", "json"),
    ("validate", "data", "--format", "sarif"),
    ("fix", "data", "--dry-run"),
    ("card", "data", "--check"),
    ("inspect", "data"),
    ("ci", "run", "--", "data"),
]


SETTINGS = (f'[dataset]\n"{OLD}" = 1\n', f'[push]\nprivate = "{OLD}"')
SAID = [("", words) for words in COMMANDS] + [(one, COMMANDS[-1]) for one in SETTINGS]


@pytest.mark.parametrize(("settings", "words"), SAID)
def test_the_log_of_a_job_holds_no_commands_of_others(
    settings: str, words: tuple[str, ...], hostile: Path
) -> None:
    (hostile / "hubtools.toml").write_text(settings)
    done = typed(*words, cwd=hostile, GITHUB_ACTIONS="true", HF_TOKEN="")
    lines = (done.stdout + "\n" + done.stderr).splitlines()
    own = re.compile(r"::(?:error|warning|notice) (?:file|title)=")
    for line in lines:
        if words[0] == "ci" and own.match(line):
            continue  # the runner looks no further
        assert not line.strip().startswith("::"), line
        assert "##[" not in line, line
    if "json" in words or "sarif" in words:
        assert json.loads(done.stdout), done.stderr
    assert len(lines) > 1
