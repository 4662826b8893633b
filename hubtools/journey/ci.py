"""`ci init`: a workflow that checks, proposes and releases, and who the Hub must trust for it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from hubtools.errors import HubtoolsError, UsageError
from hubtools.layout import CARD
from hubtools.printable import printable
from hubtools.programs import program
from hubtools.project import Project
from hubtools.project_file import git_folder_of
from hubtools.publish.again import url_of
from hubtools.publish.ignored import GITIGNORE, ignored
from hubtools.rooted import Root
from hubtools.rooted.outputs import keep_replaced
from hubtools.version import __version__

Provider = Literal["github", "gitlab"]
FILES: dict[Provider, str] = {
    "github": ".github/workflows/hubtools.yml",
    "gitlab": ".gitlab-ci.yml",
}
# Commits, not tags: a tag can be moved.
_CHECKOUT = "11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2"
_PYTHON = "a26af69be951a213d495a4c3e4e4022e16d87065 # v5.6.0"
_SARIF = "5d4e8d1aca955e8d8589aabd499c5cae939e33c7 # v4.31.9"
_ACTION = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")
# GitHub works out what stands in ${{ }}, wherever it is; a line's end begins another command.
_ODD = re.compile(r"\$\{\{|[^ -~\w]")
_BRANCH = re.compile(r"[\w][\w./-]{0,200}")


@dataclass(frozen=True)
class Release:
    """A folder of the repository (relative, with /), where it goes, and the folder of the project
    that says how."""

    kind: Literal["dataset", "model"]
    folder: str
    repo: str
    project: str = "."


@dataclass(frozen=True)
class Trust:
    """What the Hub must be told before a workflow may write: at `address`, these `claims`."""

    address: str
    claims: dict[str, str]


@dataclass(frozen=True)
class Workflow:
    """A file that was written, or would be; not `changed` if this very text was there already."""

    path: Path
    text: str
    releases: tuple[Release, ...]
    trust: tuple[Trust, ...]
    notes: tuple[str, ...] = ()
    changed: bool = True


def ci_init(
    project: Project,
    *,
    provider: Provider = "github",
    branch: str | None = None,
    repository: str | None = None,
    action: str | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> Workflow:
    """Write the workflow of a project, for the repositories that its settings name, at the top of
    the git repository that the project is in.

    `repository` is owner/name at GitHub or GitLab (default: that of the git remote `origin`),
    `action` a copy of hubtools' action to use, owner/repo@COMMIT (default: hubtools is installed
    by pip, in this version), `branch` the one whose content is proposed (default: what the remote
    calls its own, else `main`, or `master` where that is checked out).
    What `force` replaces is kept in `.hubtools/replaced` there. Raises `UsageError` if no
    repository is set, `HubtoolsError` if the file is there and `force` is not.
    """
    if project.file is None:
        raise UsageError(
            "A workflow is that of a project, and there is none here.",
            hint="`hubtools init DIR` makes one; go there, or give it by --project DIR",
        )
    top, shown = git_folder_of(project.root), project.file.name
    root = project.root if top is None else top
    branch = branch or _main_branch(root)
    if not _BRANCH.fullmatch(branch):
        raise UsageError(f"{branch!r} is no name of a branch.")
    if action is not None and (provider != "github" or not _ACTION.fullmatch(action)):
        raise UsageError(
            f"--action {action} is not pinned to a commit.",
            hint="write OWNER/REPO@ and the 40 digits of a commit; GitHub only",
        )
    releases, notes = _releases(project, root)
    if not releases:
        raise UsageError(
            "There is nothing that a workflow could publish: "
            + ("; ".join(notes) or "no repository is set")
            + ".",
            hint=f'set repo = "owner/name" in the section [dataset] or [model] of {shown}',
            code="bad-setting",
        )
    make = _github if provider == "github" else _gitlab
    text = make(tuple(releases), branch, action)
    name = FILES[provider]
    changed = True
    with Root(root) as opened:
        if not dry_run:
            data = text.encode()
            changed = not opened.is_file(name) or opened.read(name) != data

            def check() -> None:
                if not opened.exists(name):
                    return
                if not force:
                    raise HubtoolsError(
                        f"{root / name} is there already.",
                        hint="--force writes it anew, --dry-run shows what it would say",
                        code="file-exists",
                    )
                kept = keep_replaced(opened, name)
                notes.append(f"what --force replaced is kept: {root / kept}")

            if changed:
                opened.write(name, data, check=check)
    origin = repository or _origin(root)
    if top is None:
        notes.append(
            f"{root} is in no git repository, at the top of which a workflow stands: `git init`"
        )
    if origin is None:
        notes.append("which repository this is cannot be told: give --repository OWNER/NAME")
    trust = tuple(_trust(release, provider, origin or "OWNER/NAME") for release in releases)
    return Workflow(root / name, text, tuple(releases), trust, tuple(notes), changed)


def has_none(project: Project) -> bool:
    """Whether a project is in a git repository that has no workflow of this kind yet."""
    top = git_folder_of(project.root) if project.file is not None else None
    return top is not None and not any((top / name).exists() for name in FILES.values())


def _releases(project: Project, root: Path) -> tuple[list[Release], list[str]]:
    found: list[Release] = []
    notes: list[str] = []
    home = _inside(root, project.root) or "."
    if _ODD.search(home):
        return [], [f"a workflow cannot name the folder {printable(home)}"]
    if project.dataset.repo is not None:
        folder = _inside(root, project.dataset_dir)
        if folder is None:
            notes.append("the dataset lies outside of the repository")
        elif _ODD.search(folder):
            notes.append(f"a workflow cannot name the folder {printable(folder)}")
        else:
            found.append(Release("dataset", folder, project.dataset.repo, home))
    if project.model.repo is not None:
        folder = _inside(root, project.run_dir)
        if folder is not None and _ODD.search(folder):
            notes.append(f"a workflow cannot name the folder {printable(folder)}")
        elif folder is None or not project.run_dir.is_dir() or _ignored(root, folder):
            notes.append(
                "the run folder is not in git, so the model is published from where it was trained"
            )
        else:
            found.append(Release("model", folder, project.model.repo, home))
    return found, notes


def _inside(root: Path, folder: Path) -> str | None:
    try:
        return folder.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return None


# GIT_ALLOW_PROTOCOL (git(1)) is a list of all transports that are allowed; none has this name.
_NO_TRANSPORT = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0"}


def _git(root: Path, *words: str) -> subprocess.CompletedProcess[str] | None:
    """git in the folder, without the hooks and programs that its configuration may name, also
    those of transports: git fetches by itself what a partial clone lacks."""
    git = program("git")
    if git is None:
        return None
    try:
        return subprocess.run(
            [git, "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", *words],
            cwd=root,
            env=os.environ | _NO_TRANSPORT,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _ignored(root: Path, folder: str) -> bool:
    done = _git(root, "check-ignore", "-q", "--", folder)
    if done is not None and done.returncode in (0, 1):
        return done.returncode == 0
    # no repository yet, or no git: what git would say of a file in the folder
    there = (root / GITIGNORE).is_file()
    return there and bool(ignored(root, [GITIGNORE, f"{folder}/{CARD}"]))


def _origin(root: Path) -> str | None:
    """owner/name of the git remote `origin`."""
    done = _git(root, "remote", "get-url", "origin")
    if done is None or done.returncode != 0:
        return None
    found = re.search(r"[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?\s*\Z", done.stdout)
    return found[1] if found else None


def _main_branch(root: Path) -> str:
    for name, known in (
        ("refs/remotes/origin/HEAD", r"refs/remotes/origin/(.+)"),
        ("HEAD", r"refs/heads/(master|trunk)"),
    ):
        done = _git(root, "symbolic-ref", "-q", name)
        if done is not None and (found := re.fullmatch(known, done.stdout.strip())):
            return found[1]
    return "main"


def _trust(release: Release, provider: Provider, repository: str) -> Trust:
    claims = {"repository": repository}
    if provider == "github":
        claims["workflow"] = Path(FILES["github"]).name
    return Trust(f"{url_of(release.repo, release.kind)}/settings", claims)


# --- texts ---------------------------------------------------------------------------------------


def _filled(provider: Provider, values: dict[str, str]) -> str:
    """The provider's template with a value for each name, in one pass: a value may hold a name."""
    template = files("hubtools") / "data" / "ci" / f"{provider}.yml"
    names = re.compile("|".join(values))
    return names.sub(lambda found: values[found[0]], template.read_text(encoding="utf-8"))


def _words(release: Release, mode: str) -> str:
    """`hubtools ci run` for a shell."""
    words = ["hubtools", "ci", "run", _no_option(release.folder), release.repo]
    words += ["--type", release.kind]
    if release.project != ".":
        words += ["--project", _no_option(release.project)]
    return f"{shlex.join(words)} --mode {mode}"


def _no_option(folder: str) -> str:
    return f"./{folder}" if folder.startswith("-") else folder


def _yaml(text: str) -> str:
    """A text as YAML has it, whatever is in it: JSON is YAML."""
    return json.dumps(text)


def _github(releases: tuple[Release, ...], branch: str, action: str | None) -> str:
    setup = (
        f"      - uses: actions/setup-python@{_PYTHON}\n"
        '        with:\n          python-version: "3.12"\n'
        f'      - run: python -I -m pip install --quiet "hf-hubtools[shards]=={__version__}"\n'
    )
    check, publish = _by_pip if action is None else _by_action(action)
    values = {
        "@BRANCH@": branch,
        "@CHECKOUT@": _CHECKOUT,
        "@SETUP@": setup if action is None else "",
        "@CHECK@": "".join(map(check, releases)).rstrip("\n"),
        "@PUBLISH@": "".join(map(publish, releases)).rstrip("\n"),
    }
    return _filled("github", values)


_MODE = "${{ github.ref_type == 'tag' && 'release' || 'pr' }}"


def _checked(release: Release) -> str:
    report = f"hubtools-{release.kind}.sarif"
    words = f"{_words(release, 'check')} --report {report}"
    return (
        f"      - name: check {release.kind} {release.repo}\n"
        f"        run: {_yaml(words)}\n"
        f"      - uses: github/codeql-action/upload-sarif@{_SARIF}\n"
        "        if: always() && !github.event.pull_request.head.repo.fork"
        f" && hashFiles('{report}') != ''\n"
        f"        with:\n          sarif_file: {report}\n"
        f"          category: hubtools-{release.kind}\n"
    )


def _published(release: Release) -> str:
    words = _words(release, '"$MODE"')
    return (
        f"      - name: publish {release.kind} {release.repo}\n"
        f"        run: {_yaml(words)}\n"
        f"        env:\n          MODE: {_MODE}\n"
    )


_by_pip = (_checked, _published)


def _by_action(action: str) -> tuple[Callable[[Release], str], Callable[[Release], str]]:
    def step(release: Release, mode: str, more: str = "") -> str:
        if release.project != ".":
            more = f"          config: {_yaml(release.project)}\n{more}"
        return (
            f"      - name: {release.kind} {release.repo}\n"
            f"        uses: {action}\n"
            f"        with:\n          mode: {mode}\n          path: {_yaml(release.folder)}\n"
            f"          repo_id: {release.repo}\n          repo_type: {release.kind}\n{more}"
        )

    return (
        lambda one: step(one, "check", f"          sarif: hubtools-{one.kind}.sarif\n"),
        lambda one: step(one, _MODE),
    )


def _gitlab(releases: tuple[Release, ...], branch: str, action: str | None) -> str:
    def lines(mode: str) -> str:
        return "\n".join(f"    - {_yaml(_words(release, mode))}" for release in releases)

    values = {
        "@VERSION@": __version__,
        "@CHECK@": lines("check"),
        "@PROPOSE@": lines("pr"),
        "@RELEASE@": lines("release"),
    }
    return _filled("gitlab", values)
