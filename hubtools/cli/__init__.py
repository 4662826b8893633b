"""The command line: parse, call, render. No logic lives here."""

from hubtools.cli.main import main

__all__ = ["main"]
