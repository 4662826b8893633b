"""How latents are noised, what a denoiser is to answer, and how much each answer counts.

A family has one noising process; whatever decides it (the base's scheduler, the settings) goes in
as one object. Shapes: latents (N, C, h, w), one moment `t` in [0, 1) a picture: 1 is pure noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor

EPSILON, V_PREDICTION, FLOW = "epsilon", "v_prediction", "flow"
DDPM_PREDICTIONS = (EPSILON, V_PREDICTION)

Density = Literal["logit_normal", "uniform"]
LossType = Literal["l2", "huber", "smooth_l1"]
HuberSchedule = Literal["snr", "exponential", "constant"]


@dataclass(frozen=True)
class NoiseOptions:
    """What a user may choose. `snr_gamma`: that of min-SNR weighting; `debiased`: weigh by the
    debiased estimation instead; neither: all moments count the same. `loss`: how far an answer is
    from its target, with `huber_c` and `huber_schedule` where that is not squared. Of flow bases
    alone: how likely each moment is (`density`, with `mean` and `deviation` of
    the logit-normal one), and how far moments are shifted towards noise; none: as the base's
    scheduler does."""

    snr_gamma: float | None = None
    density: Density = "logit_normal"
    mean: float = 0.0
    deviation: float = 1.0
    shift: float | None = None
    debiased: bool = False
    loss: LossType = "l2"
    huber_schedule: HuberSchedule = "snr"
    huber_c: float = 0.1


@dataclass(frozen=True)
class Noised:
    """A batch ready for the denoiser: what goes in, what should come out, how much each counts.

    `latents` and `target` (N, C, h, w), `timesteps` and `weight` (N,). `threshold` (N,): beyond it
    an error counts by its size instead of its square; none: always by its square.
    """

    latents: Tensor
    timesteps: Tensor
    target: Tensor
    weight: Tensor
    threshold: Tensor | None = None


def _threshold(options: NoiseOptions, level: Tensor, signal: Tensor) -> Tensor | None:
    """The scheduled threshold of pseudo-Huber losses (arXiv:2403.16728, section 4): 1 for a clean
    picture and `huber_c` in pure noise. `level` (N,) in [0, 1] is how far the noise has come,
    `signal` (N,) is 1 / (1 + noise over signal)."""
    import torch

    if options.loss == "l2":
        return None
    c = options.huber_c
    if options.huber_schedule == "exponential":
        return c**level
    if options.huber_schedule == "snr":
        return (1 - c) * signal.square() + c
    return torch.full_like(level, c)


class NoiseProcess(Protocol):
    """One way to noise latents."""

    def noised(self, latents: Tensor, noise: Tensor, t: Tensor) -> Noised:
        """Latents noised to the moments `t`, uniform in [0, 1), with target and weight."""


# Where a debiased weight would be without bounds: no epsilon base reaches the lower one.
_LEAST_SNR, _MOST_SNR = 1e-3, 1e3


class DDPM:
    """The forward process of arXiv:2006.11239, eq. 4; v as in arXiv:2202.00512, app. D."""

    def __init__(self, alphas: Tensor, prediction: str, options: NoiseOptions) -> None:
        """`alphas`: cumulative, one a timestep; `prediction`: one of `DDPM_PREDICTIONS`."""
        self.alphas = alphas.float()
        self._v = prediction == V_PREDICTION
        self._options = options

    def timesteps(self, t: Tensor) -> Tensor:
        """All timesteps are as likely."""
        return (t * len(self.alphas)).long().clamp(max=len(self.alphas) - 1)

    def noised(self, latents: Tensor, noise: Tensor, t: Tensor) -> Noised:
        """Noisy latents; the target is the noise or the velocity."""
        timesteps, alpha, signal, sigma = self._scales(latents, t)
        noisy = signal * latents + sigma * noise
        target = signal * noise - sigma * latents if self._v else noise
        level = timesteps.float() / len(self.alphas)
        clear = alpha.sqrt() / (alpha.sqrt() + (1 - alpha).sqrt())
        threshold = _threshold(self._options, level, clear)
        return Noised(noisy, timesteps, target, self._weight(alpha), threshold)

    def targets(self, latents: Tensor, noise: Tensor, t: Tensor) -> dict[str, Tensor]:
        """What each kind of base answers to latents noised to the moments `t`."""
        _, _, signal, sigma = self._scales(latents, t)
        return {EPSILON: noise, V_PREDICTION: signal * noise - sigma * latents}

    def _scales(self, latents: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(timesteps, cumulative alphas, scale of the latents, scale of the noise)."""
        if self.alphas.device != latents.device:
            self.alphas = self.alphas.to(latents.device)
        timesteps = self.timesteps(t)
        alpha = self.alphas[timesteps]
        signal = alpha.sqrt().view(-1, 1, 1, 1)
        return timesteps, alpha, signal, (1 - alpha).sqrt().view(-1, 1, 1, 1)

    def _weight(self, alpha: Tensor) -> Tensor:
        """Min-SNR's (arXiv:2303.09556): min(snr, gamma) over snr for epsilon and over snr + 1 for
        v, written so that snr = 0 (zero terminal SNR) divides nothing by zero. Or that of the
        debiased estimation (arXiv:2310.08442, eq. 10), 1 over the root of snr for epsilon, and the
        same of the picture's error, root of snr over snr + 1, for v."""
        import torch

        gamma = self._options.snr_gamma
        snr = alpha / (1 - alpha)
        if self._options.debiased:
            if self._v:
                return snr.sqrt() / (snr + 1)
            return snr.clamp(_LEAST_SNR, _MOST_SNR).rsqrt()
        if not gamma:
            return torch.ones_like(alpha)
        if self._v:
            return snr.clamp(max=gamma) / (snr + 1)
        return (gamma / snr).clamp(max=1.0)


@dataclass(frozen=True)
class Shift:
    """How the scheduler of a flow base moves moments towards noise: s becomes
    k s / (1 + (k - 1) s). `fixed` is k; where a `line` (two values of mu, at two numbers of picture
    tokens) is given, k hangs on the picture's size: it is e^mu, or mu itself if not `exponential`
    (arXiv:2403.03206, section 5.3.2; diffusers' FlowMatchEulerDiscreteScheduler)."""

    fixed: float = 1.0
    line: tuple[float, float, int, int] | None = None
    exponential: bool = True

    @classmethod
    def of(cls, scheduler: Mapping[str, Any]) -> Shift:
        """As the scheduler's configuration says. Raises `TypeError` or `ValueError` for values
        that are no numbers."""
        if not scheduler.get("use_dynamic_shifting"):
            # what DPM-Solver calls it
            given = scheduler.get("shift", scheduler.get("flow_shift"))
            return cls(float(given or 1.0))
        low, high = scheduler.get("base_shift"), scheduler.get("max_shift")
        few, many = scheduler.get("base_image_seq_len"), scheduler.get("max_image_seq_len")
        line = (
            float(0.5 if low is None else low),
            float(1.15 if high is None else high),
            int(few or 256),
            int(many or 4096),
        )
        if line[2] >= line[3]:
            raise ValueError("max_image_seq_len is not above base_image_seq_len")
        return cls(line=line, exponential=scheduler.get("time_shift_type") != "linear")

    def factor(self, tokens: int) -> float:
        """k for a picture of so many tokens."""
        if self.line is None:
            return self.fixed
        low, high, few, many = self.line
        mu = low + (high - low) * (tokens - few) / (many - few)
        return math.exp(mu) if self.exponential else mu


UNSHIFTED = Shift()


class Flow:
    """Rectified flow (arXiv:2209.03003): picture and noise on a straight line,
    x_s = (1 - s) x + s n, and the answer is the velocity n - x. `Noised.timesteps` are s itself, in
    (0, 1].

    Every density is a monotone function of one uniform number, so that the loop draws one number a
    picture whatever the family: s = sigmoid(mean + deviation * probit(t)) for the logit-normal one
    (arXiv:2403.03206, section 3.1), then the shift."""

    def __init__(self, shift: Shift, options: NoiseOptions, cells_a_token: int) -> None:
        """`cells_a_token`: cells of the latents that the denoiser reads as one token."""
        self.shift = Shift(options.shift) if options.shift is not None else shift
        self.options = options
        self._cells = cells_a_token

    def moments(self, t: Tensor, tokens: int) -> Tensor:
        """s in (0, 1] of `t` (N,) in [0, 1), for pictures of so many tokens."""
        import torch

        edge = 2**-24
        s = t.float().clamp(edge, 1 - edge)
        if self.options.density == "logit_normal":
            s = torch.sigmoid(self.options.mean + self.options.deviation * torch.special.ndtri(s))
        k = self.shift.factor(tokens)
        return k * s / (1 + (k - 1) * s)

    def noised(self, latents: Tensor, noise: Tensor, t: Tensor) -> Noised:
        """Noisy latents and their velocity; all moments count the same."""
        import torch

        cells = latents.shape[-1] * latents.shape[-2]
        s = self.moments(t, cells // self._cells)
        along = s.view(-1, *[1] * (latents.dim() - 1))
        noisy = (1 - along) * latents + along * noise
        threshold = _threshold(self.options, s, 1 - s)
        return Noised(noisy, s, noise - latents, torch.ones_like(s), threshold)
