"""Words from files, as a card may show them: as text, never as Markdown, HTML or Python.

Names, captions, prompts, ids and addresses come from strangers' files. Whatever is put into a card
goes through one of these; templates do so by default (`rendering`).
"""

from __future__ import annotations

import re

from hubtools.patterns import regex

# What Markdown reads as something else anywhere in a line (not an underscore inside a word).
_SPECIAL = regex(r"([\\`*\[\]<>|]|(?<![^\W_])_|_(?![^\W_])|~~)")
# of the terminal, and those that turn the direction of what follows
_CONTROL = regex("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]")
_HUB_ID = regex(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)


def _one_line(text: object) -> str:
    return " ".join(_CONTROL.sub("", str(text)).split())


def markdown(text: object) -> str:
    """Text that Markdown shows as it is, on one line."""
    line = _one_line(text).replace("&", "&amp;")
    line = _SPECIAL.sub(r"\\\1", line).replace("\\<", "&lt;").replace("\\>", "&gt;")
    # at the beginning of a line a few more signs make headings, lists and quotes
    return re.sub(r"^([#+=-])", r"\\\1", re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", line))


def cell(text: object) -> str:
    """Text for a cell of a Markdown table."""
    return markdown(text)


def code(text: object) -> str:
    """Text between as many backticks as it takes. What looks like a comment of HTML, such as the
    marks around hubtools' own blocks, is written as HTML instead."""
    line = _one_line(text)
    if "<!--" in line or "-->" in line:
        return f"<code>{markdown(line)}</code>"
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def block(text: object, language: str = "") -> str:
    """Text of one line in a block of code, which pages show with a button to copy it."""
    line = _one_line(text).replace("<!--", "<! --")
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{line}\n{fence}"


def code_cell(text: object) -> str:
    """`code` for a cell of a Markdown table."""
    line = _one_line(text)
    return f"<code>{markdown(line)}</code>" if "|" in line else code(line)


def hub_link(repo: object, kind: str = "") -> str:
    """A link to a repository (`kind`: "" or "datasets/"); what is no id of the Hub is no link."""
    name = str(repo)
    if not _HUB_ID.fullmatch(name):
        return code_cell(name)
    return f"[{markdown(name)}](https://huggingface.co/{kind}{name})"


def hub_file(repo: object, name: str) -> str | None:
    """The address of a file on the Hub, of a model or of `datasets/owner/name`; None for what is
    no id or no plain name."""
    id = str(repo).removeprefix("datasets/")
    if not _HUB_ID.fullmatch(id) or not re.fullmatch(r"[\w.-]+", name, re.ASCII):
        return None
    return f"https://huggingface.co/{repo}/resolve/main/{name}"


def python_literal(value: object) -> str:
    """A value of JSON as Python writes it. The marks of HTML comments are written as escapes: the
    card would take them for its own."""
    return repr(value).replace("<!--", "\\x3c!--").replace("-->", "--\\x3e")


def is_web_address(address: str) -> bool:
    """True for http(s) addresses without spaces or signs that would end a link."""
    return re.fullmatch(r"https?://[^\s<>\"'`(){}|\\^\x00-\x20]+", address, re.I) is not None
