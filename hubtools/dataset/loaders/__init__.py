"""What each loader would make of a dataset folder, worked out without calling one.

`simulate` answers for the four ways in which folders of pictures are read (see `Mode`): which
module is chosen, which splits, rows and columns come out, what fails and when, and which files are
lost on the way. It re-implements the decisions of `datasets` 5.2 on one directory listing:

1. The card's front matter is parsed first; `configs:` decides which files make which split.
2. Without it, splits are guessed from names (`hubtools.dataset.folder.splits`).
3. The module is the most frequent ending, metadata files left out.
4. Files whose ending the module does not know are dropped, hidden ones as well.
5. Where there is metadata, rows come from it alone; else every picture is a row, labelled by its
   folder if there are several folders at one depth.
6. Columns come from the first block of the first metadata file of each split.
7. Names are relative to the metadata file and must stay below it.
8. Pictures are opened when a row is asked for, not before.

Sources: `datasets` 5.2 `load.py`, `data_files.py`, `packaged_modules/folder_based_builder`;
measured against the library itself in tests/dataset/loaders/test_loaders_oracle.py.

Out of reach, and said so (`Outcome.MAY_RAISE`): modules that are not about pictures beyond text,
JSON, CSV and parquet (WebDataset, audio, video, PDF, ...); `configs:` that name addresses,
absolute paths or files in archives; `.huggingface.yaml`; JSON files that neither hold a record a
line nor one list; a JSON line that is `null` (Arrow may crash on it); metadata columns of lists
with a null among other items (`datasets` writes some and fails on others).

Where several metadata files of one split disagree about the columns, `datasets` takes those of
one of them by chance (`Outcome.BY_CHANCE`): `Loaded.alternatives` has all results it may give.
"""

from hubtools.dataset.loaders.model import TRAIN, Loaded, Lost, Mode, Outcome, Split
from hubtools.dataset.loaders.modes import simulate, simulate_path

__all__ = ["TRAIN", "Loaded", "Lost", "Mode", "Outcome", "Split", "simulate", "simulate_path"]
