"""The ONE definition of an eligible vote: spellings, faces, tones, style names, scores, groups.

Pure functions over plain values, standard library only, because three places must agree on
them to the letter: the small function that counts votes, the task that reads them and the
service that answers requests. A second copy of any rule here would drift.
"""

import hashlib
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

LIKE = "like"
DISLIKE = "dislike"
# Exactly these six spellings are votes. Any other text is rejected and counted, never guessed.
VOTES: Mapping[str, str] = {
    "like": LIKE,
    "LIKE": LIKE,
    "good": LIKE,
    "dislike": DISLIKE,
    "DISLIKE": DISLIKE,
    "bad": DISLIKE,
}

FACE_SHAPES = ("계란형", "둥근형", "각진형", "긴형", "하트형")

WARM, COOL, NEUTRAL = "웜톤", "쿨톤", "중간톤"
SKIN_TONES = (WARM, COOL, NEUTRAL)
_TONE_OF_COLOUR = {"봄웜": WARM, "가을웜": WARM, "여름쿨": COOL, "겨울쿨": COOL}

# Three generations of `recommended_styles` name the same two things differently.
NAME_KEYS = ("style_name", "style", "hairstyle")
SCORE_KEYS = ("ml_confidence", "ml_confidence_score", "score")
# In a row, as in Unicode's stream-safe text (UAX #15): composing takes time with the square of it.
MOST_MARKS = 30
PERCENT = 100  # a score above 1 is a percentage; above 100 it is nonsense
# A probability or cosine in 32-bit floats misses 1 by a few times 1.2e-7, and nobody who counts
# in percent means 1.000001 %.
ROUNDING = 1e-6

ANONYMOUS = "anonymous"
# Constants, not settings: models of different split versions are not comparable.
SPLIT_VERSION = "1"
SPLIT_PARTS = 10_000
TRAIN_BELOW = 7_000
VALIDATION_BELOW = 8_500
SPLITS = ("train", "validation", "test")
FOLDS = 10
"""Parts of the votes that are held out in turn; a group's is a function of its hash alone."""
Split = Literal["train", "validation", "test"]

CACHED_NAMES = 65_536  # names come again and again

_EPOCH = datetime(1970, 1, 1)
_DAY_US = 86_400_000_000
# A vote's time is of these days; what lies outside stands for "none": the day from which clocks
# that were never set count, the end of all days.
FIRST_DAY, LAST_DAY = "1971-01-01", "2999-12-31"  # in UTC; the first is one, the last is not
FIRST_US = (datetime.fromisoformat(FIRST_DAY) - _EPOCH).days * _DAY_US
LAST_US = (datetime.fromisoformat(LAST_DAY) - _EPOCH).days * _DAY_US
LEAST_TIME = len("2026-01-02T03")  # characters: a day alone does not say when on it


def face_shape(text: str | None) -> str | None:
    """One of the five `FACE_SHAPES`, or None: the unknown face, which is not a reject."""
    name = unicodedata.normalize("NFC", text or "").strip()
    return name if name in FACE_SHAPES else None


def personal_color(text: str | None) -> str | None:
    """One of the four colours, written with or without a trailing 톤; None when unknown."""
    name = unicodedata.normalize("NFC", text or "").strip().removesuffix("톤").rstrip()
    return name if name in _TONE_OF_COLOUR else None


def skin_tone(colour: str | None) -> str:
    """The tone of a personal colour; NEUTRAL when unknown."""
    name = personal_color(colour)
    return NEUTRAL if name is None else _TONE_OF_COLOUR[name]


def style_key(name: str) -> str:
    """What makes two names the same style: NFC, casefolded, no white space; brackets kept."""
    folded = unicodedata.normalize("NFC", name).casefold()
    # Letters that a space kept apart may compose once it is gone: the key of a key is itself.
    return unicodedata.normalize("NFC", "".join(folded.split()))


def few_marks(name: str) -> bool:
    """Whether no more than `MOST_MARKS` combining marks follow each other in a name."""
    row = 0
    for character in name if len(name) > MOST_MARKS else "":
        row = row + 1 if unicodedata.combining(character) else 0
        if row > MOST_MARKS:
            return False
    return True


@lru_cache(CACHED_NAMES)
def display_name(name: str) -> str:
    """A name to show people: NFC, trimmed, inner white space collapsed to one space."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def item_name(item: Mapping[str, object]) -> str | None:
    """The display name of a recommended style, or None when it has none or it is no text.

    It stands under the first of `NAME_KEYS` that is there and is neither null nor blank.
    """
    for key in NAME_KEYS:
        value = item.get(key)
        if isinstance(value, str):
            name = display_name(value)
            if name:
                return name
        elif value is not None:
            return None
    return None


def item_score(item: Mapping[str, object]) -> tuple[float | None, bool]:
    """The score of a recommended style, as `score` reads it.

    It stands under the first of `SCORE_KEYS` that is there and is neither null nor blank.
    """
    for key in SCORE_KEYS:
        value = item.get(key)
        if value is not None and not (isinstance(value, str) and not value.strip()):
            return score(value)
    return None, False


def item_reason(item: Mapping[str, object]) -> str | None:
    """Why the style was recommended, or None when that is no text or blank."""
    value = item.get("reason")
    return value if isinstance(value, str) and value and not value.isspace() else None


def score(value: object) -> tuple[float | None, bool]:
    """(score in 0..1 or None, whether a value was there that is no score).

    A value above 1 is a percentage; above either bound by rounding alone, it is that bound.
    NaN, negative, above 100, text and truth values are missing and counted; None is missing
    and is nobody's fault.
    """
    if type(value) is float and 0.0 <= value <= 1.0:  # nearly every one
        return value, False
    if value is None:
        return None, False
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, True
    if not 0 <= value <= PERCENT * (1 + ROUNDING):  # NaN is not, either
        return None, True
    share = value if value <= 1 + ROUNDING else value / PERCENT
    return min(float(share), 1.0), False


def utc_microseconds(text: str) -> int | None:
    """Microseconds since 1970 in UTC of a date and time in ISO form, or None if it is none.

    A time without an offset is UTC; one with an offset is converted. A day without a time of
    day, and a day before FIRST_DAY or from LAST_DAY on, is no time.
    """
    text = text.strip()
    # fromisoformat would also take 20260101, which is a number here
    if text[4:5] != "-" or len(text) < LEAST_TIME:
        return None
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            time = time.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    since = time - _EPOCH
    found = since.days * _DAY_US + since.seconds * 1_000_000 + since.microseconds
    return found if FIRST_US <= found < LAST_US else None


def group(user_id: str | None, image_hash: str | None, row_id: int) -> str:
    """The hex SHA-256 of whoever must never stand on both sides of a split.

    The person if known, else the photo, else the row; hashed, so that a snapshot holds no
    raw id.
    """
    if user_id is not None and user_id != ANONYMOUS and user_id.strip():
        identity = f"{SPLIT_VERSION}|user:{user_id}"
    elif image_hash is not None and image_hash.strip():
        identity = f"{SPLIT_VERSION}|image:{image_hash}"
    else:
        identity = f"{SPLIT_VERSION}|row:{row_id}"
    return hashlib.sha256(identity.encode()).hexdigest()


def split(group_hash: str) -> Split:
    """The side of a group: its first 8 bytes, big-endian, modulo `SPLIT_PARTS`."""
    part = int(group_hash[:16], 16) % SPLIT_PARTS
    if part < TRAIN_BELOW:
        return "train"
    return "validation" if part < VALIDATION_BELOW else "test"


def fold(group_hash: str) -> int:
    """The fold of a group: bytes 8 to 15 of its hash, big-endian, modulo `FOLDS`."""
    return int(group_hash[16:32], 16) % FOLDS
