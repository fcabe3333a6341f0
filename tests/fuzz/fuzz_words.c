/* SPDX-License-Identifier: MIT */
/* sources: net/configuration.c net/placement.c net/steering.c net/transport/network_options.c net/transport/virtual_address.c net/link/nic_option.c */
/* sources: libc/core/address.c drivers/console/options.c boot/boot_limits.c apps/monitor/log_option.c */
/* sources: net/capture/filter.c apps/syslog/collector.c apps/syslog/line.c */
/* sources: libc/core/command_line.c libc/core/numbers.c libc/core/format.c kernel/log.c kernel/message/status.c kernel/message/channel.c */
/* sources: net/manager/options.c net/manager/listeners.c net/manager/balance/balance.c net/manager/balance/offers.c net/manager/balance/weights.c net/manager/balance/naive.c net/manager/balance/unfiltered.c net/manager/balance/filtered.c net/manager/balance/tournament.c net/manager/balance/least.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * The input is a command line: all that read words of it read it. Whatever it says, a node has
 * a configuration that holds together.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apps/monitor/log_option.h"
#include "apps/syslog/collector.h"
#include "apps/syslog/line.h"
#include "boot/boot_limits.h"
#include "drivers/console/options.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/command_line.h"
#include "net/capture/filter.h"
#include "net/configuration.h"
#include "net/link/nic_option.h"
#include "net/manager/manager.h"
#include "net/manager/options.h"
#include "net/steering.h"
#include "net/transport/network_options.h"
#include "net/transport/virtual_address.h"
#include "net/wall_clock.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/unit/world/fake_platform.h"

uint64_t wall_clock_at(uint64_t now_ns)
{
    return now_ns;
}

static const char *const known_keys[] = {"net", "nic", "pika", "app", "steer", NULL};

static void check_configuration(const struct configuration *configuration, unsigned node_count)
{
    unsigned role_counts[4] = {0};

    FUZZ_CHECK(configuration->node_count == node_count);
    FUZZ_CHECK(configuration->ls_count >= 1 && configuration->ts_count >= 1 &&
               configuration->cm_count >= 1);
    for (unsigned node = 0; node < node_count; node++) {
        uint8_t roles = configuration->roles[node];

        for (unsigned role = 0; role < 4; role++) {
            role_counts[role] += roles >> role & 1;
        }
        if (roles != 0) {
            FUZZ_CHECK(configuration_has_role(
                configuration, configuration_own_cm(configuration, (node_id_t)node), ROLE_CM));
            FUZZ_CHECK(configuration_has_role(
                configuration, configuration_own_ls(configuration, (node_id_t)node), ROLE_LS));
        }
    }
    FUZZ_CHECK(role_counts[0] == configuration->ls_count);
    FUZZ_CHECK(role_counts[1] == configuration->ts_count);
    FUZZ_CHECK(role_counts[2] == configuration->cm_count);
    FUZZ_CHECK(role_counts[3] == configuration->application_count);
}

static void configure(const char *line, unsigned node_count, uint64_t dead)
{
    struct configuration configuration;
    char text[128], reason[128];
    int result = configuration_parse(&configuration, line, node_count, reason, sizeof(reason));

    FUZZ_CHECK(result == 0 || (result == -EINVAL && strlen(reason) < sizeof(reason)));
    check_configuration(&configuration, node_count);
    result = steering_parse(&configuration, line, reason, sizeof(reason));
    FUZZ_CHECK(result == 0 || (result == -EINVAL && configuration.steering == STEERING_SOURCE12));
    for (unsigned group = 0; group < STEERING_GROUP_COUNT; group += 61) {
        FUZZ_CHECK(
            configuration_has_role(&configuration, steering_owner(&configuration, group), ROLE_TS));
    }
    configuration_print(&configuration, text, sizeof(text));
    configuration_print_roles(&configuration, (node_id_t)(dead % node_count), text, sizeof(text));
    for (unsigned node = 0; node < node_count; node++) {
        if ((dead >> node % 64 & 1) != 0) {
            configuration_lose_node(&configuration, (node_id_t)node);
        }
    }
    FUZZ_CHECK(configuration.speaker < node_count && configuration.device_ls < node_count);
}

static void check_words(int result, const struct capture_words *words,
                        const char reason[CAPTURE_REASON_BYTES])
{
    char text[CAPTURE_FILTER_TEXT_BYTES];

    FUZZ_CHECK(capture_filter_is_valid(&words->filter));
    FUZZ_CHECK(words->seconds <= CAPTURE_SECONDS_MAX && words->byte_most <= CAPTURE_BYTES_MAX);
    FUZZ_CHECK(words->ring_bytes == 0 || (words->ring_bytes >= CAPTURE_RING_MIN_BYTES &&
                                          words->ring_bytes <= CAPTURE_RING_MAX_BYTES));
    FUZZ_CHECK(result == 0 || (result == -EINVAL && words->ring_bytes == 0));
    if (result != 0) {
        FUZZ_CHECK(reason[0] == '`' && strlen(reason) < CAPTURE_REASON_BYTES);
        for (const char *at = reason; *at != '\0'; at++) {
            FUZZ_CHECK(*at >= ' ' && *at <= '~');
        }
    }
    capture_filter_print(&words->filter, text);
    FUZZ_CHECK(strlen(text) < sizeof(text) - 1); /* none is cut */
}

/* The whole line is a request's query, too, and a line of the log. */
static void read_watching(const char *line)
{
    char reason[CAPTURE_REASON_BYTES];
    struct syslog_collector collector;
    struct capture_words words;
    struct syslog_line message;
    const char *text;
    int length = command_line_find(line, "capture", &text);
    int result;

    if (length >= 0) {
        result = capture_read_option(text, (size_t)length, &words, reason);
        check_words(result, &words, reason);
    }
    result = capture_read_query(line, strlen(line), &words, reason);
    check_words(result, &words, reason);
    length = command_line_find(line, "syslog", &text);
    if (length >= 0 && syslog_read_collector(text, (size_t)length, &collector)) {
        FUZZ_CHECK(collector.address != 0 && collector.port != 0);
    }
    syslog_read_line(&message, line, strlen(line));
    FUZZ_CHECK(message.text >= line && message.text + message.text_bytes <= line + strlen(line));
}

static void read_options(const char *line)
{
    struct network_options network;
    struct nic_option nic;
    struct console_options console;
    const struct serial_port firmware = {.port = 0x3F8};
    const char *word = line, *text;
    struct virtual_addresses virtual;
    struct ntp_options ntp;
    struct manager_options manager;
    char reason[192];
    int result;

    read_watching(line);
    result = network_options_parse(&network, line, reason, sizeof(reason));
    FUZZ_CHECK(result == 0 || (result == -EINVAL && network.is_dhcp));
    result = virtual_addresses_parse(&virtual, line, reason, sizeof(reason));
    FUZZ_CHECK(result == 0 || (result == -EINVAL && virtual.count == 0));
    FUZZ_CHECK(virtual.count <= VIRTUAL_ADDRESS_MAX);
    result = ntp_options_parse(&ntp, line, reason, sizeof(reason));
    FUZZ_CHECK(result == 0 || (result == -EINVAL && !ntp.is_dhcp && ntp.server == 0));
    result = nic_option_parse(&nic, line, reason, sizeof(reason));
    FUZZ_CHECK(result == 0 || (result == -EINVAL && nic.choice == NIC_FIRST));
    result = manager_options_parse(&manager, line, 1, reason, sizeof(reason));
    FUZZ_CHECK(result == 0 || (result == -EINVAL && strlen(reason) < sizeof(reason)));
    FUZZ_CHECK(manager.balance.tariff >= 1 && manager.balance.tariff <= TARIFF_MAX);
    FUZZ_CHECK(manager.offer_period_ns >= NS_PER_US && manager.offer_period_ns <= NS_PER_S);
    console_options_parse(&console, line, &firmware);
    (void)console_options_report(line);
    FUZZ_CHECK(boot_limits_read(line).node_count >= 1);
    FUZZ_CHECK(boot_limits_read(line).memory_bytes >= BOOT_LIMIT_MEMORY_MIN_BYTES);
    while (command_line_next_unknown(&word, known_keys, &text) >= 0) {
    }
    result = command_line_find(line, "log", &text);
    if (result >= 0) {
        (void)log_option_apply(text, (size_t)result);
    }
}

void fuzz_one(const uint8_t *bytes, size_t count)
{
    struct fuzz_input input = {.at = bytes, .left = count};
    unsigned node_count = fuzz_take8(&input) % NODE_MAX + 1;
    uint64_t dead = fuzz_take32(&input);
    char *line = malloc(input.left + 1); /* ends where its allocation does */

    FUZZ_CHECK(line != NULL);
    memcpy(line, input.at, input.left);
    line[input.left] = '\0';
    fake_platform_reset(0, 1);
    log_defer_printing(false);
    if (strlen(line) < COMMAND_LINE_MAX_BYTES) {
        configure(line, node_count, dead);
        read_options(line);
    }
    free(line);
}
