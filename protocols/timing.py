"""Times of the wire that both ends must know, each with its reason. All in microseconds."""

from typing import Final

MS: Final = 1_000
SECOND: Final = 1_000_000

HEARTBEAT_PERIOD_US: Final = 50 * MS  # [C] four in the permit's life: two may be lost without a stop
PERMIT_LIFE_US: Final = (
    200 * MS
)  # [C] after the answered challenge was issued; leaves 50 ms of the 250 ms to act
CHALLENGES_KEPT: Final = 8  # [C] 400 ms of challenges at the armed rate: older ones are dead anyway

STATUS_ARMED_US: Final = 50 * MS  # one fresh challenge for each heartbeat
STATUS_IDLE_US: Final = 250 * MS
TELEMETRY_US: Final = SECOND

LINK_SILENT_US: Final = SECOND  # [C] four missed idle Status messages: the line is dead
ANSWER_FIRST_US: Final = 200 * MS  # before anything was measured: 250 bytes at 9600 baud
ANSWER_MIN_US: Final = 30 * MS  # two full frames at 115200 baud, and scheduling
ANSWER_MAX_US: Final = 800 * MS
TRIES_MAX: Final = 5  # [C] as serial link layers in the field do; then only a reset helps
REQUESTS_QUEUED_MAX: Final = 16

STOP_REPEAT_US: Final = 50 * MS
STOP_UNCONFIRMED_US: Final = (
    500 * MS
)  # [C] shutter 50 ms + five repetitions and margin; then the link is reset

REPORT_REPEAT_US: Final = 300 * MS
REPORTS_OUTSTANDING: Final = 8  # at 10 Hz the host may take 0.8 s to put a record on disk
