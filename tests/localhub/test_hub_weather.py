"""Bad weather and hostile content: a push comes through chance failures, nothing stops the Hub."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hubtools.errors import UsageError
from hubtools.localhub.accounts import parse_user
from hubtools.localhub.faults import Faults, parse_chaos
from hubtools.localhub.patterns import IgnoreRules
from hubtools.localhub.server import Hub
from tests.localhub.asking import CLIENT
from tests.typed import typed


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    root = tmp_path / "people"
    root.mkdir()
    rows = []
    for number in range(12):
        Image.effect_noise((64, 64), 40).convert("RGB").save(root / f"{number}.png")
        rows.append(json.dumps({"file_name": f"{number}.png", "text": f"view {number}"}) + "\n")
    (root / "metadata.jsonl").write_text("".join(rows))
    (root / "README.md").write_text("---\nlicense: cc0-1.0\n---\n# People\n\nNoise for a test.\n")
    return root


_SOON = (
    "from tests.flushing import ask_again_soon; ask_again_soon();"
    " from hubtools.cli import main; main()"
)


def test_a_push_comes_through_bad_weather(pictures: Path, tmp_path: Path) -> None:
    weather = Faults(parse_chaos("429:0.1,drop:0.1,504:1,412:1"), seed=4)
    with Hub(tmp_path / "hub", faults=weather) as hub:
        place = {**hub.environment(), "HF_HOME": str(tmp_path / "hf")}
        command = ["-c", _SOON, "push", str(pictures), "me/people", "--format", "json"]
        done = subprocess.run(
            [sys.executable, *command], env=os.environ | place, capture_output=True, text=True,
            check=False, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        files = HfApi(endpoint=hub.url, token=hub.token).list_repo_files(
            "me/people", repo_type="dataset"
        )
        assert len(files) == 12 + 3


def test_no_request_fails_for_ever() -> None:
    """Whoever asks three times is answered, whatever the seed."""
    faults = Faults(parse_chaos("drop:0.9,503:0.9,429:0.1"), seed=1)
    for path in ("/api/a", "/api/b"):
        told = [faults.strike("GET", path) for _ in range(300)]
        row = [one is not None and one.outcome != 429 for one in told]
        assert sum(row) > 150
        assert not any(all(row[i : i + 3]) for i in range(298))


def test_chaos_that_is_none_is_told() -> None:
    assert [one.outcome for one in parse_chaos("429:0.1, drop:2,drop-after:0.5")] == [
        429, "drop", "drop-after",
    ]  # fmt: skip
    for text in ("429", "drop:", "200:0.1", "412:1.5", "rain:0.5", "429:0", "429:nan"):
        with pytest.raises(UsageError, match="--chaos"):
            parse_chaos(text)
    faults = Faults(parse_chaos("412:1"))
    assert faults.strike("GET", "/api/models/a/b") is None
    assert faults.strike("POST", "/api/models/a/b/commit/main") is not None
    assert faults.strike("POST", "/api/models/a/b/commit/main") is None


def test_users_of_the_command_line() -> None:
    user = parse_user("me+studio+club:hf_me:read")
    assert (user.name, user.token, user.role, user.orgs) == (
        "me",
        "hf_me",
        "read",
        ("studio", "club"),
    )
    for text in ("me", "me:", ":hf_me", "me:hf_me:admin"):
        with pytest.raises(UsageError, match="NAME:TOKEN"):
            parse_user(text)
    assert typed("hub", "serve", "--user", "me").returncode == 2


# --- hostile content -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with Hub(tmp_path_factory.mktemp("hub") / "root") as hub:
        yield hub


HOSTILE = {
    "comments": "<!--" * 60_000,
    "instructions": "a <?" * 60_000,
    "declarations": "a <!X" * 60_000,
    "sections": "a <![CDATA[" * 30_000,
    "emphasis": "*a" * 30_000,
    "brackets": "[" * 60_000,
    "long": f"---\nx: [{'1,' * 2_000_000}1]\n---\n",
    "deep": f"---\na: {'[' * 50_000}\n---\n",
    "dashes": f"---\n{'- ' * 20_000}x\n---\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_card_freezes_the_hub(hub: Hub, name: str) -> None:
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo(f"me/{name}")
    repo = hub.store.find("model", "me", name)
    assert repo is not None
    ask = {"Authorization": f"Bearer {hub.token}"}
    judged = CLIENT.post(
        f"{hub.url}/api/validate-yaml",
        json={"content": HOSTILE[name], "repoType": "model"}, headers=ask, timeout=200,
    )  # fmt: skip
    if judged.status_code == 200:
        api.upload_file(
            path_or_fileobj=HOSTILE[name].encode(), path_in_repo="README.md", repo_id=f"me/{name}"
        )
    else:
        assert "Invalid YAML metadata" in judged.text
    page = CLIENT.get(f"{hub.url}/me/{name}", headers=ask, timeout=200)
    assert page.status_code == 200
    assert len(page.text) < 5_000_000


def test_what_is_not_implemented_says_so(hub: Hub) -> None:
    answer = CLIENT.get(f"{hub.url}/api/nothing/like/this")
    assert answer.status_code == 501
    assert "does not know GET /api/nothing/like/this" in answer.json()["error"]


def test_connections_answer_at_once(hub: Hub) -> None:
    # asyncio sets TCP_NODELAY on what a socket of this protocol accepts; else each answer on a
    # connection that is kept waits for the client's delayed acknowledgement, 40 ms
    assert hub._socket.proto == socket.IPPROTO_TCP


# --- patterns ------------------------------------------------------------------------------------


def test_patterns_take_their_time_once() -> None:
    assert not IgnoreRules("*a" * 60 + "b").ignores("a" * 255)
    assert not IgnoreRules("**/a/" * 60 + "b").ignores("/".join(["a"] * 500) + "/c")


def test_runs_of_stars_mean_what_git_means(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    patterns = [
        "***/a", "****/a", "a/***", "a/***/b", "***", "/***", "x***/a", "x**/a", "x*/a", "**a",
        "***a/b", "a***/b", "a**/b", "/x***", "b/x***/a", "x/***a", "**x/a", "x**", "?x**/a",
    ]  # fmt: skip
    names = [
        "a", "b/a", "a/b", "a/c/b", "x/a", "x/y/a", "xa", "xa/b", "a/b/c", "ax/b", "ax/y/b", "xy/a",
        "xyz/a", "x/b", "xb/a", "b/x/a", "b/xa", "b/xy/z/a",
    ]  # fmt: skip
    for number, pattern in enumerate(patterns):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}/.gitignore").write_text(f"{pattern}\n")
    asked = [f"{number}/{name}" for number in range(len(patterns)) for name in names]
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        input="\n".join(asked), cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    for number, pattern in enumerate(patterns):
        git = {name for name in names if f"{number}/{name}" in done.stdout.split()}
        rules = IgnoreRules(pattern)
        assert (pattern, {name for name in names if rules.ignores(name)}) == (pattern, git)


PIECES = ["a", "b", "*", "?", "**", "/", "[ab]", "[!a]", "!", "\\*", "c.x", "*.x", "a*b*", "**/"]


@settings(max_examples=25, deadline=None)
@given(
    patterns=st.lists(
        st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join).filter(
            lambda text: "//" not in text
        ), min_size=1, max_size=4,
    ),
    names=st.lists(
        st.lists(st.text("abc.x", min_size=1, max_size=4).filter(lambda n: n.strip(".")),
                 min_size=1, max_size=4).map("/".join),
        min_size=1, max_size=20, unique=True,
    ),
)  # fmt: skip
def test_patterns_mean_what_git_means(
    tmp_path_factory: pytest.TempPathFactory, patterns: list[str], names: list[str]
) -> None:
    root = tmp_path_factory.mktemp("git")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / ".gitignore").write_text("\n".join(patterns) + "\n")
    done = subprocess.run(
        ["git", "-c", "core.quotePath=false", "check-ignore", "--no-index", "--stdin"],
        input="\n".join(names), cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    rules = IgnoreRules("\n".join(patterns))
    assert {name for name in names if rules.ignores(name)} == set(done.stdout.split())
