"""Weights and windows: what is not asked for changes nothing, what is asked for changes evenly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

torch = pytest.importorskip("torch")

from hubtools.inference.embeddings import (  # noqa: E402
    Prompts,
    can_weigh,
    prompt_notes,
    split,
    tokens_of,
)
from hubtools.inference.pipeline import draw  # noqa: E402
from hubtools.inference.prompts import read_prompt  # noqa: E402
from hubtools.inference.shots import Shot  # noqa: E402
from hubtools.models.base import Base  # noqa: E402

TRIGGER = "(lora-misato-token)"
NEGATIVE = (
    "(deformed, distorted, disfigured:1.3), poorly drawn, bad anatomy, wrong anatomy, extra limb,"
    " missing limb, floating limbs, (mutated hands and fingers:1.4), disconnected limbs, mutation,"
    " mutated, ugly, disgusting, blurry, amputation"
)
LONG = "a red sky, " * 40


def shot(prompt: str = "a red hat", **changes: Any) -> Shot:
    options = {"seed": 7, "steps": 2, "width": 64, "height": 64}
    return Shot(prompt, **(options | changes))  # type: ignore[arg-type]


def embedded(pipeline: Any, prompt: str, **changes: Any) -> Any:
    return Prompts(pipeline).embeddings([shot(prompt, **changes)])["prompt_embeds"]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.mark.parametrize("prompt", ["a red hat", "", "red " * 75, f"photo of {TRIGGER}, smile"])
def test_plain_words_are_embedded_as_diffusers_does(pipeline: Any, prompt: str) -> None:
    stock, empty = pipeline.encode_prompt([prompt], "cpu", 1, True)
    ours = Prompts(pipeline).embeddings([shot(prompt, literals=(TRIGGER,))])
    assert torch.equal(ours["prompt_embeds"], stock)
    assert torch.equal(ours["negative_prompt_embeds"], empty)


@pytest.mark.parametrize(
    "prompt",
    ["a (red:1) hat", "a (red:1.0) hat", "((red:2):0.5) hat", "(a red hat:1)", "a red hat"],
)
def test_weight_one_is_exactly_no_weight(pipeline: Any, prompt: str) -> None:
    words = read_prompt(prompt).text
    stock, _ = pipeline.encode_prompt([words], "cpu", 1, False)
    assert torch.equal(embedded(pipeline, prompt), stock)


@given(st.text(alphabet="abc redhat,.'!123", max_size=60))
@settings(max_examples=40, deadline=None)
def test_our_windows_hold_the_tokenizers_own_tokens(pipeline: Any, text: str) -> None:
    expected = pipeline.tokenizer(text, truncation=False).input_ids[1:-1]
    tokens = tokens_of(pipeline.tokenizer, read_prompt(text))
    assert [token.id for token in tokens] == expected
    windows = split(tokens, 7)
    assert [token.id for window in windows for token in window] == expected
    assert all(0 < len(window) <= 7 for window in windows) or windows == [[]]


def test_more_weight_moves_further_on_a_straight_line(pipeline: Any) -> None:
    plain = embedded(pipeline, "a red hat")
    weights = (0.0, 0.5, 0.9, 1.1, 1.5, 2.0)
    moves = [embedded(pipeline, f"a (red:{weight}) hat") - plain for weight in weights]
    place = 2  # begin, a, red
    for weight, move in zip(weights, moves, strict=True):
        others = [row for row in range(77) if row != place]
        assert not move[0, others].any(), "only the word itself moves"
        # proportional to weight - 1
        assert torch.allclose(move, moves[-1] * (weight - 1), atol=1e-5)
    far = [float(move.norm()) for move in moves]
    assert far[3] < far[4] < far[5]
    assert far[0] > far[1] > far[2]
    nothing = embedded(pipeline, "")
    assert torch.allclose((plain + moves[0])[0, place], nothing[0, place], atol=1e-6)


def test_long_prompts_are_read_to_their_end(pipeline: Any) -> None:
    tokens = len(pipeline.tokenizer(LONG).input_ids) - 2
    assert tokens == 160
    long = embedded(pipeline, LONG)
    assert long.shape == (1, 3 * 77, 32)
    assert torch.equal(long[:, :77], embedded(pipeline, "a red sky, " * 18)), "cut behind a comma"
    other = embedded(pipeline, LONG + "blue")
    assert torch.equal(other[:, : 2 * 77], long[:, : 2 * 77])
    assert not torch.equal(other, long)
    assert embedded(pipeline, LONG, prompt_weights=False).shape == (1, 77, 32)


def test_the_shorter_prompt_is_filled_with_nothing(pipeline: Any) -> None:
    empty = embedded(pipeline, "")
    for one, other in ((LONG, "blurry"), ("blurry", LONG)):
        found = Prompts(pipeline).embeddings([shot(one, negative_prompt=other)])
        short = found["prompt_embeds" if one == "blurry" else "negative_prompt_embeds"]
        assert found["prompt_embeds"].shape == found["negative_prompt_embeds"].shape
        assert torch.equal(short[:, :77], embedded(pipeline, "blurry"))
        assert torch.equal(short[:, 77:], torch.cat([empty] * 2, dim=1))


def test_words_are_not_cut_apart(pipeline: Any) -> None:
    tokens = tokens_of(pipeline.tokenizer, read_prompt("zzzz " * 40))
    windows = split(tokens, 75)
    assert all(window[-1].ends_word for window in windows)
    tokens = tokens_of(pipeline.tokenizer, read_prompt("z" * 200))
    assert [len(window) for window in split(tokens, 75)] == [75, 75, 50]


def test_a_picture_does_not_depend_on_its_neighbours(
    pipeline: Any, base: Base, tmp_path: Path
) -> None:
    shots = [
        shot("a red hat", seed=1),
        shot("a (red:1.4) hat", seed=2, negative_prompt=NEGATIVE),
        shot(LONG, seed=3),
        shot("a [red] hat", seed=4),
        shot(LONG, seed=5, negative_prompt="(blurry)"),
    ]
    names = [str(number) for number in range(5)]
    draw(pipeline, shots, tmp_path / "batch", names=names, base=base, batch_size=5)
    for name, single in zip(names, shots, strict=True):
        draw(pipeline, [single], tmp_path / "single", names=[name], base=base)
        here, there = (pixels(tmp_path / f"{where}/{name}.png") for where in ("single", "batch"))
        assert np.abs(here - there).max() <= 1  # the order of sums in a batched product


def test_plain_pictures_are_those_of_diffusers(pipeline: Any, base: Base, tmp_path: Path) -> None:
    text = f"{TRIGGER} in the park"
    ours = shot(text, negative_prompt="blurry", literals=(TRIGGER,))
    (record,) = draw(pipeline, [ours], tmp_path, names=["x"], base=base)
    noise = torch.Generator("cpu").manual_seed(7)
    stock = pipeline(
        text,
        negative_prompt="blurry",
        num_inference_steps=2,
        width=64,
        height=64,
        generator=noise,
    ).images[0]
    assert np.array_equal(pixels(tmp_path / "x.png"), np.asarray(stock).astype(int))
    assert (record.prompt_weights, record.literals) == (None, [])


def test_the_mode_is_recorded_where_it_matters(pipeline: Any, base: Base, tmp_path: Path) -> None:
    weighted = shot(f"a (red:1.5) {TRIGGER}", literals=(TRIGGER,))
    shots = [weighted, replace(weighted, prompt_weights=False), shot(LONG), shot("a red hat")]
    records = draw(pipeline, shots, tmp_path, names=list("abcd"), base=base)
    assert [record.prompt_weights for record in records] == [True, False, True, None]
    assert [record.literals for record in records] == [[TRIGGER], [], [], []]
    assert not np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))
    with Image.open(tmp_path / "b.png") as picture:
        assert "Prompt weights: off" in getattr(picture, "text", {})["parameters"]


def test_notes_say_what_is_not_read_as_meant(pipeline: Any) -> None:
    assert prompt_notes(pipeline, f"a (red:1.3) hat, {TRIGGER}", literals=[TRIGGER]) == []
    (off,) = prompt_notes(pipeline, "a (hat:1.3)", weights=False)
    assert "turned off" in off
    (long,) = prompt_notes(pipeline, "red " * 90)
    assert "2 windows" in long
    (cut,) = prompt_notes(pipeline, "red " * 90, weights=False)
    assert "75 fit" in cut
    (loose,) = prompt_notes(pipeline, "a (red hat")
    assert "without its partner" in loose
    (strong,) = prompt_notes(pipeline, "at (16:9)")
    assert "weight 9" in strong
    (network,) = prompt_notes(pipeline, "a hat <lora:hats:0.8>")
    assert "--lora" in network
    (change,) = prompt_notes(pipeline, "a [red:blue:0.5] hat")
    assert "change of words" in change


class Others:
    """As much of a family without CLIP alone as is asked about."""

    def __init__(self, pipeline: Any) -> None:
        self.text_encoder = self.text_encoder_2 = pipeline.text_encoder
        self.tokenizer = pipeline.tokenizer


def test_other_families_are_warned_of(pipeline: Any) -> None:
    assert can_weigh(pipeline)
    assert not can_weigh(Others(pipeline))
    (note,) = prompt_notes(Others(pipeline), "a (red:1.2) hat")
    assert "cannot weigh" in note
