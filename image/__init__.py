"""Builds the images of the training task and the API on this machine: `make image`."""
