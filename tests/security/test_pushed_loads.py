"""What a stock loader would load of the repository after a push is what `validate` said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi
from PIL import Image

from hubtools.dataset.packing.write import shard
from hubtools.errors import ChecksFailed
from hubtools.localhub.server import Hub
from tests.security.pushing import CARD, REPO, colleague, plan, rules, send, table, there
from tests.typed import typed

# --- one judgement -------------------------------------------------------------------------------

ROW = '{"file_name": "0.png", "text": "number 0"}\n'


def records(text: str | bytes) -> Callable[[Path], object]:
    data = text.encode() if isinstance(text, str) else text
    return lambda root: (root / "metadata.jsonl").write_bytes(data)


def instead(name: str, data: bytes) -> Callable[[Path], object]:
    """A metadata file in the place of the usual one."""

    def make(root: Path) -> None:
        (root / "metadata.jsonl").unlink()
        (root / name).write_bytes(data)

    return make


def cut(root: Path) -> None:
    data = (root / "metadata.jsonl").read_bytes()
    (root / "metadata.jsonl").write_bytes(data[:-12])


def card(text: str) -> Callable[[Path], object]:
    return table("README.md", text)


def cut_picture(root: Path) -> None:
    Image.effect_noise((64, 64), 90).save(root / "0.png")
    data = (root / "0.png").read_bytes()
    (root / "0.png").write_bytes(data[: len(data) // 2])


BROKEN: dict[str, Callable[[Path], object]] = {
    "truncated": cut,
    "deeply nested": records(
        ROW + '{"file_name": "1.png", "a": ' + "[" * 5000 + "]" * 5000 + "}\n"
    ),
    "never closed": records(ROW + "[" * 100_000),
    "a huge integer": records(ROW + '{"file_name": "1.png", "a": ' + "9" * 5000 + "}\n"),
    "an array": records(f"[{ROW}]"),
    "UTF-16": records(ROW.encode("utf-16")),
    "empty": records(""),
    "a key twice": records('{"file_name": "0.png", "text": "a", "text": "b"}\n'),
    "types that change": records(ROW + '{"file_name": "1.png", "text": 7}\n'),
    "an open quote": instead("metadata.csv", b'file_name,text\n0.png,"a\n1.png,b\n'),
    "too many fields": instead("metadata.csv", b"file_name,text\n0.png,a,b,c\n"),
    "semicolons": instead("metadata.csv", b"file_name;text\n0.png;a\n"),
    "no parquet": instead("metadata.parquet", b"PAR1 nothing PAR1"),
    "two formats": table("metadata.csv", "file_name,text\n0.png,a\n"),
    "configs: 5": card("---\nlicense: mit\nconfigs: 5\n---\n"),
    "configs of nothing": card(
        "---\nlicense: mit\nconfigs:\n- config_name: a\n  data_files: none/**\n---\n"
    ),
    "a card that is no YAML": card("---\nlicense: [mit\n---\n"),
    "a licence of nobody": card("---\nlicense: nonsense-9\n---\n"),
    "a cut picture": cut_picture,
    "no picture": lambda root: (root / "0.png").write_bytes(b"words" * 9),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_validate_stops_at_is_not_pushed(local_hub: Hub, dataset: Path, case: str) -> None:
    BROKEN[case](dataset)
    said = typed("validate", dataset, "--format", "json", "--ignore", "D304")
    assert said.returncode == 3
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode == 3, told.stderr
    assert not HfApi().repo_exists(REPO, repo_type="dataset")
    assert "bug" not in told.stderr


def test_findings_name_file_and_line(local_hub: Hub, dataset: Path) -> None:
    records(ROW + '{"file_name": "1.png",\n')(dataset)
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert "metadata.jsonl:2:" in told.stderr
    card("---\nlicense: mit\nconfigs: 5\n---\n")(dataset)
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert "README.md:3: error D214" in told.stderr


def test_what_validate_is_told_to_pass_by_is_passed_by(local_hub: Hub, dataset: Path) -> None:
    Image.new("RGB", (8, 8), (9, 200, 9)).save(dataset / "cover.png")  # no record names it
    assert "D202" in rules(plan(dataset))
    assert plan(dataset, ignore=("D202",)).report.ok
    project = dataset.parent / "hubtools.toml"
    project.write_text('[rules]\nignore = ["D202"]\n')
    told = typed("push", dataset, REPO, "--type", "dataset", cwd=dataset.parent)
    assert told.returncode == 0, told.stderr
    project.write_text('[rules.per_file_ignores]\n"cover.png" = ["D202"]\n')
    told = typed("push", dataset, REPO, "--type", "dataset", "--dry-run", cwd=dataset.parent)
    assert told.returncode == 0, told.stderr


def test_a_typing_error_is_a_usage_error(local_hub: Hub, dataset: Path) -> None:
    assert typed("push", dataset, REPO, "--type", "dataset", "--ignore", "X9").returncode == 2


def test_what_is_judged_is_what_was_hashed(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records are sound only for as long as they are judged."""
    from hubtools.publish import plan as planning

    good = (dataset / "metadata.jsonl").read_bytes()
    (dataset / "metadata.jsonl").write_bytes(good[:-12].ljust(len(good)))
    judged = planning._judged

    def meddling(*arguments: Any) -> Any:
        (dataset / "metadata.jsonl").rename(dataset.parent / "bad")
        (dataset / "metadata.jsonl").write_bytes(good)
        try:
            return judged(*arguments)
        finally:
            (dataset.parent / "bad").rename(dataset / "metadata.jsonl")

    monkeypatch.setattr(planning, "_judged", meddling)
    with pytest.raises(ChecksFailed, match=r"metadata\.jsonl changed"):
        plan(dataset)


# --- the tree after the commit -------------------------------------------------------------------

HIDDEN = "---\nlicense: mit\nconfigs:\n- config_name: default\n  data_files: '{}'\n---\n"


def hide_pictures(root: Path, pattern: str) -> None:
    (root / ".x").mkdir()
    for number in range(3):
        (root / f"{number}.png").rename(root / f".x/{number}.png")
    (root / "metadata.jsonl").rename(root / ".x/metadata.jsonl")
    (root / "README.md").write_text(HIDDEN.format(pattern))


@pytest.mark.parametrize("pattern", [".x/**", ".x/*", "./.x/**"])
def test_a_card_that_names_hidden_files(local_hub: Hub, dataset: Path, pattern: str) -> None:
    hide_pictures(dataset, pattern)
    Image.new("RGB", (8, 8)).save(dataset / "other.png")
    made = plan(dataset)
    assert not made.report.ok
    assert rules(made) & {"P136", "D214"}


def test_a_few_hidden_pictures(local_hub: Hub, dataset: Path) -> None:
    """The card names hidden files beside others: the rest would load, with fewer rows."""
    (dataset / "metadata.jsonl").unlink()
    (dataset / ".x").mkdir()
    (dataset / "2.png").rename(dataset / ".x/2.png")
    text = (
        "---\nlicense: mit\nconfigs:\n- config_name: default\n  data_files: ['*', '.x/**']\n---\n"
    )
    (dataset / "README.md").write_text(text)
    assert "P136" in rules(plan(dataset))


def remote(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda root: colleague(name, data)


def their_card(root: Path) -> None:
    (root / "README.md").unlink()
    colleague("README.md", HIDDEN.format("0.png").encode())


STAYS: dict[str, Callable[[Path], None]] = {
    "a card with configs": their_card,
    "records beside ours": remote("more/metadata.jsonl", b'{"file_name": "a.png", "text": "a"}\n'),
    "records of another kind": remote("metadata.csv", b"file_name,text\n0.png,a\n"),
    "records that are broken": remote("test/metadata.jsonl", b'{"file_name": '),
    "many texts": lambda root: [colleague(f"t/{n}.txt", b"words") for n in range(6)] and None,
}


@pytest.mark.parametrize("case", STAYS)
def test_what_stays_in_the_repository_counts(local_hub: Hub, dataset: Path, case: str) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    STAYS[case](dataset)
    before = there()
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode == 3
    assert "error P136" in told.stderr
    assert there() == before


def test_a_picture_that_stays_in_the_repository(local_hub: Hub, dataset: Path) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    colleague("test/x.png", (dataset / "0.png").read_bytes())
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode == 3
    assert "error P136" in told.stderr
    (dataset / "metadata.jsonl").unlink()  # pictures alone
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert "stay there test/x.png" in told.stderr
    assert told.returncode == 3


def test_what_stays_and_changes_nothing(local_hub: Hub, dataset: Path) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    colleague("theirs.txt", b"theirs")
    colleague("LICENSE.md", b"terms")
    (dataset / "README.md").unlink()
    colleague("README.md", CARD.encode())
    send(dataset)
    assert "0.png" in there()


def test_a_dropped_card_leaves_theirs(local_hub: Hub, dataset: Path) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    colleague("README.md", HIDDEN.format("0.png").encode())
    assert "P136" in rules(plan(dataset, drop=("README.md",)))


def test_what_is_deleted_does_not_count(local_hub: Hub, dataset: Path) -> None:
    (dataset / "more").mkdir()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(dataset / "more/a.png")
    row = json.dumps({"file_name": "a.png", "text": "a"}) + "\n"
    (dataset / "more/metadata.jsonl").write_text(row)
    send(dataset)
    (dataset / "more/a.png").unlink()
    (dataset / "more/metadata.jsonl").unlink()
    send(dataset)
    assert "more/a.png" not in there()


def test_what_is_pushed_through_links_is_judged_too(
    local_hub: Hub, dataset: Path, tmp_path: Path
) -> None:
    """Records and pictures that lie elsewhere are read where the links lead to."""
    folder = tmp_path / "links"
    folder.mkdir()
    for path in dataset.iterdir():
        (folder / path.name).symlink_to(path)
    assert plan(folder, resolve_links=True).report.ok
    cut(dataset)
    assert "D101" in rules(plan(folder, resolve_links=True))


def test_a_pull_request_is_judged_alike(local_hub: Hub, dataset: Path) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    their_card(dataset)
    assert "P136" in rules(plan(dataset, pr=True))


@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_a_folder_of_shards_is_judged_too(
    local_hub: Hub, dataset: Path, tmp_path: Path, form: Any
) -> None:
    out = tmp_path / "shards"
    shard(dataset, out, format=form)
    assert not rules(plan(out)) & {"D301", "D801", "D802"}
    shutil.rmtree(out)
    picture = next(dataset.glob("*.png"))
    picture.write_bytes(picture.read_bytes()[:-20])
    shard(dataset, out, format=form)
    assert "D301" in rules(plan(out))
    with pytest.raises(ChecksFailed):
        send(out)
