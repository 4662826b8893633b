"""What another program puts there in the instant of a rename: it is neither lost nor written over.

`at_the_rename` acts behind the last look, right before the system is asked to rename.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hubtools import renaming
from hubtools.dataset.edits.plan import FixPlan
from hubtools.errors import HubtoolsError
from hubtools.evaluation.chart import draw_chart
from hubtools.files import replacing
from hubtools.findings import Report
from hubtools.inference.png import save_picture
from hubtools.inference.sheet import contact_sheet
from hubtools.manifest import SampleRecord
from hubtools.models.families.tiny import _place
from hubtools.publish.ledger import Sent, write_ledger
from hubtools.reporting.formats import write_report
from hubtools.rooted import Root
from hubtools.rooted.outputs import keeping, writing_over
from hubtools.training.metrics import MetricsLog
from hubtools.training.written import written_lora
from tests.cards.test_evaluation import evaluation

MINE = b"mine, of an hour\n"


def at_the_rename(
    patch: pytest.MonkeyPatch, place: Path, act: Callable[[], object], times: int = 1
) -> list[int]:
    """Act in the instants in which something is given the name of `place`; the flags are noted."""
    real, flags = renaming._renamed, list[int]()

    def late(old: str, new: str, here: Any, there: Any, flag: int) -> bool:
        if Path(new).name == place.name and Path(old).name != place.name:
            flags.append(flag)
            if len(flags) <= times:
                act()
        return real(old, new, here, there, flag)

    patch.setattr(renaming, "_renamed", late)
    return flags


def saved(place: Path) -> None:
    """As editors save: a new file takes the place."""
    beside = place.with_name("mine")
    beside.write_bytes(MINE)
    beside.replace(place)


def edited(place: Path) -> None:
    with place.open("ab") as file:
        file.write(MINE)


ACTS = {"saved": saved, "edited": edited}


def lies_somewhere(folder: Path) -> bool:
    return any(MINE in one.read_bytes() for one in folder.rglob("*") if one.is_file())


def left_over(folder: Path) -> list[Path]:
    return list(folder.rglob(".tmp-*"))


def _written_by_root(place: Path) -> None:
    with Root(place.parent) as root:
        was = root.read(place.name) if root.exists(place.name) else None
        root.write_over(place.name, b"new", was)


def _filled(place: Path) -> None:
    with Root(place.parent) as root, root.filling(place.name) as file:
        file.write(b"new")


def _lora(place: Path) -> None:
    with Root(place.parent) as root, written_lora(root, place.name, print) as file:
        file.write(os.urandom(8))


def _picture(place: Path) -> None:
    record = SampleRecord(
        file=place.with_suffix(".png").name, prompt="", seed=0, steps=1, guidance=1.0,
        scheduler="x", scheduler_class="x", width=8, height=8, base_model=None,
    )  # fmt: skip
    with Root(place.parent) as root:
        save_picture(Image.new("RGB", (8, 8)), root, record)


def _kept(place: Path) -> None:
    with Root(place.parent) as root:
        check = keeping(root, place.name, lambda data: data == b"ours", print)
        root.write(place.name, b"ours", check=check)


def _sent(place: Path) -> None:
    with Root(place.parents[1]) as root:
        write_ledger(root, "me/x", Sent({}))


# each has looked at the place before it writes
CALLERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "write_over": ("README.md", _written_by_root),
    "report": ("page.html", lambda place: write_report(Report("set"), place)),
    "plan": ("plan.json", lambda place: FixPlan(place.parent, made_from={}).save(place)),
    "chart": ("evaluation.png", lambda place: draw_chart(place, evaluation(None))),
    "sheet": ("sheet.png", lambda place: contact_sheet([], place)),
    "picture": ("a.png", _picture),
    "record": ("a.json", _picture),
    "kept": ("hubtools.toml", _kept),
    "metrics": ("metrics.jsonl", lambda place: MetricsLog(place.parent, 0, print)),
    "lora": ("lora.safetensors", _lora),
    "ledger": (".hubtools/pushed.json", _sent),
}


def written(write: Callable[[Path], object], place: Path) -> bool:
    """False if it says that something else lies there."""
    try:
        write(place)
    except HubtoolsError as error:
        if error.code not in ("file-changed", "file-exists"):
            raise
        return False
    return True


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("name", CALLERS)
def test_a_change_in_the_instant_of_the_rename_stays(
    tmp_path: Path, name: str, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, write = CALLERS[name]
    place = tmp_path / file
    write(place)
    write(place)
    flags = at_the_rename(monkeypatch, place, lambda: ACTS[act](place))
    if not written(write, place):
        assert MINE in place.read_bytes()
    assert lies_somewhere(tmp_path)
    assert flags[0] == renaming._EXCHANGE
    assert not left_over(tmp_path)


@pytest.mark.parametrize("flags", [True, False])
@pytest.mark.parametrize("name", ["filling", *CALLERS])
def test_what_appears_in_the_instant_of_the_rename_stays(
    tmp_path: Path, name: str, flags: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, write = CALLERS.get(name, ("a.txt", _filled))
    place = tmp_path / file
    if not flags:
        monkeypatch.setattr(renaming, "_renameat2", lambda: None)
    place.parent.mkdir(exist_ok=True)
    seen = at_the_rename(monkeypatch, place, lambda: saved(place))
    if not written(write, place):
        assert place.read_bytes() == MINE
    assert lies_somewhere(tmp_path)
    assert seen[0] == renaming._NOREPLACE
    assert not left_over(tmp_path)


def put(folder: Path, check: Callable[[], object] = lambda: None) -> None:
    with writing_over(folder / "a", lambda path: check()) as file:
        file.write(b"new")


def test_others_that_go_on_to_change_it_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "a"
    place.write_bytes(b"old")
    at_the_rename(monkeypatch, place, lambda: edited(place), times=100)
    with pytest.raises(HubtoolsError, match="changed meanwhile"):
        put(tmp_path)
    assert place.read_bytes().startswith(b"old" + MINE)
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_a_file_that_gets_another_number_when_it_is_renamed_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of a lower layer of overlayfs are copied then."""
    place = tmp_path / "a"
    place.write_bytes(b"old")
    facts = place.stat()

    def copied() -> None:
        shutil.copy2(place, tmp_path / "b")
        os.utime(tmp_path / "b", ns=(facts.st_mtime_ns, facts.st_mtime_ns))
        (tmp_path / "b").replace(place)

    at_the_rename(monkeypatch, place, copied)
    put(tmp_path)
    assert place.read_bytes() == b"new"


@pytest.mark.parametrize("stage", ["judged", "judged and written"])
def test_an_interruption_while_it_is_judged_gives_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    place = tmp_path / "a"
    place.write_bytes(b"old")

    def interrupted(*_: object) -> bool:
        if stage != "judged":
            saved(place)
        raise KeyboardInterrupt

    monkeypatch.setattr(renaming, "_is_seen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        put(tmp_path)
    found = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    assert found == ({"a": b"old"} if stage == "judged" else {"a": MINE, "a.old0": b"old"})


def test_a_folder_in_its_place_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a"
    place.write_bytes(b"old")

    def folder() -> None:
        place.unlink()
        place.mkdir()
        (place / "b").write_bytes(MINE)

    at_the_rename(monkeypatch, place, folder)
    with pytest.raises(IsADirectoryError):
        put(tmp_path)
    assert (place / "b").read_bytes() == MINE
    assert not left_over(tmp_path)


def test_a_file_that_is_moved_away_in_that_instant_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "a"
    place.write_bytes(b"old")
    at_the_rename(monkeypatch, place, lambda: place.rename(tmp_path / "b"))
    put(tmp_path)
    assert (place.read_bytes(), (tmp_path / "b").read_bytes()) == (b"new", b"old")


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EPERM])
def test_file_systems_without_the_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A file is looked at right before it is replaced; other names of it stay what they are."""

    def refused(*_: object) -> int:
        renaming.ctypes.set_errno(code)
        return -1

    monkeypatch.setattr(renaming, "_renameat2", lambda: refused)
    place = tmp_path / "a"
    put(tmp_path)
    os.link(place, tmp_path / "other")
    place.chmod(0o640)
    with writing_over(place, lambda path: None) as file:
        file.write(b"newer")
    assert (place.read_bytes(), (tmp_path / "other").read_bytes()) == (b"newer", b"new")
    assert place.stat().st_mode & 0o777 == 0o640
    monkeypatch.setattr(os, "link", refused_link)
    place.unlink()
    put(tmp_path)
    assert place.read_bytes() == b"new"
    assert not left_over(tmp_path)
    at_the_rename(monkeypatch, place, lambda: edited(place), times=100)
    with pytest.raises(HubtoolsError, match="changed meanwhile"):
        put(tmp_path)
    assert place.read_bytes().startswith(b"new" + MINE)


def refused_link(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def test_modes_and_other_names_are_as_before(tmp_path: Path) -> None:
    place = tmp_path / "a"
    place.write_bytes(b"old")
    place.chmod(0o600)
    os.link(place, tmp_path / "other")
    put(tmp_path)
    assert (place.read_bytes(), (tmp_path / "other").read_bytes()) == (b"new", b"old")
    assert place.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "other").stat().st_nlink == 1


def test_a_link_that_was_accepted_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"old")
    (tmp_path / "a").symlink_to("b")
    put(tmp_path)
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "b").read_bytes() == b"old"


def test_the_folder_that_is_judged_is_the_one_that_is_written_to(tmp_path: Path) -> None:
    """It may be exchanged while the file is made: what lies in the first stays."""
    there, moved = tmp_path / "there", tmp_path / "moved"
    there.mkdir()

    def write() -> None:
        with replacing(there / "a", check=lambda path: None) as file:
            file.write(b"new")
            there.rename(moved)
            there.mkdir()
            (moved / "a").write_bytes(MINE)

    with pytest.raises(HubtoolsError, match="changed meanwhile"):
        write()
    assert (moved / "a").read_bytes() == MINE
    assert not (there / "a").exists()


def test_an_appended_file_is_set_apart_with_what_was_written_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "a"
    place.write_bytes(b"old\n")
    os.link(place, tmp_path / "other")
    at_the_rename(monkeypatch, place, lambda: edited(place))
    with Root(tmp_path) as root:
        root.append("a", b"more")
    assert place.read_bytes() == b"old\n" + MINE + b"more"
    assert (tmp_path / "other").read_bytes() == b"old\n" + MINE


@pytest.mark.parametrize("theirs", [True, False])
def test_a_folder_is_looked_at_where_nobody_puts_something_into_it(
    tmp_path: Path, theirs: bool
) -> None:
    built, folder, aside = (tmp_path / name for name in ("built", "base", "was"))
    built.mkdir()
    folder.mkdir()
    if theirs:
        (folder / "mine").write_bytes(MINE)
        with pytest.raises(HubtoolsError, match="not a pipeline of random weights"):
            _place(built, folder, aside)
        assert (folder / "mine").read_bytes() == MINE
    else:
        _place(built, folder, aside)
    assert built.exists() == theirs


@pytest.mark.parametrize("act", ["saved", "edited", "twice"])
def test_what_is_saved_in_the_instant_of_a_removal_stays(
    tmp_path: Path, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "a.png"
    place.write_bytes(b"ours")

    def check() -> None:
        if root.read("a.png") != b"ours":
            raise renaming.changed(place)

    def moved(old: str, new: str, here: Any, there: Any, flag: int) -> bool:
        if old == "a.png" and place.read_bytes() == b"ours":
            ACTS.get(act, saved)(place)
            done = real(old, new, here, there, flag)
            if act == "twice":  # once more, while what was lifted is looked at
                place.write_bytes(b"a later one")
            return done
        return real(old, new, here, there, flag)

    real = renaming._renamed
    monkeypatch.setattr(renaming, "_renamed", moved)
    with Root(tmp_path) as root, pytest.raises(HubtoolsError, match="changed meanwhile"):
        root.unlink("a.png", check=check)
    assert lies_somewhere(tmp_path)
    assert not left_over(tmp_path)
    if act == "twice":
        assert place.read_bytes() == b"a later one"
        place.unlink()
    monkeypatch.undo()
    with Root(tmp_path) as root:
        if place.exists():
            place.write_bytes(b"ours")
            root.unlink("a.png", check=check)
        with pytest.raises(FileNotFoundError):
            root.unlink("a.png", check=lambda: None)
        root.unlink("a.png", check=lambda: None, missing_ok=True)


def test_a_file_that_is_saved_while_it_goes_to_another_disk_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"old")
    real = renaming.rename_new

    def elsewhere(old: str, new: str, here: Any, there: Any) -> None:
        if old == "a" and not new.startswith(".tmp-"):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        real(old, new, here, there)
        if new == "b":
            edited(tmp_path / "a")

    monkeypatch.setattr(renaming, "rename_new", elsewhere)
    with Root(tmp_path) as root, pytest.raises(HubtoolsError, match="changed meanwhile"):
        root.rename("a", "b")
    assert (tmp_path / "a").read_bytes() == b"old" + MINE
    assert (tmp_path / "b").read_bytes() == b"old"
