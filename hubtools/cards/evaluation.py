"""What a card may say of `evaluation.json`: only what was measured of the very LoRA it is about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubtools.evaluation.result import Candidate, Evaluation, Measured
from hubtools.findings import plural
from hubtools.layout import EVALUATION_CHART

_ROWS = {
    "subject_fidelity": "similarity to the training pictures",
    "prompt_fidelity": "prompt fidelity, with the trigger",
    "plain_fidelity": "prompt fidelity, without it",
    "leakage": "similarity to the training pictures, without the trigger",
    "diversity": "diversity of a prompt's pictures",
    "memorised": "share of pictures that copy a training picture",
    "hair_tip": "coloured hair tips seen, with the trigger",
    "hair_tip_unasked": "coloured hair tips seen, without it",
    "star": "stars on the cheeks seen, with the trigger",
    "star_unasked": "stars on the cheeks seen, without it",
}


# how to read them, for those who see such figures for the first time
_READING = {
    "subject_fidelity": "cosine similarity, -1 to 1; above the base's: the subject was learnt",
    "prompt_fidelity": "0 to 1; how much of the prompt the pictures show, higher is better",
    "plain_fidelity": "the same without the trigger; below the base's: something was forgotten",
    "leakage": "cosine similarity; above the base's: the subject shows although nobody asked",
    "diversity": "0 to 1; near 0 all pictures of a prompt are alike",
    "memorised": "0 to 1; 0 is best",
    "denoising_loss": "the error in telling noise from picture, lower is better; compare it with"
    " the base's only",
}
_SCALED = _READING | {
    "subject_fidelity": "0 % is as the base draws, 100 % as alike as the training pictures are"
    " among themselves; the higher, the more of the subject was learnt",
    "leakage": "the same scale; above 0 %: the subject shows although nobody asked",
}


@dataclass(frozen=True)
class EvaluationCard:
    """What the template may use (as `card.evaluation`). `rows` are (what, base, LoRA); `chart` is
    the name of the picture in the repository, or None."""

    sentence: str
    weight: str
    rows: tuple[tuple[str, str, str], ...]
    how: str
    chart: str | None
    reading: tuple[tuple[str, str], ...] = ()  # (what, how to read it)


def evaluation_card(run_dir: Path, *sha256: str) -> EvaluationCard | None:
    """The run's evaluation at the recommended weight, else at the one nearest to 1; None if the
    LoRA (with one of the hashes `sha256`) was not measured, or another one was. Raises
    `HubtoolsError` if the file is damaged."""
    found = Evaluation.read(run_dir)
    if found is None or not found.candidates:
        return None
    ours = [c for c in found.candidates if c.lora_sha256 in sha256]
    if not ours:
        return None
    base = found.candidates[0]
    best = found.candidates[found.recommended] if found.recommended is not None else None
    chosen = best if best in ours else min(ours, key=lambda c: abs(c.weight - 1))
    assert chosen is not None
    rows = [
        (title, _cell(found, base, name), _cell(found, chosen, name))
        for name, title in _ROWS.items()
        if name in chosen.figures
    ]
    reading = [
        (_ROWS[n], (_SCALED if found.per_cent(chosen, n) else _READING)[n])
        for n in _ROWS
        if n in chosen.figures and n in _READING
    ]
    name = "denoising_loss"
    if name in chosen.figures:
        seen = "held-out" if found.loss_held_out else "training"
        title = f"denoising loss on {plural(found.loss_pictures, f'{seen} picture')}"
        rows.append((title, _cell(found, base, name, 4), _cell(found, chosen, name, 4)))
        reading.append(("denoising loss", _READING[name]))
    samples = found.samples
    how = (
        f"{plural(len(found.prompts), 'prompt')}, {plural(found.images, 'picture')} each,"
        f" drawn by base and LoRA from the same noise ({samples.get('steps')} steps, guidance"
        f" {samples.get('guidance')}, seeds from {samples.get('seed')})"
        + (
            f"; without the trigger, {found.class_noun!r} stands in its place"
            if found.trigger
            else ""
        )
        + ". In brackets 95 % bootstrap"
        f" intervals. Pictures are compared by {found.picture_encoder}"
        + (f", prompts judged by {found.judged_by}" if found.judged_by else "")
        + ". All numbers are in evaluation.json."
    )
    chart = EVALUATION_CHART if (run_dir / EVALUATION_CHART).is_file() else None
    return EvaluationCard(
        found.recommendation, f"{chosen.weight:g}", tuple(rows), how, chart, tuple(reading)
    )


def _cell(evaluation: Evaluation, candidate: Candidate, name: str, digits: int = 2) -> str:
    scaled = evaluation.per_cent(candidate, name)
    found: Measured | None = scaled or candidate.figures.get(name)
    if found is None or found.mean is None or found.low is None or found.high is None:
        return ""
    if scaled is not None:
        return f"{round(found.mean)} % ({round(found.low)} to {round(found.high)})"
    return f"{found.mean:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"
