"""The grid that the crossed effects stand on: its groupings, and which contexts share a level.

Shapes: F faces, T tones, S styles, C = F·T contexts, L = 1 + F + T coarser levels of contexts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Sizes = tuple[int, int, int]

GROUPINGS: dict[str, tuple[int, ...]] = {
    "face": (0,),
    "tone": (1,),
    "style": (2,),
    "face×tone": (0, 1),
    "face×style": (0, 2),
    "tone×style": (1, 2),
    "face×tone×style": (0, 1, 2),
}
"""Which of (face, tone, style) each grouping crosses."""

OF_CONTEXT = ("face", "tone", "face×tone")
OF_STYLE = ("style", "face×style", "tone×style", "face×tone×style")
"""The groupings without and with the style, each in the order of the statistics."""


def shaped(name: str, sizes: Sizes) -> tuple[int, int, int]:
    """The shape in which a grouping's effects broadcast over (F, T, S)."""
    face, tone, style = (sizes[axis] if axis in GROUPINGS[name] else 1 for axis in range(3))
    return face, tone, style


def levels(faces: int, tones: int) -> Floats:
    """Which context (C,) has which level: one column for all, one a face, one a tone."""
    face, tone = np.repeat(np.arange(faces), tones), np.tile(np.arange(tones), faces)
    columns = (
        np.ones((faces * tones, 1)),
        face[:, None] == range(faces),
        tone[:, None] == range(tones),
    )
    return np.hstack([np.asarray(column, dtype=np.float64) for column in columns])


def patterns(faces: int, tones: int) -> dict[str, Floats]:
    """For each grouping, which two contexts share a level: (C, C) of 0 and 1."""
    face, tone = np.repeat(np.arange(faces), tones), np.tile(np.arange(tones), faces)
    same_face = (face[:, None] == face).astype(np.float64)
    same_tone = (tone[:, None] == tone).astype(np.float64)
    both, every = same_face * same_tone, np.ones_like(same_face)
    return {
        "face": same_face,
        "tone": same_tone,
        "face×tone": both,
        "style": every,
        "face×style": same_face,
        "tone×style": same_tone,
        "face×tone×style": both,
    }
