"""What the cells of a row's positions can hold, as the reads of SQL and Python both count it."""

from collections.abc import Mapping

NOTHING, LIKED, DISLIKED, UNKNOWN = range(4)

Answers = Mapping[tuple[int, ...], tuple[int, int]]
"""By the answers of a row's positions: rows, and the sum of their ids' CRC-32."""
