"""What Lambda takes a function's answer to a batch for: success, failure of some messages, failure of all."""

import pytest

from sandbox.lambda_host.event_source import failed_ids


@pytest.mark.parametrize(
    "answer",
    ["null", "{}", '{"batchItemFailures": []}', '{"batchItemFailures": null}', '{"more": 1}'],
)
def test_lambda_takes_it_for_a_success(answer: str) -> None:
    assert failed_ids(answer.encode(), {"a", "b"}) == set()


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{",
        '""',
        "0",
        "[]",
        "[" * 100_000,
        '{"batchItemFailures": ""}',
        '{"batchItemFailures": {}}',
        '{"batchItemFailures": ["a"]}',
        '{"batchItemFailures": [null]}',
        '{"batchItemFailures": [{"itemIdentifier": ""}]}',
        '{"batchItemFailures": [{"itemIdentifier": null}]}',
        '{"batchItemFailures": [{"itemIdentifier": ["a"]}]}',
        '{"batchItemFailures": [{"ItemIdentifier": "a"}]}',
        '{"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "c"}]}',
    ],
    ids=lambda answer: answer[:60],
)
def test_lambda_takes_the_whole_batch_for_failed(answer: str) -> None:
    with pytest.raises(ValueError, match="the function's answer"):
        failed_ids(answer.encode(), {"a", "b"})


def test_a_batch_response_names_what_is_wanted_again() -> None:
    answer = b'{"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "b"}]}'
    assert failed_ids(answer, {"a", "b"}) == {"b"}
