"""The page of the calls: complete, and from here only."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from pydantic import BaseModel

from service.web import consent_contract, contract, direct_contract, operate_contract, search_contract
from service.web.contract import Body
from tests.web.serving import OPERATOR, READER, Service


class _Links(HTMLParser):
    """Everything a page loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        link = of.get("src") or (of.get("href") if tag == "link" else None)
        if link and not link.startswith("data:"):
            self.found.append(link)


def test_everything_the_page_loads_is_served_here(light: Service) -> None:
    page = light.client.get("/docs")
    assert page.status_code == 200
    links = _Links(page.text).found
    assert len(links) == 4
    for link in links:
        assert link.startswith("/docs/")
        with light.client.get(link) as answer:
            assert answer.status_code == 200
    assert 'data-document="/openapi.json"' in page.text


def test_the_root_leads_to_the_page(light: Service) -> None:
    assert light.client.get("/").headers["Location"] == "/docs"


def test_the_page_may_load_nothing_from_elsewhere(light: Service) -> None:
    policy = light.client.get("/docs").headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "http" not in policy


@pytest.mark.parametrize("name", ["swagger-ui.js", "../templates/__init__.py", "..%2f..%2fplugins.py", ""])
def test_no_other_file_of_the_package_is_served(light: Service, name: str) -> None:
    assert light.client.get(f"/docs/swagger-ui/{name}").status_code == 404


_MODELS = [
    model
    for model in vars(contract).values()
    if isinstance(model, type) and issubclass(model, BaseModel) and model is not BaseModel
]


@pytest.mark.parametrize("model", [model for model in _MODELS if "json_schema_extra" in model.model_config])
def test_an_example_fits_its_model(model: type[BaseModel]) -> None:
    extra = model.model_config["json_schema_extra"]
    assert isinstance(extra, dict)
    examples = extra["examples"]
    assert isinstance(examples, list)
    for example in examples:
        assert isinstance(example, dict)
        model.model_validate(example, strict=True)
        assert example.keys() <= model.model_fields.keys()


def test_the_examples_hold_no_real_number() -> None:
    text = str([model.model_json_schema() for model in _MODELS])
    assert set(re.findall(r"\b86\d{11}\b", text)) == {"8613800138000"}


def calls(service: Service) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each call of the document: method, path, and what is said of it."""
    for path, methods in service.client.get("/openapi.json").get_json()["paths"].items():
        for method, call in methods.items():
            yield method, path, call


def test_summaries_are_plain_text(light: Service) -> None:
    """The page shows their marks as they are."""
    assert [call["summary"] for _, _, call in calls(light) if re.search(r"[`*\[]", call["summary"])] == []


def test_every_call_that_takes_a_body_shows_it_with_an_example(light: Service) -> None:
    """All that post take one, but for a resumption."""
    schemas = light.client.get("/openapi.json").get_json()["components"]["schemas"]
    for method, path, call in calls(light):
        if method == "get" or path.endswith("/resume"):
            assert "requestBody" not in call
            continue
        [body] = call["requestBody"]["content"].values()
        assert schemas.get(body["schema"].get("$ref", "").rpartition("/")[2], body["schema"])["examples"], path


def test_the_example_of_a_problem_is_one_of_its_status(light: Service) -> None:
    for _, path, call in calls(light):
        for code, answer in call["responses"].items():
            shown = answer.get("content", {}).get("application/problem+json")
            if shown:
                default = contract.Problem.model_config["json_schema_extra"]["examples"][0]  # type: ignore[index]
                example = contract.Problem.model_validate(shown.get("example", default), strict=True)
                assert str(example.status) == code, path


def test_headers_of_answers_are_documented(light: Service) -> None:
    headers = {
        (code, name)
        for _, _, call in calls(light)
        for code, one in call["responses"].items()
        for name in one.get("headers", ())
    }
    assert headers == {("202", "Idempotent-Replayed"), ("503", "Retry-After")}


def test_the_example_of_a_list_can_be_imported(light: Service) -> None:
    [call] = [call for _, path, call in calls(light) if path == "/v1/suppressions/import"]
    [example] = call["requestBody"]["content"]["text/csv"]["schema"]["examples"]
    answer = light.ask("/v1/suppressions/import", example.encode(), OPERATOR)
    assert answer.get_json() == {"added": 1, "rejected": [], "more_rejected": 0}
    assert "400" not in call["responses"]


_BODIES: dict[str, type[BaseModel]] = {
    "/v1/messages/search": search_contract.MessageSearch,
    "/v1/messages/export": search_contract.MessageExport,
    "/v1/messages/replay": operate_contract.ReplayRequest,
    "/v1/messages/cancel": operate_contract.CancelRequest,
    "/v1/campaigns/one/pause": operate_contract.PauseRequest,
    "/v1/messages/none/decide": operate_contract.DecideRequest,
    "/v1/suppressions/search": consent_contract.SuppressionSearch,
}


@pytest.mark.parametrize("path", _BODIES)
def test_null_is_documented_only_where_it_is_taken(light: Service, path: str) -> None:
    key = READER if path.endswith(("messages/search", "export")) else OPERATOR
    schema = _BODIES[path].model_json_schema()
    assert schema["additionalProperties"] is False
    filtered = {"campaign_id": "one"} if "campaign_id" in schema["properties"] else {}
    for name, field in schema["properties"].items():
        answer = light.ask(path, {**filtered, name: None}, key)
        assert (answer.status_code == 200) == ("'null'" in str(field)), name


def test_every_model_of_a_body_says_that_unknown_fields_are_refused() -> None:
    assert set(_BODIES.values()) <= set(_subclasses(Body))
    more: list[type[BaseModel]] = [direct_contract.DirectMessages, direct_contract.DirectMessage]
    for model in [*_subclasses(Body), *more]:
        assert model.model_json_schema()["additionalProperties"] is False


def _subclasses(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for one in model.__subclasses__():
        yield one
        yield from _subclasses(one)
