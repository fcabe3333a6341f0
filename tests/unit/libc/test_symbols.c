/* SPDX-License-Identifier: MIT */
/* sources: libc/core/symbols.c */
/*
 * Tests libc/core/symbols.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libc/core/symbols.h"

static const struct symbol table[] = {{16, 0}, {20, 4}, {48, 9}};

static void an_address_belongs_to_the_function_that_begins_at_or_before_it(void **state)
{
    (void)state;
    assert_ptr_equal(symbol_find(table, 3, 16), &table[0]);
    assert_ptr_equal(symbol_find(table, 3, 19), &table[0]);
    assert_ptr_equal(symbol_find(table, 3, 20), &table[1]);
    assert_ptr_equal(symbol_find(table, 3, 47), &table[1]);
    assert_ptr_equal(symbol_find(table, 3, 48), &table[2]);
    assert_ptr_equal(symbol_find(table, 3, UINT32_MAX), &table[2]);
}

static void an_address_before_the_first_function_belongs_to_none(void **state)
{
    (void)state;
    assert_null(symbol_find(table, 3, 15));
    assert_null(symbol_find(table, 0, 16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_belongs_to_the_function_that_begins_at_or_before_it),
        cmocka_unit_test(an_address_before_the_first_function_belongs_to_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
