"""What is said to somebody who typed an option or an argument that a command does not take."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import click

_SHOWN = 4  # commands that have an option
# What other programs, or people, call a command.
_OTHERWISE = {
    "upload": "push", "publish": "push", "share": "push", "public": "push", "sync": "push",
    "new": "init", "create": "init", "start": "init", "sample": "generate", "draw": "generate",
    "infer": "generate", "check": "validate", "lint": "validate", "finetune": "train",
    "tag": "caption", "edit": "review", "readme": "card", "run": "ship",
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
    """The question whether one of `known` was meant, behind a space; nothing if none is near."""
    import difflib

    known = list(known)
    if (other := _OTHERWISE.get(word)) in known:
        return f" Did you mean {other!r}?"
    near = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def hint_of(error: click.UsageError, commands: Collection[str], typed: Sequence[str]) -> str:
    """What helps: which of `commands` has the option, or what the command takes; and its help.
    `typed`: the words of the command line, the first of which may be a command."""
    if error.ctx is None:
        known = typed[:1] if typed and typed[0] in commands else []
        return f"see `{' '.join(['hubtools', *known])} --help`"
    where = error.ctx.command_path
    see = f"see `{where} --help`"
    if isinstance(error, click.NoSuchOption):
        found = list(_having(error.option_name, error.ctx, commands))
        if found:
            more = f" and {len(found) - _SHOWN} others" if len(found) > _SHOWN else ""
            named = ", ".join(f"`{one}`" for one in found[:_SHOWN])
            return f"{named}{more} {'has' if len(found) == 1 else 'have'} it; {see}"
    elif "unexpected extra argument" in error.format_message():
        takes = " ".join(error.ctx.command.collect_usage_pieces(error.ctx))
        return f"it takes `{where} {takes}`; {see}"
    elif isinstance(error, click.MissingParameter) and (
        example := EXAMPLES.get(error.ctx.command.name or "")
    ):
        return f"for example `{where} {example}`; {see}"
    return see


def _having(option: str, context: click.Context, commands: Iterable[str]) -> Iterator[str]:
    """The commands that take an option of this very name."""
    root = context.find_root()
    if not isinstance(root.command, click.Group):
        return
    for name in commands:
        command = root.command.get_command(root, name)
        own = [] if command is None else command.params
        if any(option in (*one.opts, *one.secondary_opts) for one in own):
            yield f"{root.info_name} {name}"
