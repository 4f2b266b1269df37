"""Are data on the command line read as they were typed?"""

from __future__ import annotations

import click
import pytest

from farandole.cli.event_input import read_data


def test_every_digit_of_the_data_is_published() -> None:
    typed = '{ "n": 123456789012345678901234567890,\n "amount": 19.990, "s": "a  b" }'
    assert read_data(typed) == b'{"n":123456789012345678901234567890,"amount":19.990,"s":"a  b"}'


@pytest.mark.parametrize("typed", ["", "{", "NaN", '{"n": Infinity}', "\udcff"])
def test_what_is_no_json_is_a_usage_error(typed: str) -> None:
    with pytest.raises(click.UsageError, match="--data is not JSON"):
        read_data(typed)
