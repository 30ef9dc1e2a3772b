/* The interlock chain: which contacts are open, in the order in which the first cause is judged. */
#include "chain.h"

#include "setpoint.h"

/* Parts whose contact says something only while the pump runs. */
#define COOLING_CONTACTS                                                                                      \
    ((uint32_t)(BIT(INTERLOCK_COOLANT_LEVEL) | BIT(INTERLOCK_COOLANT_FLOW) | BIT(INTERLOCK_HEATER_THERMOSTAT)))

static uint32_t open_unless(bool closed, enum interlock number)
{
    return closed ? 0U : (uint32_t)BIT(number);
}

uint32_t open_contacts(const struct inputs *inputs, bool flow_low)
{
    enum handpiece handpiece = handpiece_of(inputs->handpiece);
    bool identified = handpiece != HANDPIECE_NONE && spot_fits(handpiece, inputs->spot_um);
    return open_unless(inputs->estop_a_closed && inputs->estop_b_closed, INTERLOCK_ESTOP) |
           open_unless(inputs->key_on, INTERLOCK_KEY) |
           open_unless(inputs->mains_ok, INTERLOCK_MAINS) |
           open_unless(inputs->remote_closed, INTERLOCK_REMOTE) |
           open_unless(inputs->door_closed, INTERLOCK_DOOR) |
           open_unless(inputs->cover_a_closed && inputs->cover_b_closed, INTERLOCK_COVER) |
           open_unless(inputs->arm_connected, INTERLOCK_ARTICULATED_ARM) |
           open_unless(identified, INTERLOCK_HANDPIECE) |
           open_unless(inputs->level_ok, INTERLOCK_COOLANT_LEVEL) |
           open_unless(!flow_low, INTERLOCK_COOLANT_FLOW) |
           open_unless(inputs->thermostat_closed, INTERLOCK_HEATER_THERMOSTAT) |
           open_unless(inputs->charger_cool, INTERLOCK_CHARGER_TEMPERATURE);
}

uint32_t latching_contacts(uint32_t open_interlocks, enum state state, bool armed, bool cooling_runs)
{
    if (state == STATE_OFF) {
        return 0;
    }
    if (armed) {
        return open_interlocks;
    }
    return open_interlocks & INTERLOCKS_LATCHING_ALWAYS & (cooling_runs ? UINT32_MAX : ~COOLING_CONTACTS);
}
