/* SPDX-License-Identifier: MIT */
/*
 * Tests net/messages.h: the form that all nodes rely on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/messages.h"

static void every_message_has_its_own_type_above_the_kernels(void **state)
{
    const uint16_t types[] = {
#define X(type, name, from, to) type,
        MESSAGE_TABLE(X)
#undef X
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        assert_int_equal(types[i], MESSAGE_TYPE_FIRST_FREE + i);
        assert_true(types[i] < MESSAGE_TYPE_MAX);
    }
}

static void every_message_begins_with_its_header(void **state)
{
    (void)state;
#define X(type, name, from, to) assert_int_equal(offsetof(struct name, header), 0);
    MESSAGE_TABLE(X)
#undef X
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_has_its_own_type_above_the_kernels),
        cmocka_unit_test(every_message_begins_with_its_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
