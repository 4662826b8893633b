"""The repository in the code of a card that was written before anybody knew it."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Literal

from hubtools.cardlinks import NOWHERE
from hubtools.cards.kept import wrote_card
from hubtools.cards.merge import Memory, blocks_of, digest, read_card_text
from hubtools.cards.snippet import in_repository
from hubtools.errors import HubtoolsError
from hubtools.hub.client import full_repo_id
from hubtools.hub.names import repository_named
from hubtools.layout import CARD
from hubtools.lorafile.provenance import hub_id
from hubtools.rooted import Root


def name_repository(folder: Path, repo: str, kind: Literal["model", "dataset"]) -> None:
    """Have the code of a card load from `repo` where it names no repository, if hubtools wrote it
    so here and nobody changed it since. A repository without an owner is the
    token's own. A card that cannot be read, or written, stays: the rules of a push tell of it."""
    with suppress(HubtoolsError, OSError), Root(folder) as root:
        text, memory = read_card_text(root), Memory.read(root)
        if text is None or memory is None or memory.foreign:
            return
        for block in blocks_of(text):
            if block.name != "use" or memory.blocks.get(block.name) != digest(block.text):
                continue
            if _named(block.text, "owner/name", kind) == block.text:
                return  # it names one
            named = hub_id(full_repo_id(repository_named(repo, kind)))
            if named is None:
                return
            new = _named(block.text, named, kind)
            whole = text[block.start : block.end].replace(block.text, new)
            named = text[: block.start] + whole + text[block.end :]
            root.write_over(CARD, named.encode(), text.encode())
            wrote_card(root, text.encode(), named.encode())
            memory.blocks["use"] = digest(new)
            memory.write(root)
            return


def _named(code: str, repo: str, kind: str) -> str:
    if kind == "model":
        return in_repository(code, repo)
    for unknown in (NOWHERE, "."):  # the dot was written by earlier versions
        code = code.replace(f'load_dataset("{unknown}",', f"load_dataset({json.dumps(repo)},")
    return code
