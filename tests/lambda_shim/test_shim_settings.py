"""SERVICE_URL, SIGNING_KEYS and what the environment says about the way there; wrong ones are named, never shown."""

import re
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from lambda_shim.adapters import NotTaken
from lambda_shim.forward import Forwarder
from lambda_shim.handler import handler
from tests.lambda_shim.serving import ACCEPTED, KEY, OTHER_KEY, PRIVATE, Context, Service, article, settings


@pytest.mark.parametrize("keys", [f" {KEY} , {OTHER_KEY}", f",{KEY},", KEY])
def test_the_first_of_the_keys_signs(keys: str, service: Service) -> None:
    handler(article(), None, Forwarder(settings(f" {service.url}/ ", keys)))
    assert service.requests[0].verified(KEY) == article()


def test_a_base_url_may_have_a_path(service: Service) -> None:
    handler(article(), None, Forwarder(settings(f"{service.url}/base/")))
    assert service.requests[0].target == "/base/v1/events/pinpoint"


def test_a_refused_connection_is_named_without_the_urls_secrets() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        url = f"http://user:hunter2@127.0.0.1:{unused.getsockname()[1]}/s3cret"
        forwarder = Forwarder(settings(url))
        with pytest.raises(NotTaken) as not_taken:
            handler(article(), Context(), forwarder)
    assert str(not_taken.value) == (
        "The event was not taken (503): "
        "No answer: check SERVICE_URL, that the service runs, and its log (ConnectionError)."
    )
    assert not re.search(f"{PRIVATE}|s3cret", repr(forwarder))


NO_URLS = [
    "",
    "service.internal",
    "service:8080",
    "//x",
    "ftp://127.0.0.1",
    "file:///etc/passwd",
    "http://",
    "https://:x",
]
NO_URLS += ["http://127.0.0.1:99999", "http://[::1", "http://\u2028", "http://a b", f"http://{'a' * 70}.invalid"]


@pytest.mark.parametrize("url", NO_URLS)
def test_a_url_that_leads_nowhere_is_named(url: str) -> None:
    with pytest.raises(NotTaken, match=r"\(503\): No answer: check SERVICE_URL"):
        handler(article(), Context(), Forwarder(settings(url)))


@pytest.mark.parametrize("keys", ["", ",", " ", "whsec_", "whsec_hunter2hunter", "whsec_張"])
def test_unusable_keys_are_named_and_nothing_is_sent(keys: str, service: Service) -> None:
    with pytest.raises(NotTaken, match=r"\(503\): SIGNING_KEYS is unusable") as not_taken:
        handler(article(), Context(), Forwarder(settings(service.url, keys)))
    assert "hunter2" not in str(not_taken.value)
    assert not service.requests


def test_neither_a_proxy_nor_netrc_of_the_environment_is_used(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert handler(article(), Context(), Forwarder(settings(service.url))) == ACCEPTED
    assert "Authorization" not in service.requests[0].headers


def _tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_tls_is_verified_with_the_bundle_that_is_named(service: Service, tmp_path: Path) -> None:
    """An empty or missing bundle is no permission to trust anybody."""
    ours, bundle = trustme.CA(), tmp_path / "ca.pem"
    ours.cert_pem.write_to_path(bundle)
    service.socket = _tls(ours).wrap_socket(service.socket, server_side=True)
    url = service.url.replace("http:", "https:")
    for named in ("", str(tmp_path / "none.pem")):
        with pytest.raises(NotTaken, match=r"No answer: check SERVICE_URL.*\((SSLError|OSError)\)"):
            handler(article(), Context(), Forwarder(settings(url, REQUESTS_CA_BUNDLE=named)))
    assert not service.requests
    assert handler(article(), Context(), Forwarder(settings(url, REQUESTS_CA_BUNDLE=str(bundle)))) == ACCEPTED
