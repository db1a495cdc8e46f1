"""What a hairdresser would say: which style flatters whom, and why.

A style has traits, a rule says which trait flatters which face or skin tone, and the rules add
up to the chance that a person likes the style. Not a fitted table of numbers: a person who
knows hair must be able to read every rule and disagree with it. The rules may be wrong;
training finds out how far to believe them.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.feedback import FACE_SHAPES, SKIN_TONES

START = 0.66
"""The chance of a like before any rule has spoken."""
LOWEST, HIGHEST = 0.05, 0.95
"""No rule is so sure as to leave these bounds."""

STYLES: dict[str, str] = {
    # Men's cuts
    "가일 컷": "crown open tight",
    "댄디 컷": "fringe sides",
    "투블럭 컷": "crown tight",
    "리젠트 컷": "crown open tight line",
    "크롭 컷": "fringe tight line",
    "아이비리그 컷": "open tight",
    "슬릭백": "open tight line",
    "포마드 컷": "crown open line",
    "버즈 컷": "open tight line",
    "리프 컷": "sides wave",
    "울프 컷": "crown sides long",
    "쉼표 머리": "crown fringe",
    "시스루 댄디 컷": "fringe sides wave",
    # Men's perms
    "애즈 펌": "crown open wave",
    "쉐도우 펌": "fringe wave",
    "스왈로 펌": "fringe tight wave",
    "가르마 펌": "crown sides wave",
    "베이비 펌": "fringe crown wave",
    "아이롱 펌": "open tight wave",
    "다운 펌": "tight line",
    # Women's cuts
    "일자 단발": "jaw line",
    "보브 컷": "jaw sides",
    "시스루뱅 단발": "jaw fringe",
    "태슬 컷": "jaw line open",
    "허쉬 컷": "crown sides long",
    "레이어드 컷": "sides long",
    "숏 컷": "crown tight",
    "픽시 컷": "fringe tight",
    "히메 컷": "fringe line long",
    "샌드 컷": "sides jaw wave",
    # Women's perms
    "C컬 펌": "jaw wave",
    "S컬 펌": "long wave",
    "빌드 펌": "sides long wave",
    "엘리자벳 펌": "crown long wave",
    "히피 펌": "sides wave long fringe",
    "그레이스 펌": "open sides wave",
    "물결 펌": "long wave open",
    "글램 펌": "crown sides long wave",
    "볼륨 매직": "crown long line",
    "매직 스트레이트": "long line open",
}
"""Each style with its traits.

crown: volume on top · fringe: covers the forehead · open: shows the forehead ·
sides: falls along cheeks and jaw · tight: close-cropped sides · jaw: ends at the jaw ·
long: below the shoulders · wave: soft curls · line: straight and sharp
"""


class Rule(NamedTuple):
    """`who` (a face shape or skin tone) and a style with `trait`: the chance moves by `effect`."""

    who: str
    trait: str
    effect: float
    reason: str


RULES = (
    Rule("계란형", "open", +0.12, "이마를 드러내면 고른 비율이 돋보여요"),
    Rule("계란형", "crown", +0.08, "정수리 볼륨이 자연스럽게 어울려요"),
    Rule("계란형", "sides", +0.05, "옆선이 부드럽게 이어져요"),
    Rule("계란형", "fringe", -0.06, "앞머리가 좋은 비율을 가려요"),
    Rule("둥근형", "crown", +0.15, "정수리 볼륨이 얼굴을 길어 보이게 해요"),
    Rule("둥근형", "open", +0.08, "이마를 드러내면 시원해 보여요"),
    Rule("둥근형", "sides", +0.12, "옆머리가 볼선을 가려 줘요"),
    Rule("둥근형", "fringe", -0.14, "앞머리가 얼굴을 더 짧아 보이게 해요"),
    Rule("둥근형", "jaw", -0.18, "턱선에서 끝나면 볼이 넓어 보여요"),
    Rule("각진형", "wave", +0.17, "컬이 각진 턱을 부드럽게 해요"),
    Rule("각진형", "sides", +0.13, "옆머리가 턱 각을 감싸요"),
    Rule("각진형", "line", -0.18, "곧은 선이 각을 더 드러내요"),
    Rule("각진형", "tight", -0.15, "옆머리가 짧으면 턱 각이 도드라져요"),
    Rule("긴형", "fringe", +0.20, "앞머리가 얼굴 길이를 줄여 줘요"),
    Rule("긴형", "jaw", +0.10, "턱선의 볼륨이 가로 폭을 더해요"),
    Rule("긴형", "crown", -0.15, "정수리 볼륨이 얼굴을 더 길어 보이게 해요"),
    Rule("긴형", "open", -0.12, "이마가 드러나 더 길어 보여요"),
    Rule("긴형", "long", -0.10, "긴 기장이 세로선을 강조해요"),
    Rule("하트형", "fringe", +0.12, "앞머리가 넓은 이마를 가려 줘요"),
    Rule("하트형", "jaw", +0.16, "턱 옆을 채워 균형을 맞춰요"),
    Rule("하트형", "open", -0.14, "넓은 이마가 드러나요"),
    Rule("하트형", "tight", -0.10, "옆이 짧으면 턱이 더 뾰족해 보여요"),
    Rule("웜톤", "wave", +0.06, "부드러운 컬이 따뜻한 피부톤과 어울려요"),
    Rule("웜톤", "line", -0.04, "곧은 선이 따뜻한 피부톤에는 차가워 보여요"),
    Rule("쿨톤", "line", +0.07, "또렷한 선이 차가운 피부톤과 어울려요"),
    Rule("쿨톤", "wave", -0.04, "컬이 차가운 피부톤의 선명함을 흐려요"),
)


def matching(face: str | None, tone: str, style: str) -> list[Rule]:
    """The rules that speak about this style on this person."""
    traits = STYLES.get(style, "").split()
    return [rule for rule in RULES if rule.who in (face, tone) and rule.trait in traits]


def reason(face: str | None, tone: str, style: str) -> str:
    """The weightiest rule's reason, as the application would show it; "" if none speaks."""
    rules = matching(face, tone, style)
    return max(rules, key=lambda rule: abs(rule.effect)).reason if rules else ""


@cache
def chances() -> NDArray[np.float64]:
    """The rules' chance of a like, shape (faces, tones, styles), in the order of the lists."""
    table = [
        [[START + sum(r.effect for r in matching(f, t, s)) for s in STYLES] for t in SKIN_TONES]
        for f in FACE_SHAPES
    ]
    bounded: NDArray[np.float64] = np.clip(np.array(table), LOWEST, HIGHEST)
    bounded.setflags(write=False)
    return bounded
