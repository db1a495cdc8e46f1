"""The picture of the stack: equal to its template, and nothing is left out."""

import copy
import json
import re
from typing import Any

import pytest

from infra.picture import PICTURE, TEMPLATE, draw


@pytest.fixture
def template() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(TEMPLATE.read_text("utf-8"))
    return read


def test_the_committed_picture_is_that_of_the_committed_template(template: dict[str, Any]) -> None:
    assert draw(template) == PICTURE.read_text("utf-8"), "run make snapshot"


def test_figures_come_from_the_template(template: dict[str, Any]) -> None:
    changed = copy.deepcopy(template)
    for resource in changed["Resources"].values():
        if resource["Type"] == "AWS::ECS::TaskDefinition":
            resource["Properties"]["Memory"] = "16384"

    assert "1 CPU, 4 GB" in draw(template)
    assert "1 CPU, 16 GB" in draw(changed)


def test_an_arrow_goes_only_where_a_role_has_a_right(template: dict[str, Any]) -> None:
    changed = copy.deepcopy(template)
    for resource in changed["Resources"].values():
        for policy in resource["Properties"].get("Policies", []):
            statements = policy["PolicyDocument"]["Statement"]
            policy["PolicyDocument"]["Statement"] = [
                each for each in statements if each.get("Sid") != "Tell"
            ]

    assert ">tells<" in draw(template)
    assert ">tells<" not in draw(changed)


def test_a_new_kind_of_resource_must_be_given_a_place(template: dict[str, Any]) -> None:
    template["Resources"]["New"] = {"Type": "AWS::Kinesis::Stream", "Properties": {}}

    with pytest.raises(ValueError, match=r"New is of a kind without a place.*Kinesis"):
        draw(template)


def test_no_box_lies_upon_another(template: dict[str, Any]) -> None:
    found = re.findall(
        r'class="box" x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"', draw(template)
    )
    boxes = [tuple(map(int, each)) for each in found]

    assert len(boxes) == 16
    for number, (x, y, width, height) in enumerate(boxes):
        for left, top, _, _ in boxes[number + 1 :]:
            assert abs(x - left) >= width or abs(y - top) >= height
