"""The engine under fix and caption: plan, journal, tables, pixels."""
