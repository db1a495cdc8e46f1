"""The loop's surroundings on one machine: people with known tastes, and the votes they leave."""
