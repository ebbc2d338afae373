"""After Meta's news of a template the account's templates are read anew."""

from typing import Any

import pytest

from service.outbox.catalogue import Catalogues
from service.whatsapp.pausing import Account
from service.whatsapp.webhook import TEMPLATE_NEWS
from tests.conftest import Store
from tests.web.serving import NOW, NUMBER, Service

WABA, OTHER = "102290129340398", "999999999999999"


def news(field: str, waba_id: str = WABA, **value: Any) -> dict[str, Any]:
    changes = [{"field": field, "value": {"message_template_name": "order", **value}}]
    return {"object": "whatsapp_business_account", "entry": [{"id": waba_id, "changes": changes}]}


@pytest.fixture
def service(store: Store) -> Service:
    return Service(store, accounts={NUMBER: Account(WABA), "another": Account()})


def wanted(service: Service) -> bool:
    standing = Catalogues(service.store.engine).standings([WABA, OTHER]).get(WABA)
    return standing is not None and standing.wanted_at == NOW


@pytest.mark.parametrize("field", sorted(TEMPLATE_NEWS))
def test_news_of_a_template_wants_its_account_read(service: Service, field: str) -> None:
    event = {"event": "APPROVED", "message_template_language": "en-US"}
    assert service.notify(news(field, **event)).status_code == 200
    assert wanted(service)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_other_news_and_other_accounts_want_nothing(service: Service) -> None:
    service.notify(news("account_alerts"))
    service.notify(news("template_category_update", OTHER))
    assert Catalogues(service.store.engine).standings([WABA, OTHER]) == {}
