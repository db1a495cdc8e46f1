"""The two candidates: hierarchical shrinkage on cells, and the embedding network."""
