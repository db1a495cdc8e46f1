"""Vocabularies: names to codes, with an explicit unknown for each feature.

Code 0 is the unknown class of face and style; for tones it is 중간톤, which the data define
as the unknown one. A name that a vocabulary has not learned gets code 0, never the code of
some other name. Sizes follow from the vocabulary alone, so a model with more styles loads
like any other. Not scikit-learn's encoders: they are pickled, and they raise or guess on a
new name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.feedback import COOL, NEUTRAL, WARM, style_key

TONES = (NEUTRAL, WARM, COOL)
"""All tones; code 0 is the unknown one."""
UNKNOWN = ""
"""The name at code 0 of faces and styles; no real name is empty."""

Codes = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Faces, tones and style keys in code order, and a readable name for each style."""

    faces: tuple[str, ...]
    tones: tuple[str, ...]
    styles: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Number of faces, tones and styles, unknowns included: (F, T, S)."""
        return len(self.faces), len(self.tones), len(self.styles)

    @cached_property
    def face_codes(self) -> Mapping[str, int]:
        return {name: code for code, name in enumerate(self.faces)}

    @cached_property
    def tone_codes(self) -> Mapping[str, int]:
        return {name: code for code, name in enumerate(self.tones)}

    @cached_property
    def style_codes(self) -> Mapping[str, int]:
        return {key: code for code, key in enumerate(self.styles)}

    def face(self, name: str | None) -> int:
        return self.face_codes.get(name or UNKNOWN, 0)

    def tone(self, name: str | None) -> int:
        return self.tone_codes.get(name or UNKNOWN, 0)

    def style(self, name: str | None) -> int:
        """The code of a style by any spelling of its name; 0 when it was not learned."""
        return self.style_codes.get(style_key(name), 0) if name else 0

    def translate(self, other: Vocabulary) -> tuple[Codes, Codes, Codes]:
        """Look-up tables from this vocabulary's codes to another's: (F,), (T,), (S,)."""
        return (
            _codes(self.faces, other.face_codes),
            _codes(self.tones, other.tone_codes),
            _codes(self.styles, other.style_codes),
        )

    def restrict(self, faces: NDArray[np.bool_], styles: NDArray[np.bool_]) -> Vocabulary:
        """The sub-vocabulary of the levels marked True; unknowns and tones always stay."""
        kept = [code for code in range(1, len(self.styles)) if styles[code]]
        return Vocabulary(
            faces=(UNKNOWN, *(name for i, name in enumerate(self.faces) if i and faces[i])),
            tones=self.tones,
            styles=(UNKNOWN, *(self.styles[code] for code in kept)),
            names=(UNKNOWN, *(self.names[code] for code in kept)),
        )

    def as_dict(self) -> dict[str, list[str]]:
        return {
            "faces": list(self.faces),
            "tones": list(self.tones),
            "styles": list(self.styles),
            "names": list(self.names),
        }


def from_dict(values: Mapping[str, Any]) -> Vocabulary:
    """The vocabulary that `as_dict` wrote.

    Raises KeyError when a part is missing, ValueError when the parts make no vocabulary.
    """
    faces, tones = tuple(values["faces"]), tuple(values["tones"])
    styles, names = tuple(values["styles"]), tuple(values["names"])
    each_once = all(len(set(part)) == len(part) for part in (faces, tones, styles))
    if not each_once or (*faces[:1], *styles[:1]) != (UNKNOWN, UNKNOWN):
        raise ValueError("each name must stand once, after the unknown one")
    if len(names) != len(styles) or not tones:
        raise ValueError("each style must have a name, and there must be tones")
    return Vocabulary(faces=faces, tones=tones, styles=styles, names=names)


def vocabulary(faces: Iterable[str], styles: Mapping[str, str]) -> Vocabulary:
    """A vocabulary in a canonical order from face names and {style key: readable name}."""
    keys = sorted(key for key in styles if key)
    return Vocabulary(
        faces=(UNKNOWN, *sorted({face for face in faces if face})),
        tones=TONES,
        styles=(UNKNOWN, *keys),
        names=(UNKNOWN, *(styles[key] for key in keys)),
    )


def _codes(names: Sequence[str], codes: Mapping[str, int]) -> Codes:
    return np.array([codes.get(name, 0) for name in names], dtype=np.int32)
