"""The snippet of a card calls each family's pipelines with what they take."""

from __future__ import annotations

import ast
import inspect

import pytest

pytest.importorskip("torch")

from hubtools.cards.snippet import snippet
from hubtools.manifest import SampleRecord
from hubtools.models.registry import SUPPORTED


def record(negative: str | None) -> SampleRecord:
    return SampleRecord(
        file="a.png", prompt="a tok", negative_prompt=negative, seed=1, steps=4, guidance=2.5,
        scheduler="default", scheduler_class="X", width=64, height=64, base_model="owner/base",
    )  # fmt: skip


def called_with(code: str) -> dict[str, object]:
    """Names and literals of the arguments of `pipeline(...)`."""
    (call,) = (
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "pipeline"
    )
    # a prompt without a name comes first
    first = {"": ast.literal_eval(call.args[0])} if call.args else {}
    return first | {
        str(word.arg): word.value.value if isinstance(word.value, ast.Constant) else None
        for word in call.keywords
    }


@pytest.mark.parametrize("family", sorted(SUPPORTED))
@pytest.mark.parametrize("negative", [None, "blurry"])
def test_every_argument_is_one_that_the_pipeline_takes(family: str, negative: str | None) -> None:
    import diffusers

    support = SUPPORTED[family]
    for drawn in (record(negative), None):
        code = snippet("owner/base", "owner/lora", "a.safetensors", drawn, "tok", support)
        told = called_with(code)
        known = [name for name in support.pipelines if hasattr(diffusers, name)]
        assert known  # the others are names of earlier versions
        for pipeline in known:
            takes = list(inspect.signature(getattr(diffusers, pipeline).__call__).parameters)
            named = {name or takes[1]: value for name, value in told.items()}
            assert named.keys() <= set(takes), pipeline
            assert named["prompt"] == ("a tok" if drawn else "tok")
        if drawn is not None:
            assert told[support.guidance] == 2.5


def test_a_pipeline_that_needs_a_negative_prompt_for_guidance_gets_one() -> None:
    support = SUPPORTED["qwen-image"]
    for drawn in (record(None), None):
        told = called_with(snippet("owner/base", None, "a.safetensors", drawn, "tok", support))
        assert told["negative_prompt"] == " "
    said = called_with(snippet("a/b", None, "a.safetensors", record("blurry"), "tok", support))
    assert said["negative_prompt"] == "blurry"
    klein = snippet("a/b", None, "a.safetensors", record("blurry"), "tok", SUPPORTED["flux2"])
    assert "negative_prompt" not in called_with(klein)
