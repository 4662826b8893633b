"""Saved plans of all four commands: the same as acting at once, or nothing at all."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hubtools.layout import LORA_WEIGHTS
from hubtools.localhub.server import Hub
from hubtools.summed import JSON_SUM
from tests.planning import tree
from tests.security.pushing import REPO, make_dataset
from tests.typed import typed

ROOT = Path(__file__).resolve().parents[2]
FEW = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def run_dir(tmp_path: Path, make_lora_file: Callable[..., Path]) -> Path:
    lora = make_lora_file(tmp_path / "lora.safetensors")
    return run_folder(tmp_path / "run", lora, ["junk", "comma"])


# --- random folders ------------------------------------------------------------------------------


def faulty(root: Path, faults: list[str]) -> Path:
    """A dataset folder with some of the faults that `fix` knows."""
    make_dataset(root)
    rows = (root / "metadata.jsonl").read_text()
    if "comma" in faults:
        rows = rows.replace("}\n", "},\n")
    if "twice" in faults:
        rows += rows.partition("\n")[0] + "\n"
    if "no picture" in faults:
        rows += '{"file_name": "9.png", "text": "nobody"}\n'
    if "garbled" in faults:
        rows = rows.replace("number 1", "cafÃ© 1")
    if "case" in faults:
        (root / "0.png").rename(root / "0.PNG")
    if "wrong name" in faults:
        (root / "1.png").rename(root / "1.jpg")
        rows = rows.replace("1.png", "1.jpg")
    if "position" in faults:
        tags = Image.Exif()
        tags.get_ifd(0x8825)[1] = "N"
        Image.new("RGB", (8, 8), (9, 200, 9)).save(root / "2.png", exif=tags)
    if "junk" in faults:
        (root / ".DS_Store").write_bytes(b"x")
    if "folder" in faults:
        (root / "train").mkdir()
        shutil.copy(root / "2.png", root / "train" / "5.png")
    (root / "metadata.jsonl").write_text(rows)
    return root


FAULTS = ("comma", "twice", "no picture", "garbled", "case", "wrong name", "position", "junk",
          "folder")  # fmt: skip


def run_folder(root: Path, lora: Path, faults: list[str]) -> Path:
    """What a trainer leaves, more or less of it."""
    names = {
        "junk": ".DS_Store", "comma": "metrics.jsonl", "twice": "samples/a.png", "case": "my.txt",
        "position": "logs/events.out.tfevents.1", "folder": "evaluation/x.json",
    }  # fmt: skip
    root.mkdir()
    (root / "run.json").write_text('{"status": "finished"}')
    place = root / ("snapshots/s-step000005.safetensors" if "garbled" in faults else LORA_WEIGHTS)
    place.parent.mkdir(exist_ok=True)
    shutil.copy(lora, place)
    for fault in faults:
        if fault in names:
            (root / names[fault]).parent.mkdir(exist_ok=True)
            (root / names[fault]).write_text(fault)
    return root


def _done(*words: str | Path) -> None:
    told = typed(*words)
    assert told.returncode == 0, told.stderr


@FEW
@given(
    faults=st.lists(st.sampled_from(FAULTS), unique=True),
    names=st.lists(st.sampled_from(["drop-rows", "remove-unlisted", "unhide"]), unique=True),
)
def test_as_saved_as_at_once(
    faults: list[str], names: list[str], make_lora_file: Callable[..., Path]
) -> None:
    unsafe = [word for name in names for word in ("--unsafe", name)]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        plan = place / "plan.json"
        one, two = faulty(place / "one", faults), faulty(place / "two", faults)
        _done("fix", one, *unsafe, "--resolution", "32", "--yes")
        _done("fix", two, *unsafe, "--resolution", "32", "--plan", plan)
        _done("fix", "--from-plan", plan, "--yes")
        assert tree(one) == tree(two)
        lora = make_lora_file(place / "lora.safetensors")
        one, two = (run_folder(place / name, lora, faults) for name in ("run1", "run2"))
        _done("prune", one, "--drop", "my.*", "--apply")
        _done("prune", two, "--drop", "my.*", "--plan", plan)
        _done("prune", "--from-plan", plan, "--apply")
        assert tree(one) == tree(two)


@FEW
@given(rows=st.integers(1, 6), size=st.integers(1, 2000), kind=st.sampled_from(["a", "b"]))
def test_shards_as_saved_as_at_once(rows: int, size: int, kind: str) -> None:
    form = ("--as", "webdataset", "--max-shard-size", f"{size}B")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "set" / kind).mkdir(parents=True)
        for number in range(rows):
            Image.new("RGB", (8, 8), (40 * number, 9, 9)).save(place / f"set/{kind}/{number}.png")
        _done("shard", place / "set", *form, "--to", place / "one")
        _done("shard", place / "set", *form, "--plan", place / "plan.json")
        _done("shard", "--from-plan", place / "plan.json", "--to", place / "two")
        assert tree(place / "one") == tree(place / "two")


@settings(FEW, max_examples=4)
@given(
    gone=st.lists(st.sampled_from(["notes.txt", "a.txt", "b.txt"]), unique=True),
    new=st.lists(st.sampled_from(["a.txt", "c.txt", "README.md", "d/e.txt"]), unique=True),
)
def test_a_push_as_saved_as_at_once(local_hub: Hub, gone: list[str], new: list[str]) -> None:
    local_hub.store.clear()
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for name in ("one", "two"):
            root = make_dataset(Path(folder) / name)
            for more in ("a.txt", "b.txt"):
                (root / more).write_text(f"{more}\n")
            where = (root, f"me/{name}", "--type", "dataset", "--ignore", "D207")
            _done("push", *where)
            for one in gone:
                (root / one).unlink()
            for one in new:
                (root / one).parent.mkdir(exist_ok=True)
                text = "---\nlicense: cc0-1.0\n---\n# Other\n" if one == "README.md" else "new\n"
                (root / one).write_text(text)
            if name == "one":
                _done("push", *where)
            else:
                _done("push", *where, "--plan", Path(folder) / "plan.json")
                _done("push", "--from-plan", Path(folder) / "plan.json")
            files = HfApi().list_repo_tree(f"me/{name}", recursive=True, repo_type="dataset")
            found.append({file.path: getattr(file, "blob_id", None) for file in files})
        assert found[0] == found[1]


# --- strangers -----------------------------------------------------------------------------------

_MORE = {"fix": ("--yes",), "prune": ("--apply",), "shard": ("--to", "{to}"), "push": ()}


@pytest.fixture
def plans(local_hub: Hub, tmp_path: Path, run_dir: Path) -> dict[str, Path]:
    """A plan of each kind."""
    people = faulty(tmp_path / "people", ["comma", "junk"])
    ready = make_dataset(tmp_path / "ready")
    words: dict[str, tuple[str | Path, ...]] = {
        "fix": (people,), "prune": (run_dir,), "shard": (ready, "--as", "webdataset"),
        "push": (ready, REPO, "--type", "dataset"),
    }  # fmt: skip
    for kind, more in words.items():
        _done(kind, *more, "--plan", tmp_path / f"{kind}.json")
    return {kind: tmp_path / f"{kind}.json" for kind in words}


def replay(kind: str, plan: Path, *more: str) -> Any:
    words = [word.format(to=plan.parent / "to") for word in _MORE[kind]]
    return typed(kind, "--from-plan", plan, *words, *more)


def _places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, one in items:
        found.append((*way, key))
        if isinstance(one, (dict, list)):
            found += _places(one, (*way, key))
    return found


def _put(value: Any, way: tuple[Any, ...], new: Any) -> Any:
    changed = copy.deepcopy(value)
    inner = changed
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = new
    return changed


ODD = (None, "", "../x", "/etc/passwd", 5, -1, [], {}, True, "0" * 64, ".hubtools/x", "a\0b",
       "\ud800", 1 << 70, ["x"], {"a": "b"})  # fmt: skip


@settings(FEW, max_examples=60)
@given(data=st.data())
def test_any_other_word_makes_it_a_strangers(
    data: st.DataObject, plans: dict[str, Path], tmp_path: Path
) -> None:
    """A value that is another is noticed; and trusted, it is checked, or does no harm outside."""
    kind = data.draw(st.sampled_from(sorted(plans)))
    saved = json.loads(plans[kind].read_text())
    way = data.draw(
        st.sampled_from([way for way in _places(saved) if way[0] not in ("seal", JSON_SUM)])
    )
    forged = _put(saved, way, data.draw(st.sampled_from(ODD)))
    if forged == saved:
        return
    path = tmp_path / "forged.json"
    path.write_text(json.dumps(forged))
    before = tree(tmp_path)
    told = replay(kind, path)
    assert told.returncode in (1, 3), told.stdout
    assert tree(tmp_path) == before
    assert "Traceback" not in told.stderr
    assert "bug" not in told.stderr
    assert not HfApi().repo_exists(REPO, repo_type="dataset")
    shown = replay(kind, path, "--trust-state", "--dry-run") if kind != "shard" else told
    assert "Traceback" not in shown.stderr
    assert "bug" not in shown.stderr
    assert tree(tmp_path) == before


NO_PLANS: dict[str, Callable[[str], bytes]] = {
    "nothing": lambda text: b"",
    "a list": lambda text: b"[]",
    "deep": lambda text: b"[" * 300_000,
    "a key twice": lambda text: text.replace('"kind"', '"kind": "fix", "kind"', 1).encode(),
    "half of it": lambda text: text[: len(text) // 2].encode(),
    "more behind it": lambda text: (text + text).encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "many values": lambda text: b"[" + b"{}," * 6_000_000 + b"{}]",
    "a later schema": lambda text: text.replace('"schema": 3', '"schema": 4', 1).encode(),
    "a schema of text": lambda text: text.replace('"schema": 3', '"schema": "3"', 1).encode(),
    "no operations": lambda text: text.replace('"operations"', '"acts"', 1).encode(),
}


@pytest.mark.parametrize("name", NO_PLANS)
def test_files_that_are_no_plans(name: str, plans: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    for kind, plan in plans.items():
        path.write_bytes(NO_PLANS[name](plan.read_text()))
        told = replay(kind, path, "--trust-state")
        assert (told.returncode, f"is no {kind} plan" in told.stderr) == (1, True), told.stderr
        assert f"hubtools {kind} --plan FILE" in told.stderr


def test_a_plan_of_another_command(plans: dict[str, Path]) -> None:
    for kind in plans:
        for other, path in plans.items():
            if other != kind:
                told = replay(kind, path)
                assert told.returncode == 1
                assert f"hubtools {other} --from-plan {path}" in told.stderr


def test_plans_name_no_place_of_this_machine(plans: dict[str, Path], tmp_path: Path) -> None:
    for path in plans.values():
        assert str(tmp_path) not in path.read_text()
        assert str(Path.home()) not in path.read_text()


def test_a_plan_that_would_be_sent_itself(plans: dict[str, Path], tmp_path: Path) -> None:
    words = ("push", tmp_path / "ready", REPO, "--type", "dataset", "--plan")
    (tmp_path / "ready" / "plan.json").write_bytes(plans["push"].read_bytes())
    told = typed(*words, tmp_path / "ready" / "plan.json")
    assert (told.returncode, "would be sent itself" in told.stderr) == (1, True), told.stderr


# --- the page ------------------------------------------------------------------------------------


def test_the_page_runs_as_it_stands_there(local_hub: Hub, run_dir: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "plans.md").read_text(encoding="utf-8")
    faulty(tmp_path / "people", ["comma", "position"])
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
             for line in block.splitlines() if line]  # fmt: skip
    assert len(lines) == 8
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "hubtools"
        done = typed(*words, cwd=tmp_path)
        assert done.returncode == 0, line + done.stderr
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    with contextlib.chdir(tmp_path), contextlib.redirect_stdout(io.StringIO()) as said:
        exec(code, {})  # noqa: S102
    assert said.getvalue() == "True\n"
    (shown,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    real = json.loads((tmp_path / "push.json").read_text())
    told = json.loads(shown)
    assert list(told) == list(real)
    assert told["made_with"] == real["made_with"]
    assert {frozenset(op) for op in told["operations"]} == {frozenset(real["operations"][0])}
