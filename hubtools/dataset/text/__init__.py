"""Words of captions: tokens, phrases, coverage, mojibake."""
