"""Every command as a function of the same name and arguments: what `hubtools.validate(...)` calls,
and the command line too. docs/python-api.md shows both side by side."""
