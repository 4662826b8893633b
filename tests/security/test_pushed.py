"""What is sent is what was checked; what others did stays; state of strangers decides nothing."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, hf_hub_download
from PIL import Image

from hubtools.errors import ChecksFailed, HubtoolsError
from hubtools.localhub.server import Hub
from hubtools.publish import outbox
from hubtools.publish import push as pushing
from hubtools.publish.comparison import COMPARISON_RULES, Comparison
from hubtools.publish.hub import Remote, RemoteFile
from hubtools.publish.push import PushOptions, load_plan, plan_push, push, save_plan
from hubtools.publish.release import collect
from hubtools.rooted import LeadsOut
from hubtools.trust import ForeignState
from tests.typed import typed

REPO = "me/people"
TOKEN = "hf_" + "aB3" * 11 + "x"
CARD = "---\nlicense: cc0-1.0\n---\n# People\n"
LEDGER = ".hubtools/pushed.json"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Three pictures with captions, a card and a note."""
    root = tmp_path / "people"
    root.mkdir()
    rows = []
    for number in range(3):
        Image.new("RGB", (8, 8), (80 * number, 9, 9)).save(root / f"{number}.png")
        rows.append(json.dumps({"file_name": f"{number}.png", "text": f"number {number}"}) + "\n")
    (root / "metadata.jsonl").write_text("".join(rows))
    (root / "README.md").write_text(CARD)
    (root / "notes.txt").write_text("some words about it\n")
    return root


def plan(folder: Path, **options: Any) -> Any:
    return plan_push(folder, REPO, "dataset", PushOptions(**options))


def send(folder: Path, **options: Any) -> Any:
    return push(plan(folder, **options))


def there() -> set[str]:
    return set(HfApi().list_repo_files(REPO, repo_type="dataset")) - {".gitattributes"}


def text_of(name: str) -> str:
    return Path(hf_hub_download(REPO, name, repo_type="dataset")).read_text()


def head() -> str:
    return str(HfApi().dataset_info(REPO).sha)


def colleague(name: str, data: bytes | None) -> None:
    """Somebody else writes a file, or deletes it."""
    if data is None:
        HfApi().delete_file(name, REPO, repo_type="dataset")
    else:
        HfApi().upload_file(
            path_or_fileobj=data, path_in_repo=name, repo_id=REPO, repo_type="dataset"
        )


def rules(made: Any) -> set[str]:
    return {finding.rule for finding in made.report.findings}


# --- state of strangers --------------------------------------------------------------------------


def forge(folder: Path, hub: Hub, **entry: Any) -> None:
    """A ledger as it may come with a folder, in the old and in the new shape."""
    (folder / ".hubtools").mkdir(exist_ok=True)
    key = f"{hub.url}/datasets/{REPO}"
    for content in ({key: entry}, {"schema": 2, "repos": {key: entry}}):
        (folder / LEDGER).write_text(json.dumps(content))


@pytest.mark.parametrize("shape", ["old", "new", "sealed elsewhere"])
def test_a_forged_ledger_deletes_nothing(
    local_hub: Hub, dataset: Path, tmp_path: Path, shape: str
) -> None:
    send(dataset)
    colleague("theirs.txt", b"a colleague's")
    mark = HfApi().get_paths_info(REPO, ["theirs.txt"], repo_type="dataset")[0].blob_id
    key = f"{local_hub.url}/datasets/{REPO}"
    content: dict[str, Any] = {key: {"files": ["theirs.txt"]}}
    if shape != "old":
        content = {"schema": 2, "repos": {key: {"files": {"theirs.txt": mark}}}}
    if shape == "sealed elsewhere":
        content["seal"] = {"path": str(dataset), "device": 1, "inode": 1, "mac": "0" * 64}
    (dataset / LEDGER).write_text(json.dumps(content))
    before = head()
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode == 1
    assert "theirs.txt" in told.stderr
    assert "--trust-state" in told.stderr
    assert head() == before
    # with the word it is believed, and says so before
    dry = typed("push", dataset, REPO, "--type", "dataset", "--trust-state", "--dry-run")
    assert "theirs.txt" in dry.stdout
    assert "theirs.txt" in there()


def test_a_forged_pull_request_is_not_gone_on_with(local_hub: Hub, dataset: Path) -> None:
    send(dataset)
    api = HfApi()
    api.create_pull_request(REPO, title="a colleague's", repo_type="dataset")
    forge(dataset, local_hub, files={}, pending=1)
    with pytest.raises(ForeignState, match="pull request 1"):
        plan(dataset)
    assert [d.status for d in api.get_repo_discussions(REPO, repo_type="dataset")] == ["draft"]


def test_the_ledger_of_a_copied_folder_is_asked_about(
    local_hub: Hub, dataset: Path, tmp_path: Path
) -> None:
    send(dataset)
    copied = tmp_path / "copied"
    shutil.copytree(dataset, copied)
    (copied / "notes.txt").unlink()
    with pytest.raises(ForeignState) as caught:
        plan(copied)
    assert caught.value.details == ("delete notes.txt",)
    made = plan_push(copied, REPO, "dataset", trust_state=True)
    assert made.deletions == ("notes.txt",)
    push(made)
    assert "notes.txt" not in there()
    assert plan(copied).notes == ()  # it is this user's now
    assert (copied / ".hubtools/pushed-of-others.json").is_file()


def test_a_ledger_of_others_that_would_do_nothing_is_passed_by(
    local_hub: Hub, dataset: Path
) -> None:
    forge(dataset, local_hub, files={"gone.txt": "0" * 40})
    made = plan(dataset)
    assert "not written by you" in made.notes[0]
    push(made)
    assert plan(dataset).notes == ()


@pytest.mark.parametrize("what", ["folder", "file", "sending"])
def test_nothing_is_written_through_a_link(
    local_hub: Hub, dataset: Path, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "victim").write_text("{}")
    monkeypatch.setattr(outbox, "_SMALL", 0)
    if what == "folder":
        (dataset / ".hubtools").symlink_to(target)
    else:
        (dataset / ".hubtools").mkdir()
        name, to = ("pushed.json", target / "victim") if what == "file" else ("sending", target)
        (dataset / ".hubtools" / name).symlink_to(to)
    with pytest.raises(LeadsOut, match="symbolic link"):
        send(dataset)
    assert sorted(path.name for path in target.iterdir()) == ["victim"]
    assert (target / "victim").read_text() == "{}"


def test_a_work_folder_that_is_a_file_is_a_sentence(local_hub: Hub, dataset: Path) -> None:
    (dataset / ".hubtools").write_text("")
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode == 1
    assert ".hubtools" in told.stderr
    assert "bug" not in told.stderr


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"schema": 2, "repos": 3}', "[" * 100_000, '{"a/b": {"files": 7}}']
)
def test_ledgers_that_are_none(local_hub: Hub, dataset: Path, content: str) -> None:
    (dataset / ".hubtools").mkdir()
    (dataset / LEDGER).write_text(content)
    send(dataset)
    assert "0.png" in there()


# --- what is sent is what was checked ------------------------------------------------------------


def swap_for_link(path: Path) -> None:
    secret = path.parent.parent / "secret"
    secret.write_text(TOKEN)
    path.unlink()
    path.symlink_to(secret)


def same_length(path: Path) -> None:
    facts = path.stat()
    path.write_text(TOKEN[: facts.st_size].ljust(facts.st_size))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], None]] = {
    "a token is added": lambda path: path.write_text(TOKEN) and None,
    "of equal length and time": same_length,
    "a link takes its place": swap_for_link,
    "it grows": lambda path: path.open("a").write("more") and None,
    "it is cut": lambda path: path.write_text("") and None,
    "it is gone": Path.unlink,
}


@pytest.mark.parametrize("small", [outbox._SMALL, 0], ids=["in memory", "as copies"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_between_plan_and_sending(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch, change: str, small: int
) -> None:
    monkeypatch.setattr(outbox, "_SMALL", small)
    made = plan(dataset)
    CHANGES[change](dataset / "notes.txt")
    with pytest.raises((HubtoolsError, FileNotFoundError)) as caught:
        push(made)
    assert "notes.txt" in str(caught.value)
    assert not HfApi().repo_exists(REPO, repo_type="dataset") or there() == set()
    assert not (dataset / ".hubtools/sending").exists()


@pytest.mark.parametrize("way", ["in memory", "as copies", "as they are"])
def test_a_file_that_changes_while_it_is_sent(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The client waits a moment before it tries again; meanwhile a token comes into the file."""
    if way != "in memory":
        monkeypatch.setattr(outbox, "_SMALL", 0)
    if way == "as they are":
        full = shutil.disk_usage(dataset)._replace(free=0)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    made = plan(dataset)
    waiting = local_hub.fail_next("POST", "/preupload/", 503)

    def meddle() -> None:
        while not waiting.hits:
            time.sleep(0.005)
        same_length(dataset / "notes.txt")

    meddler = threading.Thread(target=meddle)
    meddler.start()
    if way == "as they are":
        # no copy: what came in is in the commit at worst, and that is noticed and said
        with pytest.raises(ChecksFailed, match=r"notes\.txt") as caught:
            push(made)
        assert "history" in str(caught.value.hint)
    else:
        push(made)
        assert text_of("notes.txt") == "some words about it\n"
    meddler.join()


def test_a_file_that_changes_while_it_is_checked(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hubtools.publish import plan as planning

    judged = planning._judged

    def meddling(*arguments: Any) -> Any:
        report = judged(*arguments)
        same_length(dataset / "notes.txt")
        return report

    monkeypatch.setattr(planning, "_judged", meddling)
    with pytest.raises(ChecksFailed, match=r"notes\.txt changed"):
        plan(dataset)


def test_copies_of_a_killed_push_are_swept(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = dataset / ".hubtools/sending/999999999-abcd/0001.png"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"left over")
    monkeypatch.setattr(outbox, "_SMALL", 0)
    send(dataset)
    assert not (dataset / ".hubtools/sending").exists()


# --- what others did -----------------------------------------------------------------------------


def test_after_a_commit_of_somebody_else_the_plan_is_judged_anew(
    local_hub: Hub, dataset: Path
) -> None:
    send(dataset)
    (dataset / "README.md").write_text(CARD + "mine\n")
    made = plan(dataset)
    colleague("README.md", b"---\nlicense: mit\n---\ntheirs\n")
    with pytest.raises(ChecksFailed):
        push(made)
    assert text_of("README.md").endswith("theirs\n")


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_card_of_seconds_ago_is_not_overwritten(
    local_hub: Hub, dataset: Path, overwrite: bool
) -> None:
    """--overwrite speaks of what the plan showed, not of what came after it."""
    send(dataset)
    (dataset / "README.md").write_text(CARD + "mine\n")
    made = plan(dataset, overwrite=overwrite)
    colleague("README.md", b"---\nlicense: mit\n---\ntheirs\n")
    with pytest.raises(ChecksFailed, match=r"README\.md|1 error"):
        push(made)
    assert text_of("README.md").endswith("theirs\n")


def test_what_others_add_in_between_is_merged(local_hub: Hub, dataset: Path) -> None:
    send(dataset)
    (dataset / "notes.txt").write_text("mine\n")
    made = plan(dataset)
    colleague("theirs.txt", b"theirs")
    push(made)
    assert text_of("notes.txt") == "mine\n"
    assert "theirs.txt" in there()


def test_a_token_that_enters_before_the_second_plan_is_found(local_hub: Hub, dataset: Path) -> None:
    send(dataset)
    (dataset / "notes.txt").write_text("mine\n")
    made = plan(dataset)
    colleague("theirs.txt", b"theirs")
    before = head()
    (dataset / "0.txt").write_text(TOKEN)  # is not in the first plan
    with pytest.raises(ChecksFailed):
        push(made)
    assert head() == before


def test_a_repository_that_appears_meanwhile(local_hub: Hub, dataset: Path) -> None:
    made = plan(dataset)
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    colleague("README.md", b"---\nlicense: mit\n---\ntheirs\n")
    with pytest.raises(ChecksFailed):
        push(made)
    assert there() == {"README.md"}
    assert text_of("README.md").endswith("theirs\n")


def test_somebody_else_commits_while_parts_are_sent(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "BATCH", 2)
    send(dataset)
    for number in range(3):
        (dataset / f"more{number}.txt").write_text(f"{number}")
    (dataset / "notes.txt").write_text("mine\n")
    made = plan(dataset)
    done = []

    def meddle(number: int, total: int) -> None:
        if not done:
            colleague("notes.txt", b"theirs\n")
        done.append(number)

    with pytest.raises(ChecksFailed, match=r"notes\.txt \(by me on "):
        push(made, on_commit=meddle)
    assert text_of("notes.txt") == "theirs\n"
    assert "more0.txt" not in there(), "nothing of it is on main"
    (dataset / "notes.txt").write_text("theirs\n")
    send(dataset)
    assert "more2.txt" in there()


def test_what_others_changed_since_is_shown_and_kept(local_hub: Hub, dataset: Path) -> None:
    send(dataset)
    colleague("notes.txt", b"theirs\n")
    colleague("0.png", b"theirs too")
    (dataset / "notes.txt").write_text("mine\n")
    (dataset / "0.png").unlink()
    table = dataset / "metadata.jsonl"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[1:]))
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode == 3
    assert "notes.txt" in told.stderr
    assert "by me on 20" in told.stderr
    assert "would delete" in told.stderr
    assert text_of("notes.txt") == "theirs\n"
    assert "0.png" in there()
    done = typed("push", dataset, REPO, "--type", "dataset", "--overwrite")
    assert done.returncode == 0, done.stderr
    assert text_of("notes.txt") == "mine\n"
    assert "0.png" not in there()


def test_deletions_are_named_before_they_happen(local_hub: Hub, dataset: Path) -> None:
    send(dataset)
    (dataset / "notes.txt").unlink()
    page = dataset.parent / "report.json"
    told = typed("push", dataset, REPO, "--type", "dataset", "--dry-run", "--report", page)
    assert "1 files are deleted there: notes.txt" in told.stderr
    assert "notes.txt" in there()
    report = json.loads(page.read_text())
    assert [f["path"] for f in report["findings"] if f["rule"] == "P134"] == ["notes.txt"]
    assert report["facts"]["delete"] == 1
    assert report["facts"]["visibility"] == "private"


def test_a_file_that_was_not_pushed_from_here(local_hub: Hub, dataset: Path) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    colleague("notes.txt", b"theirs\n")
    colleague("README.md", b"---\nlicense: mit\n---\n")  # as the Hub writes it
    made = plan(dataset)
    assert [f.path for f in made.report.findings if f.rule == "P131"] == ["notes.txt"]
    with pytest.raises(ChecksFailed):
        push(made)
    send(dataset, overwrite=True)
    assert text_of("notes.txt") == "some words about it\n"
    # from another clone, one flag is enough; a pull request replaces nothing by itself
    other = dataset.parent / "clone"
    shutil.copytree(dataset, other, ignore=shutil.ignore_patterns(".hubtools"))
    (other / "notes.txt").write_text("from the clone\n")
    assert plan(other, pr=True).report.ok
    assert not plan(other).report.ok
    send(other, overwrite=True)
    assert text_of("notes.txt") == "from the clone\n"


def test_an_answer_that_was_lost_is_no_change_of_others(local_hub: Hub, dataset: Path) -> None:
    send(dataset)
    (dataset / "notes.txt").write_text("first\n")
    local_hub.fail_next("POST", "/commit/", "drop-after")
    with pytest.raises(Exception, match=r".") as caught:
        send(dataset)
    assert not isinstance(caught.value, ChecksFailed)
    assert text_of("notes.txt") == "first\n"
    (dataset / "notes.txt").write_text("second\n")
    send(dataset)
    assert text_of("notes.txt") == "second\n"


# --- who can see it ------------------------------------------------------------------------------


def test_private_pictures_do_not_go_into_a_public_repository(local_hub: Hub, dataset: Path) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=False)
    told = typed("push", dataset, REPO, "--type", "dataset")
    assert told.returncode == 3
    assert "P132" in told.stderr
    assert "--public" in told.stderr
    assert "existing, public" in told.stderr
    assert there() == set()
    assert typed("push", dataset, REPO, "--type", "dataset", "--ignore", "P13").returncode == 3
    assert typed("push", dataset, REPO, "--type", "dataset", "--ignore", "P132").returncode == 2
    assert there() == set()
    assert typed("push", dataset, REPO, "--type", "dataset", "--public").returncode == 0


def test_a_repository_that_becomes_public_meanwhile(local_hub: Hub, dataset: Path) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    made = plan(dataset)
    assert made.visibility == "existing, private"
    HfApi().update_repo_settings(REPO, repo_type="dataset", visibility="public")
    with pytest.raises(ChecksFailed, match="made public"):
        push(made)
    assert there() == set()


def test_public_does_not_make_an_existing_one_public(local_hub: Hub, dataset: Path) -> None:
    HfApi().create_repo(REPO, repo_type="dataset", private=True)
    made = plan(dataset, private=False)
    assert "P133" in rules(made)
    push(made)
    assert HfApi().dataset_info(REPO).private


def test_new_ones_are_what_the_plan_says(local_hub: Hub, dataset: Path) -> None:
    assert plan(dataset).visibility == "new, private"
    assert plan(dataset, private=False).visibility == "new, public"


# --- a commit stands alone -----------------------------------------------------------------------


def linked(dataset: Path, root: Path) -> Path:
    """A dataset folder of links to pictures that lie elsewhere."""
    root.mkdir()
    shutil.copy(dataset / "metadata.jsonl", root)
    shutil.copy(dataset / "README.md", root)
    for number in range(3):
        (root / f"{number}.png").symlink_to(dataset / f"{number}.png")
    return root


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


def without_picture(root: Path) -> None:
    (root / "2.png").rename(root.parent / "2.png")


def ignored_picture(root: Path) -> None:
    (root / ".gitignore").write_text("2.png\n")


def ignored_without_records(root: Path) -> None:
    (root / "metadata.jsonl").unlink()
    ignored_picture(root)


def table(name: str, text: str) -> Callable[[Path], None]:
    return lambda root: (root / name).write_text(text) and None


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
    """P135, P136 and P139 have theirs in `BAD`."""
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
    assert saved["deletions"] == []
    (dataset / "README.md").unlink()
    with pytest.raises(HubtoolsError, match=r"README\.md"):
        load_plan(tmp_path / "plan.json")


def edited(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda saved: saved["files"][0].update(changes)


FORGED: dict[str, Callable[[dict[str, Any]], object]] = {
    "a file outside": edited(source="../secret"),
    "an absolute file": edited(source="/etc/passwd"),
    "a name outside": edited(name="../x"),
    "in .git": edited(name=".git/config"),
    "no hash": edited(sha256="x"),
    "one name twice": lambda saved: saved["files"].append(saved["files"][0]),
    "kept and deleted": lambda saved: saved["deletions"].append(
        {"name": saved["files"][0]["name"], "there": "0" * 40}
    ),
    "another version": lambda saved: saved.update(schema_version=99),
    "a folder that moves": lambda saved: saved.update(root="people"),
    "more than is known": lambda saved: saved.update(run="rm"),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_forged_plans(local_hub: Hub, dataset: Path, tmp_path: Path, forgery: str) -> None:
    (tmp_path / "secret").write_text("secret")
    path = tmp_path / "plan.json"
    save_plan(plan(dataset), path)
    saved = json.loads(path.read_text())
    FORGED[forgery](saved)
    path.write_text(json.dumps(saved))
    with pytest.raises(HubtoolsError, match=r"is a push plan of another|is no push plan"):
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
    saved["deletions"] = [{"name": "theirs.txt", "there": mark}]
    path.write_text(json.dumps(saved))
    push(load_plan(path))
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
