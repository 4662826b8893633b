"""The scripts in base/ that train the flow base of the tests."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests import forkserver, tinyflow

torch = pytest.importorskip("torch")

from base import flow, flow_ship, flow_text  # noqa: E402
from base.data import ATTRIBUTES, caption_spans, words  # noqa: E402
from base.muon import Muon, orthogonal  # noqa: E402
from hubtools.sums import check_sums  # noqa: E402

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("shape", [(3, 8, 24), (2, 24, 8)])
def test_orthogonal_makes_singular_values_alike(shape: tuple[int, int, int]) -> None:
    given = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonal(given, steps=5))
    assert values.min() > 0.6
    assert values.max() < 1.3
    whole = torch.linalg.svd(given, full_matrices=False)
    apart = orthogonal(given, steps=5) - whole.U @ whole.Vh
    assert apart.norm() / (whole.U @ whole.Vh).norm() < 0.35


def test_muon_learns_and_goes_on_from_its_state() -> None:
    def taught(stop: int | None = None) -> torch.Tensor:
        torch.manual_seed(0)
        model = torch.nn.Linear(6, 4)
        optimizer = Muon([model.weight], [model.bias], lr=0.1)
        goal = torch.randn(4, 6)
        for step in range(120):
            if step == stop:
                state = optimizer.state_dict()
                optimizer = Muon([model.weight], [model.bias], lr=0.1)
                optimizer.load_state_dict(state)
            points = torch.randn(16, 6, generator=torch.Generator().manual_seed(step))
            (model(points) - points @ goal.T - 1).pow(2).mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        assert (model.weight - goal).abs().max() < 0.3
        assert (model.bias - 1).abs().max() < 0.3
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    assert torch.equal(taught(), taught(stop=40))


def test_words_are_whole_and_most_captions_have_room() -> None:
    tokenizer = flow_text.make_tokenizer(words())
    rng = random.Random(0)
    lengths = []
    for number in range(200):
        caption = "".join(piece.text for piece in caption_spans(number, rng))
        lengths.append(len(tokenizer(caption).input_ids) + 1)
    plain = "three-quarter view from the left, wearing a blue t-shirt"
    assert tokenizer.tokenize(plain) == plain.replace("-", " ").replace(",", "").split()
    assert tokenizer.tokenize("zyxw!") == ["zy", "##xw"]
    assert sum(length <= flow_text.ROOM for length in lengths) > 150


def test_the_text_encoder_is_asked_before_commas_for_what_was_said() -> None:
    tokenizer = flow_text.make_tokenizer(words())
    for number in range(50):
        text, asked, answers = flow_text._example(tokenizer, number, random.Random(number))
        ids = flow_text.tokens_of(tokenizer, [text])[0][0].tolist()
        assert ids[asked[-1]] == tokenizer.eos_token_id == ids[-1]
        for place, part in zip(asked, text.replace("ty, d", "ty d").split(","), strict=True):
            before = tokenizer.convert_ids_to_tokens(ids[place]).strip("#")
            assert place == len(ids) - 1 or part.rstrip(")>").endswith(before)
        unsaid = [len(values) for values in ATTRIBUTES.values()]
        said = [sum(map(int.__ne__, row, unsaid)) for row in answers]
        assert said == sorted(said)


def test_moments_are_even_over_the_clock_and_shifted() -> None:
    s = flow.moments(1000, torch.Generator().manual_seed(0))
    assert s.diff().min() > 0
    assert abs(s[500] - 2 / 3) < 0.01  # half of the way, shifted by two


@pytest.mark.slow
def test_a_few_steps_make_a_pipeline(tmp_path: Path) -> None:
    few = "--people 3 --text-steps 1 --flow-steps 2 --batch 2 --captions 1 --threads 1"
    few += " --device cpu --work"
    code = "import runpy; runpy.run_module('base.train_flow', run_name='__main__')"
    done = forkserver.call(*few.split(), str(tmp_path), cwd=ROOT, code=code)
    assert done.returncode == 0, done.stderr
    target = tmp_path / "shipped"
    flow_ship.ship(tmp_path, target)
    check_sums(target / "model")
    assert "| hair colour | 10 | 10% |" in (target / "model/README.md").read_text()
    assert not (target / "model/vae").exists()
    later = tmp_path / "later"
    later.mkdir()
    flow_ship.unpack(target / "model", later)
    for name, start in (("flow_text.pt", "flow_text.pt"), ("flow.pt", "flow.start.pt")):
        before, after = torch.load(tmp_path / name), torch.load(later / start)
        assert before.keys() == after.keys()
    key = "encoder.embed_tokens.weight"
    text = [torch.load(folder / "flow_text.pt")[key] for folder in (tmp_path, later)]
    assert torch.allclose(text[0], text[1], atol=1e-3)
    assert json.loads((target / "evaluation.json").read_text())["flow_steps"] == 2


def test_what_the_tests_use_is_whole_and_stock_diffusers_draws_with_it(tmp_path: Path) -> None:
    from diffusers import ZImagePipeline

    check_sums(tinyflow.MODEL)
    assert sum(path.stat().st_size for path in tinyflow.MODEL.rglob("*")) <= 25e6
    pipeline = ZImagePipeline.from_pretrained(tinyflow.build(tmp_path / "base"))
    (picture,) = pipeline("render of a person", 128, 128, num_inference_steps=2).images
    assert picture.size == (128, 128)
