"""The tables of docs/plans.md, as presets and checklist have them."""

from safety.checklist import ITEMS
from safety.preset import Locked, Preset, SkinRule
from safety.presets import PRESETS


def _skin(name: str, rule: SkinRule) -> str:
    return (
        name if rule is None else f"{name} locked" if isinstance(rule, Locked) else f"{name} `{rule.value}`"
    )


def _span(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g}-{high:g}"


def _row(preset: Preset) -> str:
    fluence = _span(float(preset.least_fluence_j_cm2 or 0), preset.start_fluence_max_j_cm2)
    if preset.fluence_ceiling_j_cm2 > preset.start_fluence_max_j_cm2:
        fluence += f", to {preset.fluence_ceiling_j_cm2:g} with `above_start`"
    cells = (
        f"`{preset.indication}`",
        preset.wavelength_nm,
        _span(*preset.mode_widths_ps),
        ", ".join(f"`{one.name.lower()}`" for one in preset.handpieces),
        _span(*preset.spots_mm),
        fluence,
        f"{preset.rep_rate_max_hz:g}",
        preset.passes_max,
        f"{preset.overlap_max_percent:g}",
        preset.interval_weeks,
        preset.sessions_max,
        ", ".join(_skin(*one) for one in preset.skin.items()),
    )
    return f"| {' | '.join(map(str, cells))} |"


def rows() -> list[str]:
    """One line for each preset."""
    return [_row(preset) for preset in PRESETS.values()]


def checklist_rows() -> list[str]:
    """One line for each item."""
    return [f"| `{item.key}` | {item.statement} | {item.source} |" for item in ITEMS.values()]
