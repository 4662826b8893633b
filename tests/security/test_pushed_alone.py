"""A commit stands alone; plans are input; what fails is told in a sentence."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, hf_hub_download

from hubtools.errors import HubtoolsError
from hubtools.hub.client import Remote, RemoteFile
from hubtools.localhub.server import Hub
from hubtools.publish.comparison import COMPARISON_RULES, Comparison
from hubtools.publish.push import load_plan, push, save_plan
from hubtools.publish.release import collect
from hubtools.rooted import LeadsOut
from tests.lorafiles import good, save
from tests.security.pushing import (
    REPO,
    TOKEN,
    colleague,
    linked,
    plan,
    rules,
    send,
    table,
    text_of,
    there,
    without_picture,
)
from tests.typed import typed

# --- a commit stands alone -----------------------------------------------------------------------


def test_a_folder_of_links_is_refused_or_resolved(
    local_hub: Hub, dataset: Path, tmp_path: Path
) -> None:
    folder = linked(dataset, tmp_path / "links")
    told = typed("push", folder, REPO, "--type", "dataset")
    assert told.returncode == 3
    assert {"P135", "P136", "P137"} <= rules(plan(folder))
    assert "--resolve-links" in told.stderr
    assert not HfApi().repo_exists(REPO, repo_type="dataset")
    resolved = typed("push", folder, REPO, "--type", "dataset", "--resolve-links")
    assert resolved.returncode == 0, resolved.stderr
    assert str(dataset / "0.png") in resolved.stderr, "what lies outside is named"
    sent = hf_hub_download(REPO, "0.png", repo_type="dataset")
    assert Path(sent).read_bytes() == (dataset / "0.png").read_bytes()
    assert {"0.png", "1.png", "2.png"} <= there()


def test_only_files_are_resolved(local_hub: Hub, dataset: Path, tmp_path: Path) -> None:
    (dataset / "more").symlink_to(tmp_path)
    (dataset / "lost.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    (dataset / "pipe.png").symlink_to(tmp_path / "pipe")
    made = plan(dataset, resolve_links=True)
    told = {f.path for f in made.report.findings if f.rule == "P137"}
    assert told == {"more", "lost.png", "pipe.png"}
    left_out = plan(dataset, drop=("more", "lost.png", "pipe.png"))
    assert left_out.report.ok
    (dataset / "metadata.jsonl").unlink()
    assert plan(dataset, drop=("more", "lost.png", "pipe.png", "2.png")).report.ok


def test_a_link_that_leads_elsewhere_since_the_plan(
    local_hub: Hub, dataset: Path, tmp_path: Path
) -> None:
    folder = linked(dataset, tmp_path / "links")
    made = plan(folder, resolve_links=True)
    (tmp_path / "secret").write_text(TOKEN)
    (dataset / "0.png").unlink()
    (dataset / "0.png").symlink_to(tmp_path / "secret")
    with pytest.raises(LeadsOut):
        push(made)
    assert there() == set()


def two_cases(root: Path) -> None:
    (root / "NOTES.txt").write_text("other")


def ignored_picture(root: Path) -> None:
    (root / ".gitignore").write_text("2.png\n")


def ignored(name: str, root: Path) -> None:
    (root / name).write_bytes((root / "0.png").read_bytes())
    (root / ".gitignore").write_text(f"{name}\n")


def ignored_without_records(root: Path) -> None:
    (root / "metadata.jsonl").unlink()
    ignored_picture(root)


def mask(root: Path) -> None:
    (root / "metadata.jsonl").write_text(
        '{"file_name": "0.png", "mask_file_name": "masks/0.png", "text": "x"}\n'
    )


def listed(root: Path) -> None:
    (root / "metadata.jsonl").write_text('{"file_names": ["0.png", "7.png"], "text": "x"}\n')


BAD: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a missing picture": ("P135", without_picture),
    "another case": ("P135", lambda root: (root / "2.png").rename(root / "2.PNG") and None),
    "a missing mask": ("P135", mask),
    "one of a list": ("P135", listed),
    "out of a sub-folder": (
        "P135",
        lambda root: (
            (root / "sub").mkdir()
            or table("sub/metadata.csv", "file_name,text\n../../x.png,x\n")(root)
        ),
    ),
    "what .gitignore names": ("P135", ignored_picture),
    "another row": ("P136", ignored_picture),
    "a row less": ("P136", ignored_without_records),
    "a picture of the card that is not there": ("P153", table("README.md", "![it](there.png)\n")),
    "a picture of the card that stays here": (
        "P153",
        lambda root: table("README.md", "![it](shown.png)\n")(root) or ignored("shown.png", root),
    ),
    "two cases": ("P139", two_cases),
    "a backslash": ("P139", table("a\\b.txt", "x")),
    "a line end": ("P139", table("a\nb.txt", "x")),
    "not UTF-8": ("P139", lambda root: Path(os.fsdecode(bytes(root) + b"/\xff.txt")).touch()),
}


@pytest.mark.parametrize("case", BAD)
def test_releases_that_do_not_stand_alone(dataset: Path, case: str) -> None:
    rule, spoil = BAD[case]
    assert COMPARISON_RULES.run(Comparison(collect(dataset, "dataset"))) == []
    spoil(dataset)
    found = COMPARISON_RULES.run(Comparison(collect(dataset, "dataset")))
    assert rule in {finding.rule for finding in found}


def test_every_rule_of_comparing_has_a_bad_and_a_good_pair(dataset: Path) -> None:
    """P135, P136, P139 and P153 have theirs in `BAD`."""
    good = Comparison(collect(dataset, "dataset"))
    (dataset / "link.png").symlink_to("/etc/hosts")
    stays = Comparison(collect(dataset, "dataset"))
    outside = Comparison(collect(dataset, "dataset", resolve_links=True))
    there = Remote("0" * 40, False, {"a": RemoteFile("a", 1, None, "0" * 40)})
    bad = {
        "P130": replace(good, remote=there, private=False, clashes={"a": True}),
        "P131": replace(good, remote=there, private=False, clashes={"a": False}),
        "P132": replace(good, remote=there),
        "P133": replace(good, remote=replace(there, private=True), private=False),
        "P134": replace(good, remote=replace(there, private=True), deletes=("a",)),
        "P137": stays,
        "P138": outside,
    }
    assert COMPARISON_RULES.run(good) == []
    for rule, comparison in bad.items():
        found = {finding.rule for finding in COMPARISON_RULES.run(comparison)}
        assert rule in found, rule
    assert {*bad, *(rule for rule, _ in BAD.values())} == {rule.id for rule in COMPARISON_RULES}


def test_what_a_card_names_is_sent(tmp_path: Path) -> None:
    """Pictures of the gallery, links and weights that the code loads, each at its line; a folder, a
    name with a space written %20 and what lies elsewhere on the web are nothing to miss."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a b.png").touch()
    save(tmp_path / "pytorch_lora_weights.safetensors", good())
    card = [
        "---",
        "license: mit",
        "widget:",
        "- text: x",
        "  output:",
        "    url: images/a b.png",
        "- text: y",
        "  output:",
        "    url: images/lost.png",
        "---",
        "[all](images) ![one](./images/a%20b.png) ![web](https://example.org/x.png) [top](#top)",
        "`![code](no.png)`",
        '<img src="gone.png">',
        "```python",
        'pipe.load_lora_weights("me/x", weight_name="other.safetensors")',
        "```",
    ]
    (tmp_path / "README.md").write_text("\n".join(card) + "\n")
    found = COMPARISON_RULES.run(Comparison(collect(tmp_path, "model")), select=["P153"])
    said = {finding.line: finding.message for finding in found}
    assert sorted(said) == [9, 13, 15]
    for line, name in {9: "images/lost.png", 13: "gone.png", 15: "other.safetensors"}.items():
        assert repr(name) in said[line]


def test_a_picture_that_is_in_the_repository_already_counts(local_hub: Hub, dataset: Path) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    colleague("2.png", (dataset / "2.png").read_bytes())
    without_picture(dataset)
    assert "P135" not in rules(plan(dataset))


# --- plans as files ------------------------------------------------------------------------------


def test_a_saved_plan_replaces_nothing_that_came_later(
    local_hub: Hub, dataset: Path, tmp_path: Path
) -> None:
    send(dataset)
    (dataset / "notes.txt").write_text("mine\n")
    save_plan(plan(dataset, overwrite=True), tmp_path / "plan.json")
    colleague("notes.txt", b"theirs\n")
    told = typed("push", "--from-plan", tmp_path / "plan.json")
    assert told.returncode == 3
    assert "notes.txt" in told.stderr
    assert text_of("notes.txt") == "theirs\n"


def test_a_saved_plan_deletes_only_what_it_says(
    local_hub: Hub, dataset: Path, tmp_path: Path
) -> None:
    send(dataset)
    (dataset / "notes.txt").write_text("mine\n")
    save_plan(plan(dataset), tmp_path / "plan.json")
    saved = json.loads((tmp_path / "plan.json").read_text())
    assert {item["action"] for item in saved["operations"]} == {"same", "change"}
    (dataset / "README.md").unlink()
    with pytest.raises(HubtoolsError, match=r"README\.md"):
        load_plan(tmp_path / "plan.json")


def edited(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda saved: saved["operations"][0].update(changes)


def deletion(name: str, there: str | None) -> dict[str, Any]:
    nothing = dict.fromkeys(("source", "sha256", "sha1"))
    return {"action": "delete", "name": name, "bytes": 1, "there": there, **nothing}


FORGED: dict[str, Callable[[dict[str, Any]], object]] = {
    "a file outside": edited(source="../secret"),
    "an absolute file": edited(source="/etc/passwd"),
    "a name outside": edited(name="../x"),
    "in .git": edited(name=".git/config"),
    "no hash": edited(sha256="x"),
    "one name twice": lambda saved: saved["operations"].append(saved["operations"][0]),
    "kept and deleted": lambda saved: saved["operations"].append(
        deletion(saved["operations"][0]["name"], "0" * 40)
    ),
    "another version": lambda saved: saved.update(schema=99),
    "an earlier version": lambda saved: saved.update(schema_version=2),
    "a folder anywhere": lambda saved: saved.update(root="/etc"),
    "more than is known": lambda saved: saved.update(run="rm"),
    "more in a file": edited(run="rm"),
    "no commit": lambda saved: saved.update(head="main"),
    "no repository": lambda saved: saved.update(subject="../me"),
    "of another kind": lambda saved: saved.update(kind="fix"),
    "of no kind": lambda saved: saved.update(kind="rm"),
    "another state": lambda saved: saved.update(digest="0" * 64),
    "no option": lambda saved: saved["options"].update(force=True),
    "a deletion of nothing": lambda saved: saved["operations"].append(deletion("x", None)),
    "something there of what is new": edited(there="0" * 40),
    "bytes below zero": edited(bytes=-1),
    "a secret as a fingerprint": lambda saved: saved["made_from"].update({"a": "b"}),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_forged_plans(local_hub: Hub, dataset: Path, tmp_path: Path, forgery: str) -> None:
    (tmp_path / "secret").write_text("secret")
    path = tmp_path / "plan.json"
    save_plan(plan(dataset), path)
    saved = json.loads(path.read_text())
    FORGED[forgery](saved)
    path.write_text(json.dumps(saved))
    with pytest.raises(HubtoolsError, match=r"is no push plan"):
        load_plan(path)


def test_a_plan_cannot_delete_what_was_not_pushed_from_here(
    local_hub: Hub, dataset: Path, tmp_path: Path
) -> None:
    send(dataset)
    colleague("theirs.txt", b"theirs")
    path = tmp_path / "plan.json"
    save_plan(plan(dataset), path)
    saved = json.loads(path.read_text())
    mark = HfApi().get_paths_info(REPO, ["theirs.txt"], repo_type="dataset")[0].blob_id
    saved["operations"].append(deletion("theirs.txt", mark))
    path.write_text(json.dumps(saved))
    with pytest.raises(HubtoolsError, match=r"theirs\.txt .* was not pushed from"):
        load_plan(path)
    assert "theirs.txt" in there()


# --- errors are sentences ------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/commit/", "/preupload/", "/tree/", "/auth-check"])
@pytest.mark.parametrize("outcome", [500, "drop", 403])
def test_a_hub_in_bad_weather_gets_a_sentence(
    local_hub: Hub, dataset: Path, path: str, outcome: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    send(dataset)
    (dataset / "notes.txt").write_text("mine\n")
    local_hub.fail_next("*", path, outcome, times=60)
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode == 1
    assert "bug" not in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("card", [b"\xff\xfe\x00", b"---\nlicense: nonsense-9\n---\n"])
def test_a_card_that_the_hub_refuses_gets_a_sentence(
    local_hub: Hub, dataset: Path, card: bytes
) -> None:
    (dataset / "README.md").write_bytes(card)
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode in (1, 3)
    assert "README" in told.stderr
    assert "bug" not in told.stderr
