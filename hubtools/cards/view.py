"""What the card rules look at, and the book that they stand in."""

from __future__ import annotations

import re
import shlex
from bisect import bisect_left
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from hubtools.cardforms import violations_at
from hubtools.cardlinks import names_meant
from hubtools.cards.merge import Memory, blocks_of
from hubtools.cardschema import Violation
from hubtools.causes import is_absent
from hubtools.errors import HubtoolsError
from hubtools.findings import Problem, RuleBook
from hubtools.frontmatter import Card, FrontMatter, parse
from hubtools.layout import CARD, RUN_MANIFEST, SAMPLES_DIR
from hubtools.licensing.advice import card_command
from hubtools.lorafile.look import ADAPTERS
from hubtools.lorafile.provenance import (
    base_of_card,
    base_of_config,
    bundled_in,
    header_facts,
    hub_id,
)
from hubtools.lorafile.trainer_files import trainer_file
from hubtools.manifest import RunManifest
from hubtools.rooted import LeadsOut, Root
from hubtools.weights import Header, read_header
from hubtools.whereabouts import from_here

Kind = Literal["model", "dataset"]


@dataclass(frozen=True)
class CardView:
    """A card and the folder around it."""

    root: Path
    kind: Kind
    text: str
    front: Card
    opened: Root | None = None  # the folder, if the caller keeps it open

    def folder(self) -> AbstractContextManager[Root]:
        """The folder around the card, to look into."""
        return Root(self.root) if self.opened is None else nullcontext(self.opened)

    @property
    def data(self) -> dict[str, Any]:
        """The front matter."""
        return self.front.data

    def line_of(self, key: str, *, last: bool = False) -> int | None:
        """Line of a top-level key of the front matter; the `last` one of a key given twice."""
        found = self._keys.get(str(key))
        return found and found[-1 if last else 0]

    @cached_property
    def _keys(self) -> dict[str, tuple[int, int]]:
        """First and last line of each key."""
        found: dict[str, tuple[int, int]] = {}
        for number, line in enumerate(self.text.splitlines(), start=1):
            if number > 1 and line.strip() == "---":
                break
            key = line.partition(":")
            if key[1]:
                name = key[0].rstrip().removeprefix(key[0][:1] if key[0][:1] in "\"'" else "")
                name = name.removesuffix(name[-1:] if name[-1:] in "\"'" else "")
                found[name] = (found.get(name, (number,))[0], number)
        return found

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of what lies beside the card."""
        with self.folder() as root:
            return tuple(root.list())

    @cached_property
    def adapters(self) -> tuple[Header, ...]:
        """Headers of the LoRAs and their relatives beside the card."""
        with self.folder() as root:
            tops = [n for n in self.names if n.endswith(".safetensors") and root.is_file(n)]
            headers = [read_header(root.opened(name)) for name in tops]
        return tuple(header for header in headers if header.holds in ADAPTERS)

    @cached_property
    def stated_base(self) -> str | None:
        """The base as commands know it that read the LoRA beside the card: its run's, else, where
        the front matter names none, that of the card's own words, of peft's configuration or of the
        file's header."""
        if RUN_MANIFEST in self.names:
            try:
                return RunManifest.read(self.root).base_model.named
            except HubtoolsError:
                return None  # the run's own commands tell of it
        if "base_model" in self.data:
            return None
        told = (header_facts(one.metadata).base_model for one in self.adapters)
        other = trainer_file(self.root)
        return (
            bundled_in(self.text)
            or base_of_config(self.root)
            or (hub_id(other.base) if other is not None else None)
            or next(filter(None, told), None)
        )

    @cached_property
    def matter(self) -> FrontMatter:
        """The card in its parts."""
        return parse(self.text)

    @cached_property
    def violations(self) -> tuple[tuple[Violation, int | None], ...]:
        """What is not of the Hub's form, with lines of the file."""
        return () if self.front.error else violations_at(self.matter, self.kind)

    @cached_property
    def _written(self) -> Memory:
        try:
            with self.folder() as root:
                return Memory.read(root) or Memory()
        except (HubtoolsError, OSError):
            return Memory()  # `hubtools card` tells of it

    def renewed(self, key: str, by_hand: str) -> str:
        """What mends the value of a key of the front matter: `--renew` where hubtools wrote one,
        which leaves a person's own as it is, else what is done `by_hand`."""
        if key not in self._written.data:
            return by_hand
        return f"run {card_command(self.root, '--renew')}"

    def renewed_at(self, offset: int, by_hand: str) -> str:
        """The same of what stands at an offset of the body."""
        if not any(block.start <= offset < block.end for block in blocks_of(self.body)):
            return by_hand
        return f"run {card_command(self.root, '--renew')}"

    @property
    def body(self) -> str:
        """What follows the front matter."""
        return self.matter.body

    @property
    def body_line(self) -> int:
        """Line of the file on which the body begins."""
        return self.matter.body_line

    def body_line_of(self, offset: int) -> int:
        """Line of the file at an offset of the body."""
        return self.matter.body_line_of(offset)

    def text_line_of(self, offset: int) -> int:
        """Line of the file at an offset of it."""
        return 1 + bisect_left(self._ends, offset)

    @cached_property
    def _ends(self) -> list[int]:
        return [match.start() for match in re.finditer("\n", self.text)]

    @property
    def widget(self) -> list[dict[str, Any]]:
        """The widget entries that are objects."""
        value = self.data.get("widget")
        if not isinstance(value, list):
            return []
        return [entry for entry in value if isinstance(entry, dict)]


CARD_RULES: RuleBook[CardView] = RuleBook()
NAME = r"[A-Za-z0-9][\w.-]*"  # of a user or a repository: `./base` is a path


def at(view: CardView, key: str, message: str, fix: str | None = None, **more: Any) -> Problem:
    return Problem(message, fix, CARD, view.line_of(key), **more)


def draw_command(view: CardView, prompt: str) -> str:
    """`hubtools generate PROMPT ...` with the LoRA beside the card, where `hubtools card` looks for
    pictures."""
    folder = shlex.quote(from_here(view.root))
    # what draws reads it there
    known = RUN_MANIFEST in view.names or view.stated_base or base_of_card(view.data)
    base = "" if known else " --base-model OWNER/NAME"
    samples = shlex.quote(from_here(view.root / SAMPLES_DIR))
    return f"`hubtools generate {prompt} --lora {folder}{base} --output {samples}`"


def as_list(value: Any) -> list[Any]:
    """A value of the front matter that is one or a list of them."""
    return value if isinstance(value, list) else [value]


def bytes_of(view: CardView, path: str) -> int | None:
    """Bytes of a file of the folder that a card names; None if there is no such file in it. What
    lies outside is not looked at."""
    for name in names_meant(path):
        try:
            with view.folder() as root:
                found = root.stat(name)
        except LeadsOut:
            continue
        except OSError as error:
            if is_absent(error):
                continue  # no name of a file: too long, for instance
            raise
        if found is not None:
            return found.st_size
    return None
