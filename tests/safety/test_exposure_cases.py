"""Every case of exposure_cases.csv that the answers cover, by the numbers of the row itself."""

import csv
import math
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from safety import eyewear, hazard_distance
from safety.exposure import Answer, Inquiry, Rules, assess
from safety.exposure_limits import Edition, circle_m2, t_i_s
from safety.exposure_train import Heat, Rule, peak_power_w, pulses_beginning
from safety.hazard_distance import Beam, BeamAt

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
Row = dict[str, str]
ROWS: list[Row] = list(
    csv.DictReader((REFERENCE / "exposure_cases.csv").read_text(encoding="utf-8").splitlines())
)
UNITS = {"m": 1e-3, "u": 1e-6, "n": 1e-9, "k": 1e3, "M": 1e6, "": 1.0}

NOT_ANSWERED = {
    "MPE067": "1500 nm is outside 400-1400 nm",
    "MPE073": "an extended source on a 3 mm pupil in Maxwellian view; only point sources are covered",
}


def figure(row: Row, unit: str) -> float:
    """A number of the row's conditions by its unit, with prefix: `1 kHz` -> 1000."""
    found = re.search(rf"([\d.]+(?:e-?\d+)?) ([munkM]?){unit}\b", row["conditions"])
    assert found, (row["id"], unit)
    return float(found[1]) * UNITS[found[2]]


def edition(row: Row) -> Edition:
    return Edition.OLD if re.search("pre-2013|2006/25", row["edition"]) else Edition.NEW


def ask(
    row: Row,
    *,
    rate_hz: float | None = None,
    duration_s: float | None = None,
    energy_j: float | None = None,
    beam_mm: float | None = None,
) -> Answer:
    wavelength_nm, pulse_s = float(row["wavelength_nm"]), float(row["pulse_or_exposure_s"])
    rules = Rules(edition(row).value)
    return assess(Inquiry(wavelength_nm, pulse_s, rate_hz, duration_s, energy_j, beam_mm, rules=rules))


def trained(row: Row) -> Answer:
    return ask(row, rate_hz=figure(row, "Hz"), duration_s=figure(row, "s"))


def at_ten_hertz(row: Row) -> Answer:
    return ask(row, rate_hz=10, duration_s=10)


def class_j(row: Row, name: str) -> float:
    return ask(row).class_limits[0].energy_j[name]


def cw_energy_j(row: Row) -> float:
    return figure(row, "W") * float(row["pulse_or_exposure_s"])


def c_p(row: Row) -> float:
    if found := re.search(r"[nN]=([\d.e]+)", row["conditions"]):
        # With n told, C_P of that n; T_i plays no part below a microsecond.
        return Heat(edition(row), 5e-6).c_p(int(float(found[1])), 1e-8, 10)
    answer = trained(row).c_p
    assert answer is not None
    return answer


def rule_2_j(row: Row) -> float:
    if "MHz" in row["quantity"]:  # the whole train is told in the quantity
        named = row | {"conditions": row["quantity"].replace("fs", "femtoseconds")}
        answer = ask(row, rate_hz=figure(named, "Hz"), duration_s=figure(named, "s"))
    else:
        answer = trained(row)
    return answer.eye.share.by_rule[Rule.GROUP] * circle_m2(7e-3)


def mpe_j_cm2_or_m2(row: Row, value: float) -> float:
    return value / 1e4 if row["unit"] == "J/cm2" else value


def lb(row: Row) -> str:
    energy_j, diameter_mm = figure(row, "J"), figure(row, "m(?= spot|$| \\()") * 1e3
    answer = ask(row, energy_j=energy_j, rate_hz=figure(row, "Hz"), beam_mm=diameter_mm)
    assert answer.goggles is not None
    return str(answer.goggles.scales[eyewear.Mode[row["quantity"][-1]]])


def rb(row: Row) -> str:
    area_m2 = circle_m2(figure(row, "m"))
    return str(eyewear.adjustment(float(row["wavelength_nm"]), 10.0, 0.0, figure(row, "W") * 10, area_m2))


def nohd(row: Row) -> float:
    at = BeamAt.ONE_OVER_E2 if "1/e2" in row["conditions"] else BeamAt.ONE_OVER_E
    beam = [figure(row, unit) for unit in ("m", "rad")]
    answer = ask(row, energy_j=cw_energy_j(row))
    assert answer.hazard is not None
    made = Beam.of(beam[0], beam[1], at)
    if "averaged" in row["quantity"]:
        assert "linear" in row["conditions"]
        return hazard_distance.distance_to_m(answer.hazard.safe_diameter_1e2_m, made)
    assert answer.inquiry.energy_j is not None
    return hazard_distance.nohd_m(answer.inquiry.energy_j, answer.eye.share.value, made)


def safe_beam(row: Row) -> float:
    answer = ask(row, rate_hz=figure(row, "Hz"), duration_s=figure(row, "s"), energy_j=figure(row, "J"))
    assert answer.hazard is not None
    return answer.hazard.safe_diameter_1e2_m


def od(row: Row) -> float:
    if found := re.search(r"([\d.]+) J/cm2 at the eye", row["conditions"]):
        return eyewear.optical_density(float(found[1]) * 1e4, ask(row).eye.share.value)
    found = re.search(r"(\d+) mJ", row["quantity"])
    assert found
    hazard = ask(row, energy_j=float(found[1]) / 1e3, rate_hz=10, duration_s=10).hazard
    assert hazard is not None
    return hazard.od


def count(row: Row) -> float:
    rate_hz = figure(row, "Hz")
    exposure_s = Decimal(10) + Decimal("1e-8") if "10 s + 10 ns" in row["conditions"] else Decimal(10)
    return pulses_beginning(rate_hz, float(exposure_s))


def factor(name: str) -> Callable[[Row], float]:
    return lambda row: getattr(assess(Inquiry(float(row["wavelength_nm"]), 1e-9, rules=Rules.NEW)), name)


# By the beginning of the quantity; the first that fits.
SOLVERS: dict[str, Callable[[Row], float | str]] = {
    "C_A": factor("c_a"),
    "C_C": factor("c_c"),
    "C_P": c_p,
    "C_p": c_p,
    "eye MPE, old table": lambda row: at_ten_hertz(row).eye.share.value,
    "eye MPE (project": lambda row: at_ten_hertz(row).eye.share.value,
    "eye MPE (old row": lambda row: ask(row).eye.share.value / 1e4,
    "eye MPE radiant": lambda row: ask(row).eye.share.value,
    "max energy in 7 mm": lambda row: ask(row).eye_energy_j,
    "Class 1 AEL, single": lambda row: class_j(row, "1"),
    "Class 3B AEL, single": lambda row: class_j(row, "3B"),
    "Class 1 AEL CW": lambda row: class_j(row, "1") / float(row["pulse_or_exposure_s"]),
    "rule 2 per-pulse": rule_2_j,
    "pulse count": count,
    "T_i": lambda row: t_i_s(float(row["wavelength_nm"]), edition(row)),
    "T_min": lambda row: t_i_s(float(row["wavelength_nm"]), edition(row)),
    "skin MPE": lambda row: mpe_j_cm2_or_m2(row, ask(row).skin.share.value),
    "skin per-pulse": lambda row: ask(row, rate_hz=10, duration_s=1).skin.share.value / 1e4,
    "skin limiting aperture": lambda row: (
        assess(Inquiry(float(row["wavelength_nm"]), 1e-9)).skin.aperture_m * 1e3
    ),
    "NOHD": nohd,
    "safe beam diameter": safe_beam,
    "required OD": od,
    "EN 207 scale": lb,
    "EN 208 scale": rb,
    "peak power sech2": lambda row: peak_power_w(125e-9, float(row["pulse_or_exposure_s"]), "sech2"),
}


def slack(row: Row) -> float:
    """Half a unit of the last digit given; an exact answer of a few digits is met exactly."""
    digits = Decimal(row["answer"]).normalize()
    if row["tolerance"] in ("1e-9", "exact") and len(digits.as_tuple().digits) <= 3:
        return 1e-9 * abs(float(digits))
    exponent = Decimal(row["answer"]).as_tuple().exponent
    assert isinstance(exponent, int)
    return 0.5 * 10.0**exponent * (1 + 1e-9)


def test_the_file_of_cases_was_read_and_the_unanswered_are_in_it() -> None:
    assert len(ROWS) >= 54
    assert set(NOT_ANSWERED) <= {row["id"] for row in ROWS}
    assert all(NOT_ANSWERED.values())


@pytest.mark.shows("REQ-043", "HZ-018", "HZ-023")
@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["id"] not in NOT_ANSWERED], ids=lambda row: row["id"]
)
def test_a_published_case_is_met_within_half_of_its_last_digit(row: Row) -> None:
    solve = next(solver for start, solver in SOLVERS.items() if row["quantity"].startswith(start))
    value = solve(row)
    if isinstance(value, str):
        assert value == row["answer"]
    else:
        assert math.isclose(value, float(row["answer"]), rel_tol=0, abs_tol=slack(row)), value
