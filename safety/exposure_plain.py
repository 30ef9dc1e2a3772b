"""The answer to an exposure inquiry as plain names and numbers: what JSON, tables and plans take from it."""

from __future__ import annotations

from typing import Any

from safety.exposure import Answer, Bound
from safety.exposure_limits import EYE_APERTURE_M, SKIN_APERTURE_M, T_2_S


def plain(answer: Answer) -> dict[str, Any]:
    """As JSON knows it; a key that needs more than was given is not there."""
    inquiry, train = answer.inquiry, answer.inquiry.train
    told: dict[str, Any] = {
        "wavelength_nm": inquiry.wavelength_nm,
        "pulse_s": inquiry.pulse_s,
        "rate_hz": inquiry.rate_hz,
        "duration_s": train.duration_s,
        "energy_j": inquiry.energy_j,
        "beam_mm": inquiry.beam_mm,
        "divergence_mrad": inquiry.divergence_mrad,
        "beam_at": inquiry.beam_at and inquiry.beam_at.value,
        "edition": inquiry.rules.value,
        "eye_mpe_j_m2": answer.eye.share.value,
        "eye_energy_j": answer.eye_energy_j,
        "eye": _bound(answer.eye),
        "eye_aperture_mm": EYE_APERTURE_M * 1e3,
        "skin_mpe_j_m2": answer.skin.share.value,
        "skin": _bound(answer.skin),
        "skin_aperture_mm": SKIN_APERTURE_M * 1e3,
        "c_a": answer.c_a,
        "c_b": answer.c_b,
        "c_c": answer.c_c,
        "c_p": answer.c_p,
        "t_i_s": answer.t_i_s,
        "t_2_s": T_2_S,
        "pulses": train.pulses,
        "ael_j": {one.edition.value: one.energy_j for one in answer.class_limits},
    }
    if (hazard := answer.hazard) is not None:
        told |= {
            "ael_class": hazard.laser_class,
            "ael_class_edition": hazard.class_edition.value,
            "od": hazard.od,
            "od_at_beam": hazard.od_at_beam,
            "peak_power_w": hazard.peak_power_w,
            "safe_beam_mm": hazard.safe_diameter_1e2_m * 1e3,
        }
    if (goggles := answer.goggles) is not None:
        told |= {
            "lb": str(goggles.lb),
            "lb_by_mode": {mode.name: str(scale) for mode, scale in goggles.scales.items()},
            "lb_if_gaussian": goggles.lb_if_gaussian and str(goggles.lb_if_gaussian),
            "rb": goggles.rb and str(goggles.rb),
        }
    if (distance := answer.distance) is not None:
        told |= {
            "nohd_m": distance.nohd_m,
            "nohd_averaged_m": distance.nohd_averaged_m,
            "nohd_waist_m": distance.nohd_waist_m,
        }
    return {key: value for key, value in told.items() if value is not None}


def _bound(bound: Bound) -> dict[str, Any]:
    return {
        "kind": bound.limit.kind.value,
        "edition": bound.limit.edition.value,
        "source": bound.limit.source,
        "rule": bound.share.rule.value,
        "by_rule_j_m2": {rule.value: value for rule, value in bound.share.by_rule.items()},
        "group_pulses": bound.share.group_pulses,
    }
