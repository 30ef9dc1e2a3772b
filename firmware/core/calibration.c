/* Energy calibration: a shutter test, shots into the port, the fit of gains, and the table energy to voltage.
 *
 * Between two levels the energy is taken as linear in V^2, that is in the lamp's energy, which is what a laser
 * above its threshold does. All of it is integer arithmetic.
 */
#include <string.h>

#include "sequences.h"

#define SHUTTER_SHOTS 2U
#define PORT_SHOTS (POINTS * (uint32_t)CALIBRATION_SHOTS)
#define SHOTS (SHUTTER_SHOTS + PORT_SHOTS)
#define RATE_MHZ ((uint32_t)(INT64_C(1000000000) / CALIBRATION_PERIOD_US))
#define RATIO_MAX_PPM 10000000 /* the top value, ten times what any limit allows; also for none */
#define ENERGY_MAX_UJ 5000000

enum sum { SUM_PORT, SUM_A, SUM_B };

/* Whether the shutter may be open: handpiece in the port, and the chain truly closed on the way there. */
static bool port_proven(const struct device *device)
{
    return device_docked(device) && device->open_interlocks == 0 && device->inputs.defeat_key_out;
}

static struct order next_order(const struct calibrator *calibrator)
{
    bool port = calibrator->shots >= SHUTTER_SHOTS;
    uint32_t mode = 0;
    uint32_t level = (uint32_t)SHUTTER_TEST_LEVEL;
    if (port) {
        uint32_t shot = calibrator->shots - SHUTTER_SHOTS;
        uint32_t point = (shot < PORT_SHOTS ? shot : PORT_SHOTS - 1) / (uint32_t)CALIBRATION_SHOTS;
        mode = point / LEVELS_COUNT;
        level = point % LEVELS_COUNT;
    }
    struct order order = {
        .hv_mv = CALIBRATION_LEVELS_MV[level],
        .expected = {.mode_width_ps = (uint16_t)MODES[mode].mode_width_ps,
                     .shutter_open = port,
                     .calibration = true},
        .rep_rate_mhz = RATE_MHZ,
    };
    return order;
}

void calibrator_enter(struct device *device)
{
    memset(&device->calibrator, 0, sizeof device->calibrator); /* what was in force is not trusted */
    struct order order = next_order(&device->calibrator);
    pulser_begin(&device->pulser, device->now_us, &order);
}

static void end(struct device *device, bool valid)
{
    device->calibrator.valid = valid;
    (void)device_go(device, EVENT_CALIBRATION_ENDED, LEAVE_NEVER);
}

/* Whether the shutter test bears out the stored calibration, and that is young enough. */
static bool agrees(const struct device *device)
{
    const struct stored_calibration *stored = &device->memory.calibration;
    int64_t age_shots = (int64_t)(device->memory.lamp_shots - stored->lamp_shots);
    int64_t measured_uj = calibrated(device->calibrator.shutter_a_uj, stored->gain_a_ppm);
    int64_t told_uj = (int64_t)stored->energies_uj[SHUTTER_TEST_LEVEL] * SHUTTER_SHOTS;
    return stored->valid && age_shots <= CALIBRATION_SHOTS_MAX &&
           !beyond(measured_uj, told_uj, AGREES_PERCENT);
}

void calibrator_work(struct device *device)
{
    struct calibrator *calibrator = &device->calibrator;
    struct wants *wants = &device->wants;
    bool in_port = calibrator->shots >= SHUTTER_SHOTS;
    bool on_its_way = device->pulser.shot.on_its_way;
    if (in_port && port_proven(device)) {
        calibrator->port_begun = true;
    } else if (in_port || !device->inputs.defeat_key_out) {
        calibrator->left_port = true;
    }
    if (calibrator->left_port || (memory_room(&device->memory) <= 0 && !on_its_way)) {
        wants->shutter_open = false;
        wants->gate = false;
        wants->charge = false;
        if (!on_its_way && device->shutter.position == SHUTTER_CLOSED) {
            end(device, !calibrator->port_begun && in_port && agrees(device));
        }
    } else if (device->inputs.simmer_on && device_indicator_lit(device)) {
        struct order order = next_order(calibrator);
        pulser_run(device, &order);
    }
}

/* `value` / `by` in millionths. */
static int64_t ratio_ppm(int64_t value, int64_t by)
{
    return by > 0 ? least(RATIO_MAX_PPM, floor_div(value * 1000000, by)) : RATIO_MAX_PPM;
}

static int64_t sum_of(int64_t sums[POINTS][3], enum sum which)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < POINTS; i++) {
        sum += sums[i][which];
    }
    return sum;
}

static int64_t residual_ppm(const int64_t point[3], int64_t gain_a_ppm, int64_t gain_b_ppm)
{
    int64_t a_uj = floor_div(point[SUM_A] * gain_a_ppm, 1000000);
    int64_t b_uj = floor_div(point[SUM_B] * gain_b_ppm, 1000000);
    return most(ratio_ppm(magnitude(a_uj - point[SUM_PORT]), point[SUM_PORT]),
                ratio_ppm(magnitude(b_uj - point[SUM_PORT]), point[SUM_PORT]));
}

static bool every_mode_rises(const uint32_t energies_uj[POINTS])
{
    for (uint32_t i = 0; i < POINTS; i++) {
        bool lowest = i % LEVELS_COUNT == 0;
        if (lowest ? energies_uj[i] == 0 : energies_uj[i] <= energies_uj[i - 1]) {
            return false;
        }
    }
    return true;
}

/* The calibration of these sums over the shots of each point. */
static void fit(struct device *device)
{
    struct calibrator *calibrator = &device->calibrator;
    struct stored_calibration *stored = &device->memory.calibration;
    int64_t port_uj = sum_of(calibrator->sums, SUM_PORT);
    int64_t gain_a_ppm = ratio_ppm(port_uj, sum_of(calibrator->sums, SUM_A));
    int64_t gain_b_ppm = ratio_ppm(port_uj, sum_of(calibrator->sums, SUM_B));
    int64_t worst_ppm = 0;
    memset(stored, 0, sizeof *stored);
    for (uint32_t i = 0; i < POINTS; i++) {
        int64_t found_ppm = residual_ppm(calibrator->sums[i], gain_a_ppm, gain_b_ppm);
        int64_t energy_uj = floor_div(calibrator->sums[i][SUM_PORT], CALIBRATION_SHOTS);
        worst_ppm = most(worst_ppm, found_ppm);
        stored->residuals_ppm[i] = (uint32_t)found_ppm;
        stored->energies_uj[i] = (uint32_t)within(energy_uj, 0, ENERGY_MAX_UJ);
    }
    stored->valid = gain_a_ppm >= GAIN_PPM_LOW && gain_a_ppm <= GAIN_PPM_HIGH &&
                    gain_b_ppm >= GAIN_PPM_LOW && gain_b_ppm <= GAIN_PPM_HIGH &&
                    worst_ppm <= RESIDUAL_MAX_PPM && every_mode_rises(stored->energies_uj);
    stored->gain_a_ppm = (uint32_t)within(gain_a_ppm, 0, RATIO_MAX_PPM);
    stored->gain_b_ppm = (uint32_t)within(gain_b_ppm, 0, RATIO_MAX_PPM);
    stored->residual_ppm = (uint32_t)worst_ppm;
    stored->points = POINTS;
    stored->boot = device->boot_number;
    stored->device_time_us = device->now_us;
    stored->lamp_shots = device->memory.lamp_shots;
    memory_save_calibration(&device->memory);
    end(device, stored->valid);
}

void calibrator_take(struct device *device, const struct outcome *outcome)
{
    struct calibrator *calibrator = &device->calibrator;
    bool ours = (int64_t)outcome->report.device_time_us >= device->entered_us;
    if ((outcome->report.flags & (BIT(PULSE_FLAG_MISSING) | BIT(PULSE_FLAG_SKIPPED))) != 0 || !ours) {
        return;
    }
    if (calibrator->shots < SHUTTER_SHOTS) {
        if (outcome->raw_a_uj < DARK_B_MAX_UJ) {
            /* there was light, and it saw none */
            device_trip(device, FAULT_MONITOR_FAILED, outcome->raw_a_uj);
        }
        calibrator->shutter_a_uj += outcome->raw_a_uj;
    } else if (outcome->port_uj < PORT_MIN_UJ) {
        /* it went somewhere else, whatever the contacts say */
        device_trip(device, FAULT_PORT_DARK, outcome->port_uj);
        return;
    } else if (calibrator->shots < SHOTS) {
        int64_t *sums = calibrator->sums[(calibrator->shots - SHUTTER_SHOTS) / (uint32_t)CALIBRATION_SHOTS];
        sums[SUM_PORT] += outcome->port_uj;
        sums[SUM_A] += outcome->raw_a_uj;
        sums[SUM_B] += outcome->raw_b_uj;
    }
    calibrator->shots++;
    if (calibrator->shots == SHOTS) {
        fit(device);
    }
}

/* The integer square root, bit by bit. */
static int64_t root_of(int64_t square)
{
    int64_t root = 0;
    for (int64_t bit = INT64_C(1) << 31; bit > 0; bit >>= 1) {
        int64_t tried = root | bit;
        if (tried <= INT64_C(3037000499) && tried * tried <= square) { /* its square fits */
            root = tried;
        }
    }
    return root;
}

int64_t voltage_mv(const struct stored_calibration *stored, int32_t mode, uint32_t energy_uj)
{
    if (mode < 0) {
        return 0;
    }
    const uint32_t *table_uj = stored->energies_uj + mode * LEVELS_COUNT;
    uint32_t upper = 1;
    while (upper < LEVELS_COUNT - 1 && table_uj[upper] < energy_uj) {
        upper++;
    }
    int64_t low_uj = table_uj[upper - 1];
    int64_t high_uj = table_uj[upper];
    if (high_uj <= low_uj) {
        return 0;
    }
    int64_t low_mv2 = CALIBRATION_LEVELS_MV[upper - 1] * CALIBRATION_LEVELS_MV[upper - 1];
    int64_t high_mv2 = CALIBRATION_LEVELS_MV[upper] * CALIBRATION_LEVELS_MV[upper];
    /* At most 5e6 uJ x 3e11 mV^2 = 1.5e18: fits a signed 64-bit integer. */
    int64_t mv2 = low_mv2 + floor_div((energy_uj - low_uj) * (high_mv2 - low_mv2), high_uj - low_uj);
    if (mv2 < HV_MIN_MV * HV_MIN_MV || mv2 > HV_MAX_MV * HV_MAX_MV) {
        return 0;
    }
    return root_of(mv2);
}
