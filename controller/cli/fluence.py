"""Fluence and pulse energy, each from the other and the spot, computed twice. Needs no daemon."""

from __future__ import annotations

from typing import Any

import click

from controller.cli.app import json_option, note, print_json
from controller.cli.exits import CommandFailed, Exit

LENS_ARRAY = (
    "The fluence is the mean over the spot. A lens array gives its foci more and the skin between them less; "
    "no source that this program knows states how much."
)


@click.command()
@click.option("--spot-mm", type=float, required=True, metavar="MM", help="Diameter of the evenly lit spot.")
@click.option("--energy-mj", type=float, metavar="MJ", help="Pulse energy: shows the fluence.")
@click.option("--fluence-j-cm2", type=float, metavar="J/CM2", help="Fluence: shows the pulse energy.")
@click.option("--lens-array", is_flag=True, help="Say what the figure means under a lens array.")
@json_option
def fluence(
    *, spot_mm: float, energy_mj: float | None, fluence_j_cm2: float | None, lens_array: bool, as_json: bool
) -> None:
    """Show the fluence of a pulse energy in a spot, or the pulse energy of a fluence in it.

    Each is computed twice, by unlike arithmetic, and shown only where both agree. Where energy and fluence
    are given, they must say the same (status 3 if not). Status 2: a value is none that can be computed with.

    \b
    Example:  picolase fluence --energy-mj 200 --spot-mm 6
              picolase fluence --fluence-j-cm2 0.71 --spot-mm 6
    """
    from safety.fluence import FluenceError, stated_tolerance

    try:
        told = _told(energy_mj, fluence_j_cm2, spot_mm)
    except FluenceError as error:
        raise CommandFailed(Exit.USAGE, f"{error}. Nothing was computed.") from error
    if lens_array:
        told["note"] = LENS_ARRAY
    if energy_mj is not None and fluence_j_cm2 is not None:
        told["stated_fluence_j_cm2"] = fluence_j_cm2
        told["ok"] = abs(told["fluence_j_cm2"] - fluence_j_cm2) <= stated_tolerance(fluence_j_cm2)
    if as_json:
        print_json(told)
    else:
        click.echo(
            f"{told['pulse_energy_mj']:.6g} mJ in {spot_mm:g} mm = {told['fluence_j_cm2']:.6g} J/cm2\n"
            f"computed twice: {told['first']:.12g} and {told['second']:.12g} agree ({told['source']})"
        )
        if lens_array:
            click.echo(LENS_ARRAY)
    if told["above_ceiling"]:
        note(f"Above {told['ceiling_j_cm2']:g} J/cm2, which no plan may be: this laser cannot give it.")
    if told.get("ok") is False:
        raise CommandFailed(
            Exit.REFUSED,
            f"--fluence-j-cm2 {fluence_j_cm2:g} is not the fluence of {energy_mj:g} mJ in {spot_mm:g} mm: "
            f"that is {told['fluence_j_cm2']:.4g} J/cm2. Correct the energy, the spot or the fluence.",
        )


def _told(energy_mj: float | None, fluence_j_cm2: float | None, spot_mm: float) -> dict[str, Any]:
    """Energy, spot and fluence, with what was computed of them and both results; raises FluenceError."""
    from safety import fluence as twice
    from safety.limits import FLUENCE_CEILING_J_CM2

    if energy_mj is not None:
        computed = "fluence_j_cm2"
        first = twice.fluence_j_cm2(energy_mj, spot_mm)
        second = twice.second_fluence_j_cm2(energy_mj, spot_mm)
        if fluence_j_cm2 is not None:
            twice.pulse_energy_mj(fluence_j_cm2, spot_mm)  # raises where the stated one is none
        fluence_j_cm2 = first
    elif fluence_j_cm2 is not None:
        computed = "pulse_energy_mj"
        energy_mj = first = twice.pulse_energy_mj(fluence_j_cm2, spot_mm)
        second = twice.second_pulse_energy_mj(fluence_j_cm2, spot_mm)
    else:
        raise CommandFailed(Exit.USAGE, "Give --energy-mj or --fluence-j-cm2 beside --spot-mm.")
    return {
        "pulse_energy_mj": energy_mj,
        "spot_mm": spot_mm,
        "fluence_j_cm2": fluence_j_cm2,
        "computed": computed,
        "first": first,
        "second": second,
        "relative_difference": abs(first - second) / second,
        "agree": True,  # a disagreement is raised: no figure leaves that one computation alone stands for
        "ceiling_j_cm2": FLUENCE_CEILING_J_CM2,
        "above_ceiling": fluence_j_cm2 > FLUENCE_CEILING_J_CM2,
        "source": twice.FLUENCE_SOURCE,
    }
