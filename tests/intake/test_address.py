"""What an address may look like, and what goes out for it."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.intake.address import country_of, is_user_id, mask, parse_address, variants

PERSON = "+8613800138000"
GERMAN = "+4930123456"


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        pytest.param("8613800138000", PERSON, id="as in the article, without plus"),
        pytest.param("+8613800138000", PERSON, id="with plus"),
        pytest.param("  +8613800138000\n", PERSON, id="white space around it"),
        pytest.param("+86 138 0013 8000", PERSON, id="with spaces"),
        pytest.param("+86-138-0013-8000", PERSON, id="with hyphens"),
        pytest.param("86.138.0013.8000", PERSON, id="with dots"),
        pytest.param("+1 (206) 555-0123", "+12065550123", id="with brackets"),
        pytest.param("+49 (0) 30/123456", GERMAN, id="with a trunk zero that only a person writes"),
        pytest.param("+39 06 1234 5678", "+390612345678", id="an Italian zero that belongs to the number"),
        pytest.param(8613800138000, PERSON, id="an integer"),
        pytest.param(8613800138000.0, PERSON, id="a float, as a spreadsheet leaves it"),
        pytest.param("US.13491208655302741918", "US.13491208655302741918", id="a business-scoped user id"),
        pytest.param("DE.ENT.a1B2c3", "DE.ENT.a1B2c3", id="a parent user id"),
        pytest.param(f"US.{'9' * 128}", f"US.{'9' * 128}", id="the longest user id"),
    ],
)
def test_an_address_is_understood(written: object, sent: str) -> None:
    assert parse_address(written) == sent


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("", id="empty"),
        pytest.param("   ", id="blank"),
        pytest.param("+", id="only a plus"),
        pytest.param("12", id="too short"),
        pytest.param("+" + "1" * 16, id="too long"),
        pytest.param("8" * 300, id="longer than the library reads"),
        pytest.param("+999123456789", id="no such country code"),
        pytest.param("008613800138000", id="with an exit code in place of the plus"),
        pytest.param("++8613800138000", id="two pluses"),
        pytest.param("86+13800138000", id="a plus in the middle"),
        pytest.param("+86 138 CALL ME", id="letters"),
        pytest.param("+8613800138000;ext=5", id="an extension"),
        pytest.param("+8613800138000, +8613800138001", id="two numbers"),
        pytest.param("+861380013\u00b2000", id="a superscript digit"),
        pytest.param(
            "+\u0668\u0666\u0661\u0663\u0668\u0660\u0660\u0661\u0663\u0668\u0660\u0660\u0660", id="arabic digits"
        ),
        pytest.param("+86138001\u066038000", id="a foreign digit, without which it would be another number"),
        pytest.param("\uff0b8613800138000", id="a full-width plus"),
        pytest.param("mary.major@example.com", id="an e-mail address"),
        pytest.param("us.13491208655302741918", id="a user id in small letters"),
        pytest.param("US.", id="a user id without its id"),
        pytest.param(f"US.{'9' * 129}", id="a user id that is too long"),
        pytest.param("USA.123", id="a user id with three letters"),
        pytest.param("US.12-34", id="a user id with a hyphen"),
        pytest.param("US.123\n456", id="a user id over two lines"),
        pytest.param(None, id="nothing"),
        pytest.param(True, id="a truth value"),
        pytest.param(0, id="zero"),
        pytest.param(-8613800138000, id="a negative number"),
        pytest.param(10**5000, id="an integer that Python refuses to write"),
        pytest.param(float("nan"), id="no number"),
        pytest.param(["8613800138000"], id="a list"),
        pytest.param({"Address": "8613800138000"}, id="an object"),
    ],
)
def test_no_address(written: object) -> None:
    assert parse_address(written) is None


@given(st.one_of(st.text(), st.integers(), st.floats(), st.from_regex(r"\+?[0-9 ()./-]{1,40}", fullmatch=True)))
def test_whatever_comes_it_is_e164_a_user_id_or_none(written: object) -> None:
    sent = parse_address(written)
    if sent is not None and not is_user_id(sent):
        assert sent[1:].isascii()
        assert sent[1:].isdigit()
        assert len(sent) <= 21  # the library knows service numbers of up to 17 digits after the country code


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (PERSON, "+86••••••••000"),
        ("US.13491208655302741918", "US.••••"),
        ("DE.ENT.a1B2c3", "DE.••••"),
    ],
)
def test_a_masked_address_tells_the_country_and_little_else(address: str, shown: str) -> None:
    assert mask(address) == shown


def test_only_user_ids_are_user_ids() -> None:
    assert is_user_id("US.13491208655302741918")
    assert not is_user_id(PERSON)


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("+8613800138000", "CN"),
        ("+16505551234", "US"),
        ("+16135550123", "CA"),
        ("+441624000000", "IM"),
        ("+883510000000", None),
        ("DE.13491208655302741918", "DE"),
        ("IN.ENT.1349", "IN"),
    ],
)
def test_the_country_is_what_the_number_tells(address: str, country: str | None) -> None:
    assert country_of(address) == country


def test_the_country_is_the_same_as_where_the_whole_number_is_read() -> None:
    """Of each country there is, by a number of it."""
    examples = [phonenumbers.example_number(region) for region in sorted(phonenumbers.SUPPORTED_REGIONS)]
    numbers = [number for number in examples if number is not None]
    assert len(numbers) > 200
    said = [country_of(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)) for number in numbers]
    assert said == [phonenumbers.region_code_for_number(number) for number in numbers]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("+5511987654321", "+551187654321", id="Brazil, with and without the ninth digit"),
        pytest.param("+5521961234567", "+552161234567", id="Brazil, another area"),
        pytest.param("+521551234567", None, id="Mexico, too short to be either"),
        pytest.param("+5215512345678", "+525512345678", id="Mexico, with and without the 1"),
        pytest.param("+5491123456789", "+541123456789", id="Argentina, with and without the 9"),
        pytest.param("+551133334444", None, id="Brazil, a landline"),
        pytest.param("+5511933334444", None, id="Brazil, where a landline would come out"),
        pytest.param(PERSON, None, id="another country"),
        pytest.param("US.13491208655302741918", None, id="a user id"),
    ],
)
def test_the_variants_of_a_number_are_those_in_which_whatsapp_may_know_it(one: str, other: str | None) -> None:
    assert variants(one) == ((one, other) if other else (one,))
    if other:
        assert variants(other) == (other, one)


@given(st.from_regex(r"\+5[245][0-9]{8,12}", fullmatch=True))
def test_a_variant_of_a_variant_is_the_number_itself(address: str) -> None:
    for variant in variants(address):
        assert set(variants(variant)) == set(variants(address))
