/* SPDX-License-Identifier: MIT */
/*
 * Tests libc/core/bytes.h against the host's <endian.h>, at every alignment.
 */
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/bytes.h"

static const uint8_t bytes[] = {0x81, 0x02, 0xF3, 0x04, 0x95, 0x06, 0xA7, 0x08,
                                0xB9, 0x10, 0x11, 0xC2, 0x13, 0x14, 0xD5, 0x16};

#define ALIGNMENTS 8

static void a_load_gives_what_the_host_makes_of_the_same_bytes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ALIGNMENTS; i++) {
        uint16_t word16;
        uint32_t word32;
        uint64_t word64;

        memcpy(&word16, bytes + i, sizeof(word16));
        memcpy(&word32, bytes + i, sizeof(word32));
        memcpy(&word64, bytes + i, sizeof(word64));
        assert_int_equal(load_le16(bytes + i), le16toh(word16));
        assert_int_equal(load_le32(bytes + i), le32toh(word32));
        assert_int_equal(load_le64(bytes + i), le64toh(word64));
        assert_int_equal(load_be16(bytes + i), be16toh(word16));
        assert_int_equal(load_be32(bytes + i), be32toh(word32));
        assert_int_equal(load_be64(bytes + i), be64toh(word64));
    }
}

static void the_order_is_that_of_the_name(void **state)
{
    (void)state;
    assert_int_equal(load_le16(bytes), 0x0281);
    assert_int_equal(load_be16(bytes), 0x8102);
    assert_int_equal(load_le32(bytes), 0x04F30281);
    assert_int_equal(load_be32(bytes), 0x8102F304);
    assert_int_equal(load_le64(bytes), 0x08A7069504F30281);
    assert_int_equal(load_be64(bytes), 0x8102F3049506A708);
}

/* Each stores into the middle of a field of 0xEE: the bytes beside it must stay. */
#define CHECK_STORE(name, type, value)                                                             \
    for (unsigned i = 1; i <= ALIGNMENTS; i++) {                                                   \
        uint8_t field[ALIGNMENTS + sizeof(type) + 1];                                              \
                                                                                                   \
        memset(field, 0xEE, sizeof(field));                                                        \
        store_##name(field + i, value);                                                            \
        assert_int_equal(load_##name(field + i), value);                                           \
        for (unsigned beside = 0; beside < sizeof(field); beside++) {                              \
            assert_true((beside >= i && beside < i + sizeof(type)) || field[beside] == 0xEE);      \
        }                                                                                          \
    }

static void a_store_writes_what_the_load_reads_and_no_byte_beside_it(void **state)
{
    (void)state;
    CHECK_STORE(le16, uint16_t, 0x8102)
    CHECK_STORE(be16, uint16_t, 0x8102)
    CHECK_STORE(le32, uint32_t, 0x8102F304)
    CHECK_STORE(be32, uint32_t, 0x8102F304)
    CHECK_STORE(le64, uint64_t, 0x8102F3049506A708)
    CHECK_STORE(be64, uint64_t, 0x8102F3049506A708)
}

static void a_swap_undoes_itself(void **state)
{
    (void)state;
    assert_int_equal(swap16(0x8102), 0x0281);
    assert_int_equal(swap32(0x8102F304), 0x04F30281);
    assert_int_equal(swap64(0x8102F3049506A708), 0x08A7069504F30281);
    assert_int_equal(swap16(swap16(0x8102)), 0x8102);
    assert_int_equal(swap32(swap32(0x8102F304)), 0x8102F304);
    assert_int_equal(swap64(swap64(0x8102F3049506A708)), 0x8102F3049506A708);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_load_gives_what_the_host_makes_of_the_same_bytes),
        cmocka_unit_test(the_order_is_that_of_the_name),
        cmocka_unit_test(a_store_writes_what_the_load_reads_and_no_byte_beside_it),
        cmocka_unit_test(a_swap_undoes_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
