"""hubtools: a folder of pictures becomes a published, licensed, small, reproducible LoRA.

Importing the package is cheap on purpose: no torch, no diffusers, no Hub client. Each command has
a function in the package with the same name; see the README for the list.
"""

__version__ = "0.1.0"
