"""What is said to somebody who typed an option or an argument that a command does not take."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from shlex import quote

import click

from hubtools.errors import UsageError
from hubtools.layout import PROJECT_FILE
from hubtools.nearest import candidates

_SHOWN = 4  # commands that have an option
# What other programs, or people, call a command.
_OTHERWISE = {
    "upload": "push", "publish": "push", "share": "push", "public": "push", "sync": "push",
    "new": "init", "create": "init", "start": "init", "sample": "generate", "draw": "generate",
    "infer": "generate", "check": "validate", "lint": "validate", "finetune": "train",
    "tag": "caption", "edit": "review", "readme": "card", "run": "ship", "ui": "review",
    "gui": "review", "crop": "review", "repair": "fix", "resize": "fix", "show": "inspect",
    "info": "inspect", "clean": "prune", "delete": "prune", "mix": "merge", "xyz": "grid",
    "compare": "grid", "eval": "evaluate", "score": "evaluate", "test": "rehearse",
    "example": "demo", "server": "hub", "serve": "hub", "slurm": "launch", "cluster": "launch",
    "jobs": "train", "remote": "train", "cloud": "train", "workflow": "ci", "github": "ci",
    "space": "push", "config": "explain", "settings": "explain", "commands": "help",
    "coverage": "validate", "loaders": "validate", "undo": "fix",
}  # fmt: skip

# What the Hub's own client does.
_OF_CLIENT = {
    "login": "hf auth login", "auth": "hf auth login", "logout": "hf auth logout",
    "whoami": "hf auth whoami", "download": "hf download OWNER/NAME",
    "pull": "hf download OWNER/NAME", "clone": "hf download OWNER/NAME",
}  # fmt: skip

# Of commands that need to be told something, one that works as far as its words go.
EXAMPLES = {
    "convert": "lora.safetensors",
    "export": "lora.safetensors --as kohya",
    "grid": '"a photo of ..." --x seed=0..3',
    "merge": "lora.safetensors --to merged",
    "unshard": "SHARDS --to pictures",
}


def meant(word: str, known: Iterable[str]) -> str:
    """The question whether one of `known` was meant, or which command of the Hub's client does what
    the word asks for, behind a space; nothing if none is near."""
    known = list(known)
    if word in _OF_CLIENT and word not in known:
        return f" The Hub's own client does that: `{_OF_CLIENT[word]}`."
    other = _OTHERWISE.get(word)
    near = [other] if other in known else [name for _, name in candidates(word, known)]
    return f" Did you mean {near[0]!r}?" if near else ""


def usage_error(
    error: click.UsageError, commands: Collection[str], typed: Sequence[str]
) -> UsageError:
    """What was typed wrong, with what helps: the option that was meant, which of `commands` have
    it, or what the command takes; and its help. `typed`: the words of the command line, the first
    of which may be a command."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        said, hint = error.format_message(), _hint_of(error, commands, typed)
    else:
        mine, word, places = _likely(error.option_name, error.ctx, commands)
        said = error.message + (f" Did you mean {mine!r}?" if mine else "")
        hint = f"see `{error.ctx.command_path} --help`"
        if places:
            shown = len(places) if len(places) == _SHOWN + 1 else _SHOWN
            more = f" and {len(places) - shown} others" if len(places) > shown else ""
            named = ", ".join(f"`{one}`" for one in places[:shown])
            what = "it" if word == error.option_name else word
            hint = f"{named}{more} {'has' if len(places) == 1 else 'have'} {what}; {hint}"
    return UsageError(" ".join(said.split()), hint=hint)


def _hint_of(error: click.UsageError, commands: Collection[str], typed: Sequence[str]) -> str:
    if error.ctx is None:
        known = typed[:1] if typed and typed[0] in commands else []
        return f"see `{' '.join(['hubtools', *known])} --help`"
    where = error.ctx.command_path
    see = f"see `{where} --help`"
    if "unexpected extra argument" in error.format_message():
        takes = " ".join(error.ctx.command.collect_usage_pieces(error.ctx))
        place = typed[-1] if typed else ""
        if "--project" in _options(error.ctx.command) and (Path(place) / PROJECT_FILE).is_file():
            return f"of a project that lies elsewhere: `{where} --project {quote(place)}`; {see}"
        return f"it takes `{where} {takes}`; {see}"
    if isinstance(error, click.MissingParameter) and (
        example := EXAMPLES.get(error.ctx.command.name or "")
    ):
        return f"for example `{where} {example}`; {see}"
    return see


def _likely(
    typed: str, context: click.Context, commands: Iterable[str]
) -> tuple[str | None, str, list[str]]:
    """(the option of the command that is meant, an option that is meant, other commands that have
    it). What is near is judged among the options of all commands, so that a word means the same
    everywhere: the command's own counts if no other command's is likelier."""
    own = _options(context.command)
    every = {f"{context.find_root().info_name} {name}": o for name, o in _all(context, commands)}
    names = {
        one[2:].replace("-", "_"): one for one in own.union(*every.values()) if one[:2] == "--"
    }
    word = typed[2:].replace("-", "_") if typed.startswith("--") else ""
    found = candidates(word, names, cutoff=0.7)
    if having := [name for name, options in every.items() if typed in options]:
        called = (names[name] for how, name in found if how == 0)
        mine = next((one for one in called if one in own), None)
        return (mine, mine, []) if mine else (None, typed, having)
    likely = [names[name] for how, name in found if how == found[0][0]]
    if mine := next((one for one in likely if one in own), None):
        return mine, mine, []
    if not likely:
        return None, typed, []
    return None, likely[0], [name for name, options in every.items() if likely[0] in options]


def _options(command: click.Command) -> set[str]:
    return {name for one in command.params for name in (*one.opts, *one.secondary_opts)}


def _all(context: click.Context, commands: Iterable[str]) -> Iterator[tuple[str, set[str]]]:
    """The options of every command."""
    root = context.find_root()
    if not isinstance(root.command, click.Group):
        return
    for name in commands:
        if (command := root.command.get_command(root, name)) is not None:
            yield name, _options(command)
