"""The OpenAPI 3.1 document, made from the handlers and the models of `contract.py`.

It documents, it does not validate: input is judged per recipient in `intake`, so that one bad item never refuses its
neighbours.
"""

from typing import Any

from flask import Flask
from spectree import Response, SecurityScheme, SpecTree, Tag
from spectree.model_adapter.protocol import SchemaMode
from spectree.model_adapter.pydantic_adapter import PydanticModelAdapter
from spectree.models import InType, SecureType, SecuritySchemeData

ABOUT = """Events in, reports out.

JSON in and out; names are snake_case, except in what Pinpoint and Meta send. Ids and moments are strings; moments are UTC, as
in `2026-11-01T09:00:00.123Z`. Errors are `application/problem+json` (RFC 9457) with the faults one by one; 401 has an empty
body. Phone numbers are masked unless the key has the scope `pii`, and never stand in a URL. Bodies may have 6 MB.
"""

EVENTS = Tag(name="events", description="What brings messages. The shim signs these calls with one of `SIGNING_KEYS`.")
MESSAGES = Tag(name="messages", description="Messages of internal systems, without an event. Called with an API key.")
REPORTS = Tag(name="reports", description="What became of them. `whatsapp-channel keys new NAME` makes a key.")
OPERATE = Tag(name="operate", description="What an operator changes. Needs a key with the scope `operate`.")
WEBHOOKS = Tag(name="webhooks", description="What Meta calls. Subscribe the app's webhook to this address.")


class RememberedSchemas(PydanticModelAdapter):
    """Works out a model's schema once; spectree asks for it with every call that takes or answers the model."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[tuple[type[Any], str, SchemaMode], dict[str, Any]] = {}

    def json_schema(self, model: type[Any], *, ref_template: str, mode: SchemaMode = "validation") -> dict[str, Any]:
        """As the pydantic adapter says it; spectree copies what it gets."""
        asked = (model, ref_template, mode)
        if asked not in self._known:
            self._known[asked] = super().json_schema(model, ref_template=ref_template, mode=mode)
        return self._known[asked]


SPEC = SpecTree(
    "flask",
    model_adapter=RememberedSchemas(),  # type: ignore[arg-type]
    annotations=False,
    mode="strict",
    naming_strategy=lambda model: model.__name__,
    nested_naming_strategy=lambda _parent, child: child,
    title="WhatsApp channel",
    version="1",
    description=ABOUT,
    security_schemes=[
        SecurityScheme(
            name="api_key",
            data=SecuritySchemeData(
                type=SecureType.HTTP, scheme="bearer", description="A key from API_KEYS: `Authorization: Bearer wck_…`."
            ),
        ),
        SecurityScheme(
            name="signature",
            data=SecuritySchemeData(
                type=SecureType.API_KEY,
                name="webhook-signature",
                field_in=InType.HEADER,
                description="Standard Webhooks: webhook-id, webhook-timestamp and webhook-signature, made with one of "
                "SIGNING_KEYS at most five minutes ago. An id of the form `evt_<epoch ms>_<anything>` tells when the event "
                "was received: keys of journeys and times to live count from there.",
            ),
        ),
        SecurityScheme(
            name="meta_signature",
            data=SecuritySchemeData(
                type=SecureType.API_KEY,
                name="X-Hub-Signature-256",
                field_in=InType.HEADER,
                description="HMAC-SHA256 of the raw body with the app secret, as Meta sends it.",
            ),
        ),
    ],
)

MEANINGS = {
    "200": "What was asked for.",
    "202": "Kept: every message in it is committed.",
    "400": "Not JSON.",
    "401": "Signature or key missing, wrong or stale. Nothing is kept; the body is empty.",
    "403": "Not allowed with this key or token.",
    "404": "No such thing.",
    "409": "As it stands, that cannot be done; `detail` says what can.",
    "413": "Over 6 MB. Not kept.",
    "422": "Nothing in it can be used; `errors` says why, fault by fault. Sending the same again does not help.",
    "503": "The store is down: nothing was kept, nothing read. `Retry-After` says when to come again.",
}


PROBLEMS = {
    "400": ("Not JSON", "body: the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
    "403": ("Scope missing", "The key shop lacks the scope operate."),
    "404": ("No such message", "No message has this id; ids are in the answer to its event."),
    "409": ("Nothing to decide", "The message is read: it has arrived, and nothing is left to decide"),
    "413": ("Body too large", "The body may have 6 MB at most; send fewer recipients in one event."),
    "503": ("Store unavailable", "The database cannot be reached; nothing was stored. Send it again."),
}
"""Title and detail of an example, by status; 422 has that of the model."""

HEADERS = {
    "202": {"Idempotent-Replayed": "`true` where this is the stored answer to an earlier call"},
    "503": {"Retry-After": "seconds"},
}
"""What an answer has beside its body, by status."""

CSV_BODIES = {
    "import_suppressions": "to,category,reason,since\n+8613800138000,marketing,asked for it by phone,2026-10-01\n"
}
"""The calls that take a list as CSV, with an example; spectree knows bodies of JSON only."""


NEEDS_NO_BODY = {"pause_campaign"}
"""The calls whose body may be left out."""


class Answers(Response):
    """What a call may answer: problems under their own content type, and nothing that is never answered."""

    def add_model(self, code: int, model: Any, replace: bool = True, description: str | None = None) -> None:
        """Leave out what spectree adds by itself (`replace` is False then): its own validation errors, which are not used."""
        if replace:
            super().add_model(code, model, replace, description)

    def generate_spec(self, naming_strategy: Any = None) -> dict[str, Any]:
        """The responses of an operation, by status."""
        responses: dict[str, Any] = super().generate_spec(naming_strategy)
        for code, response in responses.items():
            response["description"] = MEANINGS[code]
            if code in HEADERS:
                response["headers"] = {name: _header(text) for name, text in HEADERS[code].items()}
            if code >= "400" and "content" in response:
                response["content"] = {
                    "application/problem+json": response["content"]["application/json"] | _example(code)
                }
        return dict(sorted(responses.items()))


def _example(code: str) -> dict[str, Any]:
    if code not in PROBLEMS:
        return {}
    title, detail = PROBLEMS[code]
    return {"example": {"type": "about:blank", "title": title, "status": int(code), "detail": detail}}


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def document(app: Flask) -> dict[str, Any]:
    """The OpenAPI document of this app's calls."""
    SPEC.app = app
    with app.app_context():
        contract: dict[str, Any] = SPEC.spec
    for calls in contract["paths"].values():
        for call in calls.values():
            if example := CSV_BODIES.get(call["operationId"]):
                content = {"text/csv": {"schema": {"type": "string", "examples": [example]}}}
                call["requestBody"] = {"content": content, "required": True}
            if call["operationId"] in NEEDS_NO_BODY:
                call["requestBody"]["required"] = False
    return contract
