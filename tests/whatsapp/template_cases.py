"""Templates as Meta lists them with messages that fit and messages that do not: one table for service and sandbox.

Each case is a listing and the components of a message; the name says why Meta takes or refuses it.
"""

import json
from typing import Any, TypeAlias

from service.whatsapp.templates import Definition, parse_definition

Json: TypeAlias = dict[str, Any]
Case: TypeAlias = tuple[Json, Any]


def definition(listing: object) -> Definition:
    parsed = parse_definition(listing)
    assert parsed is not None
    return parsed


def compact(components: object) -> str:
    return json.dumps(components, separators=(",", ":")) if components else ""


def template(name: str, *components: Json, **more: object) -> Json:
    base = {"name": name, "language": "en_US", "status": "APPROVED", "category": "UTILITY", "id": "594425479261596"}
    return {**base, "parameter_format": "POSITIONAL", "components": list(components), **more}


def buttons(*listed: Json) -> Json:
    return {"type": "BUTTONS", "buttons": list(listed)}


def media(kind: str) -> Json:
    return {"type": "HEADER", "format": kind, "example": {"header_handle": ["https://scontent.whatsapp.net/v/1"]}}


def says(text: str, **more: object) -> Json:
    return {"type": "BODY", "text": text, **more}


def text(value: object, name: object = None) -> Json:
    return {"type": "text", "text": value} | ({} if name is None else {"parameter_name": name})


def header(*parameters: object) -> Json:
    return {"type": "header", "parameters": list(parameters)}


def body(*parameters: object) -> Json:
    return {"type": "body", "parameters": list(parameters)}


def button(index: object, sub_type: str, *parameters: object) -> Json:
    return {"type": "button", "sub_type": sub_type, "index": index, "parameters": list(parameters)}


def file(kind: str, **content: object) -> Json:
    return header({"type": kind, kind: content})


def offer(ends: object) -> Json:
    terms = {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": ends}}
    return {"type": "limited_time_offer", "parameters": [terms]}


def carousel(*cards: Json) -> Json:
    return {"type": "carousel", "cards": list(cards)}


def card(index: object, *components: object) -> Json:
    return {"card_index": index, "components": list(components)}


NO_REPLY = {"type": "QUICK_REPLY", "text": "Stop promotions"}
CALL = {"type": "PHONE_NUMBER", "text": "Call us", "phone_number": "+15550783881"}
TRACK = {"type": "URL", "text": "Where is it?", "url": "https://example.com/track/{{1}}"}

PLAIN = template("opening_hours", says("We are open on Sunday."), {"type": "FOOTER", "text": "Garden Ltd"})
ORDER = template(
    "order_update", says("Hi {{1}}, order {{2}} is ready."), buttons({"type": "QUICK_REPLY", "text": "OK"})
)
TWICE = template("twice", says("{{1}}, yes {{1}}: {{2}} is ready."))
LONG = template("long", says("x" * 1000 + "{{1}}"))
TITLED = template("titled", {"type": "HEADER", "format": "TEXT", "text": "For {{1}}"}, says("Welcome."))
STATIC = template("static", {"type": "HEADER", "format": "TEXT", "text": "News"}, says("All is well, {{1}}."))
VISIT = template(
    "visit",
    {"type": "HEADER", "format": "TEXT", "text": "See you on {{day}}"},
    says("Hello {{first_name}}, come at {{time}}. Bye {{first_name}}."),
    parameter_format="NAMED",
)
IMAGE = template("sale", media("IMAGE"), says("All is {{1}} off."), buttons(NO_REPLY), category="MARKETING")
VIDEO = template("film", media("VIDEO"), says("Look."), category="MARKETING")
INVOICE = template("invoice", media("DOCUMENT"), says("Your invoice {{1}}."))
SHOP = template("shop", {"type": "HEADER", "format": "LOCATION"}, says("Here we are."))
PARCEL = template("parcel", says("Order {{1}} is on its way."), buttons(CALL, TRACK))
WEB = template("web", says("Read it."), buttons({"type": "URL", "text": "Open", "url": "https://example.com/news"}))
COUPON = template("coupon", says("10 % for you"), buttons(NO_REPLY, {"type": "COPY_CODE", "text": "Copy offer code"}))
FLOW = template(
    "survey", says("Tell us."), buttons({"type": "FLOW", "text": "Start", "flow_id": "1", "navigate_screen": "A"})
)
SHELF = template("shelf", says("See all."), buttons({"type": "CATALOG", "text": "View catalog"}), category="MARKETING")
CALL_IN = template("talk", says("Talk to us."), buttons({"type": "VOICE_CALL", "text": "Call"}, TRACK))
SIGN_IN = template(
    "sign_in_code",
    {"type": "BODY", "add_security_recommendation": True},
    {"type": "FOOTER", "code_expiration_minutes": 10},
    buttons({"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy code"}),
    category="AUTHENTICATION",
)
OTP = {"type": "URL", "text": "Copy code", "url": "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}"}
SIGN_IN_AS_URL = template("sign_in", says("*{{1}}* is your code."), buttons(OTP), category="AUTHENTICATION")
FLASH = template(
    "flash",
    {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Today", "has_expiration": True}},
    says("x" * 500 + "{{1}}"),
    buttons({"type": "COPY_CODE", "text": "Copy"}, TRACK),
    category="MARKETING",
)
ENDLESS = template(
    "endless",
    {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Now", "has_expiration": False}},
    says("Buy."),
)
CARD = {"components": [media("IMAGE"), says("y" * 100 + "{{1}}"), buttons(NO_REPLY, TRACK)]}
CARDS = template("cards", says("For {{1}}:"), {"type": "CAROUSEL", "cards": [CARD, CARD]}, category="MARKETING")
PRODUCT_CARD = {"components": [{"type": "HEADER", "format": "PRODUCT"}, buttons({"type": "SPM", "text": "View"})]}
PRODUCTS = template("products", says("Ours:"), {"type": "CAROUSEL", "cards": [PRODUCT_CARD]}, category="MARKETING")

TWO = body(text("Ada"), text("A-1017"))
DAY = header(text("Monday", "day"))
MEET = body(text("Ada", "first_name"), text("9:30", "time"))
PICTURE = file("image", id="2871834006348767")
OFF = body(text("20 %"))
PLACE = {"latitude": "37.44", "longitude": "-122.16", "name": "Garden Ltd", "address": "1 Hacker Way"}
DOLLAR = {"type": "currency", "currency": {"fallback_value": "$1", "code": "USD", "amount_1000": 1000}}
WAY = body(text("A-1017"))
LINK = button("1", "url", text("A-1017"))
CODE = body(text("123456"))
COPY = button("0", "url", text("123456"))
SAVE = button(0, "copy_code", {"type": "coupon_code", "coupon_code": "25OFF"})
ENDS = offer(1795478400000)
FIRST, SECOND = (card(number, PICTURE, OFF, LINK) for number in (0, 1))


def coupon(value: object) -> Json:
    return button(1, "copy_code", {"type": "coupon_code", "coupon_code": value})


def named(*names: object) -> Json:
    return body(*(text("x", name) for name in names))


FIT: dict[str, Case] = {
    "nothing for a template without placeholders": (PLAIN, []),
    "a body without parameters": (PLAIN, [body()]),
    "one text for each placeholder": (ORDER, [TWO]),
    "types in upper case": (ORDER, [{"type": "BODY", "parameters": [{"type": "TEXT", "text": "x"}] * 2}]),
    "a payload for the quick reply": (ORDER, [TWO, button(0, "quick_reply", {"type": "payload", "payload": "yes"})]),
    "a payload of 256": (ORDER, [TWO, button(0, "quick_reply", {"type": "payload", "payload": "p" * 256})]),
    "a quick reply without payload": (ORDER, [TWO, button("0", "QUICK_REPLY")]),
    "Chinese, Arabic and emoji": (ORDER, [body(text("张三"), text("مرحبا 👋🏽"))]),
    "four spaces in a row": (ORDER, [body(text("A    B"), text("x"))]),
    "braces in a value": (ORDER, [body(text("{{2}}"), text("{{1}}"))]),
    "a currency and a date": (
        ORDER,
        [body(DOLLAR, {"type": "date_time", "date_time": {"fallback_value": "May 1"}})],
    ),
    "a repeated placeholder takes one text": (TWICE, [TWO]),
    "a body of 1024": (LONG, [body(text("y" * 24))]),
    "a header of 60": (TITLED, [header(text("y" * 56))]),
    "no parameters for a static header": (STATIC, [OFF]),
    "names in the order of the text": (VISIT, [DAY, MEET]),
    "names in another order": (VISIT, [body(text("9:30", "time"), text("Ada", "first_name")), DAY]),
    "an image by id": (IMAGE, [PICTURE, OFF]),
    "an image by link": (IMAGE, [file("image", link="https://example.com/sale.jpg"), OFF]),
    "a video by link": (VIDEO, [file("video", link="https://example.com/a.mp4")]),
    "a document with its file name": (INVOICE, [file("document", id="1", filename="invoice.pdf"), OFF]),
    "a location": (SHOP, [file("location", **PLACE)]),
    "a location in numbers": (SHOP, [file("location", **PLACE | {"latitude": 0, "longitude": 1.5})]),
    "the suffix at the index among all buttons": (PARCEL, [WAY, LINK]),
    "an index that is a number": (PARCEL, [WAY, button(1, "URL", text("A-1017"))]),
    "the phone button without parameters": (PARCEL, [WAY, button(0, "phone_number"), LINK]),
    "a URL of 2000": (PARCEL, [WAY, button(1, "url", text("u" * (2000 - len("https://example.com/track/"))))]),
    "a fixed URL": (WEB, []),
    "a coupon of 15": (COUPON, [coupon("ABCDEFGHIJ12345")]),
    "a coupon's sub_type in upper case": (COUPON, [coupon("x") | {"sub_type": "COPY_CODE"}]),
    "a flow without action": (FLOW, []),
    "a flow with a token": (FLOW, [button(0, "flow", {"type": "action", "action": {"flow_token": "t"}})]),
    "a catalog without action": (SHELF, [button(0, "CATALOG")]),
    "a button nobody here knows": (CALL_IN, [button(0, "voice_call", {"type": "ttl_minutes", "ttl_minutes": 5}), LINK]),
    "a code in body and button": (SIGN_IN, [CODE, COPY]),
    "a code of 15": (SIGN_IN, [body(text("1" * 15)), button(0, "url", text("1" * 15))]),
    "a code whose button is listed as a URL": (SIGN_IN_AS_URL, [CODE, COPY]),
    "an offer with its end": (FLASH, [OFF, ENDS, SAVE, LINK]),
    "an offer's body of 600": (FLASH, [body(text("y" * 100)), ENDS, SAVE, LINK]),
    "an offer without end": (ENDLESS, []),
    "a carousel": (CARDS, [OFF, carousel(FIRST, SECOND)]),
    "cards in another order, indexes as strings": (CARDS, [OFF, carousel(SECOND, FIRST | {"card_index": "0"})]),
    "a card's body of 160": (CARDS, [OFF, carousel(FIRST, card(1, PICTURE, body(text("y" * 60)), LINK))]),
    "as many products as the message likes": (PRODUCTS, [carousel(card(0), card(1))]),
    "the title a tap opens": (WEB, [{"type": "tap_target_configuration", "parameters": [{"type": "tap_target"}]}]),
}

UNFIT: dict[str, Case] = {
    "paused": (PLAIN | {"status": "PAUSED"}, []),
    "disabled": (PLAIN | {"status": "DISABLED"}, []),
    "rejected": (PLAIN | {"status": "REJECTED"}, []),
    "not yet reviewed": (PLAIN | {"status": "PENDING"}, []),
    "archived": (PLAIN | {"status": "ARCHIVED"}, []),
    "no list": (ORDER, {"body": ["Ada"]}),
    "a component that is no object": (ORDER, [TWO, "Ada Lovelace"]),
    "a component without type": (PLAIN, [{"parameters": []}]),
    "parameters that are no list": (ORDER, [{"type": "body", "parameters": {"1": "Ada"}}]),
    "parameters that are strings": (ORDER, [{"type": "body", "parameters": ["Ada", "A-1017"]}]),
    "no parameters": (ORDER, []),
    "one text too few": (ORDER, [OFF]),
    "one text too many": (ORDER, [body(*[text("x")] * 3)]),
    "a text for a body without placeholders": (PLAIN, [OFF]),
    "a text for each place of a repeated placeholder": (TWICE, [body(*[text("x")] * 3)]),
    "an empty text": (ORDER, [body(text(""), text("x"))]),
    "a parameter without text": (ORDER, [body({"type": "text"}, text("x"))]),
    "a parameter without type": (ORDER, [body({"text": "x"}, text("x"))]),
    "null for a text": (ORDER, [body(text(None), text("x"))]),
    "a number for a text": (ORDER, [body(text(7), text("x"))]),
    "a line break": (ORDER, [body(text("a\nb"), text("x"))]),
    "a carriage return": (ORDER, [body(text("a\rb"), text("x"))]),
    "a tab": (ORDER, [body(text("a\tb"), text("x"))]),
    "five spaces in a row": (ORDER, [body(text("A     B"), text("x"))]),
    "a currency without its text": (ORDER, [body({"type": "currency", "currency": {"code": "USD"}}, text("x"))]),
    "an image in the body": (ORDER, [body({"type": "image", "image": {"id": "1"}}, text("x"))]),
    "a body of 1025": (LONG, [body(text("y" * 25))]),
    "a repeated value that makes the body too long": (TWICE, [body(text("y" * 510), text("x"))]),
    "a header of 61": (TITLED, [header(text("y" * 57))]),
    "a static header filled": (STATIC, [header(text("x")), OFF]),
    "a header where there is none": (ORDER, [header(text("x")), TWO]),
    "a footer": (PLAIN, [{"type": "footer", "parameters": []}]),
    "the list of buttons instead of one": (WEB, [{"type": "buttons", "parameters": []}]),
    "the body twice": (ORDER, [TWO, TWO]),
    "the header twice": (IMAGE, [PICTURE, PICTURE, OFF]),
    "names left out": (VISIT, [DAY, body(text("Ada"), text("9:30"))]),
    "a wrong name": (VISIT, [DAY, named("name", "time")]),
    "a name in capitals": (VISIT, [DAY, named("First_Name", "time")]),
    "a name twice": (VISIT, [DAY, named("time", "time")]),
    "a name that is no string": (VISIT, [DAY, named(1, "time")]),
    "a named header left out": (VISIT, [MEET]),
    "no image": (IMAGE, [OFF]),
    "a video for an image": (IMAGE, [file("video", id="1"), OFF]),
    "two images": (IMAGE, [header(*PICTURE["parameters"] * 2), OFF]),
    "an image without source": (IMAGE, [file("image"), OFF]),
    "an image without encryption on its way": (IMAGE, [file("image", link="http://example.com/sale.jpg"), OFF]),
    "a text for a video": (VIDEO, [header(text("x"))]),
    "half a location": (SHOP, [file("location", latitude="1", longitude="2")]),
    "no suffix": (PARCEL, [WAY]),
    "an empty suffix": (PARCEL, [WAY, button(1, "url", text(""))]),
    "two suffixes": (PARCEL, [WAY, button(1, "url", text("a"), text("b"))]),
    "the suffix at the index among URL buttons": (PARCEL, [WAY, button(0, "url", text("A-1017"))]),
    "an index that does not exist": (ORDER, [TWO, button("1", "quick_reply")]),
    "an index that is no number": (PARCEL, [WAY, button("one", "url", text("A"))]),
    "a button without index": (PARCEL, [WAY, {"type": "button", "sub_type": "url", "parameters": [text("A")]}]),
    "a button twice": (PARCEL, [WAY, LINK, LINK]),
    "a URL of 2001": (PARCEL, [WAY, button(1, "url", text("u" * (2001 - len("https://example.com/track/"))))]),
    "a suffix for a fixed URL": (WEB, [button(0, "url", text("x"))]),
    "a number for the phone button": (PARCEL, [WAY, button(0, "phone_number", text("+1555")), LINK]),
    "a payload of 257": (ORDER, [TWO, button(0, "quick_reply", {"type": "payload", "payload": "p" * 257})]),
    "a text for a payload": (ORDER, [TWO, button(0, "quick_reply", text("yes"))]),
    "no coupon": (COUPON, []),
    "a coupon of 16": (COUPON, [coupon("ABCDEFGHIJ123456")]),
    "a coupon with a hyphen": (COUPON, [coupon("25-OFF")]),
    "a coupon as text": (COUPON, [button(1, "copy_code", text("25OFF"))]),
    "an action that is no object": (FLOW, [button(0, "flow", {"type": "action", "action": "t"})]),
    "a code without its button": (SIGN_IN, [CODE]),
    "a code without its body": (SIGN_IN, [COPY]),
    "another code in the button": (SIGN_IN, [CODE, button(0, "url", text("654321"))]),
    "another code in a button listed as a URL": (SIGN_IN_AS_URL, [CODE, button(0, "url", text("654321"))]),
    "a code of 16": (SIGN_IN, [body(text("1" * 16)), button(0, "url", text("1" * 16))]),
    "an offer without its end": (FLASH, [OFF, SAVE, LINK]),
    "an offer's end as a string": (FLASH, [OFF, offer("1795478400000"), SAVE, LINK]),
    "an offer's end in seconds": (FLASH, [OFF, offer(1795478400), SAVE, LINK]),
    "an offer's body of 601": (FLASH, [body(text("y" * 101)), ENDS, SAVE, LINK]),
    "an offer where there is none": (PLAIN, [ENDS]),
    "a carousel where there is none": (PLAIN, [carousel(FIRST)]),
    "no carousel": (CARDS, [OFF]),
    "one card too few": (CARDS, [OFF, carousel(FIRST)]),
    "one card too many": (CARDS, [OFF, carousel(FIRST, SECOND, card(2, PICTURE, OFF, LINK))]),
    "the same card twice": (CARDS, [OFF, carousel(FIRST, FIRST)]),
    "a card without components": (CARDS, [OFF, carousel(FIRST, {"card_index": 1})]),
    "a card without picture": (CARDS, [OFF, carousel(FIRST, card(1, OFF, LINK))]),
    "a card without suffix": (CARDS, [OFF, carousel(FIRST, card(1, PICTURE, OFF))]),
    "a card's body of 161": (CARDS, [OFF, carousel(FIRST, card(1, PICTURE, body(text("y" * 61)), LINK))]),
    "a carousel within a card": (CARDS, [OFF, carousel(FIRST, card(1, PICTURE, OFF, LINK, carousel(FIRST)))]),
}
