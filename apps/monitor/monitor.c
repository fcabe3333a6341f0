/* SPDX-License-Identifier: MIT */
/*
 * The monitor: commands typed on the console, for the person at the machine and for tests; `help`
 * lists them. What is typed is input from outside: a line that is too long or makes no sense is
 * answered and forgotten.
 */
#include <string.h>

#include "apps/monitor/balance.h"
#include "apps/monitor/connections.h"
#include "apps/monitor/control.h"
#include "apps/monitor/ending.h"
#include "apps/monitor/fault.h"
#include "apps/monitor/get.h"
#include "apps/monitor/log_option.h"
#include "apps/monitor/print.h"
#include "apps/monitor/scale.h"
#include "drivers/acpi/button.h"
#include "drivers/console/console.h"
#include "drivers/nic/counters.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/format.h"
#include "libc/core/numbers.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/status_text.h"

#define LINE_BYTES    80
#define KEY_END       0x04 /* Ctrl-D */
#define KEY_BACKSPACE 0x08
#define KEY_DELETE    0x7F

static char line[LINE_BYTES];
static size_t line_length;
static bool may_have_input; /* the last look has not come to the end of what was typed */
static bool is_line_whole;  /* it waits until its answer has room */

/* A node's number. False (answered) when it is none of ours. */
static bool parse_node(const char *text, node_id_t *node)
{
    uint64_t number;

    if (number_parse(text, strlen(text), 10, platform_node_count() - 1, &number) != 0) {
        monitor_print("there is no node `%s`\n", text);
        return false;
    }
    *node = (node_id_t)number;
    return true;
}

static void show_help(const char *argument);

static bool has_role(node_id_t node, enum role role)
{
    return configuration_has_role(configuration_current(), node, role);
}

static unsigned long count_of(node_id_t node, unsigned counter)
{
    return counter_read(node, counter);
}

/* Refused input: one counter's cause, `checksum` of `reason="checksum"`, and how often. */
static unsigned long append_drop(struct output *drops, node_id_t node, unsigned counter,
                                 const struct counter_name *name)
{
    unsigned long count = strcmp(name->name, "drops_total") == 0 ? count_of(node, counter) : 0;

    if (count != 0) {
        const char *reason = strchr(name->label, '"') + 1;

        format_append(drops, "%s %lu %.*s", drops->length == 0 ? ":" : ",", count,
                      (int)strcspn(reason, "\""), reason);
    }
    return count;
}

static void show_drops(node_id_t node)
{
    char text[160];
    struct output drops;
    unsigned long sum = 0;

    output_start(&drops, text, sizeof(text));
    LINKER_SET_EACH(counter_tables, struct counter_table, table)
    {
        for (unsigned i = 0; i < (*table)->count; i++) {
            sum += append_drop(&drops, node, (*table)->first + i, &(*table)->names[i]);
        }
    }
    monitor_print("node%-2u refused %lu%s\n", node, sum, text);
}

static void show_net(const char *argument)
{
    char address[STATUS_TEXT_BYTES], gateway[STATUS_TEXT_BYTES], link[STATUS_TEXT_BYTES];

    (void)argument;
    for (unsigned i = 0; i < platform_node_count(); i++) {
        node_id_t node = (node_id_t)i;

        status_copy_text(node, STATUS_TEXT_ADDRESS, address);
        status_copy_text(node, STATUS_TEXT_GATEWAY, gateway);
        if (address[0] != '\0') {
            monitor_print("node%-2u address %s, gateway %s\n", i, address, gateway);
        }
        status_copy_text(node, STATUS_TEXT_LINK, link);
        if (link[0] != '\0') {
            monitor_print("node%-2u link %s\n", i, link);
        }
    }
    for (unsigned i = 0; i < platform_node_count(); i++) {
        node_id_t node = (node_id_t)i;

        if (has_role(node, ROLE_LS)) {
            monitor_print(
                "node%-2u received %lu frames, %lu bytes, %lu missed; sent %lu frames, %lu "
                "bytes; %lu forwarded in software\n",
                i, count_of(node, COUNTER_NIC_RX_PACKETS), count_of(node, COUNTER_NIC_RX_BYTES),
                count_of(node, COUNTER_NIC_RX_MISSED), count_of(node, COUNTER_NIC_TX_PACKETS),
                count_of(node, COUNTER_NIC_TX_BYTES), count_of(node, COUNTER_STEER_FORWARDED));
        }
        if (has_role(node, ROLE_LS) || has_role(node, ROLE_TS)) {
            show_drops(node);
        }
    }
}

static void show_connections(const char *argument)
{
    node_id_t of;

    if (*argument != '\0') {
        if (parse_node(argument, &of)) {
            connections_show(of);
        }
        return;
    }
    for (unsigned i = 0; i < platform_node_count(); i++) {
        node_id_t node = (node_id_t)i;
        /* Read first: a connection that ends in between must not make the difference negative. */
        unsigned long closed = count_of(node, COUNTER_TCP_CLOSED);
        unsigned long accepted = count_of(node, COUNTER_TCP_ACCEPTED);

        if (has_role(node, ROLE_TS)) {
            monitor_print(
                "node%-2u %lu open, %lu accepted, %lu closed, %lu of them reset; %lu segments "
                "sent again\n",
                i, accepted > closed ? accepted - closed : 0, accepted, closed,
                count_of(node, COUNTER_TCP_RESETS), count_of(node, COUNTER_TCP_RETRANSMITS));
        }
    }
}

/* Here first, where a value that makes no sense is reported; then on all others. */
static void set_log_level(const char *argument)
{
    size_t length = strlen(argument);

    if (length == 0 || length > CONTROL_LOG_MAX_BYTES) {
        monitor_print("log LEVEL: error, warning, info, debug; or SUBSYSTEM=LEVEL, with commas\n");
        return;
    }
    if (log_option_apply(argument, length) != 0) {
        return;
    }
    control_set_log_elsewhere(argument, length);
    monitor_print("log=%s on all nodes\n", argument);
}

static void crash_node(const char *argument)
{
    node_id_t node;

    if (parse_node(argument, &node)) {
        fault_ask(node, FAULT_PAGE, 0);
    }
}

static void hang_node(const char *argument)
{
    node_id_t node;

    if (parse_node(argument, &node)) {
        fault_ask(node, FAULT_LOOP, 0);
    }
}

static void power_off_machine(const char *argument)
{
    (void)argument;
    ending_power_off();
}

static void reboot_machine(const char *argument)
{
    (void)argument;
    ending_reboot();
}

static const struct {
    const char *name;
    void (*run)(const char *argument);
    const char *help;
} commands[] = {
    {"help", show_help, "this list"},
    {"nodes", scale_command, "what each node is and does; nodes -N: N fewer; nodes +N: N more"},
    {"net", show_net, "address, link, and what the NIC's queues have carried"},
    {"conns", show_connections, "connections of each transport server; conns N: those of node N"},
    {"balance", balance_show, "how connections are given out, and what managers know"},
    {"log", set_log_level, "log LEVEL: change what is logged, like log= at boot"},
    {"crash", crash_node, "crash N: let node N take a page fault"},
    {"hang", hang_node, "hang N: let node N work for ever on nothing"},
    {"get", get_command, "get http://HOST[:PORT]/PATH [COUNT]: fetch a page from there"},
    {"fault", fault_command, "fault KIND N [SEED]: other ways to fail; without words: which"},
    {"poweroff", power_off_machine,
     "finish what is under way and switch the machine off (Ctrl-D does, too); again: at once"},
    {"reboot", reboot_machine, "start the machine again"},
};

static void show_help(const char *argument)
{
    (void)argument;
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        monitor_print("%-10s %s\n", commands[i].name, commands[i].help);
    }
}

static void run_line(void)
{
    char *argument = line + strcspn(line, " ");

    if (*argument != '\0') {
        *argument++ = '\0';
        argument += strspn(argument, " ");
    }
    if (line[0] == '\0') {
        return;
    }
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        if (strcmp(commands[i].name, line) == 0) {
            commands[i].run(argument);
            return;
        }
    }
    monitor_print("`%s` is no command; `help` lists them\n", line);
}

static void end_line(void)
{
    console_answer("\n", 1);
    line[line_length] = '\0';
    line_length = 0;
    is_line_whole = false;
    run_line();
}

static void take_character(char character)
{
    if (character == '\r' || character == '\n') {
        is_line_whole = true;
    } else if (character == KEY_END && line_length == 0) {
        power_off_machine("");
    } else if (character == KEY_BACKSPACE || character == KEY_DELETE) {
        if (line_length > 0) {
            line_length--;
            console_answer("\b \b", 3);
        }
    } else if (character >= ' ' && character <= '~' && line_length < LINE_BYTES - 1) {
        line[line_length++] = character;
        console_answer(&character, 1);
    }
}

/* Until there is nothing more to read, or nothing can be answered. Bounded: a pasted file must not
 * starve the node's other work. */
static unsigned take_input(void)
{
    for (unsigned work = 0; work < LINE_BYTES; work++) {
        if (is_line_whole) {
            if (!console_has_room()) {
                return 0; /* the output's progress wakes the node */
            }
            end_line();
        }
        int character = console_read();

        if (character < 0) {
            may_have_input = false;
            return work;
        }
        take_character((char)character);
    }
    return LINE_BYTES;
}

/* Apart from its caller, which is asked in every round. */
static __attribute__((noinline)) unsigned look_at_console(void)
{
    if (power_button_is_pressed(dispatch_now_ns())) {
        log_info("monitor", "the power button has been pressed");
        power_off_machine("");
    }
    /* What has been typed of a line stands below the log that came between. */
    if (console_take_interruption() && line_length > 0) {
        console_answer(line, line_length);
    }
    may_have_input = true;
    return take_input();
}

static unsigned poll_console(void *context)
{
    (void)context;
    return UNLIKELY(console_notice_input(dispatch_now_ns()) || may_have_input) ? look_at_console()
                                                                               : 0;
}

static void start(bool has_screen)
{
    static struct dispatch_source source = {.poll = poll_console};

    (void)has_screen; /* a serial port serves as well */
    dispatch_register_source(&source);
    power_button_start();
}

static void register_monitor(void)
{
    console_register_user(start);
}

static const struct component monitor_component = {.steps = {[NODE_MEMORY] = register_monitor}};
COMPONENT(monitor_component);
