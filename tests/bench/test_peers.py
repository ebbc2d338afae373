"""What the bench compares sending to really sends, each message once, over TLS; the figures are no test's business."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import peers, stage
from bench.peers import Peer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cloud_api() -> Iterator[tuple[str, dict[str, str]]]:
    with stage.cloud_api() as served:
        yield served


@pytest.mark.parametrize(("way", "at_once"), [("article", 1), ("threads", 4)])
def test_each_way_of_our_own_sends_all_and_says_what_it_took(
    cloud_api: tuple[str, dict[str, str]], way: str, at_once: int
) -> None:
    took = peers.send(Peer(way, at_once, 12), *cloud_api)
    assert took.messages == 12
    assert took.seconds > 0
    assert took.cpu > 0


def test_what_the_others_need_is_pinned_as_the_tests_have_it() -> None:
    """Both are installed into one environment."""
    files = (ROOT / f"requirements-{of}.txt" for of in ("bench", "dev"))
    theirs, ours = (dict(re.findall(r"^([\w.-]+)==([^\s;]+)", file.read_text(), re.M)) for file in files)
    assert "pywa" in theirs
    assert [name for name in theirs.keys() & ours.keys() if theirs[name] != ours[name]] == [], "make lock"
