"""Builds the training task's image on this machine: `make image`."""
