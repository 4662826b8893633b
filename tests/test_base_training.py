"""The scripts in base/ that train the base model of our own."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests import forkserver

pytest.importorskip("torch")

import torch

from base import data, steps, text

ROOT = Path(__file__).parents[1]


class Stop(Exception):
    pass


def teach(work: Path, stop_at: int = 99) -> torch.Tensor:
    """A line through noisy points, learnt in 30 steps; the weights."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        if step == stop_at:
            raise Stop
        points = torch.randn((8, 3), generator=generator)
        return (model(points) - points.sum(1, keepdim=True)).pow(2).mean()

    work.mkdir(exist_ok=True)
    steps.train("line", work, model, loss_of, steps=30, peak=0.1, seed=1, bf16=False, save_every=0)
    return torch.cat([p.flatten() for p in model.parameters()])


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    whole = teach(tmp_path / "whole")
    with pytest.raises(Stop):
        teach(tmp_path / "parts", stop_at=13)
    assert torch.equal(teach(tmp_path / "parts"), whole)
    logged = (tmp_path / "parts/line.jsonl").read_text().splitlines()
    assert json.loads(logged[-1])["step"] == 30
    assert torch.equal(teach(tmp_path / "parts", stop_at=0), whole), "nothing is learnt twice"


def test_a_training_begins_where_another_ended(tmp_path: Path) -> None:
    first = teach(tmp_path / "first")
    later = tmp_path / "later"
    later.mkdir()
    (tmp_path / "first/line.pt").rename(later / "line.start.pt")
    with pytest.raises(Stop):
        teach(later, stop_at=0)
    state = torch.load(later / "line.start.pt")
    assert torch.equal(torch.cat([state["weight"].flatten(), state["bias"]]), first)
    assert not torch.equal(teach(later), first)


@pytest.mark.parametrize("processes", [1, 2])
def test_what_processes_draw_comes_in_order(processes: int) -> None:
    assert list(data.in_processes(abs, range(-150, 0), processes)) == list(range(150, 0, -1))


def test_each_word_of_the_world_is_one_token(tmp_path: Path) -> None:
    tokenizer = text.make_tokenizer(tmp_path, data.words())
    rng = random.Random(0)
    for number in range(200):
        caption = "".join(piece.text for piece in data.spans(data.person(number), rng))
        ids = tokenizer(caption, add_special_tokens=False).input_ids
        pieces = caption.replace("-", " - ").replace(",", " , ").split()
        assert [tokenizer.decode([i]).strip() for i in ids] == pieces


def test_the_text_encoder_is_asked_at_commas_for_what_was_said(tmp_path: Path) -> None:
    tokenizer = text.make_tokenizer(tmp_path, data.words())
    comma = tokenizer(",", add_special_tokens=False).input_ids[0]
    for number in range(50):
        ids, asked, answers = text._example(tokenizer, number, random.Random(number))
        assert len(ids) == text.LENGTH
        assert {ids[p] for p in asked} == {comma, tokenizer.eos_token_id}
        truth = list(data.person(number).values().values())
        unsaid = [len(values) for values in data.ATTRIBUTES.values()]
        for row in answers:
            assert all(a in (t, u) for a, t, u in zip(row, truth, unsaid, strict=True))
        assert sum(map(int.__ne__, answers[-1], unsaid)) >= sum(map(int.__ne__, answers[0], unsaid))


@pytest.mark.slow
def test_a_few_steps_make_a_pipeline(tmp_path: Path) -> None:
    few = "--people 8 --vae-steps 1 --text-steps 1 --unet-steps 2 --classifier-steps 1"
    few += " --marked 20 --marks-steps 1 --decoder-steps 1"
    words = ["--work", str(tmp_path), *few.split()]
    words += ["--batch", "2", "--captions", "2", "--threads", "1", "--device", "cpu"]
    code = "import runpy; runpy.run_module('base.train', run_name='__main__')"
    done = forkserver.call(*words, cwd=ROOT, code=code)
    assert done.returncode == 0, done.stderr
    _installed(tmp_path)
    _goes_on(tmp_path)
    table = json.loads((tmp_path / "evaluation.json").read_text())
    assert len(table["asked"]) == 6
    weights = sum(path.stat().st_size for path in tmp_path.rglob("pipeline/**/*.safetensors"))
    assert weights <= 25e6


def _installed(work: Path) -> None:
    """What was trained can be put into a package folder, with sums and a card of its own."""
    from base.ship import ship
    from hubtools.sums import check_sums
    from hubtools.tinypeople import REPO_NAME
    from hubtools.tinypeople.classifier import read_classifier

    target = work / "package"
    ship(work, target)
    check_sums(target / REPO_NAME)
    card = (target / REPO_NAME / "README.md").read_text()
    assert "license: apache-2.0" in card
    assert "| hair colour | 10 | 10% |" in card
    marks = read_classifier(target / "marks.safetensors")
    assert set(marks.sizes) == {"hair_tip", "star"}


def _goes_on(work: Path) -> None:
    """The parts of a shipped pipeline are where a later training begins."""
    from base.ship import unpack
    from hubtools.tinypeople import REPO_NAME

    later = work / "later"
    later.mkdir()
    unpack(work / "package" / REPO_NAME, later)
    for name in ("vae.pt", "text.pt"):
        before, after = torch.load(work / name), torch.load(later / name)
        assert before.keys() == after.keys()
        if name == "vae.pt":
            key = "encoder.conv_in.weight"
            assert torch.allclose(before[key], after[key], atol=1e-3)
    for name in ("unet", "classifier", "marks"):
        assert (later / f"{name}.start.pt").exists()


def test_the_shipped_base_is_whole_and_stock_diffusers_draws_with_it() -> None:
    from diffusers import StableDiffusionPipeline

    from hubtools.sums import check_sums
    from hubtools.tinypeople import MODEL

    check_sums(MODEL)
    assert sum(path.stat().st_size for path in MODEL.rglob("*")) <= 25e6
    pipeline = StableDiffusionPipeline.from_pretrained(MODEL)
    (picture,) = pipeline("render of a person, front view", num_inference_steps=2).images
    assert picture.size == (128, 128)
