/* SPDX-License-Identifier: MIT */
/* sources: boot/boot_limits.c libc/core/command_line.c kernel/log.c libc/core/format.c kernel/message/status.c */
/* sources: kernel/message/channel.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * boot/boot_limits.c: nodes= and mem= are numbers, whatever else somebody writes there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "boot/boot_limits.h"
#include "kernel/log.h"
#include "tests/unit/world/fake_platform.h"

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    log_defer_printing(false);
    return 0;
}

static uint64_t memory(const char *line)
{
    return boot_limits_read(line).memory_bytes;
}

static uint64_t nodes(const char *line)
{
    return boot_limits_read(line).node_count;
}

static void without_words_there_is_no_limit(void **state)
{
    (void)state;
    assert_int_equal(nodes("net=dhcp -- nodes=2 mem=1G"), UINT64_MAX);
    assert_int_equal(memory("net=dhcp -- nodes=2 mem=1G"), UINT64_MAX);
}

static void sizes_have_units(void **state)
{
    (void)state;
    assert_int_equal(memory("mem=33554432"), 32 * MIB);
    assert_int_equal(memory("mem=65536K"), 64 * MIB);
    assert_int_equal(memory("mem=512M"), 512 * MIB);
    assert_int_equal(memory("mem=3g"), 3 * GIB);
    assert_int_equal(memory("mem=2T"), 2048 * GIB);
    assert_int_equal(nodes("nodes=4 nodes=3"), 3);
}

static void what_is_no_number_is_ignored(void **state)
{
    static const char *const lines[] = {
        "mem=",
        "mem=M",
        "mem=12X",
        "mem=1GM",
        "mem=-1",
        "mem=0x100",
        "mem=1.5G",
        "mem=\xff",
        "mem=18446744073709551616",
        "mem=99999999999T",
        "mem= 512M",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        assert_int_equal(memory(lines[i]), UINT64_MAX);
    }
    assert_int_equal(nodes("nodes=four"), UINT64_MAX);
}

static void too_little_becomes_the_least(void **state)
{
    (void)state;
    assert_int_equal(nodes("nodes=0"), 1);
    assert_int_equal(memory("mem=0"), BOOT_LIMIT_MEMORY_MIN_BYTES);
    assert_int_equal(memory("mem=15M"), BOOT_LIMIT_MEMORY_MIN_BYTES);
}

static enum boot_restart restart(const char *line)
{
    return boot_limits_read(line).restart;
}

static void a_node_that_fails_starts_again_unless_the_line_says_no(void **state)
{
    (void)state;
    assert_int_equal(restart("net=dhcp -- restart=no"), RESTART_WITH_DELAYS);
    assert_int_equal(restart("restart=yes"), RESTART_WITH_DELAYS);
    assert_int_equal(restart("restart=no"), RESTART_NO);
    assert_int_equal(restart("restart=always"), RESTART_ALWAYS);
    assert_int_equal(restart("restart="), RESTART_WITH_DELAYS);
    assert_int_equal(restart("restart=none"), RESTART_WITH_DELAYS);
    assert_int_equal(restart("restart=n"), RESTART_WITH_DELAYS);
}

static void nodes_have_addresses_of_their_own_unless_the_line_says_no(void **state)
{
    (void)state;
    assert_false(boot_limits_read("").has_fixed_addresses);
    assert_false(boot_limits_read("randomise=yes").has_fixed_addresses);
    assert_false(boot_limits_read("-- randomise=no").has_fixed_addresses);
    assert_true(boot_limits_read("randomise=no").has_fixed_addresses);
    assert_false(boot_limits_read("randomise=not").has_fixed_addresses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_words_there_is_no_limit, set_up),
        cmocka_unit_test_setup(sizes_have_units, set_up),
        cmocka_unit_test_setup(what_is_no_number_is_ignored, set_up),
        cmocka_unit_test_setup(too_little_becomes_the_least, set_up),
        cmocka_unit_test_setup(a_node_that_fails_starts_again_unless_the_line_says_no, set_up),
        cmocka_unit_test_setup(nodes_have_addresses_of_their_own_unless_the_line_says_no, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
