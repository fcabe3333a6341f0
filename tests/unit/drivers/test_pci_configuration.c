/* SPDX-License-Identifier: MIT */
/* sources: */
/* flags: -D_GNU_SOURCE */
/*
 * Tests what drivers/pci/configuration.h promises: each access is one move by the accumulator. The
 * register is on a page that faults, and the instruction that did is looked at.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cmocka.h>

#include "drivers/pci/configuration.h"

#define OFFSET 0x44

static void *page;
static sigjmp_buf after_fault;
static const uint8_t *faulting; /* instruction */
static uintptr_t address;

static void handle_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    faulting = (const uint8_t *)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    address = (uintptr_t)info->si_addr;
    siglongjmp(after_fault, 1);
}

static int set_up(void **state)
{
    (void)state;
    page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(page, MAP_FAILED);
    return 0;
}

/* In each test: cmocka has put its own handler there. */
static void catch_faults(void)
{
    struct sigaction action = {.sa_sigaction = handle_fault, .sa_flags = SA_SIGINFO};

    assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
}

/* Opcodes 8A, 8B: MOV r, r/m; 88, 89: MOV r/m, r; 66: 16 bits (SDM 2B, MOV). The register is in
 * ModRM bits 5:3 and bit 2 of a REX prefix (SDM 2A 2.1.5, 2.2.1.2). */
static void assert_move(unsigned bits, uint8_t opcode)
{
    const uint8_t *byte = faulting;
    unsigned number = 0;

    assert_int_equal(address, (uintptr_t)page + OFFSET);
    if (bits == 16) {
        assert_int_equal(*byte++, 0x66);
    }
    if ((*byte & 0xF0) == 0x40) {
        assert_int_equal(*byte & 8, 0);
        number = (*byte++ & 4) << 1;
    }
    assert_int_equal(*byte++, opcode | (bits != 8));
    number |= *byte >> 3 & 7;
    assert_int_equal(number, 0);
}

/* Not inlined: the value arrives in another register than the one it must leave by. */
#define ACCESS(bits)                                                                               \
    __attribute__((noinline)) static void write##bits(void *base, uint##bits##_t value)            \
    {                                                                                              \
        configuration_write##bits(base, OFFSET, value);                                            \
    }                                                                                              \
    __attribute__((noinline)) static uint##bits##_t read_beside##bits(uint##bits##_t other)        \
    {                                                                                              \
        return other - configuration_read##bits(page, OFFSET);                                     \
    }                                                                                              \
    static void configuration_space_is_accessed_by_the_accumulator_##bits(void **state)            \
    {                                                                                              \
        (void)state;                                                                               \
        catch_faults();                                                                            \
        if (sigsetjmp(after_fault, 1) == 0) {                                                      \
            write##bits(page, 1);                                                                  \
        }                                                                                          \
        assert_move(bits, 0x88);                                                                   \
        if (sigsetjmp(after_fault, 1) == 0) {                                                      \
            (void)read_beside##bits(1);                                                            \
        }                                                                                          \
        assert_move(bits, 0x8A);                                                                   \
    }

ACCESS(8)
ACCESS(16)
ACCESS(32)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configuration_space_is_accessed_by_the_accumulator_8),
        cmocka_unit_test(configuration_space_is_accessed_by_the_accumulator_16),
        cmocka_unit_test(configuration_space_is_accessed_by_the_accumulator_32),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
