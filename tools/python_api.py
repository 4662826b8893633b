"""docs/python-api.md: every command beside its function."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import re
from typing import Any

import click

import hubtools
from hubtools.cli.main import COMMANDS, group
from hubtools.cli.options import SettingOption
from hubtools.findings import Finding

# Options that are no arguments of any function, and why.
EVERYWHERE = {
    "format": "how to print",
    "quiet": "how to print",
    "verbose": "how to print",
    "report": "write_report(report, file)",
    "project": "an argument of its own",
}
# What is otherwise in a command, and why.
EXCEPTIONS: dict[str, dict[str, str]] = {
    "validate": {
        "shard": "validate_part(source, 'I/N', file)",
        "partial": "validate_part(source, 'I/N', file)",
        "sources": "source",
    },
    "fix": {
        "yes": "calling it is the yes",
        "undo": "undo_fix(folder)",
        "id": "undo_fix(folder, id)",
        "journal": "fix_journal(path)",
        "purge": "purge_fix(path)",
        "plan": "plan_file: `plan` is one that is made already",
    },
    "inspect": {
        "all": "how to print",
        "pictures": "how to print",
        "draw": "how to print",
    },
    "caption": {
        "yes": "calling it is the yes",
        "undo": "undo_fix(folder)",
        "import": "source: a word of Python",
        "from": "source_dir: a word of Python",
        "export": "export_captions(folder, to, trainer)",
    },
    "watch": {"open": "the command line does it"},
    "review": {"open": "the command line does it"},
    "shard": {
        "as": "format: a word of Python",
        "plan": "plan_shards(..., plan_file=file)",
    },
    "train": {
        "watch": "watch(run)",
        "remote": "plan_train_remote(..., remote='l4x1'), train_remote(plan)",
        "yes": "calling train_remote is the yes",
        "detach": "train_remote(plan) alone",
        "attach": "attach_train(job, ...)",
        "job_timeout": "of plan_train_remote",
        "run_repo": "of plan_train_remote",
    },
    "generate": {"from": "like: a word of Python"},
    "export": {"as": "format: a word of Python"},
    "grid": {"dry_run": "plan_grid(...)"},
    "prune": {
        "undo": "undo_prune(run_dir)",
        "purge": "purge_prune(run_dir)",
        "remote": "plan_prune_remote(...), prune_remote(plan), purge_remote(plan, ...)",
        "type": "of plan_prune_remote",
        "snapshot": "of purge_remote",
        "no_snapshot": "snapshot=None of purge_remote",
        "confirm": "of purge_remote",
        "yes": "the command line does it",
        "dry_run": "the default",
        "plan": "plan_file, as of the others",
    },
    "push": {
        "dry_run": "plan_push(...)",
        "undo": "undo_push(...), plan_undo_push(...)",
        "plan": "plan_push(..., plan_file=file): `plan` is one that is made already",
    },
    "preview": {"open": "open `.url`, or not"},
    "ci run": {
        "plan": "plan_file, as of the others",
    },
    "ship": {"from": "first: a word of Python", "dry_run": "forecast(...)"},
    "init": {"from": "source: a word of Python"},
    "rehearse": {"serve": "meanwhile(rehearsal)", "project": "folder"},
    "demo": {"serve": "meanwhile(rehearsal)"},
    "cache prune": {"yes": "calling it is the yes"},
    "explain": {"all": "rules()"},
    "hub serve": {
        "root": "always named",
        "port": "0, any free one, unless named",
        "owner": "owners: several",
        "mount": "mounts: several",
        "host": "None is 127.0.0.1",
    },
}


INTRO = """# Python

Everything that the command line does is a function of the package `hubtools`, with the same name and the same
arguments: `--num-images 4` is `num_images=4`, and every setting that the command takes as an option is an argument too
(`max_train_steps=500`; [all settings](settings.md)). Importing the package is cheap; what a function needs is imported
when it is first called.

    $ hubtools init people --example

```python
import hubtools

made = hubtools.init("people-2", example=True)
report = hubtools.validate("people-2", strict=True)
assert report.ok or report.sorted()[0].rule.startswith("D")
```

`project` is a `hubtools.Project` (`hubtools.load_project`), or the folder or file of one; without it, `hubtools.toml` of
the current folder counts, as on the command line. Settings given beside it win over those of the file and the
environment.

    $ hubtools validate people --ignore D3

```python
project = hubtools.load_project("people-2")
report = hubtools.validate(project=project, ignore=["D3"])
plan = hubtools.fix("people-2", dry_run=True).plan
seen = hubtools.inspect("people-2", resolution=256)
assert len(seen.seen) == made.pictures
```

A mistake is raised as `hubtools.HubtoolsError`, with `message`, `hint`, `code` (see [errors](errors.md)) and `exit_code`;
`hubtools.UsageError` and `hubtools.ChecksFailed` are two of its kinds.

```python
try:
    hubtools.validate("nowhere")
except hubtools.HubtoolsError as error:
    assert error.code == "file-not-found"
```

Cards and packing, as typed and as called:

    $ hubtools card people --dry-run
    $ hubtools shard people --to people-shards

```python
drafts = hubtools.card("people-2", dry_run=True)
assert drafts[0].written.diff
shards = hubtools.shard("people-2", "people-2-shards")
back = hubtools.unshard("people-2-shards", "people-2-again")
assert back.pictures == made.pictures
assert hubtools.explain("D202").severity == "error"
```

Arguments that only a function has: `note` (a function that is told sentences), `on_picture`, `on_step`, `on_row` and
`on_commit` (functions that are told `done` and `total`), `reporter` and `narrator` (who is told of a training or a
journey). In a notebook `train`, `generate`, `grid`, `evaluate` and `ship` show below the cell how far they are, unless
somebody else is told. Calling `fix` or `caption` is the yes that the command asks for; `dry_run=True` only plans. What a function
returns stands behind its arrow, and [in a table](#what-they-return); one that serves a page is for a `with`.
"""


def every_command() -> list[tuple[str, click.Command, str]]:
    """(as it is typed, the command, the name of its function) of each."""
    found: list[tuple[str, click.Command, str]] = []
    for name in COMMANDS:
        if name == "help":
            continue  # Python has its own
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if not isinstance(command, click.Group):
            found.append((name, command, name.replace("-", "_")))
            continue
        for part, below in command.commands.items():
            called = part if name == "hub" else f"{name}_{part}"
            found.append((f"{name} {part}", below, called))
    return found


def _typed(command: click.Command, name: str) -> str:
    words = ["hubtools", name]
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    words += [
        p.make_metavar(click.Context(command))
        for p in command.params
        if isinstance(p, click.Argument)
    ]
    own = [max(o.opts, key=len) for o in options if not isinstance(o, SettingOption)]
    words += [f"[{o}]" for o in own if o not in ("--format", "--quiet", "--verbose")]
    sections = list(dict.fromkeys(o.section for o in options if isinstance(o, SettingOption)))
    words += [f"[settings of {section}]" for section in sections]
    return " ".join(words)


def _called(name: str, function: Any) -> str:
    parts, star = [], False
    for one in inspect.signature(function).parameters.values():
        if one.kind is inspect.Parameter.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        if one.kind is inspect.Parameter.VAR_KEYWORD:
            parts.append(f"**{one.name}")
        elif one.default is inspect.Parameter.empty:
            parts.append(one.name)
        else:
            default = one.default
            shown = (
                repr(default)
                if isinstance(default, (str, int, float, bool, tuple, type(None)))
                else "..."
            )
            parts.append(f"{one.name}={shown}")
    back = inspect.signature(function).return_annotation
    served = re.fullmatch(r"Iterator\[(\w+)\]", back)
    called = f"hubtools.{name}({', '.join(parts)})"
    return f"with {called} as {served[1].lower()}:" if served else f"{called} -> {back}"


def _returned() -> dict[type, list[str]]:
    """The classes of what the functions give back, by name, and the functions."""
    found: dict[type, list[str]] = {}
    for name in hubtools.__all__:
        function = getattr(hubtools, name)
        if inspect.isfunction(function):
            for word in re.findall(r"\w+", inspect.signature(function).return_annotation):
                one = _looked_up(word, inspect.getmodule(inspect.unwrap(function)))
                if inspect.isclass(one) and one.__module__.startswith("hubtools"):
                    found.setdefault(one, []).append(name)
    found[Finding] = ["Report.findings"]
    return dict(sorted(found.items(), key=lambda one: (one[0].__name__, one[0].__module__)))


def _looked_up(name: str, module: Any) -> Any:
    """What an annotation in `module` calls so, imported for type checkers only or not."""
    if hasattr(module, name):
        return getattr(module, name)
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and name in [one.name for one in node.names]:
            return getattr(importlib.import_module(str(node.module)), name)
    return None


def _attributes(kind: type) -> list[str]:
    """What it has to be read: its fields, then what it works out of them."""
    names = list(getattr(kind, "model_fields", None) or getattr(kind, "_fields", ()))
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    names += [
        name
        for base in reversed(kind.__mro__)
        if base.__module__.startswith("hubtools")
        for name, value in vars(base).items()
        if isinstance(value, property | functools.cached_property)
    ]
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def page() -> str:
    """docs/python-api.md."""
    lines = [INTRO, "## Command and function", ""]
    for name, command, called in every_command():
        function = getattr(hubtools, called)
        told = (inspect.getdoc(function) or "").split("\n\n")
        lines += [f"### {name}", "", "\n\n".join(" ".join(part.split()) for part in told), ""]
        lines += ["```text", _typed(command, name), "```", ""]
        lines += ["```text", _called(called, function), "```", ""]
        other = EXCEPTIONS.get(name, {})
        options = {max(p.opts, key=len) for p in command.params if isinstance(p, click.Option)}
        for word, why in other.items():
            option = f"--{word.replace('_', '-')}"
            lines.append(f"- `{option if option in options else word.upper()}`: {why}")
        lines += [""] * bool(other)
    commands = {called for _, _, called in every_command()}
    lines += ["## Beside the commands", "", "| name | what it is |", "|---|---|"]
    for name in hubtools.__all__:
        if name not in commands and name != "__version__":
            text = (inspect.getdoc(getattr(hubtools, name)) or "").split("\n\n")[0]
            lines.append(f"| `{name}` | {' '.join(text.split()).replace('|', '/')} |")
    lines += ["| `__version__` | The version, a text. |", ""]
    lines += ["## What they return", "", "| what | of | its attributes | |", "|---|---|---|---|"]
    for kind, functions in _returned().items():
        names, of = (
            ", ".join(f"`{name}`" for name in some) for some in (_attributes(kind), functions)
        )
        text = " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split()).replace("|", "/")
        lines.append(f"| `{kind.__name__}` | {of} | {names} | {text} |")
    lines.append("")
    lines += ["This page is generated by `tools/make_docs.py`."]
    return "\n".join(lines) + "\n"
