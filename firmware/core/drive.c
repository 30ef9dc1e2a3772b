/* What the outputs are: a pure function of the state and of what its sequence wants.
 *
 * Each state has a mask of what may be driven at all; a sequence that wants more gets nothing. A state that is
 * not named here drives the safe level, and a change of state clears all wants.
 */
#include "drive.h"

#include <string.h>

#define HV_STATES (BIT(STATE_CALIBRATING) | BIT(STATE_READY) | BIT(STATE_EMITTING))
#define PROOF_STATES BIT(STATE_ARMING)
#define GATE_STATES (BIT(STATE_CALIBRATING) | BIT(STATE_ARMING) | BIT(STATE_EMITTING))
#define SHUTTER_STATES GATE_STATES
#define TEST_STATES (BIT(STATE_SELF_TEST) | BIT(STATE_ARMING))
#define AIMING_STATES (ARMED_STATES | BIT(STATE_STANDBY))
#define SIMMER_STATES (AIMING_STATES | BIT(STATE_WARM_UP) | BIT(STATE_CALIBRATING))

void wants_clear(struct wants *wants)
{
    memset(wants, 0, sizeof *wants);
    wants->comparator_uj = COMPARATOR_MAX_UJ;
}

void drive(enum state state, const struct wants *wants, struct outputs *outputs)
{
    uint64_t now = BIT(state);
    bool held = (now & HV_STATES) != 0 && wants->hv_mv > 0;
    outputs->hv_set_mv = held ? (int32_t)least(wants->hv_mv, HV_MAX_MV) : 0;
    outputs->dump_hold = held;
    outputs->hv_enable = (held && wants->charge) || ((now & PROOF_STATES) != 0 && wants->prove_charger);
    outputs->simmer_start = (now & SIMMER_STATES) != 0 && wants->simmer;
    outputs->gate_enable = (now & GATE_STATES) != 0 && wants->gate;
    outputs->mode_width_ps = (now & HV_STATES) != 0 ? (int32_t)wants->mode_width_ps : 0;
    outputs->comparator_uj = (int32_t)wants->comparator_uj;
    outputs->comparator_reset = (now & TEST_STATES) != 0 && wants->comparator_reset;
    outputs->shutter_open = (now & SHUTTER_STATES) != 0 && wants->shutter_open;
    outputs->indicator_on = (now & LIT_STATES) != 0 || (state == STATE_SELF_TEST && wants->indicator);
    outputs->aiming_on = (now & AIMING_STATES) != 0 && wants->aiming;
    outputs->pump_on = state != STATE_OFF && wants->pump; /* in FAULT too: a hot laser must cool */
    outputs->heater_on = outputs->pump_on && wants->heater;
    outputs->monitor_test = (now & TEST_STATES) != 0 && wants->monitor_test;
    outputs->buzzer_on = state == STATE_ARMING || state == STATE_EMITTING;
}
