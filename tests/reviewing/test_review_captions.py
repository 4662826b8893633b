"""Captions are changed on the page, kept, shown as a diff, applied and undone."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

import hubtools
from hubtools.dataset.folder.listing import walk
from hubtools.errors import HubtoolsError
from hubtools.project import Project
from hubtools.reviewing.mending import fixes_of
from hubtools.reviewing.session import Session
from hubtools.rooted import Root
from hubtools.trust import ForeignState
from tests.drawing import write_pictures
from tests.reviewed import SETTINGS, Page, bytes_of, captions_of, served


def test_captions_are_offered_from_sidecars_that_are_there(folder: Path) -> None:
    def safe() -> list[str | None]:
        offered = fixes_of(walk(folder))
        return [offered[rule]["safe"] for rule in ("D202", "D502")]

    (folder / "notes.txt").write_text("of no picture")
    assert safe() == [None, None]
    (folder / "picture0.txt").write_text("tok, a hat")
    assert None not in safe()
    assert fixes_of(walk(folder))["D309"]["ends"] == [".png"]


def test_the_page_knows_the_set(folder: Path) -> None:
    with served(folder) as page:
        found = page.get("set")
        assert [one["name"] for one in found["pictures"]] == [f"picture{n}.png" for n in range(4)]
        assert found["trigger"] == "tok"
        first = found["pictures"][0]
        assert first["size"] == [80, 96]
        assert first["trigger"] is True
        assert first["tokens"] > 3
        assert found["tokens"]["exact"] is (found["tokens"]["by"] != "an estimate")
        rules = {rule["id"]: rule for rule in page.findings()["rules"]}
        assert "remove-small" in rules["D304"]["unsafe"]
        status, small, headers = page.ask("GET", f"small/0/{first['id']}")
        assert status == 200
        assert small.startswith(b"\xff\xd8")
        assert "immutable" in headers["Cache-Control"]
        assert page.ask("GET", f"small/1/{first['id']}")[0] == 404  # another picture lies there


def test_nothing_is_written_before_apply_and_undo_brings_it_back(folder: Path) -> None:
    before = bytes_of(folder)
    with served(folder) as page:
        told = page.write("picture1.png", "photo of somebody, a red hat")
        ((key, value, checks),) = told["changes"]
        assert key == ["caption", "picture1.png", "text"]
        assert value["before"] == "photo of a tok, number 1"
        assert checks["trigger"] is False
        assert checks["tokens"] > 0
        assert bytes_of(folder) == before
        made = page.post("plan")
        assert "+" in "".join(line[0] for line in made["diff"] if "red hat" in line)
        assert bytes_of(folder) == before
        page.post("apply", digest=made["digest"])
        assert captions_of(folder)["picture1.png"] == "photo of somebody, a red hat"
        assert page.get("set")["pending"] == []
        assert page.picture("picture1.png")["trigger"] is False
        (fix,) = page.get("history")["fixes"]
        told = page.post("undo", id=fix["id"])
        assert told["done"] == "Undone: 1 file; 1 change pending again."
        assert bytes_of(folder) == before
        ((key, value, _),) = page.get("set")["pending"]  # what was written is not lost
        assert (key[1], value["after"]) == ("picture1.png", "photo of somebody, a red hat")
        assert page.post("back")["what"] == "bring 1 change back"
    assert not (folder / ".hubtools" / "review").exists()


def test_what_was_undone_is_pending_again_but_where_it_was_changed_since(folder: Path) -> None:
    with served(folder) as page:
        page.write("picture0.png", "tok, first")
        page.change([["fate", "picture1.png"], {"what": "delete"}])
        page.apply()
    with served(folder) as page:  # another day
        page.write("picture0.png", "tok, second")
        (fix,) = page.get("history")["fixes"]
        page.post("undo", id=fix["id"])
        pending = {tuple(key): value for key, value, _ in page.get("set")["pending"]}
        assert pending["caption", "picture0.png", "text"]["after"] == "tok, second"
        assert pending["fate", "picture1.png"]["what"] == "delete"


def test_what_the_page_itself_does_is_no_other_program(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(folder, Project(dataset=SETTINGS))
    try:
        key = ("caption", "picture0.png", "text")
        session.change({key: {"after": "tok, new"}}, "write")
        seen: list[tuple[str, ...]] = []
        look = session.look
        monkeypatch.setattr(
            session, "look", lambda: (seen.append(session.changed_outside()), look())
        )
        session.apply(session.plan().digest)
        session.take_back(None)
        assert seen == [(), ()]
        (folder / "other.txt").write_text("by another program")
        assert session.changed_outside() == ("other.txt",)
    finally:
        session.close()


def test_findings_follow_a_caption_that_is_not_written_yet(tmp_path: Path) -> None:
    """Those of rules that look at one caption, with the project's choice of rules."""
    folder = write_pictures(tmp_path / "set", 4)
    rows: list[dict[str, Any]] = [
        {"file_name": "picture0.png", "text": "", "by_model": "tok, a hat"},
        {"file_name": "picture1.png", "text": "tok, a coat", "by_model": "tok, a coat"},
        {"file_name": "picture2.png", "text": "a boat", "by_model": "tok, a boat"},
    ]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = SETTINGS.model_copy(update={"other_caption_columns": ["by_model"]})

    def said(told: Any) -> dict[tuple[str, str], list[str]]:
        return {
            (key[1], key[2]): [one["rule"] for one in checks["findings"]]
            for key, value, checks in told["changes"]
            if value is not None
        }

    with served(folder, settings) as page:
        judged = page.get("set")["judged"]
        assert {"D202", "D502", "D504"} <= {*judged}
        before = {
            name: [one["rule"] for one in found if one["rule"] in judged]
            for name, found in page.findings()["pictures"].items()
        }
        assert before["picture0.png"] == ["D502"]
        assert before["picture3.png"] == ["D202"]
        first, model = ("picture0.png", "text"), ("picture0.png", "by_model")
        assert said(page.write("picture0.png", "tok, a hat")) == {first: []}
        assert said(page.write("picture0.png", "a hat")) == {first: ["D504"]}
        # what is found is of all captions of the picture, and told with each
        both = said(page.write("picture0.png", "x" * 600, "by_model"))
        assert both == {first: ["D503", "D504", "D504"], model: ["D503", "D504", "D504"]}
        assert said(page.change([["caption", *first], None])) == {model: ["D502", "D503", "D504"]}
        assert said(page.write("picture1.png", "tok, a.png")) == {
            ("picture1.png", "text"): ["D509"]
        }
        assert said(page.write("picture3.png", "sktoken")) == {("picture3.png", "text"): ["D505"]}
        assert said({"changes": page.get("set")["pending"]})[model] == ["D502", "D503", "D504"]
    (tmp_path / "hubtools.toml").write_text('[rules]\nignore = ["D5"]\n')
    with hubtools.review(folder, hubtools.load_project(tmp_path)) as served_page:
        told = Page(served_page.url).write("picture2.png", "")
        assert said(told) == {("picture2.png", "text"): []}


def test_fix_undo_takes_it_back_too(folder: Path) -> None:
    before = bytes_of(folder)
    with served(folder) as page:
        page.write("picture0.png", "tok, other")
        page.apply()
    hubtools.undo_fix(folder)
    assert bytes_of(folder) == before


def test_what_was_changed_survives_and_does_nothing_by_itself(folder: Path) -> None:
    before = bytes_of(folder)
    with served(folder) as page:
        page.write("picture2.png", "tok, kept")
    with served(folder) as page:
        ((key, value, _),) = page.get("set")["pending"]
        assert (key[1], value["after"]) == ("picture2.png", "tok, kept")
        assert bytes_of(folder) == before
        page.apply()
    assert captions_of(folder)["picture2.png"] == "tok, kept"


def test_steps_back_and_forth(folder: Path) -> None:
    with served(folder) as page:
        for text in ("tok, a", "tok, ab", "tok, abc"):  # as one types: one step
            page.change([["caption", "picture0.png", "text"], {"after": text}], typing=True)
        page.write("picture1.png", "tok, second")
        assert page.post("back")["changes"][0][0][1] == "picture1.png"
        assert page.post("back")["changes"] == [[["caption", "picture0.png", "text"], None, None]]
        assert page.post("back")["what"] is None
        assert page.post("forth")["changes"][0][1]["after"] == "tok, abc"
        page.write("picture0.png", "photo of a tok, number 0")  # what is in the file
        assert page.get("set")["pending"] == []


def test_a_caption_that_another_window_has_changed_is_told(folder: Path) -> None:
    """The last one stands, told, and undo brings back the words of the other."""
    key = ["caption", "picture1.png", "text"]
    with served(folder) as page:

        def typed(text: str, seen: str | None) -> Any:
            there = None if seen is None else {"before": "x", "after": seen}
            return page.change([key, {"after": text}], typing=True, seen=[there])["crossed"]

        assert typed("tok a", None) == []
        assert typed("tok ab", "tok a") == []
        assert typed("tok z", None) == [[key, "tok ab"]]
        assert typed("tok zz", "tok z") == []
        assert typed("tok zz", None) == []  # the same words
        page.post("back")
        page.post("back")
        assert page.get("set")["pending"][0][1]["after"] == "tok ab"
        page.post("back")
        assert typed("tok c", "tok ab") == [[key, None]]


def test_a_caption_that_another_program_changed_is_a_conflict(folder: Path) -> None:
    with served(folder) as page:
        page.write("picture1.png", "tok, mine")
        page.write("picture2.png", "tok, mine too")
        assert page.get("state")["changed"] == []
        file = folder / "metadata.jsonl"
        file.write_text(file.read_text().replace("number 1", "theirs"))
        assert page.get("state")["changed"] == ["metadata.jsonl"]
        made = page.post("plan")
        (conflict,) = made["conflicts"]
        assert conflict["theirs"] == "photo of a tok, theirs"
        assert conflict["mine"] == "tok, mine"
        refused = page.post("apply", status=409, digest=made["digest"])
        assert "look at them again" in refused["hint"]
        made = page.post("settle", key=conflict["key"], mine=True)
        assert made["conflicts"] == []
        page.post("apply", digest=made["digest"])
    assert captions_of(folder)["picture1.png"] == "tok, mine"
    assert captions_of(folder)["picture2.png"] == "tok, mine too"


def test_theirs_can_be_taken_and_what_changes_after_the_plan_is_noticed(folder: Path) -> None:
    file = folder / "metadata.jsonl"
    with served(folder) as page:
        page.write("picture1.png", "tok, mine")
        made = page.post("plan")
        file.write_text(file.read_text().replace("number 3", "moved"))
        page.post("apply", status=409, digest=made["digest"])
        assert captions_of(folder)["picture1.png"] == "photo of a tok, number 1"
        file.write_text(file.read_text().replace("number 1", "theirs"))
        made = page.post("settle", key=["caption", "picture1.png", "text"], mine=False)
        assert made["operations"] == []
    assert captions_of(folder)["picture3.png"] == "photo of a tok, moved"


def test_pictures_without_a_record_and_several_captions(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "set", 3)
    rows = [
        {"file_name": "picture0.png", "text": ["tok, one", "tok, two"], "by_model": "a person"},
        {"file_name": "picture1.png", "text": None},
    ]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with served(folder) as page:
        assert page.get("set")["captions"] == ["text", "by_model"]
        first = page.picture("picture0.png")
        assert first["trigger"] is True
        assert first["others"]["by_model"]["trigger"] is False
        assert first["others"]["by_model"]["tokens"] == 2
        page.change([["caption", "picture0.png", "text"], {"after": ["tok, one", "tok, 2"]}])
        page.write("picture0.png", "a smiling person", "by_model")
        page.write("picture1.png", "tok, first")
        page.write("picture2.png", "tok, new")
        page.apply()
    assert captions_of(folder) == {
        "picture0.png": ["tok, one", "tok, 2"],
        "picture1.png": "tok, first",
        "picture2.png": "tok, new",
    }
    assert captions_of(folder, "by_model")["picture0.png"] == "a smiling person"


def test_metadata_that_must_be_repaired_first_is_told(folder: Path) -> None:
    file = folder / "metadata.jsonl"
    file.write_text(file.read_text().replace('"}', '",}', 1))
    before = bytes_of(folder)
    with served(folder) as page:
        assert "D101" in page.get("set")["closed"]["metadata.jsonl"]
        page.write("picture1.png", "tok, new")
        made = page.post("plan")
        assert made["operations"] == []
        assert "cannot be changed" in made["left"][0][1]
        assert bytes_of(folder) == before
        page.change([["fix", "D101"], {"unsafe": []}])  # both in one plan
        page.apply()
    assert captions_of(folder)["picture1.png"] == "tok, new"


def test_a_second_page_and_a_folder_that_is_none(folder: Path, tmp_path: Path) -> None:
    with served(folder), pytest.raises(HubtoolsError, match="another page"), served(folder):
        pass
    with pytest.raises(HubtoolsError), served(tmp_path / "nowhere"):
        pass


def test_pending_changes_of_somebody_else_are_asked_about(folder: Path) -> None:
    with served(folder) as page:
        page.write("picture1.png", "tok, of another")
    copy = folder.with_name("copy")
    folder.rename(copy)
    write_pictures(folder, 4)
    copied = copy / ".hubtools" / "review" / "pending.json"
    target = folder / ".hubtools" / "review" / "pending.json"
    target.parent.mkdir(parents=True)
    target.write_bytes(copied.read_bytes())
    with pytest.raises(ForeignState, match="propose 1 change"), served(folder):
        pass
    before = bytes_of(folder)
    with served(folder, trust_state=True) as page:
        assert len(page.get("set")["pending"]) == 1
        assert bytes_of(folder) == before


def test_an_interrupted_change_is_told_and_waits_for_a_yes(folder: Path) -> None:
    from hubtools.dataset.edits.journal import unfinished

    before = bytes_of(folder)
    with served(folder) as page:
        page.write("picture1.png", "tok, half")
        page.apply()
    (journal,) = (folder / ".hubtools" / "fixes").glob("*/journal.json")
    _as_if_killed(folder, journal.parent.name)
    assert unfinished(folder) is not None
    with served(folder) as page:
        told = page.get("history")["unfinished"]
        assert told["ours"]
        page.write("picture2.png", "tok, more")
        made = page.post("plan")
        page.post("apply", status=409, digest=made["digest"])
        page.post("undo", id=told["id"])
        assert bytes_of(folder) == before


def test_what_an_apply_that_was_killed_has_written_is_not_pending_again(folder: Path) -> None:
    kept = folder / ".hubtools" / "review" / "pending.json"
    with served(folder) as page:
        page.write("picture1.png", "tok, written")
        page.change([["fate", "picture2.png"], {"what": "delete"}])
        page.write("picture3.png", "tok, not yet")
        there = kept.read_bytes()
        page.change([["caption", "picture3.png", "text"], None])
        page.apply()
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(there)  # killed between the last file and this one
    with served(folder) as page:
        ((key, _, _),) = page.get("set")["pending"]
        assert key[1] == "picture3.png"
        page.apply()
    assert captions_of(folder)["picture3.png"] == "tok, not yet"


def test_what_an_apply_that_was_killed_has_written_comes_back_with_its_undo(folder: Path) -> None:
    kept = folder / ".hubtools" / "review" / "pending.json"
    with served(folder) as page:
        page.write("picture1.png", "tok, typed for an hour")
        there = kept.read_bytes()
        page.apply()
    (told,) = (folder / ".hubtools" / "fixes").glob("*/review.json")
    told.unlink()
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(there)
    then = (told.parent / "journal.json").stat().st_mtime_ns - 1000
    os.utime(kept, ns=(then, then))
    with served(folder) as page:
        assert page.get("set")["pending"] == []
        page.post("undo", id=told.parent.name)
        ((key, value, _),) = page.get("set")["pending"]
        assert (key[1], value["after"]) == ("picture1.png", "tok, typed for an hour")


@pytest.mark.parametrize("state", ["placing", "undo-removing"])
@pytest.mark.parametrize("then", ["finish", "undo"])
def test_words_come_back_with_the_undo_of_an_apply_that_was_killed_in_the_middle(
    folder: Path, state: str, then: str
) -> None:
    kept = folder / ".hubtools" / "review" / "pending.json"
    with served(folder) as page:
        page.write("picture1.png", "tok, typed for an hour")
        there = kept.read_bytes()
        page.apply()
    (told,) = (folder / ".hubtools" / "fixes").glob("*/review.json")
    told.unlink()
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(there)
    past = (told.parent / "journal.json").stat().st_mtime_ns - 1000
    os.utime(kept, ns=(past, past))
    _as_if_killed(folder, told.parent.name, state)
    with served(folder) as page:
        assert len(page.get("set")["pending"]) == 1, "nobody knows yet what becomes of the fix"
    with served(folder) as page:
        if then == "finish":
            page.post("finish")
        if state == "placing":
            page.post("undo", id=told.parent.name if then == "finish" else None)
        elif then == "undo":
            page.post("undo", id=None)
        ((key, value, _),) = page.get("set")["pending"]
        assert (key[1], value["after"]) == ("picture1.png", "tok, typed for an hour")
    assert captions_of(folder)["picture1.png"] != "tok, typed for an hour"


def test_an_undo_that_is_killed_when_it_is_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hubtools.reviewing import session

    with served(folder) as page:
        page.write("picture1.png", "tok, typed for an hour")
        page.apply()
    before = Session(folder, Project())

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(session, "coming_back", killed)
        with pytest.raises(KeyboardInterrupt):
            before.take_back(None)
    before._stack.close()
    with served(folder) as page:
        ((key, value, _),) = page.get("set")["pending"]
        assert (key[1], value["after"]) == ("picture1.png", "tok, typed for an hour")


def test_what_a_person_keeps_beside_the_pending_changes_stays(folder: Path) -> None:
    place = folder / ".hubtools" / "review"
    for mine in (False, True):
        with served(folder) as page:
            page.write("picture1.png", "tok, other")
            if mine:
                (place / "pending.old.json").write_text("{}")
            page.post("back")
        assert place.exists() == mine
    assert sorted(path.name for path in place.iterdir()) == [
        ".gitignore",
        ".lock",
        "pending.old.json",
    ]


def _as_if_killed(folder: Path, id: str, state: str = "placing") -> None:
    """The journal as it stands just after the new file has taken its place."""
    from hubtools.dataset.edits.journal_files import journals
    from hubtools.rooted import Root

    (journal,) = [one for one in journals(folder) if one.id == id]
    with Root(folder) as root:
        journal.write(root, state)


def test_the_command_prints_the_address(folder: Path) -> None:
    with hubtools.review(folder, SETTINGS) as page:
        assert page.url.startswith("http://127.0.0.1:")
        assert page.pending == 0


def test_a_full_disk_is_told_and_nothing_is_changed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bytes_of(folder)
    with served(folder) as page:
        page.write("picture1.png", "tok another")
        made = page.post("plan")

        def full(self: Root, *names: object, **options: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "picture1.png"))

        with monkeypatch.context() as patch:
            patch.setattr(Root, "copy", full)
            told = page.post("apply", 409, digest=made["digest"])
        assert (told["code"], "disk is full" in told["error"]) == ("disk-full", True), told
        assert bytes_of(folder) == before
        assert page.get("set")["pending"]
        page.apply()
    assert captions_of(folder)["picture1.png"] == "tok another"
