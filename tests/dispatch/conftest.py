"""What the dispatcher's suite shares: a scripted Cloud API, a clock and a secret that a test moves, and stages to play on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.conftest import Store
from tests.dispatch.cloud_api import CloudApi, serving
from tests.dispatch.stage import Secret, Stage, SteppedClock

Stages = Callable[..., Stage]


@pytest.fixture
def cloud_api() -> Iterator[CloudApi]:
    """A Cloud API over plain HTTP."""
    with serving(CloudApi()) as server:
        yield server


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def secret() -> Secret:
    return Secret()


@pytest.fixture
def stages(store: Store, cloud_api: CloudApi, clock: SteppedClock, secret: Secret) -> Iterator[Stages]:
    """Makes stages over one store; each is closed at the end."""
    with ExitStack() as opened:

        def make(name: str = "first", **facts: Any) -> Stage:
            usual = {"store": store, "cloud_api": cloud_api, "clock": clock, "secret": secret}
            stage = Stage(name=name, **{**usual, **facts})
            opened.callback(stage.close)
            return stage

        yield make


@pytest.fixture
def stage(stages: Stages) -> Stage:
    return stages()
