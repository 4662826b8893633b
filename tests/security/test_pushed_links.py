"""A link is judged by every name that its file goes by: its own, and each one on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hubtools.localhub.server import Hub
from tests.security.pushing import REPO, TOKEN, plan, there
from tests.typed import typed

PASSWORD = "machine x.example login me password " + "pa55" * 4


def inside(name: str, text: str, link: str = "n.txt") -> Callable[[Path], None]:
    """A link to a file in the folder."""

    def make(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
        (root / link).symlink_to(name)

    return make


def outside(name: str, text: str) -> Callable[[Path], None]:
    """A link to a file beside the folder."""

    def make(root: Path) -> None:
        (root.parent / name).parent.mkdir(parents=True, exist_ok=True)
        (root.parent / name).write_text(text)
        (root / "photo.txt").symlink_to(f"../{name}")

    return make


def in_two_steps(root: Path) -> None:
    """n.txt -> .env -> harmless.txt, which is there without a link as well."""
    (root / "harmless.txt").write_text("USER_PIN=4711\n")
    (root / ".env").symlink_to("harmless.txt")
    (root / "n.txt").symlink_to(".env")


def by_a_folder(root: Path) -> None:
    (root / ".git").mkdir()
    (root / ".git/config").write_text("[core]\n")
    (root.parent / "way").symlink_to(root / ".git")
    (root / "n.txt").symlink_to("../way/config")


def absolute(root: Path) -> None:
    (root.parent / ".pgpass").write_text("x:1:y:z:words\n")
    (root / "n.txt").symlink_to(root.parent / ".pgpass")


def ignored(root: Path) -> None:
    (root / "notes.txt").unlink()  # more texts than pictures are another dataset
    (root / "private").mkdir()
    (root / "private/diary.txt").write_text("dear diary\n")
    (root / ".gitignore").write_text("private/\n")
    (root / "n.txt").symlink_to("private/diary.txt")


CASES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "an .env": ("P137", inside(".env", "USER_PIN=4711\n")),
    "a .netrc outside": ("P137", outside(".netrc", "words\n")),
    "of git": ("P137", inside(".git/config", "[core]\n", "x")),
    "in two steps": ("P137", in_two_steps),
    "by a folder": ("P137", by_a_folder),
    "an absolute one": ("P137", absolute),
    "a key": ("P101", outside("id_rsa", "words\n")),
    "credentials": ("P101", outside("work/credentials", "words\n")),
    "a script": ("P116", outside("run.py", "print()\n")),
    "settings": ("P116", inside("run.ini", "[a]\n")),
    "a pickle": ("P103", outside("weights.ckpt", "words\n")),
    "an unfinished file": ("P137", inside("x.part", "words\n")),
    "hidden folder": ("P137", outside(".config/notes.txt", "words\n")),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_link_leads_to_is_judged_by_name(local_hub: Hub, dataset: Path, case: str) -> None:
    rule, spoil = CASES[case]
    spoil(dataset)
    made = plan(dataset, resolve_links=True)
    assert not made.report.ok
    found = {(f.rule, f.path) for f in made.report.findings if f.severity == "error"}
    assert any(id == rule and path in ("n.txt", "photo.txt", "x") for id, path in found), found
    left_out = plan(dataset, resolve_links=True, drop=("n.txt", "photo.txt", "x", "run.ini"))
    assert left_out.report.ok


def test_it_is_told_which_name(local_hub: Hub, dataset: Path) -> None:
    inside(".env", f"TOKEN={TOKEN}\n")(dataset)
    told = typed("push", dataset, REPO, "--type", "dataset", "--resolve-links")
    assert told.returncode == 3
    assert "n.txt: error P137" in told.stderr
    assert "leads to .env" in told.stderr
    assert TOKEN not in told.stderr


def test_secrets_beat_a_word(local_hub: Hub, dataset: Path) -> None:
    """--keep lets a hidden file be sent, never one that is for secrets."""
    (dataset / "notes.txt").unlink()
    inside(".env", "USER_PIN=4711\n")(dataset)
    inside(".notes/a.txt", "words\n", "a.txt")(dataset)
    made = plan(dataset, resolve_links=True, keep=(".env", ".notes/*"))
    found = {(f.rule, f.path) for f in made.report.findings if f.severity == "error"}
    assert found == {("P101", "n.txt")}


def test_what_gitignore_names_is_not_sent_by_another_name(local_hub: Hub, dataset: Path) -> None:
    ignored(dataset)
    told = typed("push", dataset, REPO, "--type", "dataset", "--resolve-links")
    assert told.returncode == 0, told.stderr
    assert "n.txt" not in there()
    stays = dict(plan(dataset, resolve_links=True).excluded)
    assert "private/diary.txt" in stays["n.txt"]
    assert ".gitignore:1" in stays["n.txt"]
    kept = plan(dataset, resolve_links=True, keep=("private/*",))
    assert "n.txt" in {file.name for file in kept.files}


def test_drop_speaks_of_both_names(local_hub: Hub, dataset: Path) -> None:
    outside("work/other.txt", "words\n")(dataset)
    made = plan(dataset, resolve_links=True, drop=("*other*",))
    assert "photo.txt" not in {file.name for file in made.files}
    assert made.report.ok


def test_what_is_stored_by_hash_is_sent(local_hub: Hub, dataset: Path) -> None:
    """As the Hub's client keeps its copies."""
    blobs = dataset.parent / "blobs"
    blobs.mkdir()
    for number in range(3):
        picture = dataset / f"{number}.png"
        picture.rename(blobs / (str(number) * 40))
        picture.symlink_to(f"../blobs/{str(number) * 40}")
    assert plan(dataset, resolve_links=True).report.ok


def test_links_without_end(local_hub: Hub, dataset: Path) -> None:
    (dataset / "a.txt").symlink_to("b.txt")
    (dataset / "b.txt").symlink_to("a.txt")
    made = plan(dataset, resolve_links=True)
    assert {f.path for f in made.report.findings if f.rule == "P137"} == {"a.txt", "b.txt"}
