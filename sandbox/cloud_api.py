"""The judgement of one POST /messages or /marketing_messages, as Meta judges it. Pure.

`judge` takes the parsed JSON body and hands on a `Message`, or the `GraphError` Meta answers. `acceptance` is the body
of Meta's 200. Source: Meta's send-messages and send-marketing-messages references, read in November 2026.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sandbox.catalogue import Catalogue
from sandbox.errors import GraphError
from sandbox.parameters import check

COUNTRY_CODE = "1"  # of the business number, +1 555 078 3881
DISPLAY_PHONE_NUMBER = "15550783881"
WABA_ID = "102290129340398"
CALLBACK_DATA_LIMIT = 512
PRODUCT_POLICIES = ("CLOUD_API_FALLBACK", "STRICT")

Door: TypeAlias = Literal["messages", "marketing_messages"]  # the end of the path a message is posted to
MARKETING_DOOR: Door = "marketing_messages"  # takes templates of category MARKETING only

BSUID = re.compile(r"[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{1,128}")
PUNCTUATION = str.maketrans("", "", "-() ")
PHONE_NUMBER = re.compile(r"\+[0-9]{5,15}")


@dataclass(frozen=True, slots=True)
class Message:
    """A message Meta takes.

    `given` is the recipient as it stood in the request, `to` who that is: a number in E.164 with `+`, or a
    business-scoped user id.
    """

    given: str
    to: str
    template: str
    language: str
    category: str
    callback_data: str | None

    @property
    def is_to_user_id(self) -> bool:
        """Whether it goes to a business-scoped user id."""
        return not self.to.startswith("+")


def judge(body: object, catalogue: Catalogue, door: Door = "messages") -> Message | GraphError:
    """The message this body asks for at this door, or why Meta refuses it."""
    if not isinstance(body, dict):
        return GraphError(100, "The body must be a JSON object.")
    given, to = _recipient(body)
    refused = _check_envelope(body, given, to)
    if door == MARKETING_DOOR:
        refused = refused or _check_marketing(body)
    if refused:
        return refused
    template = _check_template(body.get("template"), catalogue, door)
    if isinstance(template, GraphError):
        return template
    name, language, category = template
    return Message(given, to, name, language, category, body.get("biz_opaque_callback_data"))


def who_gets(body: object) -> str | None:
    """The recipient of a body that nobody has judged yet, in the form of `Message.to`; None when there is none."""
    return (_recipient(body)[1] or None) if isinstance(body, dict) else None


def in_e164(given: str) -> str:
    """The number Meta takes this to be, with `+`; "" when it is none.

    Without `+`, Meta prepends the country code of the business number.
    """
    number = given.translate(PUNCTUATION)
    number = number if number.startswith("+") else f"+{COUNTRY_CODE}{number}"
    return number if PHONE_NUMBER.fullmatch(number) else ""


def acceptance(message: Message, wamid: str, message_status: str) -> dict[str, Any]:
    """The body of Meta's 200. Sent to a business-scoped user id it names that instead of a `wa_id`."""
    contact = {"user_id": message.to} if message.is_to_user_id else {"wa_id": message.to[1:]}
    return {
        "messaging_product": "whatsapp",
        "contacts": [{"input": message.given, **contact}],
        "messages": [{"id": wamid, "message_status": message_status}],
    }


def _recipient(body: dict[str, Any]) -> tuple[str, str]:
    """What was given and who that is; `to` wins over `recipient`; each takes its own kind only."""
    if given := body.get("to"):
        return (given, in_e164(given)) if isinstance(given, str) else ("", "")
    given = body.get("recipient")
    return (given, given) if isinstance(given, str) and BSUID.fullmatch(given) else ("", "")


def _check_envelope(body: dict[str, Any], given: str, to: str) -> GraphError | None:
    if body.get("messaging_product") != "whatsapp":
        return GraphError(100, "Param messaging_product must be one of {WHATSAPP}.")
    if body.get("recipient_type", "individual") != "individual":
        return GraphError(100, "Param recipient_type must be one of {INDIVIDUAL}: this sandbox has no groups.")
    if body.get("type") != "template":
        return GraphError(100, "Param type must be one of {TEMPLATE}: this sandbox takes no other messages.")
    if not to:
        what = f"{len(given)} characters that are no phone number" if given else "neither"
        return GraphError(100, f"Param to must be a phone number, or recipient a business-scoped user id; got {what}.")
    callback_data = body.get("biz_opaque_callback_data", "")
    if not isinstance(callback_data, str) or len(callback_data) > CALLBACK_DATA_LIMIT:
        return GraphError(100, f"Param biz_opaque_callback_data must be at most {CALLBACK_DATA_LIMIT} characters long.")
    return None


def _check_marketing(body: dict[str, Any]) -> GraphError | None:
    """The two fields that only /marketing_messages has."""
    if body.get("product_policy", PRODUCT_POLICIES[0]) not in PRODUCT_POLICIES:
        return GraphError(100, f"Param product_policy must be one of {{{', '.join(PRODUCT_POLICIES)}}}.")
    if not isinstance(body.get("message_activity_sharing", False), bool):
        return GraphError(100, "Param message_activity_sharing must be a boolean.")
    return None


def _check_template(given: object, catalogue: Catalogue, door: Door) -> tuple[str, str, str] | GraphError:
    """Name, language and category of the template, when there is one for this door and the parameters fit it."""
    if not isinstance(given, dict):
        return GraphError(131008, "Required parameter template is missing")
    name = given.get("name")
    language = given.get("language")
    code = language.get("code") if isinstance(language, dict) else None
    if not (isinstance(name, str) and name and isinstance(code, str) and code):
        return GraphError(131008, "Required parameter template['name'] or template['language']['code'] is missing")
    template = catalogue.find(name, code)
    if isinstance(template, GraphError):
        return template
    if door == MARKETING_DOOR and template.category != "MARKETING":
        return GraphError(131055, "Only marketing template messages are supported")
    return check(template, given.get("components", [])) or (template.name, template.language, template.category)
