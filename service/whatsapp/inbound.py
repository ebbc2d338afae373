"""What people tell our numbers: replies, taps on buttons, preferences. Pure.

    messages[]          ─► Inbound      text, button, interactive; others by their kind, without content
    user_preferences[]  ─► Preference   stop or resume marketing messages
    Inbound, Words      ─► STOP, START or neither (`Words.said`)

The shapes are Meta's (webhooks reference, `messages` and `user_preferences`, read 2026-11). Somebody with a user name may come
without a number; then the user id is the sender.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from service.people import Inbound
from service.whatsapp.answer import read_words

LONGEST_TEXT = 4096
"""Meta's limit for a text message; what we keep of one."""

_MILLISECONDS = 100_000_000_000
"""A timestamp above this (year 5138 in seconds) is in milliseconds, which some accounts have been seen to send."""

_NO_EARLIER = datetime(2009, 1, 1, tzinfo=UTC)
"""There was no WhatsApp before."""

_NUMBER = re.compile(r"\+?([0-9]{3,32})")
_USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{1,128}")


class Word(Enum):
    """What a person asks for with a whole message."""

    STOP = "stop"
    START = "start"


STOP_WORDS = (
    *("STOP", "STOP ALL", "STOPALL", "STOP PROMOTIONS", "UNSUBSCRIBE", "OPT OUT", "OPT-OUT", "OPTOUT"),
    *("baja", "darme de baja", "dar de baja", "parar", "detener", "cancelar suscripción", "cancelar suscripcion"),
    *("sair", "descadastrar", "parar promoções", "cancelar inscrição", "cancelar inscricao"),
    *("arrêt", "arret", "arrêter", "arreter", "désabonner", "desabonner", "me désabonner", "désinscription"),
    *("stopp", "abmelden", "abbestellen", "austragen"),
    *("disiscrivi", "disiscrivimi", "cancellami", "annulla iscrizione"),
    *("stoppen", "afmelden", "uitschrijven"),
    *("توقف", "قف", "إيقاف", "ايقاف", "إلغاء الاشتراك", "الغاء الاشتراك"),
    *("रोकें", "रोको", "बंद करें", "बंद करो", "स्टॉप"),
    *("退订", "停止", "取消订阅", "TD"),
    *("退訂", "取消訂閱", "停止訂閱"),
    *("配信停止", "登録解除", "購読解除", "ストップ"),
    *("berhenti", "berhenti berlangganan", "henti"),
    *("durdur", "abonelikten çık", "стоп", "отписаться", "중지", "수신거부", "수신 거부"),
)
"""English, Spanish, Portuguese, French, German, Italian, Dutch, Arabic, Hindi, Chinese simplified and traditional, Japanese,
Indonesian; Turkish, Russian, Korean. Not among them: CANCEL, END, QUIT, NO and their like, which in a chat mostly answer a
question ("Cancel the order?"). Whoever wants them sets `stop_words`."""

START_WORDS = (
    *("START", "UNSTOP", "SUBSCRIBE", "RESUBSCRIBE", "OPT IN", "OPT-IN", "OPTIN"),
    *("alta", "darme de alta", "suscribirme", "comenzar", "voltar", "inscrever", "começar", "comecar"),
    *("démarrer", "demarrer", "s'abonner", "m'abonner", "starten", "anmelden"),
    *("iscrivi", "iscrivimi", "inizia", "aanmelden", "ابدأ", "اشتراك", "शुरू करें", "शुरू"),
    *("订阅", "开始", "訂閱", "開始", "配信再開", "スタート", "mulai", "berlangganan"),
    *("başla", "старт", "подписаться", "시작", "수신동의", "수신 동의"),
)
"""In the same languages. Not YES, which answers any question."""


_TURKISH = {ord("ı"): "i", 0x307: None}
"""An i with its dot and one without are the same here: in capitals nobody can tell what was meant."""


def folded(text: str) -> str:
    """A message as it is compared: without case, widths, outer punctuation, quotes and emoji; spaces count as one."""
    plain = unicodedata.normalize("NFKC", text.replace("’", "'")).casefold().translate(_TURKISH)
    first, last = 0, len(plain)
    while first < last and not _is_of_a_word(plain[first]):
        first += 1
    while first < last and not _is_of_a_word(plain[last - 1]):
        last -= 1
    return unicodedata.normalize("NFKC", " ".join(plain[first:last].split()))


def _is_of_a_word(character: str) -> bool:
    """Letters, their marks and digits; without the sign that only says how an emoji looks."""
    return unicodedata.category(character)[0] in "LMN" and character != "\ufe0f"


class Words:
    """The messages that stop and start messages."""

    def __init__(self, stop: Iterable[str] = STOP_WORDS, start: Iterable[str] = START_WORDS) -> None:
        self._stop = frozenset(map(folded, stop)) - {""}
        self._start = frozenset(map(folded, start)) - {""}

    def said(self, inbound: Inbound) -> Word | None:
        """What the whole text asks for, or the button by its label or its payload; if both, to stop."""
        said = {folded(words) for words in (inbound.text, inbound.payload) if words}
        if said & self._stop:
            return Word.STOP
        return Word.START if said & self._start else None


@dataclass(frozen=True, slots=True)
class Preference:
    """What a person chose in WhatsApp about marketing messages of this business: to stop them, or to resume them."""

    addresses: tuple[str, ...]
    stop: bool
    at: datetime


def read_inbound(item: object, metadata: object) -> Inbound | None:
    """One of `messages[]`, or None where it cannot be read. `metadata` names the number that it came to."""
    facts = item if isinstance(item, dict) else {}
    wamid, at = read_words(facts.get("id"), 256), read_moment(facts.get("timestamp"))
    number, user_id = _number(facts.get("from")), _user_id(facts.get("from_user_id"))
    sender = number or user_id
    if wamid is None or at is None or at < _NO_EARLIER or sender is None:
        return None
    kind = read_words(facts.get("type"), 64) or "unknown"
    text, payload = _content(kind, facts.get(kind))
    context = facts.get("context")
    return Inbound(
        wamid,
        read_words(metadata.get("phone_number_id"), 64) or "" if isinstance(metadata, dict) else "",
        sender,
        kind,
        at,
        user_id,
        text,
        payload,
        read_words(context.get("id"), 256) if isinstance(context, dict) else None,
    )


def _content(kind: str, value: object) -> tuple[str | None, str | None]:
    """The text or the label, and the payload, of a kind that has such."""
    facts = value if isinstance(value, dict) else {}
    match kind:
        case "text":
            return read_words(facts.get("body"), LONGEST_TEXT), None
        case "button":
            return read_words(facts.get("text"), LONGEST_TEXT), read_words(facts.get("payload"))
        case "interactive":
            reply = facts.get("button_reply") or facts.get("list_reply")
            chosen = reply if isinstance(reply, dict) else {}
            return read_words(chosen.get("title"), LONGEST_TEXT), read_words(chosen.get("id"))
    return None, None


_STOPS = {"stop": True, "resume": False}


def read_preference(item: object) -> Preference | None:
    """One of `user_preferences[]`, or None where it cannot be read."""
    facts = item if isinstance(item, dict) else {}
    value, at = facts.get("value"), read_moment(facts.get("timestamp"))
    named = _number(facts.get("wa_id")), _user_id(facts.get("user_id")), _user_id(facts.get("parent_user_id"))
    addresses = tuple(dict.fromkeys(one for one in named if one))
    if not isinstance(value, str) or value not in _STOPS or not addresses:
        return None
    if at is None or at < _NO_EARLIER:
        return None
    return Preference(addresses, _STOPS[value], at)


def is_other_preference(item: object) -> bool:
    """Whether it is about something else than marketing messages, or is neither stop nor resume, such as `signup`."""
    facts = item if isinstance(item, dict) else {}
    value, category = facts.get("value"), facts.get("category", "marketing_messages")
    return category != "marketing_messages" or (isinstance(value, str) and value not in _STOPS)


def _number(value: object) -> str | None:
    """Meta's `wa_id` and `from`, digits only, as E.164. Whether it is possible is for Meta to know."""
    match = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    return f"+{match[1]}" if match else None


def _user_id(value: object) -> str | None:
    return value if isinstance(value, str) and _USER_ID.fullmatch(value) else None


def read_moment(value: object) -> datetime | None:
    """Meta's timestamp, a string of seconds or a number."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return None
    try:
        seconds = float(value)
        return datetime.fromtimestamp(seconds / 1000 if seconds > _MILLISECONDS else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
