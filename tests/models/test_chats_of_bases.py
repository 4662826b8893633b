"""Chat templates of bases: rendered in bounds, and to the same text as the library's own."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from hubtools import chats
from hubtools.errors import HubtoolsError
from hubtools.journey.readback import draw_sample
from hubtools.models.base import resolve_base
from hubtools.models.families import tiny_flow
from hubtools.models.loading import load_pipeline

LARGE = "{{ 'a' * (3 * 10**9) }}"  # 3 GB
WORDS = ["a cat", "", ' {{ x }} {% raw %}\n"ü" <|im_end|> \ud7ff', "</think> <tool_response>"]


@pytest.mark.parametrize("parts", [False, True])
def test_what_is_said_is_what_the_library_says(parts: bool) -> None:
    chat = tiny_flow._MISTRAL_CHAT if parts else tiny_flow._CHAT
    own = tiny_flow.qwen_tokenizer(["a", "cat"], chat=chat + "{{ bos_token }}|{{ eos_token }}")
    ours = copy.deepcopy(own)
    chats.bound(ours, "M")
    said: list[Any] = [
        [{"role": "user", "content": [{"type": "text", "text": one}] if parts else one}]
        for one in WORDS
    ]
    for options in ({"enable_thinking": False}, {"enable_thinking": True}, {}):
        told = {"tokenize": False, "add_generation_prompt": True, **options}
        for one in said:
            assert ours.apply_chat_template(one, **told) == own.apply_chat_template(one, **told)
    padded = {"padding": "max_length", "truncation": True, "max_length": 12}
    found, wanted = (
        tokenizer.apply_chat_template(
            said, tokenize=True, return_dict=True, return_tensors="pt", **padded
        )
        for tokenizer in (ours, own)
    )
    assert found["input_ids"].tolist() == wanted["input_ids"].tolist()
    assert found["attention_mask"].tolist() == wanted["attention_mask"].tolist()


def test_a_template_of_a_base_is_bounded(tiny_z_image: Path, tmp_path: Path) -> None:
    base = shutil.copytree(tiny_z_image, tmp_path / "base")
    (base / "tokenizer" / "chat_template.jinja").write_text(LARGE)
    pipeline = load_pipeline(resolve_base(str(base)), device="cpu", parts=("text",))
    with pytest.raises(HubtoolsError, match=r"template of the base model .* memory"):
        pipeline.encode_prompt("a cat", "cpu", False)


def test_the_template_that_rehearse_reads_back_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the stock pipeline is asked for anything."""
    import diffusers

    reader = tiny_flow.qwen_tokenizer(["a", "cat"], chat=LARGE)

    class Pipeline:
        components = {"tokenizer": reader, "vae": None}  # noqa: RUF012

        def load_lora_weights(self, *words: Any, **options: Any) -> None:
            reader.apply_chat_template([{"role": "user", "content": "a cat"}], tokenize=False)

    monkeypatch.setattr(
        diffusers.DiffusionPipeline, "from_pretrained", lambda *words, **options: Pipeline()
    )
    with pytest.raises(HubtoolsError, match=r"template of the base model .* memory"):
        draw_sample("base", "repo", {"dtype": "float32"}, {}, False)


def test_a_process_that_is_gone_is_started_again() -> None:
    chats._process.end()
    assert chats.rendered("{{ 1 }}", [], {}, "M") == "1"
    first = chats._process._child
    assert first is not None
    first.kill()
    first.wait()
    assert chats.rendered("{{ 2 }}", [], {}, "M") == "2"
    assert chats._process._child is not first
