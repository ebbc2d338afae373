"""The page of the calls in a browser: drawn whole, loading nothing from elsewhere (see `visit`), and a call can be tried."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import SAMPLES
from tests.running import running

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_a_call_can_be_tried_from_the_page(migrated: Path, tmp_path: Path, visit: Callable[..., "Page"]) -> None:
    with running(f"sqlite:///{shutil.copy(migrated, tmp_path)}", tmp_path) as system:
        system.start_web()
        event = json.loads((SAMPLES / "pinpoint_campaign_article.json").read_text())
        message_id = system.post_event(event).json()["results"][0]["message_id"]
        page = visit(viewport={"width": 1280, "height": 900})
        page.goto(f"{system.url}/docs")
        page.get_by_role("button", name="Authorize").click()
        page.get_by_label("auth-bearer-value").fill(system.api_key)
        page.get_by_label("Apply credentials").first.click()
        page.locator(".close-modal").click()
        call = page.locator("#operations-reports-get_message")
        call.locator(".opblock-summary").click()
        call.get_by_role("button", name="Try it out").click()
        call.get_by_placeholder("message_id").fill(message_id)
        call.get_by_role("button", name="Execute").click()
        answer = call.locator(".live-responses-table tbody tr")
        assert answer.locator(".response-col_status").inner_text().startswith("200")
        assert '"status": "queued"' in answer.locator(".response-col_description").inner_text()
