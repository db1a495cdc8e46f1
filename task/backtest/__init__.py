"""A policy is tried on the past before it is switched on: see `play.py` and `command.py`."""
