"""Measurements of what the design promises; see `python -m bench --list`."""
