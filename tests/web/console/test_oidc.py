"""Whom the load balancer has signed in, by a header that only it can sign."""

import base64
import json
import logging
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from service.outbox.database import open_engine
from service.web.console.oidc import HEADER, Balancer, PublicKeys, Refused, keys_address
from tests.web.console.visiting import ANNAS, PUBLIC, Browser, Site, refusals
from tests.web.serving import NOW

ARN = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/channel/50dc6c495c0c9188"
OTHERS = ARN.replace("111122223333", "444455556666")
KEY_ID = "6b9e1c2e-0d3b-4c5e-8148-27a63a4fa6d8"
PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC_PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
CLAIMS = {"sub": "2af0c1f7", "email": "carla@example.com", "exp": NOW.timestamp() + 120, "iss": "https://idp.example"}


def part(of: object) -> str:
    """With padding, as the load balancer writes it and the JWT standard does not."""
    return base64.urlsafe_b64encode(of if isinstance(of, bytes) else json.dumps(of).encode()).decode()


def token(claims: object = None, key: ec.EllipticCurvePrivateKey = PRIVATE, **header: object) -> str:
    heading = {"typ": "JWT", "kid": KEY_ID, "alg": "ES256", "iss": "https://idp.example", "client": "c", "signer": ARN}
    signed = f"{part(heading | header)}.{part(CLAIMS if claims is None else claims)}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(SHA256())))
    return f"{signed}.{part(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def claims(**changes: object) -> dict[str, object]:
    return {name: value for name, value in (CLAIMS | changes).items() if value is not None}


@dataclass(slots=True)
class Aws:
    """Where AWS keeps the load balancers' public keys."""

    keys: dict[str, bytes] = field(default_factory=lambda: {KEY_ID: PUBLIC_PEM})
    asked: list[str] = field(default_factory=list)
    base: str = ""

    def balancer(self) -> Balancer:
        return Balancer(ARN, lambda: NOW, PublicKeys(self.base))


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, aws: Aws, *arguments: Any) -> None:
        self.aws = aws
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self.aws.asked.append(self.path)
        key = self.aws.keys.get(self.path.removeprefix("/keys/"))
        self.send_response(302 if key == b"elsewhere" else 200 if key else 403)
        if key == b"elsewhere":
            self.send_header("Location", f"/keys/{KEY_ID}")
        self.send_header("Content-Length", str(len(key or b"")))
        self.end_headers()
        self.wfile.write(key or b"")

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def aws() -> Iterator[Aws]:
    aws = Aws()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, aws)) as server:
        aws.base = f"http://127.0.0.1:{server.server_port}/keys"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield aws
        server.shutdown()
        thread.join()


# --- the header -------------------------------------------------------------------------------------------------------


def test_the_keys_of_a_region_are_where_aws_says() -> None:
    assert keys_address(ARN) == "https://public-keys.auth.elb.eu-central-1.amazonaws.com"
    gov = "arn:aws-us-gov:elasticloadbalancing:us-gov-west-1:111122223333:loadbalancer/app/channel/50dc6c495c0c9188"
    assert keys_address(gov) == "https://s3-us-gov-west-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-west-1"


@pytest.mark.parametrize("length", range(4), ids=lambda length: f"{length} more")
def test_what_the_load_balancer_signed_counts_with_its_padding_and_without(aws: Aws, length: int) -> None:
    padded = token(claims(more="x" * length))
    assert aws.balancer().name(padded) == "carla@example.com"
    signed = ".".join(piece.rstrip("=") for piece in padded.split(".")[:2])
    r, s = decode_dss_signature(PRIVATE.sign(signed.encode(), ec.ECDSA(SHA256())))
    bare = f"{signed}.{part(r.to_bytes(32, 'big') + s.to_bytes(32, 'big')).rstrip('=')}"
    assert aws.balancer().name(bare) == "carla@example.com"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"email_verified": True}, "carla@example.com"),
        ({"email_verified": "true"}, "carla@example.com"),
        ({"email_verified": False}, "2af0c1f7"),
        ({"email_verified": "false"}, "2af0c1f7"),
        ({"email_verified": []}, "2af0c1f7"),
        ({"email": None}, "2af0c1f7"),
        ({"email": ""}, "2af0c1f7"),
    ],
)
def test_the_name_is_the_proven_address_or_else_the_subject(aws: Aws, changes: dict[str, object], name: str) -> None:
    assert aws.balancer().name(token(claims(**changes))) == name


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (token(signer=OTHERS), "not signed by the load balancer"),
        (token(signer=None), "not signed by the load balancer"),
        (token(signer=[ARN]), "not signed by the load balancer"),
        (token(kid="../" + KEY_ID), "names no key"),
        (token(kid=KEY_ID + "?x"), "names no key"),
        (token(kid=KEY_ID + "\n"), "names no key"),
        (token(kid=""), "names no key"),
        (token(kid="a" * 65), "names no key"),
        (token(kid=7), "does not fit"),
        (token(key=ec.generate_private_key(ec.SECP256R1())), "does not fit"),
        (token(alg="none"), "does not fit"),
        (token(alg="HS256"), "does not fit"),
        (token().rpartition(".")[0] + ".", "does not fit"),
        (
            token(claims(email="canary@example.com")).replace(part(claims(email="canary@example.com")), part(CLAIMS)),
            "does not fit",
        ),
        (token([1]), "does not fit"),
        ("", "does not fit"),
        ("canary", "does not fit"),
        ("a.b.c", "does not fit"),
        ("é.é.é", "does not fit"),
        (token(claims(exp=NOW.timestamp())), "has expired"),
        (token(claims(exp=None)), "has expired"),
        (token(claims(exp="canary")), "has expired"),
        (token(claims(email=None, sub=None)), "names nobody"),
        (token(claims(email=7)), "names nobody"),
    ],
)
def test_anything_else_is_refused_with_a_reason_and_nothing_of_it(aws: Aws, given: str, why: str) -> None:
    with pytest.raises(Refused, match=why) as caught:
        aws.balancer().name(given)
    assert "canary" not in repr((caught.value, caught.value.__cause__, caught.value.__context__))


def test_another_load_balancers_word_asks_for_no_key(aws: Aws) -> None:
    for given in (token(signer=OTHERS), token(kid="../x")):
        with pytest.raises(Refused):
            aws.balancer().name(given)
    assert aws.asked == []


def test_a_public_key_is_no_password_for_a_signature_of_another_kind(aws: Aws) -> None:
    rsa_key = rsa.generate_private_key(65537, 2048).public_key()
    aws.keys[KEY_ID] = rsa_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(Refused, match="does not fit"):
        aws.balancer().name(token())


# --- the keys ---------------------------------------------------------------------------------------------------------


def test_a_key_is_read_once(aws: Aws) -> None:
    balancer = aws.balancer()
    for _ in range(3):
        balancer.name(token())
    assert aws.asked == [f"/keys/{KEY_ID}"]


def test_a_new_key_is_read_when_it_is_first_used(aws: Aws) -> None:
    balancer = aws.balancer()
    balancer.name(token())
    newer = ec.generate_private_key(ec.SECP256R1())
    aws.keys["0-1"] = newer.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert balancer.name(token(key=newer, kid="0-1")) == "carla@example.com"
    with pytest.raises(Refused, match="does not fit"):
        balancer.name(token(kid="0-1"))


def test_not_every_key_is_kept(aws: Aws) -> None:
    keys = PublicKeys(aws.base)
    for n in range(40):
        aws.keys[f"{n}"] = PUBLIC_PEM
        keys(f"{n}")
    assert len(keys._known) <= 16


@pytest.mark.parametrize(("key", "status"), [(None, 403), (b"elsewhere", 302)], ids=["none", "another address"])
def test_a_key_that_is_not_there_is_asked_for_again(aws: Aws, key: bytes | None, status: int) -> None:
    aws.keys = {} if key is None else {"0-1": key, KEY_ID: PUBLIC_PEM}
    balancer = aws.balancer()
    kid = KEY_ID if key is None else "0-1"
    with pytest.raises(Refused, match=rf"has no such key \(status {status}\)"):
        balancer.name(token(kid=kid))
    aws.keys[kid] = PUBLIC_PEM
    assert balancer.name(token(kid=kid)) == "carla@example.com"


def test_a_place_that_does_not_answer_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        base = f"http://127.0.0.1:{probe.getsockname()[1]}/keys"
    with pytest.raises(Refused, match=r"could not be read from .* the service must reach that address"):
        Balancer(ARN, lambda: NOW, PublicKeys(base)).name(token())


# --- at the console ---------------------------------------------------------------------------------------------------


@pytest.fixture
def site(migrated: Path, tmp_path: Path, aws: Aws) -> Iterator[Site]:
    engine = open_engine(f"sqlite:///{shutil.copy(migrated, tmp_path)}")
    yield Site(engine, balancer=aws.balancer())
    engine.dispose()


def behind(site: Site, given: str) -> Browser:
    """A browser whose requests come through the load balancer."""
    browser = site.browser(PUBLIC)
    browser.headers[HEADER] = given
    return browser


def test_who_is_listed_as_coming_through_the_load_balancer_is_in_at_once(site: Site) -> None:
    carla = behind(site, token())
    assert carla.is_in()
    assert "carla@example.com" in carla.get("/console/").text
    assert carla.get("/console/sign-in").location == "/console/"


def test_they_are_in_for_as_long_as_the_load_balancer_says_so(site: Site) -> None:
    carla = behind(site, token())
    assert carla.is_in()
    del carla.headers[HEADER]
    assert not carla.is_in()


def test_their_forms_need_the_field_of_their_own_browser(site: Site) -> None:
    site.entries = ["carla@example.com:operate:oidc"]
    site.pass_time(minutes=1)
    carla, other = behind(site, token()), behind(site, token())
    assert carla.post("/console/act").status_code == 403
    theirs = other.csrf()
    assert theirs == other.csrf(), "one cookie for all their pages"
    assert carla.post("/console/act", {"csrf": theirs}).status_code == 403
    assert carla.post("/console/act", {"csrf": carla.csrf()}).text == "done"
    cookie = carla.client.get_cookie("__Host-console", "channel.example")
    assert cookie
    assert cookie.secure
    assert cookie.http_only
    assert site.acts == ["carla@example.com"]


def test_that_field_is_no_session(site: Site) -> None:
    carla = behind(site, token())
    carla.csrf()
    del carla.headers[HEADER]
    assert site.tokens
    assert not carla.is_in()


def test_signing_out_takes_the_load_balancers_cookies_away_too(site: Site) -> None:
    carla = behind(site, token())
    for name in ("AWSELBAuthSessionCookie-0", "AWSELBAuthSessionCookie-1"):
        carla.client.set_cookie(name, "x", domain="channel.example")
    answer = carla.post("/console/sign-out", {"csrf": carla.csrf()})
    assert answer.status_code == 200
    assert "Who signed you in may still know you" in answer.text
    gone = [cookie.partition("=")[0] for cookie in answer.headers.getlist("Set-Cookie") if "Max-Age=0" in cookie]
    assert gone == ["__Host-console", "AWSELBAuthSessionCookie-0", "AWSELBAuthSessionCookie-1"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (token(signer=OTHERS), "not signed by the load balancer of CONSOLE_ALB_ARN"),
        ("canary", "its signature does not fit"),
        ("", "its signature does not fit"),
        (token(claims(email="<b>dora</b>")), "CONSOLE_USERS has neither &lt;b&gt;dora&lt;/b&gt;:look:oidc nor"),
        (token(claims(email="anna")), "CONSOLE_USERS has neither anna:look:oidc nor"),
    ],
)
def test_a_header_that_does_not_count_is_refused_whatever_else_one_has(
    site: Site, caplog: pytest.LogCaptureFixture, given: str, says: str
) -> None:
    anna = site.browser(PUBLIC)
    assert anna.sign_in().status_code == 303
    assert anna.is_in()
    anna.headers[HEADER] = given
    caplog.set_level(logging.INFO)
    answers = [
        anna.get("/console/"),
        anna.post("/console/act"),
        anna.get("/console/sign-in"),
        anna.sign_in(password=ANNAS),
    ]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert all(says in answer.text for answer in answers)
    assert "console.refused" in caplog.text
    assert not {"canary", "dora"} & set(caplog.text.split())
    assert site.acts == []


def test_a_header_that_proves_nothing_is_counted_and_one_that_does_is_not(site: Site) -> None:
    before = refusals()
    behind(site, token()).get("/console/")
    behind(site, token(claims(email="dora"))).get("/console/")
    assert refusals() == before
    behind(site, token(signer=OTHERS)).get("/console/")
    assert refusals() == before + 1


def test_without_a_load_balancer_the_header_counts_for_nothing(site: Site) -> None:
    alone = Site(site.engine)
    assert not behind(alone, token()).is_in()
    anna = behind(alone, token())
    anna.sign_in()
    assert "anna" in anna.get("/console/").text


def test_people_with_a_password_still_get_in_past_the_load_balancer(site: Site) -> None:
    anna = site.browser(PUBLIC)
    anna.sign_in()
    assert anna.is_in()
