"""Times of the wire that both ends must know, each with its reason. All in microseconds."""

from typing import Final

MS: Final = 1_000
SECOND: Final = 1_000_000

HEARTBEAT_PERIOD_US: Final = 50 * MS  # [C] four in the permit's life: two may be lost without a stop
PERMIT_LIFE_US: Final = (
    200 * MS
)  # [C] after the answered challenge was issued; leaves 50 ms of the 250 ms to act
CHALLENGES_KEPT: Final = 8  # [C] 400 ms of challenges at the armed rate: older ones are dead anyway

STATUS_ARMED_US: Final = 50 * MS  # [D] one fresh challenge for each heartbeat
STATUS_IDLE_US: Final = 100 * MS  # [C] three may be lost before the host calls it stale
TELEMETRY_US: Final = SECOND  # [C] coolant and capacitor readings change within seconds

LINK_SILENT_US: Final = SECOND  # [C] ten missed idle Status messages: the line is dead
ANSWER_FIRST_US: Final = 200 * MS  # [C] before anything was measured: the longest frame at 19,200 baud
ANSWER_MIN_US: Final = 30 * MS  # [D] the longest frame at 115,200 baud takes 23 ms; and scheduling
ANSWER_MAX_US: Final = 800 * MS  # [C] less than LINK_SILENT_US: a slow line is told from a dead one
TRIES_MAX: Final = 5  # [C] as serial link layers in the field do; then only a reset helps
REQUESTS_QUEUED_MAX: Final = 16  # [C] bounds what a caller that does not wait for answers can pile up

STOP_REPEAT_US: Final = 50 * MS  # [C] ten stops before the link is given up, 4 % of a 115,200 baud line
STOP_UNCONFIRMED_US: Final = (
    500 * MS
)  # [C] shutter 50 ms + five repetitions and margin; then the link is reset

REPORT_REPEAT_US: Final = 300 * MS  # [C] a record is on the host's disk by then, or its line lost the report
REPORTS_OUTSTANDING: Final = 8  # [C] at 10 Hz the host may take 0.8 s to put a record on disk
