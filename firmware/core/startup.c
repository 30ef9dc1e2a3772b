/* Start-up: the self-test after key-on, and the warm-up. */
#include "sequences.h"

/* A part did not pass: it is the first cause, and the self-test is latched with it. */
static void fail(struct device *device, enum fault part, int64_t value)
{
    device_trip(device, part, value);
    device_trip(device, FAULT_SELF_TEST, 0);
}

void check_dark(struct device *device)
{
    const int64_t dark_uj[2] = {device->inputs.dark_a_uj, device->inputs.dark_b_uj};
    for (uint32_t i = 0; i < 2; i++) {
        if (magnitude(dark_uj[i]) >= DARK_MAX_UJ) {
            device_trip(device, FAULT_MONITOR_FAILED, dark_uj[i]);
        }
    }
}

void check_flash(struct device *device)
{
    const int64_t flash_uj[2] = {device->inputs.dark_a_uj, device->inputs.dark_b_uj};
    for (uint32_t i = 0; i < 2; i++) {
        if (flash_uj[i] < FLASH_MIN_UJ || flash_uj[i] > FLASH_MAX_UJ) {
            device_trip(device, FAULT_MONITOR_FAILED, flash_uj[i]);
        }
    }
    device->wants.monitor_test = false;
}

void light_flash(struct device *device)
{
    device->wants.monitor_test = true;
}

static void test_memory(struct device *device)
{
    if (!memory_intact(&device->memory)) {
        device_trip(device, FAULT_NONVOLATILE, 0);
    }
}

static void test_dark(struct device *device)
{
    device->wants.comparator_reset = false;
    if (device->inputs.indicator_ua >= INDICATOR_DARK_UA) {
        fail(device, FAULT_INDICATOR, device->inputs.indicator_ua);
    }
    check_dark(device);
}

static void test_flash(struct device *device)
{
    check_flash(device);
    device->wants.indicator = true;
}

static void test_lamp(struct device *device)
{
    if (!device_indicator_lit(device)) {
        fail(device, FAULT_INDICATOR, device->inputs.indicator_ua);
    }
    device->wants.indicator = false;
}

static void test_lamp_off(struct device *device)
{
    const struct inputs *inputs = &device->inputs;
    if (inputs->indicator_ua >= INDICATOR_DARK_UA) {
        fail(device, FAULT_INDICATOR, inputs->indicator_ua);
    }
    if (inputs->comparator_tripped) {
        device_trip(device, FAULT_SELF_TEST, 0); /* it does not take its reset */
    }
    if (inputs->shutter_open_switch || !inputs->shutter_closed_switch) {
        fail(device, FAULT_SHUTTER_STUCK_OPEN, 0);
    }
}

/* Makes up the whole second. */
static void wait(struct device *device)
{
    (void)device;
}

static const struct act ACTS[] = {
    {0, test_memory},      {100 * MS, test_dark},     {50 * MS, light_flash}, {200 * MS, test_flash},
    {300 * MS, test_lamp}, {300 * MS, test_lamp_off}, {50 * MS, wait},
};
#define ACTS_COUNT ((uint32_t)(sizeof ACTS / sizeof ACTS[0]))

void self_test_enter(struct device *device)
{
    device->self_tested = false;
    script_start(&device->self_test, device->now_us);
    device->wants.comparator_reset = true;
}

void self_test_work(struct device *device)
{
    script_run(&device->self_test, ACTS, ACTS_COUNT, device);
    /* a held foot or a charged capacitor is waited for, the dump has its own supervision */
    bool discharged = device->inputs.hv_mv < HV_SAFE_MV;
    bool ready = device->self_test.next == ACTS_COUNT && !device->foot.down && discharged &&
                 device->memory.books.latched == 0;
    if (ready && device->shutter.position == SHUTTER_CLOSED) {
        device->self_tested = true;
        (void)device_go(device, EVENT_SELF_TEST_PASSED, LEAVE_NEVER);
    }
}

int64_t self_test_deadline_us(const struct device *device)
{
    return script_deadline_us(&device->self_test, ACTS, ACTS_COUNT);
}

void warm_up_work(struct device *device)
{
    if (device->now_us - device->entered_us >= WARM_UP_TIMEOUT_US) {
        device_trip(device, FAULT_WARM_UP_TIMEOUT, device->inputs.coolant_mc);
        return;
    }
    device->wants.simmer = cooling_warm(&device->cooling);
    if (device->wants.simmer && device->inputs.simmer_on) {
        (void)device_go(device, EVENT_WARMED, LEAVE_NEVER);
    }
}

int64_t warm_up_deadline_us(const struct device *device)
{
    return device->entered_us + WARM_UP_TIMEOUT_US;
}
