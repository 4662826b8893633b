"""What the chat template of a model makes of words.

A template comes with its model: a program in Jinja's sandbox, which may run without end, fill the
memory, or call what the objects that it is handed can do (a picture can be saved anywhere). So it
runs in a process of its own, with bounds, and is handed words alone.
"""

from __future__ import annotations

import atexit
import inspect
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import IO, Any

from hubtools.errors import HubtoolsError, first_line
from hubtools.interpreter import command

_SECONDS = 20  # of the processor, for one text
_WAIT = 300  # until the process, which imports transformers first, has answered
_MEMORY = 1 << 30  # bytes beyond what the process has when it begins
_MOST = 100_000  # letters that a template may add
_KEPT = 64  # answers: the same is asked for again for each picture
_SAID = "{{ messages[0]['content'] }}"


def worded(template: Any, request: str, shown: str) -> str:
    """A template that is nothing but what `template` makes of a picture and the `request`; `shown`
    is what people call the model. Raises as `rendered`."""
    content = [{"type": "image", "image": "<Image>"}, {"type": "text", "text": request}]
    said = [{"role": "user", "content": content}]
    text = rendered(template, said, {"add_generation_prompt": True}, shown)
    return "{{ " + json.dumps(text, ensure_ascii=False) + " }}"


def rendered(
    template: Any, said: Sequence[Mapping[str, Any]], options: Mapping[str, Any], shown: str
) -> str:
    """What `template` makes of the messages `said` (role and content each) and the `options`; of
    several by name it is the one called "default", as in transformers. What is no word or number
    goes as its text. Raises `HubtoolsError` where the template fails, does not end or makes too
    much; `shown` is what people call the model."""
    source = template.get("default") if isinstance(template, dict) else template
    job = {"template": source, "said": said, "options": options}
    answer = json.loads(_answered(json.dumps(job, default=str)))
    if "text" not in answer:
        raise HubtoolsError(
            f"The chat template of {shown} does not say how to ask: {answer['error']}.",
            hint="use another model, or correct its chat_template.jinja",
            code="file-damaged",
        )
    return str(answer["text"])


def bound(tokenizer: Any, shown: str) -> None:
    """From now on the chat template of `tokenizer` is rendered as by `rendered`; nothing happens to
    one that knows none."""
    if hasattr(tokenizer, "apply_chat_template") and "apply_chat_template" not in vars(tokenizer):
        tokenizer.apply_chat_template = partial(_applied, tokenizer, shown)


def _applied(tokenizer: Any, shown: str, conversation: Any, **options: Any) -> Any:
    """In the place of the tokenizer's own method, which is left with words that are said as they
    are. Only what is asked for by name is told to the template, as there."""
    apply = type(tokenizer).apply_chat_template
    if not (getattr(tokenizer, "chat_template", None) or options.get("chat_template")):
        return apply(tokenizer, conversation, **options)  # which says so
    several = bool(conversation) and isinstance(conversation[0], (list, tuple))
    known = set(inspect.signature(apply).parameters) - {"add_generation_prompt"}
    told = {key: value for key, value in options.items() if key not in known}
    told = {**tokenizer.special_tokens_map, "add_generation_prompt": False, **told}
    template = tokenizer.get_chat_template(options.get("chat_template"))
    texts = [
        [{"role": "user", "content": rendered(template, said, told, shown)}]
        for said in (conversation if several else [conversation])
    ]
    left = {
        key: value for key, value in options.items() if key in known | {"add_generation_prompt"}
    }
    return apply(tokenizer, texts if several else texts[0], **{**left, "chat_template": _SAID})


class _Process:
    """The process that renders, started when it is first asked; one for all models."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._owner = 0  # the process that started it: a fork of that one needs its own

    def ask(self, job: str) -> bytes:
        """Its answer, one line; empty if it was stopped by a bound."""
        with self._turn:
            child = self._ready()
            assert child.stdin is not None
            assert child.stdout is not None
            clock = threading.Timer(_WAIT, child.kill)
            clock.start()
            line = b""
            try:
                child.stdin.write(job.encode() + b"\n")
                child.stdin.flush()
                line = child.stdout.readline()
            except OSError:  # it is gone
                pass
            finally:
                clock.cancel()
                if not line.endswith(b"\n"):  # also if we are interrupted: an answer may come yet
                    self._stop(kill=True)
            return line

    def _ready(self) -> subprocess.Popen[bytes]:
        if self._owner != os.getpid() or self._child is None or self._child.poll() is not None:
            self._child = subprocess.Popen(
                command("hubtools.chats"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self._owner = os.getpid()
        return self._child

    def end(self) -> None:
        """Let the process end, if it is this one's."""
        if self._owner == os.getpid():
            self._stop(kill=False)

    def _stop(self, *, kill: bool) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if kill:
            child.kill()
        for pipe in (child.stdin, child.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        child.wait()


_process = _Process()
atexit.register(_process.end)


@lru_cache(_KEPT)
def _answered(job: str) -> bytes:
    return _process.ask(job) or b'{"error": "it takes too much time or memory"}'


def _rendered(template: str, said: Any, options: dict[str, Any]) -> str:
    from transformers.utils import chat_template_utils as library

    if not hasattr(library, "render_jinja_template"):  # before 4.53
        compiled = library._compile_jinja_template(template)
        return str(compiled.render(messages=said, tools=None, documents=None, **options))
    found: Any = library.render_jinja_template([said], chat_template=template, **options)
    # since 4.53 it answers the texts and something else
    return str(found[0][0] if isinstance(found, tuple) else found[0])


def _bounded(*, memory: bool) -> None:
    """Bound the processor's time from now on, and the memory."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock alone
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    limits = [(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + _SECONDS)]
    statm = Path("/proc/self/statm")
    if memory and statm.exists():
        pages = int(statm.read_text().split()[0])
        limits.append((resource.RLIMIT_AS, pages * resource.getpagesize() + _MEMORY))
    for what, limit in limits:
        hard = resource.getrlimit(what)[1]
        if hard == resource.RLIM_INFINITY or hard > limit:
            resource.setrlimit(what, (limit, hard))


def _answer(line: bytes) -> dict[str, str]:
    job = json.loads(line)
    try:
        text = _rendered(job["template"], job["said"], job["options"])
    except MemoryError:
        return {"error": "it takes too much memory"}
    except Exception as error:  # whatever an expression in a template may raise
        return {"error": first_line(error)[:300].rstrip(".")}
    return {"text": text} if len(text) <= len(line) + _MOST else {"error": "its text is too long"}


def main(asked: IO[bytes] | None = None, answers: IO[bytes] | None = None) -> None:
    """Make the texts that stdin asks for, one a line; the answers go to stdout."""
    asked, answers = asked or sys.stdin.buffer, answers or sys.stdout.buffer
    first = True
    for line in asked:
        if first:
            import transformers.utils.chat_template_utils  # noqa: F401 # before the bounds
        _bounded(memory=first)
        first = False
        answers.write(json.dumps(_answer(line)).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    with suppress(ValueError, OSError):  # whoever asks ends it by closing its stdin
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
