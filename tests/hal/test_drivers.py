"""Drivers found by their name."""

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from hal import drivers
from hal.drivers import GROUP, driver_names, load_driver
from hal.errors import LocalError, LocalKind
from hal.picolase_laser import PicolaseLaser


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints(
        [
            EntryPoint("picolase", "hal.picolase_laser:PicolaseLaser", GROUP),
            EntryPoint("gone", "no_such_package.laser:Laser", GROUP),
            EntryPoint("renamed", "hal.laser:NoSuchLaser", GROUP),
            EntryPoint("other", "hal.ports:open_port", GROUP),
            EntryPoint("elsewhere", "hal.picolase_laser:PicolaseLaser", "another.group"),
        ]
    )
    monkeypatch.setattr(drivers, "entry_points", points.select)


@pytest.mark.usefixtures("installed")
def test_a_driver_is_found_by_its_name() -> None:
    assert load_driver("picolase") is PicolaseLaser
    assert driver_names() == ("gone", "other", "picolase", "renamed")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("picolse", "driver = 'picolse' is not installed: give one of: gone, other, picolase, renamed"),
        ("elsewhere", "is not installed"),
        ("gone", "does not load: No module named 'no_such_package'"),
        ("renamed", "does not load"),
        ("other", "is not a Laser"),
    ],
)
def test_a_driver_that_cannot_be_used_says_why_and_what_there_is(name: str, words: str) -> None:
    with pytest.raises(LocalError) as caught:
        load_driver(name)
    assert words in str(caught.value)
    assert (caught.value.kind, caught.value.field, caught.value.value) == (LocalKind.DRIVER, "driver", name)


def test_where_nothing_is_installed_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "entry_points", EntryPoints().select)
    with pytest.raises(LocalError, match="give one of: none"):
        load_driver("picolase")
