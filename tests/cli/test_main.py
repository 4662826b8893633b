"""The command as a whole: light to start, the same manners everywhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hubtools.cli.main import COMMANDS
from tests.typed import typed

HEAVY = ("torch", "diffusers", "transformers", "datasets", "huggingface_hub", "starlette", "PIL")


def hubtools(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-m", "hubtools", *arguments],
        **{"capture_output": True, "text": True, "check": False} | more,
    )


def test_help_imports_nothing_heavy() -> None:
    heavy = [*HEAVY, "hubtools.leaks.text", "hubtools.files"]
    code = (
        "import sys; from hubtools.cli.main import run; code = run(['--help']);"
        f"print([n for n in {heavy} if n in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


def test_it_ends_at_once_and_nothing_is_lost() -> None:
    """Threads are waited for, what was to be done at the end is done, what was said is written."""
    code = (
        "import atexit, sys, threading, time;"
        "atexit.register(print, 'at the end');"
        "threading.Thread(target=lambda: (time.sleep(0.05), print('a thread'))).start();"
        "from hubtools.cli.main import main; main(sys.argv[1:])"
    )
    for words, wanted in ((["--version"], 0), (["nonsense"], 2)):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
        assert (done.returncode, bool(done.stderr)) == (wanted, bool(wanted)), done.stderr
        said = done.stdout.splitlines()
        assert "a thread" in said
        assert said[-1] == "at the end"


def test_every_command_has_help_without_torch() -> None:
    code = (
        "import sys; from hubtools.cli.main import run\n"
        f"for name in {list(COMMANDS)}:\n"
        "    assert run([name, '--help']) == 0, name\n"
        "    assert 'torch' not in sys.modules, name"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert f"Usage: hubtools {name} " in done.stdout


def test_the_package_has_the_commands_as_functions() -> None:
    code = (
        "import sys, hubtools; assert 'torch' not in sys.modules\n"
        "for name in hubtools.__all__: assert getattr(hubtools, name), name\n"
        "assert 'torch' not in sys.modules\n"
        "try: hubtools.nonsense\n"
        "except AttributeError: pass\n"
        "else: raise SystemExit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("vallidate",), "Did you mean 'validate'?"),
        (("upload",), "Did you mean 'push'?"),
        (("login",), "The Hub's own client does that: `hf auth login`."),
        (("gui",), "Did you mean 'review'?"),
        (("jobs",), "Did you mean 'train'?"),
        (("train", "--flavor", "l4x1"), "'--flavor'. Did you mean '--remote'?"),
        (("help", "new"), "Did you mean 'init'?"),
        (("qqqq",), "see `hubtools --help`"),
        (("train", "--learning-rat", "1"), "'--learning-rat'. Did you mean '--learning-rate'?"),
        (("train", "--base", "x"), "'--base'. Did you mean '--base-model'?"),
        (("generate", "--base", "x"), "'--base'. Did you mean '--base-model'?"),
        (("generate", "--model", "x"), "'--model'. Did you mean '--base-model'?"),
        (("caption", "--model_name", "x"), "'--model-name'. Did you mean '--model'?"),
        (("generate", "--inference_steps", "9"), "Did you mean '--num-inference-steps'?"),
        (("generate", "--cfg", "5"), "Did you mean '--guidance-scale'?"),
        (("generate", "--sampler", "euler"), "Did you mean '--scheduler'?"),
        (("generate", "--lora_path", "x"), "Did you mean '--lora'?"),
        (("generate", "--lora_scale", "1"), "Did you mean '--lora-weight'?"),
        (("generate", "--num_images_per_prompt", "2"), "Did you mean '--num-images'?"),
        (("generate", "--width", "512"), "Did you mean '--size'?"),
        (("generate", "--outdir", "x"), "Did you mean '--output'?"),
        (("generate", "--lora_weights", "x"), "Did you mean '--lora'?"),
        (("generate", "--fp16"), "Did you mean '--dtype'?"),
        (("train", "--fp16"), "Did you mean '--mixed-precision'?"),
        (("train", "--output", "x"), "Did you mean '--output-dir'?"),
        (("train", "--save_steps", "9"), "Did you mean '--snapshot-steps'?"),
        (("train", "--epochs", "3"), "Did you mean '--num-train-epochs'?"),
        (("validate", "--base", "x"), "others have --base-model;"),
        (("evaluate", "--lora", "x"), "`hubtools generate`, `hubtools grid` have it"),
        (("init", "new", "--from", "thre"), "did you mean three?"),
        (("help", "shipp"), "Did you mean 'ship'?"),
        (("explain", "D20Z"), "did you mean D2"),
        (("explain", "c30"), "C301, C302, C303"),
        (("explain", "learning-rat"), "did you mean learning_rate?"),
        (("train", "--rank", "0"), "rank"),
        (("ship", "--project", "nowhere.toml"), "nowhere.toml"),
        (("generate",), "There is no prompt"),
    ],
)
def test_typing_errors_get_a_hand(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    (tmp_path / "three").mkdir()
    done = typed(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stdout == ""


def test_a_leading_separator_and_underscores_are_tolerated(tmp_path: Path) -> None:
    assert hubtools("--", "--version").stdout.startswith("hubtools, version ")
    done = hubtools("train", "--learning_rate", "abc", cwd=tmp_path)
    assert "abc" in done.stderr
    assert done.returncode == 2


def test_output_formats() -> None:
    rules = json.loads(typed("explain", "--all", "--format", "json").stdout)
    ids = [rule["rule"] for rule in rules]
    assert {"D101", "T101", "C101", "P101"} <= {*ids}
    assert ids == sorted(ids)
    table = typed("explain", "--all", "--format", "agent").stdout.splitlines()
    assert table[0] == "rule\tseverity\ttitle"
    assert len(table) == len(rules) + 1
    assert typed("explain", "--all", "-q").stdout.split()[0] == rules[0]["rule"]
    schema = json.loads(typed("schema").stdout)
    assert set(schema["properties"]) == {
        "dataset",
        "rules",
        "train",
        "samples",
        "evaluate",
        "model",
        "prune",
        "push",
    }
    settings = json.loads(typed("explain", "seed", "rank", "--format", "json").stdout)
    assert [one["id"] for one in settings] == ["train.seed", "samples.seed", "train.rank"]
    assert "\n\nIn hubtools.toml, below [train], as it is by default: rank = 16\n" in (
        typed("explain", "Train.Rank").stdout
    )
    piped = typed("explain", "D202").stdout
    assert "\x1b[" not in piped
    assert "Fix:" in piped


def test_an_ascii_terminal_is_no_reason_to_fail(tmp_path: Path) -> None:
    environ = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = hubtools("init", "p", "--example", cwd=tmp_path, env=environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("OK ")


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m hubtools explain --all | head -1; echo ${{PIPESTATUS[0]}}"
    for reader in ("head -1", "true"):  # gone early, or before the first word
        line = command.replace("head -1", reader)
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120)
        assert done.stdout.splitlines()[-1] == "0", done.stderr
    assert done.stderr == ""


def test_ctrl_c_ends_in_a_sentence(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "hubtools",
            "hub",
            "serve",
            "--port",
            "0",
            "--root",
            str(tmp_path / "hub"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    for stream in (process.stderr, process.stdout):
        if "http://127.0.0.1" in stream.readline():
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode in (0, 130)
    assert "Traceback" not in errors


def test_the_settings_of_a_training_are_listed_by_what_they_are_about() -> None:
    """Every group begins with a setting that there is."""
    from hubtools.settings import TrainSettings

    assert set(TrainSettings.groups) <= set(TrainSettings.model_fields)
    assert TrainSettings.group_of("snr_gamma") == TrainSettings.group_of("huber_c")
    assert all(TrainSettings.group_of(key) for key in TrainSettings.model_fields)
    text = typed("train", "--help-all").stdout
    for title in TrainSettings.groups.values():
        assert f"Settings [train], {title}:" in text
    assert "Settings [dataset]:" in text
