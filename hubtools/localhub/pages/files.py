"""The pages of folders, files and commits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from starlette.responses import Response

from hubtools.files import human_bytes
from hubtools.findings import Finding, plural
from hubtools.localhub import history
from hubtools.localhub.diff import diff_of
from hubtools.localhub.downloads import content_type
from hubtools.localhub.http import Call
from hubtools.localhub.model import Commit, Snapshot, Tree
from hubtools.localhub.pages.card import about as about_picture
from hubtools.localhub.pages.card import opens
from hubtools.localhub.pages.findings import finding, marks
from hubtools.localhub.pages.frame import View, moment, paged
from hubtools.localhub.pages.html import Html, join, link, tag
from hubtools.localhub.problems import entry_not_found

_LONGEST_TEXT = 512 * 1024
_LONGEST_DIFF = 256 * 1024
_COMMITS = 100  # on a page
_ROWS = 1000  # of a folder on a page
_NUMBERED = 5000  # lines


def file_table(view: View, folder: str) -> Html:
    """What is in a folder: folders first, then files with size and download."""
    prefix = f"{folder}/" if folder else ""
    revision = view.call.params.get("rev", "main")
    about = view.about_files() if revision == "main" else {}
    below: dict[str, list[int]] = {}  # sizes, by the folder here that they are in
    files: list[str] = []
    for path, file in view.snapshot.files.items():
        if not path.startswith(prefix):
            continue
        name, slash, _ = path[len(prefix) :].partition("/")
        if slash:
            below.setdefault(f"{prefix}{name}", []).append(file.size)
        else:
            files.append(path)
    folders = [
        path
        for path in view.snapshot.folders
        if path.startswith(prefix) and "/" not in path[len(prefix) :]
    ]
    here, others = paged(view.call, [*folders, *files], _ROWS)
    if not here:
        return tag("div", tag("div", "No files.", class_="empty"), class_="sheet flush")
    rows = [
        _file_row(view, revision, path, path[len(prefix) :], about.get(path, ()))
        if path in view.snapshot.files
        else _folder_row(view, revision, path, path[len(prefix) :], below.get(path, []))
        for path in here
    ]
    return join(tag("div", tag("table", *rows, class_="rows"), class_="sheet flush"), others)


def _folder_row(view: View, revision: str, path: str, name: str, inside: Sequence[int]) -> Html:
    return tag(
        "tr",
        tag("td", link(view.href("tree", revision, path), f"{name}/")),
        tag("td", plural(len(inside), "file"), class_="soft fixed"),
        tag("td", human_bytes(sum(inside)), class_="size"),
        tag("td"),
    )


def _file_row(view: View, revision: str, path: str, name: str, about: Sequence[Finding]) -> Html:
    file, address = view.snapshot.files[path], view.place.file(path)
    mark = "&" if "?" in address else "?"
    return tag(
        "tr",
        tag("td", link(view.href("blob", revision, path), name), marks(about)),
        tag("td", "LFS" if file.sha256 else "", class_="soft fixed"),
        tag("td", human_bytes(file.size), class_="size"),
        tag("td", link(f"{address}{mark}download=true", "download"), class_="fixed"),
    )


def _crumbs(view: View, path: str) -> Html:
    revision = view.call.params.get("rev", "main")
    parts: list[object] = [link(view.href("tree", revision), view.repo.name)]
    names = path.split("/") if path else []
    for depth, name in enumerate(names, 1):
        here = "/".join(names[:depth])
        parts += [
            " / ",
            name if depth == len(names) else link(view.href("tree", revision, here), name),
        ]
    return tag("p", *parts)


def tree(call: Call) -> Response:
    view = View.of(call)
    folder = call.params["path"].strip("/")
    if folder and folder not in view.snapshot.folders:
        raise entry_not_found(f"There is no folder {folder} at {call.params['rev']}.")
    return view.document("files", _crumbs(view, folder), file_table(view, folder))


def blob(call: Call) -> Response:
    view = View.within(call)
    path = call.params["path"]
    file, content = call.hub.store.open(view.snapshot, path)
    kind = content_type(path)
    drawn: list[tuple[str, str]] = []
    about = view.about_files(rows=True).get(path, []) if call.params["rev"] == "main" else []
    if kind.startswith("image/"):
        drawn = view.place.drawn_with(path)
        large = opens(view.place, path, path)
        told = about_picture(view.place, path, ())
        shown = tag("div", tag("figure", large, told), class_="sheet")
    elif file.sha256 is None and file.size <= _LONGEST_TEXT:
        text = content.read_all().decode("utf-8", "replace")
        shown = tag("div", _numbered(text, about), class_="sheet flush")
    else:
        why = "too large to be shown" if file.sha256 is None else "no text, or too large for one"
        shown = tag("div", f"This file is {why}: download it to look inside.", class_="sheet soft")
    facts = [("Size", f"{human_bytes(file.size)} ({file.size} bytes)"), ("git id", file.oid)]
    if file.sha256:
        facts.append(("SHA-256", file.sha256))
    facts += drawn
    address = view.place.file(path)
    mark = "&" if "?" in address else "?"
    return view.document(
        "files",
        _crumbs(view, path),
        *(finding(one, place=False) for one in about if one.line is None),
        shown,
        tag(
            "div",
            tag(
                "table",
                *(tag("tr", tag("td", k, class_="soft fixed"), tag("td", v)) for k, v in facts),
            ),
            class_="sheet flush",
        ),
        tag("p", link(f"{address}{mark}download=true", f"Download {PurePosixPath(path).name}")),
    )


def _numbered(text: str, about: Sequence[Finding]) -> Html:
    """A text with numbers before its lines, and what was found behind the line it speaks of."""
    lines = text.splitlines()
    if len(lines) > _NUMBERED:
        return tag("pre", text)
    at: dict[int, list[Finding]] = {}
    for one in about:
        if one.line is not None:
            at.setdefault(min(one.line, len(lines)), []).append(one)
    shown = []
    for number, line in enumerate(lines, 1):
        shown.append(tag("code", f"{line}\n", id=f"L{number}"))
        shown += [finding(one, place=False) for one in at.get(number, ())]
    return tag("div", *shown, class_="code", tabindex="0")


def commits(call: Call) -> Response:
    view = View.of(call)
    found = history.log(call.hub.store, view.snapshot)
    here, others = paged(call, found, _COMMITS)
    rows = [commit_row(view, item) for item in here]
    return view.document(
        "commits", tag("div", tag("table", *rows, class_="rows"), class_="sheet flush"), others
    )


def commit_row(view: View, commit: Commit) -> Html:
    """A commit in a table."""
    return tag(
        "tr",
        tag("td", link(view.href("commit", commit.oid), commit.title)),
        tag("td", commit.author, class_="soft fixed"),
        tag("td", moment(commit.date), class_="soft fixed"),
        tag("td", tag("code", commit.oid[:8]), class_="fixed"),
    )


def commit(call: Call) -> Response:
    view = View.within(call)
    item = view.snapshot.commit
    if item.parent:
        before = call.hub.store.snapshot(view.repo, item.parent)
    else:
        before = Snapshot(view.repo, item, Tree({}, {}))
    return view.document(
        "commits",
        tag("h2", item.title),
        tag("p", f"{item.author} · {moment(item.date)} · ", tag("code", item.oid), class_="soft"),
        tag("p", item.message) if item.message else None,
        changes(
            View(call, view.repo, before), view, diff_of(call.hub.store, before, view.snapshot)
        ),
    )


_PICTURES = 50  # of a difference that are shown


def changes(before: View, after: View, diff: str) -> Html:
    """What a change adds, replaces or takes away: pictures as they were and as they are, and of
    other files the lines."""
    pictures = _changed_pictures(before, after)
    if pictures is None:
        return _show_diff(diff)
    # of a picture there are the lines of its pointer
    others = "".join(part for part in re.split(_FILE, diff) if not _is_picture(part))
    return join(pictures, _show_diff(others)) if others else pictures


_FILE = re.compile("^(?=diff --git )", re.MULTILINE)


def _is_picture(part: str) -> bool:
    """Whether this part of a diff is of a picture, by the name in its first line."""
    return content_type(part.partition("\n")[0].rstrip('"')).startswith("image/")


def _changed_pictures(before: View, after: View) -> Html | None:
    there = (before.snapshot.files, after.snapshot.files)
    changed = [
        name
        for name in sorted({*there[0], *there[1]})
        if there[0].get(name) != there[1].get(name) and content_type(name).startswith("image/")
    ]
    if not changed:
        return None
    shown = []
    for name in changed[:_PICTURES]:
        sides = [
            opens(view.place, name, f"{name} {when}")
            for view, when in ((before, "before"), (after, "after"))
            if name in view.snapshot.files
        ]
        word = "replaced" if len(sides) == 2 else "added" if name in there[1] else "removed"
        shown.append(tag("figure", *sides, tag("figcaption", f"{name}: {word}")))
    more = len(changed) - len(shown)
    return tag(
        "div",
        tag("div", *shown, class_="changed"),
        tag("p", f"and {plural(more, 'picture')} more", class_="soft") if more else None,
        class_="sheet",
    )


def _show_diff(diff: str) -> Html:
    """A unified diff, coloured."""
    if not diff:
        return tag("div", "No changes.", class_="sheet soft")
    lines = diff[:_LONGEST_DIFF].splitlines(keepends=True)
    colours = {"+": "add", "-": "del", "@": "at"}
    shown = [
        tag("span", line, class_=colours[line[0]]) if line[:1] in colours else line
        for line in lines
    ]
    cut = tag("p", "The rest is cut.", class_="soft") if len(diff) > _LONGEST_DIFF else None
    return tag("div", tag("pre", join(*shown)), cut, class_="sheet")
