"""What the document says of reads and of an operator's actions is what the code does."""

from typing import get_args

import pytest
from pydantic import BaseModel

from service.message import Status
from service.outbox.replay import REPLAYABLE
from service.web import operate_contract, report_contract, search_contract
from service.web.filters import FILTERS
from service.web.operate_contract import CancelRequest, ReplayableName, ReplayRequest
from service.web.search_contract import MessageExport, MessageSearch, StatusName
from tests.web.serving import Service

_MODELS = [
    model
    for module in (report_contract, search_contract, operate_contract)
    for model in vars(module).values()
    if isinstance(model, type) and issubclass(model, BaseModel) and model.__module__ == module.__name__
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


@pytest.mark.parametrize("model", [MessageSearch, MessageExport, ReplayRequest, CancelRequest])
def test_the_documented_filters_are_those_that_are_read(model: type[BaseModel]) -> None:
    assert model.model_fields.keys() - {"limit", "cursor", "confirm", "preview"} == set(FILTERS)


def test_the_documented_statuses_are_all() -> None:
    assert get_args(StatusName) == tuple(Status)
    assert get_args(ReplayableName) == tuple(REPLAYABLE)


def test_an_export_is_documented_as_csv(light: Service) -> None:
    call = light.client.get("/openapi.json").get_json()["paths"]["/v1/messages/export"]["post"]
    assert call["responses"]["200"]["content"] == {"text/csv": {"schema": {"type": "string"}}}
    assert call["responses"]["422"]["content"].keys() == {"application/problem+json"}


def test_a_campaigns_id_in_a_path_is_documented_as_text(light: Service) -> None:
    paths = light.client.get("/openapi.json").get_json()["paths"]
    for action in ("", "/pause", "/resume"):
        [call] = paths[f"/v1/campaigns/{{campaign_id}}{action}"].values()
        [parameter] = call["parameters"]
        assert parameter["schema"]["type"] == "string"


def test_no_example_of_an_action_changes_anything() -> None:
    """The page of the calls offers the example to be sent."""
    for model in (ReplayRequest, CancelRequest):
        extra = model.model_config["json_schema_extra"]
        assert isinstance(extra, dict)
        assert "'confirm': False" in str(extra["examples"])
