"""Message → the JSON body for `POST /{phone_number_id}/messages`. Pure."""

import json

from service.intake.address import is_user_id
from service.message import Message


def build(message: Message, callback_data: str) -> bytes:
    """The request's body: the caller's components as they are, with our name for the attempt for Meta to echo.

    Fields and order as in Meta's send-message reference (v25.0, read 2026-11).
    """
    target = "recipient" if is_user_id(message.to) else "to"
    components = f',"components":{message.template.components}' if message.template.components else ""
    return (
        '{"messaging_product":"whatsapp","recipient_type":"individual",'
        f'"{target}":{json.dumps(message.to)},"type":"template",'
        f'"template":{{"name":{json.dumps(message.template.name)},'
        f'"language":{{"code":{json.dumps(message.template.language)}}}{components}}},'
        f'"biz_opaque_callback_data":{json.dumps(callback_data)}}}'
    ).encode()
