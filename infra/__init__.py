"""What AWS is asked for: one stack for each stage."""
