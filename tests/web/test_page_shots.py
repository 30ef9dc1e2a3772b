"""The pictures of the page, taken anew in every run: for the docs, and to be looked at after a failure."""

import struct
from pathlib import Path

import pytest

from tests.web.browser import without_chromium
from tests.web.shots import TABLET, WIDE, main

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(600), without_chromium]

KEPT = Path(__file__).parents[2] / "build" / "screenshots"
BLANK_BYTES = 15_000  # a page of one colour is smaller


def test_every_state_of_the_page_can_be_pictured() -> None:
    for old in KEPT.glob("*.png"):
        old.unlink()
    main(KEPT)
    pictures = sorted(KEPT.glob("*.png"))
    assert len(pictures) == 15
    for picture in pictures:
        content = picture.read_bytes()
        size = TABLET if "tablet" in picture.name else WIDE
        assert struct.unpack(">II", content[16:24]) == (size["width"], size["height"]), picture.name
        assert len(content) > BLANK_BYTES, picture.name
