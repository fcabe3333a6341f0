/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the nodes, and the last steps. How far a node is stands on its status page; one that
 * does not say so in time is not waited for.
 */
#include "apps/monitor/ending.h"

#include "apps/monitor/control.h"
#include "drivers/acpi/power.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/timer.h"
#include "net/configuration.h"
#include "net/draining.h"

/* Chosen: time for the others to wake and take STOP_NODE from their channel. */
#define STOP_WAIT_NS  (5 * NS_PER_MS)
/* Between two looks at them, and how long one may take to begin. Chosen. */
#define LOOK_NS       (2 * NS_PER_MS)
#define BEGIN_WAIT_NS NS_PER_S
/* What a node takes to reset what is left when its time is over. */
#define CUT_WAIT_NS   (100 * NS_PER_MS)

static struct timer timer;
static bool is_ending, is_over, has_told;
static uint64_t begun_ns;

/* Let the others halt, so that none works while the machine goes down. */
static void stop_machine(void)
{
    control_stop_elsewhere();
    /* The round rings the doorbells. */
    (void)dispatch_round();
    uint64_t now_ns = platform_now_ns();
    for (uint64_t end_ns = now_ns + STOP_WAIT_NS; now_ns < end_ns;) {
        platform_sleep(end_ns, &now_ns);
    }
}

/* In the log, and past all that delays it. */
static void say_at_once(const char *text)
{
    platform_console->write_through();
    log_info("power", "%s", text);
    log_flush_all();
    platform_console->flush();
}

static void power_off_now(void)
{
    stop_machine();
    say_at_once("off");
    power_off();
    /* A machine without power-off under an emulator that has an exit. */
    power_exit(POWER_EXIT_PASS);
    say_at_once("this machine cannot be switched off by software; halted");
    platform_halt();
}

void ending_reboot(void)
{
    stop_machine();
    say_at_once("reset");
    power_reset();
    say_at_once("this machine cannot be reset by software; halted");
    platform_halt();
}

/* Whether a node is still to be waited for; what it has is added. */
static bool is_awaited(node_id_t node, uint64_t now_ns, uint64_t *left)
{
    struct draining_report report = draining_report_of(node);

    if (configuration_current()->roles[node] == 0 || status_node_state(node) != NODE_RUNNING) {
        return false;
    }
    if (report.draining != DRAINING_MACHINE) {
        return now_ns - begun_ns < BEGIN_WAIT_NS;
    }
    *left += report.left;
    return report.left != 0;
}

static void look(struct timer *expired)
{
    uint64_t now_ns = platform_now_ns();
    bool is_any_awaited = false;
    uint64_t left = 0;

    for (node_id_t node = 0; node < platform_node_count(); node++) {
        is_any_awaited |= is_awaited(node, now_ns, &left);
    }
    if (left != 0 && !has_told) {
        has_told = true;
        log_info("power", "off when what is under way has ended, in %lu s at most; again: at once",
                 (unsigned long)(draining_limit_ns() / NS_PER_S));
    }
    is_over = !is_any_awaited || now_ns - begun_ns >= draining_limit_ns() + CUT_WAIT_NS ||
              timer_start(expired, now_ns + LOOK_NS) != 0;
}

/* Apart from the look: the last steps go a round, which no timer's handler may. */
static unsigned end_if_over(void *context)
{
    (void)context;
    if (is_over) {
        is_over = false;
        power_off_now();
    }
    return 0;
}

static struct dispatch_source source = {.poll = end_if_over};

void ending_power_off(void)
{
    if (is_ending) {
        power_off_now();
    }
    is_ending = true;
    begun_ns = platform_now_ns();
    control_finish_everywhere();
    dispatch_register_source(&source);
    timer_initialise(&timer, look);
    if (timer_start(&timer, begun_ns + LOOK_NS) != 0) {
        power_off_now();
    }
}
