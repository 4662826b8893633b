"""The words in which a model that chats wants to be asked.

They are made by a template that comes with the model: a program in Jinja's sandbox, which may run
without end, fill the memory, or call what the objects that it is handed can do (a picture can be
saved anywhere). So it runs in a process of its own, with bounds, and is handed words alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError, first_line
from hubtools.interpreter import command

_SECONDS = 20  # of the processor, for the template
_WAIT = 300  # until the process, which imports transformers first, has answered
_MEMORY = 1 << 30  # bytes beyond what the process has when it begins
_MOST = 100_000  # letters


def worded(template: Any, request: str, shown: str) -> str:
    """A template that is nothing but what `template` makes of a picture and the `request`. Of
    several by name it is the one called "default", as in transformers. Raises `HubtoolsError` where
    it fails, does not end or makes too much; `shown` is what people call the model."""
    source = template.get("default") if isinstance(template, dict) else template
    try:
        done = subprocess.run(
            command("hubtools.dataset.caption.chat"),
            input=json.dumps({"template": source, "request": request}).encode(),
            capture_output=True,
            timeout=_WAIT,
            check=False,
        )
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        answer = {"error": "it takes too much time or memory"}
    if "text" not in answer:
        raise HubtoolsError(
            f"The chat template of {shown} does not say how to ask: {answer['error']}.",
            hint="use another model, or correct its chat_template.jinja",
            code="file-damaged",
        )
    return "{{ " + json.dumps(answer["text"], ensure_ascii=False) + " }}"


def _rendered(template: str, request: str) -> str:
    from transformers.utils.chat_template_utils import render_jinja_template

    content = [{"type": "image", "image": "<Image>"}, {"type": "text", "text": request}]
    _bounded()
    # since version 4.53 of transformers it answers the texts and something else
    found: Any = render_jinja_template(
        conversations=[[{"role": "user", "content": content}]],
        chat_template=template,
        add_generation_prompt=True,
    )
    return str(found[0][0] if isinstance(found, tuple) else found[0])


def _bounded() -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent's clock alone
        return
    statm = Path("/proc/self/statm")
    pages = statm.read_text().split()[0] if statm.exists() else "0"
    used = resource.getrusage(resource.RUSAGE_SELF)
    limits = [(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + _SECONDS)]
    if pages != "0":
        limits.append((resource.RLIMIT_AS, int(pages) * resource.getpagesize() + _MEMORY))
    for what, limit in limits:
        hard = resource.getrlimit(what)[1]
        if hard == resource.RLIM_INFINITY or hard > limit:
            resource.setrlimit(what, (limit, hard))


def main() -> None:
    """Make the words that stdin asks for; the answer goes to stdout."""
    job = json.load(sys.stdin)
    try:
        text = _rendered(job["template"], job["request"])
        answer = {"text": text} if len(text) <= _MOST else {"error": "its text is too long"}
    except MemoryError:
        answer = {"error": "it takes too much memory"}
    except Exception as error:  # whatever an expression in a template may raise
        answer = {"error": first_line(error)[:300].rstrip(".")}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
