"""One loop of `bench_train` as a program of its own, for its peak of memory:
`python held_memory.py SIDE BASE DATA SIZE STEPS` prints VmHWM in MB. SIDE: ours, or a name of
`train_peers`. Of ours it is all of a training, its start and its end included; of others the steps.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def ours(base: str, data: Path, size: int, steps: int) -> None:
    """`hubtools train`."""
    from hubtools.project import Project
    from hubtools.settings import DatasetSettings, SampleSettings, TrainSettings
    from hubtools.training.train import train

    project = Project(
        dataset=DatasetSettings(path=str(data)),
        samples=SampleSettings(),
        train=TrainSettings(
            pretrained_model_name_or_path=base, output_dir=f"{base}-held", resolution=size,
            max_train_steps=steps, validation_steps=0, num_threads=1, checkpointing_steps=steps,
        ),
    )  # fmt: skip
    train(project, skip_validation=True)


def peer(name: str, base: str, data: Path, size: int, steps: int) -> None:
    """A loop of `train_peers`."""
    import torch
    import train_peers

    torch.set_num_threads(1)
    step = getattr(train_peers, name)(base, data, size)
    for _ in range(steps):
        step()


def main() -> None:
    """Run the loop that the command line names."""
    side, base, data, size, steps = sys.argv[1:]
    if side == "ours":
        ours(base, Path(data), int(size), int(steps))
    else:
        peer(side, base, Path(data), int(size), int(steps))
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+)", status)
    print(round(int(found[1]) * 1024 / 1e6) if found else 0)


if __name__ == "__main__":
    main()
