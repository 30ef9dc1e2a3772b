"""What exposures are drawn from: wavelengths, pulses, editions."""

import math

from hypothesis import strategies as st

from safety.exposure_limits import Edition, Limit, eye_limits

NEW, OLD = Edition.NEW, Edition.OLD
A7 = math.pi * 3.5e-3**2
MODES = st.sampled_from(
    [400, 450, 532, 599.9, 600, 650, 699, 700, 755, 800, 905, 1049, 1050, 1064, 1150, 1300]
)
WAVELENGTHS = st.one_of(MODES, st.floats(400, 1400))
PULSES = st.floats(-13, 1).map(lambda power: 10.0**power)
EDITIONS = st.sampled_from(Edition)
INF, NAN = math.inf, math.nan


def thermal(wavelength_nm: float, edition: Edition) -> Limit:
    return eye_limits(wavelength_nm, edition)[0]
