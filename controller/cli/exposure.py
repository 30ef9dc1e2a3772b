"""Exposure limits: what an emission may do to eye and skin, its class, and the eyewear. Needs no daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from controller.cli.app import console, json_option, note, print_json, table
from controller.cli.exits import CommandFailed, Exit

if TYPE_CHECKING:
    from safety.exposure import Answer

FIELDS = (
    # option, unit, what it is; the first two are needed
    ("wavelength_nm", "NM", "Wavelength, 400 to 1400 nm."),
    ("pulse_s", "S", "Duration of one pulse, or of continuous light; 1e-13 to 3e4 s."),
    ("rate_hz", "HZ", "Repetition rate; without it, one pulse."),
    ("duration_s", "S", "How long somebody is exposed to the train.  [default: 10]"),
    ("energy_j", "J", "Energy of one pulse."),
    ("beam_mm", "MM", "Diameter of the beam where it leaves."),
    ("divergence_mrad", "MRAD", "Full angle of divergence."),
)

NOT_COVERED = (
    "Point source only. Nothing here is for the treated site, which is meant to be above every limit. "
    "Wording of IEC and EN standards is to be confirmed."
)


def _number_options(command: click.decorators.FC) -> click.decorators.FC:
    for name, metavar, text in reversed(FIELDS):
        command = click.option(f"--{name.replace('_', '-')}", name, metavar=metavar, help=text)(command)
    return command


@click.command()
@_number_options
@click.option(
    "--beam-at",
    type=click.Choice(["1/e2", "1/e"]),
    help="At which share of the peak diameter and divergence were told.  [default: not known; NOHD takes "
    "1/e2, which is longer, EN 207 an evenly lit spot]",
)
@click.option(
    "--edition",
    type=click.Choice(["2014", "2007", "stricter"]),
    default="stricter",
    show_default=True,
    help="2014: ICNIRP 2013, IEC 60825-1:2014, ANSI Z136.1-2014. 2007: 2006/25/EC and the older standards.",
)
@json_option
def exposure(*, beam_at: str | None, edition: str, as_json: bool, **given: str | None) -> None:
    """Show exposure limits (MPE) for eye and skin, laser class, OD, EN 207 rating and hazard distance.

    What is left out leaves out only what needs it. Status 2: something given is wrong; all of it is told.

    \b
    Example:  picolase exposure --wavelength-nm 755 --pulse-s 5.5e-10 --rate-hz 10 --duration-s 10 \\
                  --energy-j 0.2 --beam-mm 6 --divergence-mrad 5
    """
    from safety.exposure import ExposureError, Inquiry, Rules, assess
    from safety.exposure_plain import plain
    from safety.hazard_distance import BeamAt

    numbers: dict[str, Any] = {field: _number(text) for field, text in given.items()}
    at = None if beam_at is None else BeamAt(beam_at)
    try:
        answer = assess(Inquiry(**numbers, beam_at=at, rules=Rules(edition)))
    except ExposureError as error:
        wrong = len(error.problems)
        raise CommandFailed(
            Exit.USAGE,
            f"{wrong} value{'s are' if wrong > 1 else ' is'} wrong. Nothing was computed.",
            [str(problem) for problem in error.problems],
        ) from error
    if as_json:
        print_json(plain(answer))
        return
    title = f"{answer.inquiry.wavelength_nm:g} nm, {answer.inquiry.pulse_s:g} s, edition {edition}"
    console().print(
        table(title, ("", "value", "unit", "what binds, and its source"), _rows(answer, plain(answer)))
    )
    note(NOT_COVERED)


def _number(text: str | None) -> float | str | None:
    """The number, or the text itself where it is none: the question refuses that by its field."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _rows(answer: Answer, told: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    from safety.exposure_class import CLASS_SOURCE
    from safety.eyewear import EN_207_SOURCE, EN_208_SOURCE
    from safety.hazard_distance import NOHD_SOURCE

    letters = " + ".join(f"{mode} {scale}" for mode, scale in told.get("lb_by_mode", {}).items())
    if "lb_if_gaussian" in told and told["lb_if_gaussian"] != told["lb"]:
        letters += f"; {told['lb_if_gaussian']} if this is the 1/e2 diameter of a Gaussian beam"
    at = told.get("beam_at", "taken to be told at 1/e2")
    lines = (
        ("eye, each pulse", "eye_mpe_j_m2", "J/m2", answer.eye.why),
        ("  into the pupil", "eye_energy_j", "J", "through the limiting aperture, 7 mm for the retina"),
        ("skin, each pulse", "skin_mpe_j_m2", "J/m2", answer.skin.why),
        ("C_A (C4)", "c_a", "", "ICNIRP 2013 Table 3"),
        ("C_B (C3)", "c_b", "", "ICNIRP 2013 Table 3"),
        ("C_C (C7)", "c_c", "", "ICNIRP 2013 Table 3; edition 2007: at most 8"),
        ("C_P (C5)", "c_p", "", f"edition {answer.eye.limit.edition.value}; no floor, as ICNIRP has it"),
        ("pulses", "pulses", "", f"that begin within {told['duration_s']:g} s"),
        ("T_i, T_min", "t_i_s", "s", "pulses within it count as one"),
        ("class", "ael_class", "", f"edition {told.get('ael_class_edition')}; {CLASS_SOURCE}"),
        ("optical density", "od", "", "log10(H/MPE), the whole pulse into the pupil"),
        ("  of this beam", "od_at_beam", "", "log10(H/MPE), what of the beam passes the pupil"),
        ("EN 207", "lb", "", f"{letters}; {EN_207_SOURCE}"),
        ("EN 208", "rb", "", f"for adjustment only; {EN_208_SOURCE}"),
        ("NOHD", "nohd_m", "m", f"{NOHD_SOURCE}; beam {at}"),
        ("  over the pupil", "nohd_averaged_m", "m", "a Gaussian beam averaged over the aperture"),
        ("  from a waist", "nohd_waist_m", "m", "the same, with its waist where it leaves"),
        (
            "safe beam",
            "safe_beam_mm",
            "mm",
            "1/e2 diameter from which on the pupil takes no more than allowed",
        ),
    )
    rows = [
        (what, _figure(told[key]), unit, why) for what, key, unit, why in lines if told.get(key) is not None
    ]
    for edition, limits in told["ael_j"].items():
        rows += [
            (f"class {name} up to", _figure(most), "J", f"a pulse, edition {edition}")
            for name, most in limits.items()
        ]
    peaks = told.get("peak_power_w", {})
    return rows + [("peak power", _figure(peak), "W", f"{shape} pulse") for shape, peak in peaks.items()]


def _figure(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
