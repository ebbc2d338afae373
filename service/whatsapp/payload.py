"""Message → the JSON body for `POST /{phone_number_id}/messages` or `/marketing_messages`. Pure."""

import json
from dataclasses import dataclass
from typing import Literal

from service.intake.address import is_user_id
from service.message import Door, Message


@dataclass(frozen=True, slots=True)
class Marketing:
    """What only `/marketing_messages` takes; None leaves it to Meta's default.

    `product_policy`: whether Meta may fall back to the Cloud API. `activity_sharing`: whether Meta may use what people do with
    the message (Marketing Messages API, read 2026-02-19).
    """

    product_policy: Literal["CLOUD_API_FALLBACK", "STRICT"] | None = None
    activity_sharing: bool | None = None


PLAIN = Marketing()


def build(message: Message, callback_data: str, door: Door = Door.MESSAGES, marketing: Marketing = PLAIN) -> bytes:
    """The request's body: the caller's components as they are, with our name for the attempt for Meta to echo.

    Fields and order as in Meta's send-message reference (v25.0, read 2026-11).
    """
    target = "recipient" if is_user_id(message.to) else "to"
    components = f',"components":{message.template.components}' if message.template.components else ""
    more = _for_marketing(marketing) if door is Door.MARKETING else ""
    return (
        '{"messaging_product":"whatsapp","recipient_type":"individual",'
        f'"{target}":{json.dumps(message.to)},"type":"template",'
        f'"template":{{"name":{json.dumps(message.template.name)},'
        f'"language":{{"code":{json.dumps(message.template.language)}}}{components}}},'
        f'"biz_opaque_callback_data":{json.dumps(callback_data)}{more}}}'
    ).encode()


def _for_marketing(options: Marketing) -> str:
    policy = f',"product_policy":"{options.product_policy}"' if options.product_policy else ""
    if options.activity_sharing is None:
        return policy
    return f'{policy},"message_activity_sharing":{json.dumps(options.activity_sharing)}'
