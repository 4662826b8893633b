"""Keep the chatter of diffusers and transformers off the user's terminal."""

from __future__ import annotations

import os


def hush() -> None:
    """Silence progress bars and advice of the libraries; errors still come through.

    Call before their first import: transformers gives advice while it is imported. A person who
    sets TRANSFORMERS_VERBOSITY or DIFFUSERS_VERBOSITY keeps what they asked for.
    """
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import diffusers.utils.logging
    import transformers.utils.logging

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
