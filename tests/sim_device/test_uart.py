"""A UART whose clock is not the sender's: against the picture of the line, drawn by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_device.uart import misread

RATES = st.sampled_from([300, 1200, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 921_600, 1_000_000])


@given(st.binary(max_size=40), st.integers(-30, 30), RATES)
def test_rates_within_three_per_cent_read_every_byte(data: bytes, permille: int, baud: int) -> None:
    assert misread(data, baud, baud + baud * permille // 1000) == data


@given(st.binary(min_size=1, max_size=40), RATES, RATES)
def test_anything_is_read_as_some_bytes(data: bytes, sent: int, read: int) -> None:
    found = misread(data, sent, read)
    assert len(found) <= max(1, 5 * read // sent + 5) * len(data)


# Levels of the line in bits of the sender, start bit first; read by hand.
@pytest.mark.parametrize(
    ("sent", "read", "data", "heard"),
    [
        # 0xff is one low bit: at twice the reader's rate too short for a start bit's middle to be low
        (19_200, 9_600, b"\xff", b""),
        # at half the rate the low start bit of 0xff lasts two bits of the reader: start and bit 0
        (9_600, 19_200, b"\xff", b"\xfe"),
        # 0x00 is nine low bits: at half the rate 18 of the reader, no stop bit, and one edge only
        (9_600, 19_200, b"\x00", b"\x00"),
        # at an eighth of the rate a start bit alone is eight low bits: start and bits 0 to 6
        (1_200, 9_600, b"\xff", b"\x80"),
    ],
)
def test_a_wrong_rate_gives_what_the_line_shows(sent: int, read: int, data: bytes, heard: bytes) -> None:
    assert misread(data, sent, read) == heard
