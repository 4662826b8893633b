"""Which candidate to take, said in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hubtools.evaluation.measures import Figure, Floats, difference, per_cent

# A candidate is no longer recommended if it follows prompts worse than the base by more than this
# share of the base's score, draws less than half as diverse pictures, or copies more than a fifth.
MOST_FORGOTTEN = 0.10
LEAST_DIVERSE = 0.5
MOST_COPIED = 0.2
# Leaking: without its trigger the subject shows this much of what it shows with it.
LEAKING = 0.34
# Below this share, in per cent, of the way from the base to the pictures a gain is worth nothing,
# however sure it is.
LEAST_LEARNED = 5.0


@dataclass(frozen=True)
class Contender:
    """A candidate's figures and its values of subject fidelity, picture by picture."""

    label: str
    step: int | None
    weight: float
    figures: dict[str, Figure]
    against_base: dict[str, Figure] = field(default_factory=dict)
    subject: Floats | None = None


def recommend(
    base: Contender, contenders: Sequence[Contender], real: float | None = None
) -> tuple[int | None, str]:
    """(place in `contenders` or None, a sentence). `real`: how alike the training pictures are
    among themselves."""

    def share(one: Contender) -> float | None:
        now, before = (c.figures["subject_fidelity"].mean for c in (one, base))
        return per_cent(now, before, real)

    learned = [
        c
        for c in contenders
        if _gain(c).low > 0 and ((way := share(c)) is None or way >= LEAST_LEARNED)
    ]
    if not learned:
        best = max(contenders, key=lambda c: _gain(c).mean)
        gain = _gain(best)
        if gain.low > 0 and (way := share(best)) is not None:
            return None, (
                f"Hardly anything of the subject was learned: the best, {best.label}, has come"
                f" {way:.1f} % of the way from the base to the training pictures; train longer or"
                " with a higher learning rate."
            )
        return None, (
            f"Nothing shows that the subject was learned: the best, {best.label}, is"
            f" not surely more like the pictures than the base (the similarities differ by"
            f" {_signed(gain.mean)}, {_signed(gain.low)} to {_signed(gain.high)});"
            " train longer or with a higher learning rate."
        )
    sound = [c for c in learned if not _faults(base, c)]
    pool = sound or learned
    best = max(pool, key=lambda c: c.figures["subject_fidelity"].mean)
    chosen = min(
        (c for c in pool if c is best or _equals(c, best)),
        key=lambda c: (-_mean(c, "prompt_fidelity"), c.step or 0, c.weight),
    )
    now, before = chosen.figures["subject_fidelity"].mean, base.figures["subject_fidelity"].mean
    like = "most like" if chosen is best else "as much like"
    way = share(chosen)
    said = f"{now:.2f}; base {before:.2f}" if way is None else f"{way:.0f} %; base 0 %"
    parts = [f"it is {like} the pictures ({said})"]
    if chosen is not best:
        parts[0] += f" as {best.label}"
    if "prompt_fidelity" in chosen.figures:
        follows, base_follows = _mean(chosen, "prompt_fidelity"), _mean(base, "prompt_fidelity")
        parts.append(f"follows prompts at {follows:.2f} (base {base_follows:.2f})")
    faults = _faults(base, chosen)
    if _leaks(chosen):
        faults.append("shows the subject without its trigger too")
    sentence = f"Take {chosen.label}: " + _listed(parts)
    if faults:
        sentence += ", but it " + _listed(faults)
        if not sound:
            sentence += "; a lower weight or an earlier step may do better"
    return list(contenders).index(chosen), sentence + "."


def _signed(value: float) -> str:
    return f"{round(value, 3) + 0.0:+.3f}"  # no -0.000


def _gain(contender: Contender) -> Figure:
    return contender.against_base["subject_fidelity"]


def _mean(contender: Contender, name: str) -> float:
    figure = contender.figures.get(name)
    return figure.mean if figure is not None else 0.0


def _equals(one: Contender, best: Contender) -> bool:
    """True if chance alone may have put `best` before `one`."""
    if one.subject is None or best.subject is None:
        return False
    return difference(best.subject, one.subject).low <= 0


def _faults(base: Contender, contender: Contender) -> list[str]:
    found = []
    if "prompt_fidelity" in contender.against_base:
        lost = -contender.against_base["prompt_fidelity"].mean
        if lost > MOST_FORGOTTEN * _mean(base, "prompt_fidelity"):
            found.append(f"follows prompts {lost:.2f} worse than the base")
    if "diversity" in base.figures and (
        _mean(contender, "diversity") < LEAST_DIVERSE * _mean(base, "diversity")
    ):
        found.append("draws nearly the same picture again and again")
    if _mean(contender, "memorised") > MOST_COPIED:
        found.append("copies training pictures")
    return found


def _leaks(contender: Contender) -> bool:
    leak = contender.against_base.get("leakage")
    gain = _gain(contender).mean
    return leak is not None and leak.low > 0 and leak.mean > LEAKING * gain


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
