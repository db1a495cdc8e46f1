"""The retraining task: one file per stage, the whole run in `pipeline.py`."""
