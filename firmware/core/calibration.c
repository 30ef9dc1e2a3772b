/* Energy calibration: a shutter test, shots into the port, the fit of gains, and the table energy to voltage.
 *
 * In each mode the level of the shutter test comes first: from its energy follows the lowest level's voltage, so
 * that a worn lamp, which gives no light where a new one does, is calibrated down to the smallest pulse too.
 * Between two levels the energy is taken as linear in V^2, that is in the lamp's energy, which is what a laser
 * above its threshold does. All of it is integer arithmetic.
 */
#include <string.h>

#include "sequences.h"

#define TEST ((uint32_t)SHUTTER_TEST_LEVEL)
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

/* Which point of the table the present shot is for. */
static uint32_t present_point(const struct calibrator *calibrator)
{
    uint32_t shot = calibrator->shots > SHUTTER_SHOTS ? calibrator->shots - SHUTTER_SHOTS : 0;
    uint32_t point = (shot < PORT_SHOTS ? shot : PORT_SHOTS - 1) / (uint32_t)CALIBRATION_SHOTS;
    uint32_t nth = point % LEVELS_COUNT;
    if (nth <= TEST) { /* the test's level stands before those below it */
        return point - nth + (nth == 0 ? TEST : nth - 1);
    }
    return point;
}

static struct order next_order(const struct calibrator *calibrator)
{
    uint32_t point = present_point(calibrator);
    uint32_t mode = point / LEVELS_COUNT;
    int64_t tested_uj = calibrator->sums[mode * LEVELS_COUNT + TEST][SUM_PORT];
    struct order order = {
        .hv_mv = level_mv(mode, point % LEVELS_COUNT, floor_div(tested_uj, CALIBRATION_SHOTS)),
        .expected = {.mode_width_ps = (uint16_t)MODES[mode].mode_width_ps,
                     .shutter_open = calibrator->shots >= SHUTTER_SHOTS,
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
    int64_t told_uj = (int64_t)stored->energies_uj[TEST] * SHUTTER_SHOTS;
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

/* What is wrong when the port saw so little: the light went elsewhere, or there was no more of it. */
static enum fault port_fault(const struct calibrator *calibrator, const struct outcome *outcome)
{
    int64_t port_uj = outcome->port_uj;
    int64_t seen_uj = most(outcome->raw_a_uj, outcome->raw_b_uj);
    bool weak = present_point(calibrator) % LEVELS_COUNT == TEST && port_uj < LAMP_WEAK_UJ;
    bool elsewhere = port_uj * 1000000 < seen_uj * GAIN_PPM_LOW; /* whatever the contacts say */
    if (port_uj < PORT_MIN_UJ || (weak && elsewhere)) {
        return FAULT_PORT_DARK;
    }
    return weak ? FAULT_LAMP_WEAK : FAULT_NONE;
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
    } else if (port_fault(calibrator, outcome) != FAULT_NONE) {
        device_trip(device, port_fault(calibrator, outcome), outcome->port_uj);
        return;
    } else if (calibrator->shots < SHOTS) {
        int64_t *sums = calibrator->sums[present_point(calibrator)];
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

/* Lamp energy in J, for a new lamp, that gives this pulse energy; times the mode's largest one. */
static int64_t light_of(uint32_t mode, int64_t energy_uj)
{
    return (LAMP_FULL_J - LAMP_THRESHOLD_J) * energy_uj + LAMP_THRESHOLD_J * MODES[mode].energy_max_uj;
}

int64_t level_mv(uint32_t mode, uint32_t level, int64_t tested_uj)
{
    if (level > 0) {
        return CALIBRATION_LEVELS_MV[level];
    }
    int64_t tested_mv = CALIBRATION_LEVELS_MV[TEST];
    /* At most 7e11 mV^2 x 2.4e6 = 1.7e18: fits a signed 64-bit integer. */
    int64_t mv2 = tested_mv * tested_mv * light_of(mode, LOWEST_LEVEL_UJ) / light_of(mode, most(0, tested_uj));
    return within(root_of(mv2), CALIBRATION_LEVELS_MV[0], tested_mv);
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
    int64_t low_mv = level_mv((uint32_t)mode, upper - 1, table_uj[TEST]);
    int64_t high_mv = level_mv((uint32_t)mode, upper, table_uj[TEST]);
    int64_t low_mv2 = low_mv * low_mv;
    int64_t high_mv2 = high_mv * high_mv;
    /* At most 5e6 uJ x 3e11 mV^2 = 1.5e18: fits a signed 64-bit integer. */
    int64_t mv2 = low_mv2 + floor_div((energy_uj - low_uj) * (high_mv2 - low_mv2), high_uj - low_uj);
    if (mv2 < HV_MIN_MV * HV_MIN_MV || mv2 > HV_MAX_MV * HV_MAX_MV) {
        return 0;
    }
    return root_of(mv2);
}
