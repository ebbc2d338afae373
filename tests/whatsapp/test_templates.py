"""Whether a message fits its template: one table, judged by the service and, on its own, by the sandbox."""

import copy
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sandbox.catalogue import Catalogue
from sandbox.errors import GraphError
from sandbox.parameters import check as sandbox_check
from sandbox.templates import parse_template
from service.whatsapp.template_check import check
from service.whatsapp.template_values import Misfit
from service.whatsapp.templates import Rendered, parse_definition, render
from tests.whatsapp import template_cases as cases
from tests.whatsapp.template_cases import FIT, IMAGE, ORDER, TWO, UNFIT, body, compact, definition, text

EITHER = FIT | UNFIT


def judged(case: str) -> list[Misfit]:
    listing, components = EITHER[case]
    return check(definition(listing), compact(components))


def refused_by_sandbox(case: str) -> GraphError | None:
    listing, components = EITHER[case]
    template = Catalogue([parse_template(listing)]).find(listing["name"], listing["language"])
    return template if isinstance(template, GraphError) else sandbox_check(template, components)


def test_no_name_stands_in_both_tables() -> None:
    assert not FIT.keys() & UNFIT.keys()


@pytest.mark.parametrize("case", FIT)
def test_what_fits_is_taken_by_both(case: str) -> None:
    assert judged(case) == []
    assert refused_by_sandbox(case) is None


@pytest.mark.parametrize("case", UNFIT)
def test_what_does_not_fit_is_refused_by_both(case: str) -> None:
    assert judged(case)
    assert refused_by_sandbox(case) is not None


def strings(value: object) -> Iterator[str]:
    """Every value of a message that could be personal, long enough not to be found by chance."""
    match value:
        case str() if len(value) > 3:
            yield value
        case list():
            for item in value:
                yield from strings(item)
        case dict():
            for key, item in value.items():
                if key not in {"type", "sub_type", "parameter_name"}:
                    yield from strings(item)


@pytest.mark.parametrize("case", UNFIT)
def test_no_detail_holds_a_value(case: str) -> None:
    values = set(strings(EITHER[case][1]))
    for misfit in judged(case):
        assert not [value for value in values if value in misfit.detail]


def follow(value: Any, way: Iterable[Any]) -> Any:
    """What is at the end of this way; KeyError or IndexError when there is nothing."""
    for step in way:
        value = value[step]
    return value


def assert_leads_somewhere(components: object, path: str) -> None:
    steps = re.findall(r"\[(\d+)\]|\.?(\w+)", path)
    follow({"components": components}, [key or int(index) for index, key in steps])


@pytest.mark.parametrize("case", UNFIT)
def test_every_path_leads_somewhere(case: str) -> None:
    for misfit in judged(case):
        assert_leads_somewhere(EITHER[case][1], misfit.path)


# case: the code, path and a part of the detail of each misfit
SAID: dict[str, list[tuple[str, str, str]]] = {
    "paused": [("template_not_approved", "", "opening_hours in en_US is PAUSED: wait until Meta lifts")],
    "no parameters": [
        ("template_mismatch", "", "the body takes 2 parameters and gets 0: give one for each of {{1}}, {{2}}")
    ],
    "a tab": [("template_mismatch", "components[0].parameters[0].text", "a tab")],
    "a name twice": [("template_mismatch", "components[1].parameters[1].parameter_name", "time of the body is filled")],
    "a wrong name": [("template_mismatch", "components[1].parameters[0].parameter_name", "first_name, time")],
    "names left out": [
        ("template_mismatch", "components[1].parameters[0]", "needs the parameter_name"),
        ("template_mismatch", "components[1].parameters[1]", "needs the parameter_name"),
    ],
    "no image": [("template_mismatch", "", "the header takes one parameter of type image and gets 0")],
    "no suffix": [("template_mismatch", "", "the button at index 1 takes one parameter of type text")],
    "an index that does not exist": [
        ("template_mismatch", "components[1].index", "no button there: it has 1 button, counted from 0")
    ],
    "a currency without its text": [("template_mismatch", "components[0].parameters[0].currency", "missing or empty")],
    "a card without picture": [("template_mismatch", "components[1].cards[1]", "the header takes one parameter")],
    "a card's body of 161": [
        ("template_mismatch", "components[1].cards[1].components[1].parameters", "longer than 160 characters")
    ],
    "another code in the button": [("template_mismatch", "components[1].parameters[0].text", "not that of the body")],
}


@pytest.mark.parametrize("case", SAID)
def test_what_is_said_and_of_which_place(case: str) -> None:
    found = [(misfit.code, misfit.path) for misfit in judged(case)]
    assert found == [(code, path) for code, path, _ in SAID[case]]
    for misfit, (_, _, detail) in zip(judged(case), SAID[case], strict=True):
        assert detail in misfit.detail


def test_all_faults_are_found_not_only_the_first() -> None:
    listing = IMAGE | {"status": "REJECTED"}
    components = [body(text("a\nb"), text("")), {"type": "footer"}, {"type": "button", "index": 7}]
    found = [misfit.path for misfit in check(definition(listing), compact(components))]
    assert found == [
        "",
        "components[1]",
        "",
        "components[0].parameters",
        "components[0].parameters[0].text",
        "components[0].parameters[1].text",
        "components[2].index",
    ]


@pytest.mark.parametrize("components", ["{", "null", "7", '"body"', "[" * 100_000, "[" + "9" * 5000 + "]"])
def test_components_that_are_no_list_are_a_misfit_of_the_whole(components: str) -> None:
    (misfit, *_) = check(definition(ORDER), components)
    assert misfit.path == ""
    assert render(definition(ORDER), components).body == "Hi {{1}}, order {{2}} is ready."


def test_a_listing_without_status_is_left_to_meta() -> None:
    listing = {key: value for key, value in ORDER.items() if key != "status"}
    assert check(definition(listing), compact([TWO])) == []


def test_what_meta_has_and_we_do_not_know_passes() -> None:
    listing = cases.template("new", {"type": "HEADER", "format": "HOLOGRAM"}, cases.says("x"), {"type": "ORBIT"})
    assert check(definition(listing), compact([{"type": "orbit"}, {"type": "orbit"}, cases.header(text(1))])) == []


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a message that can be taken out or replaced."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


ODD: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "0",
    "x",
    "a\tb",
    "text",
    "url",
    "{{1}}",
    [],
    ["x"],
    {},
    {"a": 1},
)


@settings(deadline=None)
@given(case=st.sampled_from(sorted(FIT)), data=st.data(), value=st.sampled_from(ODD), gone=st.booleans())
def test_both_say_the_same_of_a_message_changed_in_one_place(case: str, data: Any, value: object, gone: bool) -> None:
    listing, components = FIT[case]
    assume(bool(components))
    changed = copy.deepcopy(components)
    *way, last = data.draw(st.sampled_from(list(places(changed))))
    assume(last != "type" or "parameters" in way)  # an unknown component passes the service, and the sandbox refuses it
    holder = follow(changed, way)
    holder[last] = value
    if gone:
        del holder[last]
    misfits = check(definition(listing), json.dumps(changed))
    assert bool(misfits) == (sandbox_check(parse_template(listing), changed) is not None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(
    ["header", "BODY", "footer", "buttons", "button", "carousel", "LIMITED_TIME_OFFER", "OTP", "URL"]
)
KEYS = ("text", "format", "url", "index", "card_index", "sub_type", "code_expiration_minutes", "limited_time_offer")
PART = st.recursive(
    st.fixed_dictionaries(
        {"type": KINDS | JSON}, optional=dict.fromkeys(KEYS, st.sampled_from(["TEXT", "{{1}}", 0]) | JSON)
    ),
    lambda inner: st.builds(
        lambda part, key, parts: {**part, key: parts},
        inner,
        st.sampled_from(["buttons", "cards", "components", "parameters"]),
        st.lists(inner | JSON, max_size=3) | JSON,
    ),
    max_leaves=5,
)
LISTING = st.fixed_dictionaries(
    {
        "name": st.just("t") | JSON,
        "language": st.just("de") | JSON,
        "components": st.lists(PART | JSON, max_size=4) | JSON,
    },
    optional=dict.fromkeys(
        ("status", "category", "parameter_format"), st.sampled_from(["AUTHENTICATION", "NAMED"]) | JSON
    ),
)


@settings(deadline=None)
@given(listing=LISTING | JSON, components=st.lists(PART | JSON, max_size=4) | JSON)
def test_whatever_meta_lists_and_a_caller_sends_nothing_is_raised(listing: Any, components: object) -> None:
    parsed = parse_definition(listing)
    if parsed is not None:
        hash(parsed)
        for misfit in check(parsed, json.dumps(components)):
            assert_leads_somewhere(components, misfit.path)
        assert isinstance(render(parsed, json.dumps(components)), Rendered)


@settings(deadline=None)
@given(text=st.text())
def test_whatever_the_components_are_nothing_is_raised(text: str) -> None:
    for listing in (ORDER, cases.CARDS, cases.FLASH, cases.SIGN_IN):
        check(definition(listing), text)
        render(definition(listing), text)
