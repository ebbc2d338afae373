"""The page of the calls: complete, and from here only."""

import re
from html.parser import HTMLParser

import pytest
from pydantic import BaseModel

from service.web import contract
from tests.web.serving import Service


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
