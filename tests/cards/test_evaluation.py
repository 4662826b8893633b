"""What a card says of what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hubtools.cards.evaluation import evaluation_card
from hubtools.cli.evaluate import FIGURES, READING, show
from hubtools.cli.output import Output
from hubtools.errors import HubtoolsError
from hubtools.evaluation.chart import PANELS, shown_figure
from hubtools.evaluation.result import Candidate, Evaluation, Measured
from hubtools.layout import EVALUATION


def candidate(weight: float, sha256: str | None, subject: float) -> Candidate:
    figures = {
        "subject_fidelity": Measured(mean=subject, low=subject - 0.01, high=subject + 0.01, n=8),
        "denoising_loss": Measured(mean=0.1234, low=0.1, high=0.15, n=4),
    }
    return Candidate(label=f"at {weight}", weight=weight, lora_sha256=sha256, figures=figures)


def evaluation(recommended: int | None) -> Evaluation:
    return Evaluation(
        date="2026-01-01T00:00:00+00:00", base_model="me/base", trigger="tok", class_noun="person",
        prompts=["a tok"], images=8, samples={"steps": 20, "guidance": 5, "seed": 3},
        picture_encoder="eyes", prompt_judge=None, real_pictures=21, loss_pictures=4,
        candidates=[
            candidate(0, None, 0.4), candidate(0.5, "a" * 64, 0.6), candidate(1, "a" * 64, 0.7),
            candidate(1, "b" * 64, 0.8),
        ],
        recommended=recommended, recommendation="Take it.",
    )  # fmt: skip


@pytest.mark.parametrize("recommended, weight", [(1, "0.5"), (2, "1"), (3, "1"), (None, "1")])
def test_the_recommended_weight_of_this_lora_else_the_nearest_to_one(
    tmp_path: Path, recommended: int | None, weight: str
) -> None:
    evaluation(recommended).write(tmp_path)
    card = evaluation_card(tmp_path, "a" * 64)
    assert card is not None
    assert card.weight == weight
    assert card.rows[0] == (
        "similarity to the training pictures",
        "0.40 (0.39 to 0.41)",
        "0.60 (0.59 to 0.61)" if weight == "0.5" else "0.70 (0.69 to 0.71)",
    )
    assert card.rows[-1][0] == "denoising loss on 4 training pictures"
    assert card.chart is None
    assert "8 pictures each" in card.how


def test_similarities_are_told_between_the_base_and_the_pictures(tmp_path: Path) -> None:
    found = evaluation(2).model_copy(update={"real_likeness": 0.9})
    found.write(tmp_path)
    card = evaluation_card(tmp_path, "a" * 64)
    assert card is not None
    assert card.rows[0][1:] == ("0 % (-2 to 2)", "60 % (58 to 62)")
    assert "100 %" in card.reading[0][1]
    best = found.candidates[2]
    shown = shown_figure(found, best, "subject_fidelity", scaled=True)  # of the chart
    assert shown == pytest.approx((60, 58, 62))
    assert shown_figure(found, best, "subject_fidelity", scaled=False) == (0.7, 0.69, 0.71)
    # where the base is as near as the pictures are to each other, a per cent says nothing
    found.model_copy(update={"real_likeness": 0.41}).write(tmp_path)
    card = evaluation_card(tmp_path, "a" * 64)
    assert card is not None
    assert card.rows[0][1] == "0.40 (0.39 to 0.41)"


def test_another_loras_numbers_are_not_shown(tmp_path: Path) -> None:
    assert evaluation_card(tmp_path, "a" * 64) is None
    evaluation(1).write(tmp_path)
    assert evaluation_card(tmp_path, "c" * 64) is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / EVALUATION).write_text("{}")
    with pytest.raises(HubtoolsError, match=r"evaluation.json is damaged: date"):
        evaluation_card(tmp_path, "a" * 64)


def test_who_judged_is_named_where_something_was_judged(tmp_path: Path) -> None:
    found = evaluation(2).model_copy(update={"prompt_judge": "a judge"})
    for there in (False, True):
        if there:
            found.candidates[2].figures["prompt_fidelity"] = Measured(mean=1, low=1, high=1, n=8)
        found.write(tmp_path)
        card = evaluation_card(tmp_path, "a" * 64)
        assert card is not None
        assert ("a judge" in card.how) is there


def test_the_table_says_how_each_figure_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert FIGURES.keys() == READING.keys()
    assert PANELS.keys() < FIGURES.keys()
    found = evaluation(2).model_copy(update={"real_likeness": 0.9})
    some = found.model_copy(update={"candidates": found.candidates[:3]})
    show(Output.of("human", quiet=False), some)
    lines = capsys.readouterr().out.splitlines()
    head, likeness = lines[0], next(one for one in lines if one.startswith("like the training"))
    assert head.split() == ["at", "0", "at", "0.5", "at", "1", "*", "how", "to", "read", "it"]
    assert re.split(r"  +", likeness.strip()) == [
        "like the training pictures", "0 % ±2", "40 % ±2", "60 % ±2",
        "higher; 0 % is the base, 100 % the pictures among themselves",
    ]  # fmt: skip
    show(Output.of("human", quiet=False), found)  # of many, a line each
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines[1:5]] == [
        "at 0", "at 0.5", "at 1 *", "at 1",
    ]  # fmt: skip
