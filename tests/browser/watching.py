"""What the browser's suite works with: the sandbox from its sender's side, and the webhook that was told."""

import json
import subprocess
import threading
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ADA = "8613800138000"
PATIENCE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where the sandbox posts to, and what it has posted."""

    url: str
    news: list[Any]
    arrived: threading.Condition

    def messages(self, count: int) -> list[Any]:
        """Waits for so many messages of people; each with all that stands beside it."""

        def told() -> list[Any]:
            changes = [change for one in self.news for entry in one["entry"] for change in entry["changes"]]
            return [change["value"] for change in changes if "messages" in change["value"]]

        with self.arrived:
            assert self.arrived.wait_for(lambda: len(told()) >= count, PATIENCE_SECONDS), self.news
            return told()


@dataclass(frozen=True, slots=True)
class Phone:
    """A running sandbox."""

    url: str
    process: "subprocess.Popen[str]"

    def chat(self, who: str = ADA) -> str:
        """The address of a chat."""
        return f"{self.url}/phone/{who}"

    def send(
        self, *texts: str, template: str = "ordertimeoutnotification", to: str = ADA, more: Sequence[Any] = ()
    ) -> str:
        """Has a message accepted; its wamid."""
        body = {"type": "body", "parameters": [{"type": "text", "text": text} for text in texts]}
        message = {
            "messaging_product": "whatsapp",
            "to": f"+{to}",
            "type": "template",
            "template": {"name": template, "language": {"code": "en_US"}, "components": [body, *more]},
        }
        answer = self._post("/v25.0/106540352242922/messages", message)
        wamid: str = answer["messages"][0]["id"]
        return wamid

    def fault(self, **fault: Any) -> None:
        """Switches a fault on."""
        self._post("/sandbox/faults", fault)

    def stop(self) -> None:
        """Ends the process."""
        self.process.terminate()
        self.process.wait(PATIENCE_SECONDS)

    def _post(self, path: str, body: Any) -> Any:
        headers = {"Authorization": "Bearer sandbox-token", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data=json.dumps(body).encode(), headers=headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)
