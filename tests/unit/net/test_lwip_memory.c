/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/lwip/memory.c: what lwIP asks for, as its mem.h and memp.h promise it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/transport/lwip/tcp.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"

#include "lwip/mem.h"
#include "lwip/memp.h"

#define BYTES 16u

/* lwIP goes on with what it is told, and counts on what is in it. */
static void a_block_that_is_cut_stays_where_it_is(void **state)
{
    unsigned before = fake_memory_blocks();
    uint8_t *block = mem_malloc(BYTES);

    (void)state;
    assert_non_null(block);
    memset(block, 7, BYTES);
    assert_ptr_equal(mem_trim(block, BYTES / 2), block);
    assert_int_equal(block[BYTES / 2 - 1], 7);
    mem_free(block);
    assert_int_equal(fake_memory_blocks(), before);
}

static void a_pools_object_has_its_size_and_goes_back(void **state)
{
    unsigned before = fake_memory_blocks();
    struct tcp_seg *segment = memp_malloc(MEMP_TCP_SEG);

    (void)state;
    assert_non_null(segment);
    memset(segment, 7, sizeof(*segment));
    memp_free(MEMP_TCP_SEG, segment);
    assert_int_equal(fake_memory_blocks(), before);
}

static void without_memory_nothing_is_given(void **state)
{
    (void)state;
    fake_fail_allocations_after(0);
    assert_null(mem_malloc(BYTES));
    assert_null(memp_malloc(MEMP_TCP_PCB));
    fake_fail_allocations_after(-1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_that_is_cut_stays_where_it_is),
        cmocka_unit_test(a_pools_object_has_its_size_and_goes_back),
        cmocka_unit_test(without_memory_nothing_is_given),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
