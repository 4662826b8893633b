"""From a template and the facts of a card to its text.

A template of one's own may come from a stranger, as a project does: it runs in Jinja's sandbox, in
a process of its own with bounds on time, memory and text, and reads files of its folder only. What
it prints is escaped for Markdown unless a filter has done so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.cards.escape import block, cell, code, code_cell, hub_link, markdown
from hubtools.causes import says_nothing_of_file
from hubtools.errors import HubtoolsError
from hubtools.fences import LeadsOut, handed, same_folders
from hubtools.interpreter import command, plain_environment
from hubtools.rooted import Root

if TYPE_CHECKING:
    from hubtools.cards.dataset_facts import DatasetCard
    from hubtools.cards.model_card import ModelCard

SECONDS = 20  # for a template of one's own, the start of the process included
MEMORY = 1 << 30  # bytes of address space that its process may have
MAX_TEMPLATE = 1_000_000  # bytes
MAX_TEXT = 5_000_000  # characters of a card
_FILTERS: dict[str, Callable[..., str]] = {
    "md": markdown,
    "cell": cell,
    "code": code,
    "block": block,
    "codecell": code_cell,
    "hub": hub_link,
}
_HINT = "docs/cards.md lists what a template may use"


class TemplateFault(Exception):
    """What is wrong in a template, and on which line of which."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message, self.line = message, line


def values_of(card: ModelCard | DatasetCard) -> dict[str, Any]:
    """The facts of a card as values of JSON, as templates see them."""
    values = asdict(card)
    if isinstance(values["license"], dict):
        values["license"]["title"] = card.license.title  # type: ignore[union-attr]
    found = json.loads(json.dumps(values, default=str))
    assert isinstance(found, dict)
    return found


def render_shipped(folder: Path, name: str, card: ModelCard | DatasetCard) -> str:
    """The text by a template that came with hubtools."""
    try:
        return render(folder, name, values_of(card))
    except TemplateFault as fault:
        raise _error(folder / name, fault.message, fault.line) from None


def render_own(folder: Path, name: str, card: ModelCard | DatasetCard) -> str:
    """The text by somebody's template, rendered by a process of its own. Raises `HubtoolsError`
    with its line for a mistake in it, and if it runs too long, needs too much memory or writes too
    much."""
    job = json.dumps({"folder": str(folder.resolve()), "name": name, "card": values_of(card)})
    try:
        done = subprocess.run(
            command("hubtools.cards.rendering"),
            input=job.encode(),
            capture_output=True,
            timeout=SECONDS,
            env=plain_environment() | handed(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _error(folder / name, f"the template runs for more than {SECONDS} seconds") from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise _error(folder / name, "the template takes too much time or memory") from None
    if "text" in answer:
        return str(answer["text"])
    raise _error(folder / name, str(answer["error"]), answer["line"])


def _error(place: Path, message: str, line: int | None = None) -> HubtoolsError:
    where = f"{place}:{line}" if line else f"{place}"
    return HubtoolsError(f"{where}: {message.rstrip('.')}.", hint=_HINT, code="file-damaged")


def render(folder: Path, name: str, values: dict[str, Any]) -> str:
    """The text by the template `name` in `folder`. Raises `TemplateFault`."""
    from jinja2 import FunctionLoader, StrictUndefined, TemplateError, TemplateNotFound
    from jinja2.sandbox import SandboxedEnvironment
    from markupsafe import Markup

    with Root(folder) as root:

        def load(wanted: str) -> tuple[str, str, None] | None:
            if not root.is_file(wanted):
                return None
            try:
                source = root.read(wanted, MAX_TEMPLATE).decode("utf-8")
            except UnicodeDecodeError:
                raise TemplateFault(f"{wanted} is not UTF-8 text") from None
            if "\0" in source:
                raise TemplateFault(f"{wanted} holds bytes that are no text")
            return source, str(folder / wanted), None

        environment = SandboxedEnvironment(
            loader=FunctionLoader(load),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            autoescape=True,  # what `_shown` has escaped for Markdown and HTML passes
            finalize=_shown,
            bytecode_cache=_compiled(),
        )
        for label, filter in _FILTERS.items():
            environment.filters[label] = _marked(filter)
        for name_of_code in ("snippet", "citation"):  # both are escaped for their language
            if values.get(name_of_code):
                values = values | {name_of_code: Markup(values[name_of_code])}
        pieces: list[str] = []
        size = 0
        try:
            for piece in environment.get_template(name).generate(card=values):
                size += len(piece)
                if size > MAX_TEXT:
                    raise TemplateFault(f"the text has more than {MAX_TEXT:,} characters")
                pieces.append(piece)
        except TemplateFault:
            raise
        except TemplateNotFound as error:
            what = f"there is no regular file {error.name} in its folder; links are not followed"
            raise TemplateFault(what, _line(error, name)) from None
        except TemplateError as error:
            line = getattr(error, "lineno", None) or _line(error, name)
            raise TemplateFault(error.message or type(error).__name__, line) from None
        except RecursionError:
            raise TemplateFault("the template calls itself without end") from None
        except MemoryError:
            raise TemplateFault("the template needs too much memory") from None
        except HubtoolsError as error:
            raise TemplateFault(error.message) from None
        except Exception as error:  # whatever an expression in a template may raise
            if says_nothing_of_file(error):
                raise
            raise TemplateFault(f"{type(error).__name__}: {error}", _line(error, name)) from None
    return "".join(pieces)


@cache
def _compiled() -> Any:
    """What templates have become as code: each is compiled once in a process."""
    from jinja2 import BytecodeCache

    class Compiled(BytecodeCache):
        def __init__(self) -> None:
            self._known: dict[tuple[str, str], Any] = {}

        def load_bytecode(self, bucket: Any) -> None:
            bucket.code = self._known.get((bucket.key, bucket.checksum))

        def dump_bytecode(self, bucket: Any) -> None:
            self._known[bucket.key, bucket.checksum] = bucket.code

    return Compiled()


def _shown(value: Any) -> Any:
    from jinja2 import Undefined
    from markupsafe import Markup

    if hasattr(value, "__html__") or isinstance(value, (Undefined, int, float)) or value is None:
        return value
    return Markup(markdown(value))


def _marked(filter: Any) -> Any:
    from markupsafe import Markup

    return lambda *values: Markup(filter(*values))


def _line(error: BaseException, name: str) -> int | None:
    trace = error.__traceback__
    line = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith(name):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _bounded() -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent's clock alone
        return
    for what, limit in ((resource.RLIMIT_CPU, SECONDS), (resource.RLIMIT_AS, MEMORY)):
        hard = resource.getrlimit(what)[1]
        if hard == resource.RLIM_INFINITY or hard > limit:
            try:
                resource.setrlimit(what, (limit, hard))
            except ValueError:  # macOS does not know this bound
                continue


def main() -> None:
    """Render what stdin asks for; the answer goes to stdout."""
    job = json.load(sys.stdin)
    _bounded()
    try:
        with same_folders():
            text = render(Path(job["folder"]), job["name"], job["card"])
        answer: dict[str, Any] = {"text": text}
    except TemplateFault as fault:
        answer = {"error": fault.message[:500], "line": fault.line}
    except LeadsOut as error:
        answer = {"error": error.message[:500], "line": None}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
