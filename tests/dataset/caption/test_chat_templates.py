"""Chat templates of strangers' models: programs that are handed words alone."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hubtools import chats
from hubtools.dataset.caption.model import Captioner
from hubtools.errors import HubtoolsError

GOOD = (
    "{% for m in messages %}{{ m.role }}:{% for c in m.content %}"
    "{{ '<image>' if c.type == 'image' else c.text }}{% endfor %}{% endfor %}{{ '\\n' }}"
    "{% if add_generation_prompt %}you: {{ '{{ \"ü\" }}' }}{% endif %}"
)
SAID = 'user:<image>Say "it" {% raw %}\\\nyou: {{ "ü" }}'


def answered(monkeypatch: pytest.MonkeyPatch, template: str) -> dict[str, Any]:
    """What the process answers, without its bounds."""
    asked: list[bytes] = []
    monkeypatch.setattr(chats._process, "ask", lambda job: asked.append(job.encode()) or b"")
    monkeypatch.setattr(chats, "_bounded", lambda memory: None)
    with pytest.raises(HubtoolsError):
        chats.worded(template, 'Say "it" {% raw %}\\', "M")
    out = io.BytesIO()
    chats.main(io.BytesIO(asked[0] + b"\n"), out)
    chats._answered.cache_clear()
    return dict(json.loads(out.getvalue()))


def test_it_is_handed_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    saves = "{{ messages[0].content[0].image.save('x.png') }}"
    assert "no attribute 'save'" in answered(monkeypatch, saves)["error"]
    assert answered(monkeypatch, "{{ 'a' * 200000 }}") == {"error": "its text is too long"}
    assert answered(monkeypatch, GOOD) == {"text": SAID}


def test_it_ends_and_what_it_says_is_said_as_it_is() -> None:
    from jinja2 import Environment

    with pytest.raises(HubtoolsError, match="too much memory"):
        chats.worded("{{ 'a' * (3 * 10**9) }}", "Say it", "M")
    words = "{{ " + json.dumps(SAID, ensure_ascii=False) + " }}"
    assert Environment().from_string(words).render() == SAID


def test_a_model_that_asks_for_what_the_library_does_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text("{}")
    captioner = Captioner(str(tmp_path))

    def fails(*parts: Any) -> str:
        raise ValueError("Contrastive Search requires `trust_remote_code=True`\nand more")

    monkeypatch.setattr(captioner, "_load", lambda: (None, None))
    monkeypatch.setattr(captioner, "_said", fails)
    with pytest.raises(HubtoolsError, match=r"could not caption a picture: Contrastive") as caught:
        captioner._ask(Image.new("RGB", (8, 8)))
    assert "\n" not in caught.value.message
