"""What the service takes and gives, as types: validation and the OpenAPI page come from here.

What comes in is checked strictly: an unknown field is a misspelt one, and "5" is not 5. What
goes out is described here and written without these classes, which would cost more than the
answer itself.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from api.model import MAX_EXCLUSIONS, MAX_STYLES, tone_of
from api.problems import Problem, invalid
from common.feedback import MOST_MARKS, few_marks

MAX_ITEMS = 1_000
"""Items of one batch."""
LONGEST_NAME = 200
"""Characters of a face's or a colour's name."""
LONGEST_STYLE = 1_000
"""Characters of a style's name, which is free text."""


def _few_marks(text: str) -> str:
    if not few_marks(text):
        raise ValueError(f"at most {MOST_MARKS} combining marks may follow each other")
    return text


Name = Annotated[str, Field(max_length=LONGEST_NAME)]
Style = Annotated[str, Field(max_length=LONGEST_STYLE), AfterValidator(_few_marks)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Person(_Asked):
    """Whom the question is about."""

    face_shape: Name | None = Field(
        None, description="계란형, 둥근형, 각진형, 긴형 or 하트형; anything else is unknown"
    )
    personal_color: Name | None = Field(
        None, description="봄웜, 가을웜, 여름쿨 or 겨울쿨, with or without 톤"
    )
    skin_tone: Name | None = Field(
        None, description="웜톤, 쿨톤 or 중간톤; follows from the colour"
    )

    @model_validator(mode="after")
    def _one_tone(self) -> Self:
        if self.personal_color is None and self.skin_tone is None:
            raise ValueError("personal_color or skin_tone must be given")
        both = self.personal_color is not None and self.skin_tone is not None
        if both and tone_of(self.skin_tone, None).name != tone_of(None, self.personal_color).name:
            raise ValueError("skin_tone must be that of personal_color: leave one out")
        return self


_PERSON = {"face_shape": "계란형", "personal_color": "봄웜"}


class PredictRequest(_Person):
    """One style for one person."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_PERSON, "hairstyle": "레이어드 컷"}]}
    )
    hairstyle: Style = Field(description="a style's name, in any spelling")


def _or_problem(value: Any, handler: ValidatorFunctionWrapHandler) -> PredictRequest | Problem:
    """The item, or what is wrong with it: one bad item costs the others nothing."""
    try:
        item: PredictRequest = handler(value)
    except ValidationError as error:
        return invalid(error)
    return item


class BatchRequest(_Asked):
    """Many predictions at once, all by one version."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{**_PERSON, "hairstyle": "레이어드 컷"}]}]}
    )
    items: list[Annotated[PredictRequest, WrapValidator(_or_problem)]] = Field(
        min_length=1, max_length=MAX_ITEMS
    )


class RecommendRequest(_Person):
    """The best styles for one person."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_PERSON, "k": 3, "exclude": ["레이어드 컷"]}]}
    )
    k: int = Field(5, ge=1, le=MAX_STYLES, description="how many styles")
    # Not a list: its default would be copied for each request.
    exclude: Annotated[tuple[Style, ...], FailFast()] = Field(
        default=(), max_length=MAX_EXCLUSIONS, description="names of styles to leave out"
    )
    record: bool = Field(True, description="write down what is shown, so that it can be voted on")


class FeedbackRequest(_Asked):
    """What a person thought of a recommended style, or that they clicked it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "recommendation_id": "42-0123456789abcdef0123456789abcdef",
                    "position": 1,
                    "feedback": "like",
                }
            ]
        }
    )
    recommendation_id: str = Field(
        pattern=r"^[1-9][0-9]{0,17}-[0-9a-f]{32}$", description="as the recommendation gave it"
    )
    position: int = Field(ge=1, le=MAX_STYLES, description="the style's rank")
    feedback: Literal["like", "dislike", "click"]


_NAMED = {"version": "m-20261129T020000000Z", "sha": "01614f04d8bb" + "0" * 52}
_KNOWN = {"face_shape": True, "skin_tone": True, "hairstyle": True}
_FIGURES = {"score": 0.81, "like_probability": 0.93, "like": True, "known": _KNOWN}
_PROBLEM = {
    "type": "urn:hairme:problem:unprocessable-entity",
    "title": "Unprocessable Entity",
    "status": 422,
    "rule": "hairstyle: field required",
    "value": "an object",
    "remedy": "correct the body; /openapi.json says what each field takes, with examples",
    "request_id": "0123456789abcdef",
}


def _example(content: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [content]})


class KnownNames(BaseModel):
    """Whether the model has learned each name; it answers by the unknown class where not."""

    face_shape: bool
    skin_tone: bool
    hairstyle: bool


class Predicted(BaseModel):
    """What the model says of one style."""

    score: float = Field(ge=0, le=1)
    like_probability: float = Field(ge=0, le=1)
    like: bool = Field(description="whether the probability reaches the model's threshold")
    known: KnownNames


class PredictAnswer(Predicted):
    """A prediction, and the version that made it."""

    model_config = _example(_NAMED | _FIGURES)
    version: str
    sha: str


class ProblemAnswer(BaseModel):
    """What went wrong: the rule, the value, the remedy."""

    model_config = _example(_PROBLEM)
    type: str
    title: str
    status: int
    rule: str
    value: str
    remedy: str
    request_id: str


class Refused(BaseModel):
    """An item of a batch that could not be answered."""

    error: ProblemAnswer


class BatchAnswer(BaseModel):
    """Predictions in the order asked."""

    model_config = _example(_NAMED | {"items": [_FIGURES, {"error": _PROBLEM}]})
    version: str
    sha: str
    items: list[Predicted | Refused]


class Recommended(BaseModel):
    """A recommended style."""

    rank: int = Field(ge=1)
    style: str
    score: float = Field(ge=0, le=1)
    like_probability: float = Field(ge=0, le=1)
    known: KnownNames
    votable: bool = Field(description="whether /feedback takes this rank as its position")


class RecommendAnswer(BaseModel):
    """The best styles, the best first."""

    model_config = _example(
        _NAMED
        | {
            "recommendation_id": "42-0123456789abcdef0123456789abcdef",
            "recorded": True,
            "why_not_recorded": None,
            "processing_ms": 0.312,
            "items": [
                {
                    "rank": 1,
                    "style": "레이어드 컷",
                    "score": 0.81,
                    "like_probability": 0.93,
                    "known": _KNOWN,
                    "votable": True,
                }
            ],
        }
    )
    version: str
    sha: str
    recommendation_id: str | None = Field(description="what /feedback asks for; null: no votes")
    recorded: bool
    why_not_recorded: str | None
    processing_ms: float
    items: list[Recommended]


class FeedbackAnswer(BaseModel):
    """What is on record now."""

    model_config = _example(
        {
            "recommendation_id": "42-0123456789abcdef0123456789abcdef",
            "position": 1,
            "feedback": "like",
            "changed": True,
        }
    )
    recommendation_id: str
    position: int
    feedback: Literal["like", "dislike", "click"]
    changed: bool = Field(description="false when it was on record already")


class PointerAnswer(BaseModel):
    """What the registry named at the last look."""

    version: str | None
    serial: int


class ModelAnswer(BaseModel):
    """What answers, what should, and why they differ."""

    model_config = _example(
        _NAMED
        | {
            "since": "2026-11-29T02:05:09Z",
            "serial": 7,
            "previous": "m-20261122T020000000Z",
            "degraded": False,
            "refused": False,
            "why": None,
            "active": {"version": "m-20261129T020000000Z", "serial": 7},
        }
    )
    version: str | None
    sha: str | None
    since: str | None
    serial: int | None
    previous: str | None
    degraded: bool
    refused: bool = Field(description="whether the active version was read, and must not serve")
    why: str | None
    active: PointerAnswer | None


class HealthAnswer(BaseModel):
    """The process lives."""

    status: Literal["ok"]
