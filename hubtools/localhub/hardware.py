"""The machines that jobs ask for, as `hf jobs hardware` lists them. Here they are names: a job runs
on this machine, and costs nothing. Prices and sizes are those of the Hub's own list (August 2026).
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Flavor(NamedTuple):
    """A kind of machine. `dollars` an hour; `gpu`: model, how many, GB of memory of each."""

    name: str
    pretty: str
    cpus: int
    ram: int  # GB
    dollars: float
    gpu: tuple[str, int, int] | None = None

    def shown(self) -> dict[str, Any]:
        """As the API answers it; the price is for a minute."""
        micro = round(self.dollars / 60 * 1_000_000)
        found: dict[str, Any] = {
            "name": self.name,
            "prettyName": self.pretty,
            "cpu": f"{self.cpus} vCPU",
            "ram": f"{self.ram} GB",
            "ephemeralStorage": "50 GB",
            "accelerator": None,
            "unitCostMicroUSD": micro,
            "unitCostUSD": micro / 1_000_000,
            "unitLabel": "minute",
        }
        if self.gpu is not None:
            model, number, memory = self.gpu
            found["accelerator"] = {
                "type": "gpu",
                "model": model,
                "quantity": str(number),
                "vram": f"{memory * number} GB",
                "manufacturer": "Nvidia",
            }
        return found


_ALL = (
    Flavor("cpu-basic", "CPU Basic", 2, 16, 0.01),
    Flavor("cpu-upgrade", "CPU Upgrade", 8, 32, 0.03),
    Flavor("t4-small", "Nvidia T4 - small", 4, 15, 0.40, ("T4", 1, 16)),
    Flavor("t4-medium", "Nvidia T4 - medium", 8, 30, 0.60, ("T4", 1, 16)),
    Flavor("l4x1", "1x Nvidia L4", 8, 30, 0.80, ("L4", 1, 24)),
    Flavor("l4x4", "4x Nvidia L4", 48, 186, 3.80, ("L4", 4, 24)),
    Flavor("l40sx1", "1x Nvidia L40S", 8, 62, 1.80, ("L40S", 1, 48)),
    Flavor("l40sx4", "4x Nvidia L40S", 48, 382, 8.30, ("L40S", 4, 48)),
    Flavor("a10g-small", "Nvidia A10G - small", 4, 15, 1.00, ("A10G", 1, 24)),
    Flavor("a10g-large", "Nvidia A10G - large", 12, 46, 1.50, ("A10G", 1, 24)),
    Flavor("a10g-largex2", "2x Nvidia A10G - large", 24, 92, 3.00, ("A10G", 2, 24)),
    Flavor("a10g-largex4", "4x Nvidia A10G - large", 48, 184, 5.00, ("A10G", 4, 24)),
    Flavor("a100-large", "Nvidia A100 - large", 12, 142, 2.50, ("A100", 1, 80)),
)
FLAVORS = {flavor.name: flavor for flavor in _ALL}
