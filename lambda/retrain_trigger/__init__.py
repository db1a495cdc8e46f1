"""Starts the weekly run when there are enough new votes, and watches how it ends."""
