"""The service: answers requests with the active version, and takes votes."""
