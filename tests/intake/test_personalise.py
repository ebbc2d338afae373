"""The caller's params become components, and placeholders are filled: looked up, never evaluated."""

import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.intake.personalise import (
    MAX_DEPTH,
    MAX_LENGTH,
    Content,
    InvalidParams,
    PlaceholderMissing,
    TooLarge,
    as_text,
    look_up,
)
from tests.intake.making import filled

ENDPOINT: dict[str, Any] = {
    "ChannelType": "CUSTOM",
    "Address": "8613800138000",
    "Attributes": {
        "City": ["Shanghai", "Beijing"],
        "order.last.id": ["A-17"],
        "Größe": ["groß"],
        "Empty": [],
        "Blank": [""],
        "Nothing": [None],
        "Nested": [["deep"]],
        "Plain": "not a list",
        "Sly": ["{{Address}}"],
        "Quote": ['Ada "the first"\n\\'],
        "Group": [r"\1 \g<0>"],
    },
    "Metrics": {"score": 9.0, "share": 0.25, "many": 1e22, "tiny": 1e-9, "count": 12, "bought": True},
    "Location": {"Country": "CHN", "City": "上海"},
    "User": {"UserId": "u-1", "UserAttributes": {"FirstName": ["Ada", "Lady"]}},
}


def fill(params: object, data: Mapping[str, object] = ENDPOINT) -> Any:
    """What the params become for one recipient, read as JSON; None where there are no components."""
    text = Content(params).components_for(partial(look_up, data))
    return json.loads(text) if text else None


def body(*parameters: object) -> list[object]:
    return [{"type": "body", "parameters": list(parameters)}]


# --- the three shapes of params ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "components"),
    [
        pytest.param(None, None, id="none"),
        pytest.param([], None, id="an empty list"),
        pytest.param({}, None, id="an empty object"),
        pytest.param(
            ["Ada", "Mug"], body({"type": "text", "text": "Ada"}, {"type": "text", "text": "Mug"}), id="strings"
        ),
        pytest.param([7, 9.0, True], body(*({"type": "text", "text": t} for t in ("7", "9", "true"))), id="numbers"),
        pytest.param(
            {"day": "Tuesday", "hour": 9},
            body(
                {"type": "text", "parameter_name": "day", "text": "Tuesday"},
                {"type": "text", "parameter_name": "hour", "text": "9"},
            ),
            id="named",
        ),
        pytest.param(
            [{"type": "header", "parameters": []}, {"b": 1, "type": "body", "a": [1.5, None, False]}],
            [{"type": "header", "parameters": []}, {"b": 1, "type": "body", "a": [1.5, None, False]}],
            id="components, as they are",
        ),
    ],
)
def test_params_become_components(params: object, components: object) -> None:
    assert fill(params) == components


def test_components_keep_their_order_and_lose_only_white_space() -> None:
    written = '[{"z":1,"type":"button","index":"0","a":{"y":"\\u00e4","x":[]}},{"type":"body"}]'
    assert Content(json.loads(written)).components_for(lambda _: None) == written


@pytest.mark.parametrize(
    ("params", "path"),
    [
        pytest.param("Ada", "", id="a string"),
        pytest.param("", "", id="an empty string"),
        pytest.param(0, "", id="a number"),
        pytest.param(False, "", id="a truth value"),
        pytest.param(["Ada", None], "[1]", id="null among strings"),
        pytest.param(["Ada", {"type": "body"}], "[1]", id="a component among strings"),
        pytest.param([["Ada"]], "[0]", id="a list in the list"),
        pytest.param({"day": ["Tuesday"]}, ".day", id="a list under a name"),
        pytest.param({"type": "body", "parameters": []}, ".parameters", id="one component without its list"),
        pytest.param([{"type": "body"}, {"parameters": []}], "[1].type", id="a component without type"),
        pytest.param([{"type": 1}], "[0].type", id="a type that is no string"),
        pytest.param([{"type": "body", "parameters": {}}], "[0].parameters", id="parameters that are no list"),
        pytest.param([{"type": "body", "parameters": None}], "[0].parameters", id="parameters that are null"),
        pytest.param([{"type": "body", "parameters": ["Ada"]}], "[0].parameters", id="parameters that are strings"),
        pytest.param([{"type": "body", "x": float("inf")}], "", id="infinity, which 1e400 is read as"),
        pytest.param([{"type": "body", "x": float("nan")}], "", id="not a number"),
        pytest.param([float("inf")], "[0]", id="infinity as text"),
        pytest.param([{"type": "body", "x": 10**5000}], "", id="an integer that Python refuses to write"),
        pytest.param([10**5000], "[0]", id="the same as text"),
        pytest.param(["x" * MAX_LENGTH], "", id="far too long"),
    ],
)
def test_params_of_a_wrong_shape_are_refused_with_their_path(params: object, path: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        Content(params)
    assert caught.value.path == path
    assert caught.value.detail


def nested(depth: int) -> list[object]:
    value: object = "{{Id}}"
    for _ in range(depth):
        value = [value]
    return [{"type": "body", "x": value}]


def test_components_may_be_deep_but_not_bottomless() -> None:
    assert Content(nested(MAX_DEPTH - 3)).components_for(lambda _: "e")
    for depth in (MAX_DEPTH - 2, 50_000):
        with pytest.raises(InvalidParams, match="nested"):
            Content(nested(depth))


# --- placeholders -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{Attributes.City}}", "Shanghai"),
        ("{{User.UserAttributes.FirstName}}", "Ada"),
        ("{{User.UserId}}", "u-1"),
        ("{{Location.Country}}", "CHN"),
        ("{{Location.City}}", "上海"),
        ("{{Address}}", "8613800138000"),
        ("{{Id}}", "test123"),
        ("{{Metrics.score}}", "9"),
        ("{{Metrics.share}}", "0.25"),
        ("{{Metrics.many}}", "10000000000000000000000"),
        ("{{Metrics.tiny}}", "1e-09"),
        ("{{Metrics.count}}", "12"),
        ("{{Metrics.bought}}", "true"),
        ("{{Attributes.order.last.id}}", "A-17"),
        ("{{Attributes.Größe}}", "groß"),
        ("{{Attributes.Plain}}", "not a list"),
        ("{{  Attributes.City\t}}", "Shanghai"),
        ("Hi {{User.UserAttributes.FirstName}} of {{Attributes.City}}!", "Hi Ada of Shanghai!"),
        ("{{Attributes.City}}{{Attributes.City}}", "ShanghaiShanghai"),
        ("{{{Attributes.City}}}", "{Shanghai}"),
    ],
)
def test_a_placeholder_is_filled(text: str, said: str) -> None:
    assert filled(text, ENDPOINT) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{Attributes.City|nowhere}}", "Shanghai"),
        ("{{Attributes.Street|somewhere}}", "somewhere"),
        ("{{User.UserAttributes.LastName|dear friend}}", "dear friend"),
        ("{{ Attributes.Street |{ nothing }}", "{{ Attributes.Street |{ nothing }}"),
        ("{{Attributes.Street| with spaces }}", " with spaces "),
        ("{{Attributes.Street|a|b}}", "a|b"),
        ("{{Attributes.Street|}}", ""),
        ("{{Attributes.Empty|e}}{{Attributes.Blank|b}}{{Attributes.Nothing|n}}{{Attributes.Nested|l}}", "ebnl"),
        ("{{Attributes|a}}{{User.UserAttributes|u}}{{|x}}", "aux"),
    ],
)
def test_a_default_stands_where_there_is_no_value(text: str, said: str) -> None:
    assert filled(text, ENDPOINT) == said


@pytest.mark.parametrize(
    "path",
    [
        "Attributes.Street",
        "Attributes.Empty",
        "Attributes.Blank",
        "Attributes.Nothing",
        "Attributes.Nested",
        "Attributes.City.0",
        "Attributes.City[0]",
        "Attributes",
        "attributes.City",
        "Metrics.none",
        "User",
        "",
        "1",
        ".",
        "__class__",
        "Attributes.__class__.__name__",
        "Address.__len__",
        "User.UserId.upper()",
        "1 + 1",
        "%s",
    ],
)
def test_without_value_and_default_the_placeholder_is_missing(path: str) -> None:
    with pytest.raises(PlaceholderMissing) as caught:
        fill([f"Hi {{{{{path}}}}}"])
    assert caught.value.placeholder == path


@pytest.mark.parametrize(
    "text",
    ["{{Attributes.City", "Attributes.City}}", "{Attributes.City}", "{{Attributes.{City}}", "${City}", "%(City)s"],
)
def test_what_is_no_placeholder_stays_as_it_is(text: str) -> None:
    assert filled(text, ENDPOINT) == text


def test_what_was_filled_in_is_not_looked_at_again() -> None:
    assert filled("{{Attributes.Sly}}", ENDPOINT) == "{{Address}}"
    assert filled("{{Attributes.Group}}", ENDPOINT) == r"\1 \g<0>"


def test_what_was_filled_in_cannot_break_out_of_its_string() -> None:
    assert filled("{{Attributes.Quote}}", ENDPOINT) == 'Ada "the first"\n\\'


def test_any_string_inside_params_may_hold_placeholders() -> None:
    params = [
        {"type": "header", "parameters": [{"type": "image", "image": {"link": "https://e.com/{{User.UserId}}.png"}}]},
        {"type": "button", "index": 0, "parameters": [{"type": "payload", "payload": "{{Attributes.order.last.id}}"}]},
        {
            "type": "carousel",
            "cards": [{"components": [{"type": "body", "parameters": [{"text": "{{Metrics.score}}"}]}]}],
        },
    ]
    header, button, carousel = fill(params)
    assert header["parameters"][0]["image"]["link"] == "https://e.com/u-1.png"
    assert button["parameters"][0]["payload"] == "A-17"
    assert carousel["cards"][0]["components"][0]["parameters"][0]["text"] == "9"
    assert fill({"who": "{{User.UserAttributes.FirstName}}"})[0]["parameters"][0]["text"] == "Ada"


def test_one_recipients_values_do_not_stay_for_the_next() -> None:
    content = Content(["{{name}}"])
    first, second = (content.components_for(partial(look_up, {"name": name})) for name in ("Ada", "Linus"))
    assert (json.loads(first)[0]["parameters"][0]["text"], json.loads(second)[0]["parameters"][0]["text"]) == (
        "Ada",
        "Linus",
    )


def test_a_recipients_own_data_cannot_make_the_message_too_large() -> None:
    with pytest.raises(TooLarge):
        fill(["{{Attributes.City}}" * 10], {"Attributes": {"City": ["x" * (MAX_LENGTH // 10)]}})


@pytest.mark.parametrize("text", ["{{" + " " * 60_000, "{" * 60_000, "{{a|" * 15_000, "{{a" + "|" * 60_000])
def test_an_unfinished_placeholder_takes_no_time(text: str) -> None:
    """These took minutes once; ten times what they take now is still far below a second."""
    started = time.process_time()
    Content([text]).components_for(lambda _: "x")
    assert time.process_time() - started < 1


@given(st.text(), st.text())
def test_any_name_can_be_looked_up(name: str, value: str) -> None:
    found = look_up({"Attributes": {name: [value]}}, f"Attributes.{name}")
    assert found == (value if name else None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        (0, "0"),
        (-0.0, "0"),
        (-3.5, "-3.5"),
        (1e300, str(int(1e300))),
        (False, "false"),
        (float("inf"), None),
        (float("nan"), None),
        pytest.param(10**5000, None, id="an integer that Python refuses to write"),
        pytest.param(-(10**5000), None, id="the same below zero"),
        (None, None),
        ([], None),
        ({}, None),
        (b"bytes", None),
    ],
)
def test_a_value_is_written_as_a_person_would(value: object, text: str | None) -> None:
    assert as_text(value) == text


words = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    ["{{", "}}", "{{a}}", "{{a|b}}", "{{b|}}"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.builds(pow, st.just(10), st.just(5000)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(
    params=values | st.lists(st.dictionaries(st.sampled_from(["type", "parameters", "x"]), values), max_size=3),
    data=st.dictionaries(st.sampled_from(["a", "b"]), values),
)
def test_params_are_refused_or_become_ascii_json(params: object, data: dict[str, object]) -> None:
    try:
        text = Content(params).components_for(partial(look_up, data))
    except (InvalidParams, PlaceholderMissing, TooLarge):
        return
    assert text.isascii()
    assert text == "" or isinstance(json.loads(text, parse_constant=pytest.fail), list)
