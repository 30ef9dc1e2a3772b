"""The words of the web page: one catalogue, made of the declarations and of the page's own labels."""

from __future__ import annotations

from typing import Any, Final

from controller.picture import PERMITS, SILENT_US, UNJUDGED, words
from controller.session import SERVICE_CONDITIONS
from controller.web.labels import LABELS
from protocols.faults import FAULTS
from protocols.interlocks import INTERLOCKS, Interlock
from protocols.messages import PulseFlag
from protocols.states import State
from safety.checklist import ITEMS
from safety.courses import EffectKind, Mistake, severities, severity_words
from safety.judgement import ENERGY_TRIP_PERCENT, WIDTH_HIGH_PS, WIDTH_LOW_PS, WIDTH_MODE_PERCENT

STOP_UNCONFIRMED_MS: Final = 1_500
"""[C] A STOP takes some 10 ms; whoever waits longer than this must have gone to the red button already."""

HOLD_MS: Final = 1_000
"""[C] How long ARM is held: no slip of a finger lasts so long, and nobody who means it minds."""

PULSES_KEPT: Final = 600
"""[C] A minute at 10 Hz in the charts."""

CALIBRATION_NOTICE_S: Final = 7_200
"""[C] How long before its end a calibration is told to end soon: time to finish a session and calibrate."""


def catalogue() -> dict[str, Any]:
    """Every word and every limit that the page shows or holds things against, as JSON knows them."""
    return {
        "labels": dict(LABELS),
        "states": {
            state.name.lower(): {
                "name": words(state.name).upper(),
                "permits": PERMITS[state.name.lower()],
            }
            for state in State
        },
        "interlocks": [
            {
                "key": interlock.name.lower(),
                "name": words(interlock.name),
                "meaning": INTERLOCKS[interlock].meaning,
                "fault": _fault_of(interlock),
            }
            for interlock in Interlock
        ],
        "faults": {
            fault.name.lower(): {"text": row.text, "cause": row.cause, "action": row.action}
            for fault, row in FAULTS.items()
        },
        "flags": {flag.name.lower(): words(flag.name) for flag in PulseFlag},
        "unjudged": sorted(UNJUDGED),
        "checklist": [
            {"key": item.key, "statement": item.statement, "action": item.action} for item in ITEMS.values()
        ],
        "service": list(SERVICE_CONDITIONS),
        "effects": [
            {
                "kind": kind.value,
                "name": words(kind.value),
                "severities": [
                    {"severity": severity, "name": severity_words(kind, severity)}
                    for severity in severities(kind)
                ],
            }
            for kind in EffectKind
        ],
        "mistakes": [{"key": mistake.value, "name": words(mistake.value)} for mistake in Mistake],
        "limits": {
            "silent_ms": SILENT_US // 1000,
            "stop_unconfirmed_ms": STOP_UNCONFIRMED_MS,
            "hold_ms": HOLD_MS,
            "pulses_kept": PULSES_KEPT,
            "calibration_notice_s": CALIBRATION_NOTICE_S,
            "energy_percent": ENERGY_TRIP_PERCENT,
            "width_percent": WIDTH_MODE_PERCENT,
            "width_low_ps": WIDTH_LOW_PS,
            "width_high_ps": WIDTH_HIGH_PS,
        },
    }


def _fault_of(interlock: Interlock) -> str:
    fault = INTERLOCKS[interlock].fault
    return "" if fault is None else fault.name.lower()
