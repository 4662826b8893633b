"""How latents are noised, what a denoiser is to answer, and how much each answer counts.

A family has one noising process; whatever decides it (the base's scheduler, the settings) goes in
as one object. Shapes: latents (N, C, h, w), one moment `t` in [0, 1) a picture: 1 is pure noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

EPSILON, V_PREDICTION = "epsilon", "v_prediction"
DDPM_PREDICTIONS = (EPSILON, V_PREDICTION)


@dataclass(frozen=True)
class NoiseOptions:
    """What a user may choose. `snr_gamma`: that of min-SNR weighting; none: all moments count the
    same."""

    snr_gamma: float | None = None


@dataclass(frozen=True)
class Noised:
    """A batch ready for the denoiser: what goes in, what should come out, how much each counts.

    `latents` and `target` (N, C, h, w), `timesteps` and `weight` (N,).
    """

    latents: Tensor
    timesteps: Tensor
    target: Tensor
    weight: Tensor


class NoiseProcess(Protocol):
    """One way to noise latents."""

    def timesteps(self, t: Tensor) -> Tensor:
        """The denoiser's clock at the moments `t` (N,), uniform in [0, 1)."""

    def noised(self, latents: Tensor, noise: Tensor, t: Tensor) -> Noised:
        """Latents noised to the moments `t`, with target and weight."""


class DDPM:
    """The forward process of arXiv:2006.11239, eq. 4; v as in arXiv:2202.00512, app. D."""

    def __init__(self, alphas: Tensor, prediction: str, options: NoiseOptions) -> None:
        """`alphas`: cumulative, one a timestep; `prediction`: one of `DDPM_PREDICTIONS`."""
        self.alphas = alphas.float()
        self._v = prediction == V_PREDICTION
        self._snr_gamma = options.snr_gamma or None

    def timesteps(self, t: Tensor) -> Tensor:
        """All timesteps are as likely."""
        return (t * len(self.alphas)).long().clamp(max=len(self.alphas) - 1)

    def noised(self, latents: Tensor, noise: Tensor, t: Tensor) -> Noised:
        """Noisy latents; the target is the noise or the velocity."""
        if self.alphas.device != latents.device:
            self.alphas = self.alphas.to(latents.device)
        timesteps = self.timesteps(t)
        alpha = self.alphas[timesteps]
        signal = alpha.sqrt().view(-1, 1, 1, 1)
        sigma = (1 - alpha).sqrt().view(-1, 1, 1, 1)
        noisy = signal * latents + sigma * noise
        target = signal * noise - sigma * latents if self._v else noise
        return Noised(noisy, timesteps, target, self._weight(alpha))

    def _weight(self, alpha: Tensor) -> Tensor:
        """Min-SNR's (arXiv:2303.09556): min(snr, gamma) over snr for epsilon and over snr + 1 for
        v, written so that snr = 0 (zero terminal SNR) divides nothing by zero."""
        import torch

        if self._snr_gamma is None:
            return torch.ones_like(alpha)
        snr = alpha / (1 - alpha)
        if self._v:
            return snr.clamp(max=self._snr_gamma) / (snr + 1)
        return (self._snr_gamma / snr).clamp(max=1.0)
