"""The version: the build reads it, and so does whatever signs its output with it."""

__version__ = "0.1.0"
