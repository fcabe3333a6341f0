/* SPDX-License-Identifier: MIT */
/* sources: drivers/errors/hardware.c libc/core/format.c tests/unit/world/panic.c tests/unit/world/kept_log.c */
/* flags: -DCPU_FAKE */
/*
 * drivers/errors/hardware.c against a core played here: its registers for machine checks fault
 * where a real one's do (SDM 3B 16.3), and the chipset's port says why there is an NMI.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/errors/hardware.h"
#include "drivers/errors/question.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/trap.h"
#include "libc/core/cpu.h"
#include "libc/core/lapic.h"
#include "libc/core/port.h"
#include "tests/unit/world/kept_log.h"

#define VALID         (1ull << 63)
#define UNCORRECTED   (1ull << 61)
#define ENABLED       (1ull << 60)
#define MISC_VALID    (1ull << 59)
#define ADDRESS_VALID (1ull << 58)
#define FATAL         (VALID | UNCORRECTED | ENABLED)
#define RIPV          1u
#define MCIP          4u
#define BANK_MAX      32

struct node_info node_info;

struct bank {
    uint64_t control, status, address, misc;
};

static struct bank banks[BANK_MAX];
static uint64_t capability, global_status, global_control;
static uint32_t family_model;
static uint32_t features;
static uint64_t cr4;
static uint8_t port_61;
static uint8_t written_61;

LINKER_SET_DECLARE(components, struct component);

struct cpuid cpu_id(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    assert_int_equal(leaf, 1);
    return (struct cpuid){.eax = family_model, .edx = features};
}

static struct bank *bank_of(uint32_t msr)
{
    assert_true(features & 1u << 14);
    assert_in_range(msr, 0x400, 0x47F);
    assert_true((msr - 0x400) / 4 < (capability & 0xFF));
    return &banks[(msr - 0x400) / 4];
}

uint64_t cpu_read_msr(uint32_t msr)
{
    assert_true(features & 1u << 14);
    if (msr == 0x179) {
        return capability;
    }
    if (msr == 0x17A) {
        return global_status;
    }
    const struct bank *bank = bank_of(msr);

    switch (msr % 4) {
    case 0:
        return bank->control;
    case 1:
        return bank->status;
    case 2:
        assert_true(bank->status & ADDRESS_VALID);
        return bank->address;
    default:
        assert_true(bank->status & MISC_VALID);
        return bank->misc;
    }
}

void cpu_write_msr(uint32_t msr, uint64_t value)
{
    if (msr == 0x17A) {
        global_status = value;
    } else if (msr == 0x17B) {
        assert_true(capability & 1u << 8);
        global_control = value;
    } else if (msr % 4 == 0) {
        /* Firmware's own. */
        assert_true(msr != 0x400 || family_model != 0x663);
        bank_of(msr)->control = value;
    } else {
        assert_int_equal(msr % 4, 1);
        assert_int_equal(value, 0);
        bank_of(msr)->status = 0;
    }
}

void cpu_set_cr4(uint64_t bits)
{
    /* From here on one may come: with everything ready for it. */
    assert_int_equal(global_status, 0);
    cr4 |= bits;
}

uint8_t port_read8(uint16_t port)
{
    assert_int_equal(port, 0x61);
    return port_61;
}

void port_write8(uint16_t port, uint8_t value)
{
    assert_int_equal(port, 0x61);
    written_61 = value;
}

static unsigned opened_register; /* 0: none */
static uint32_t opened_entry;

void lapic_write(unsigned offset, uint32_t value)
{
    opened_register = offset;
    opened_entry = value;
}

/* --- */

static void run_step(enum component_step step)
{
    LINKER_SET_EACH(components, struct component, component)
    {
        (*component)->steps[step]();
    }
}

static void start_node(void)
{
    run_step(NODE_MEMORY);
}

static int begin(void **state)
{
    (void)state;
    memset(banks, 0, sizeof(banks));
    capability = 10 | 1u << 8;
    global_status = 0;
    global_control = 0;
    family_model = 0x106A0; /* 1AH */
    features = 1u << 7 | 1u << 14;
    cr4 = 0;
    kept_log_clear();
    node_info.nmi_line = (struct nmi_line){.is_ours = true, .lint = 1, .is_active_low = true};
    opened_register = 0;
    written_61 = 0xAA;
    return 0;
}

static int begin_started(void **state)
{
    begin(state);
    start_node();
    kept_log_clear();
    global_status = RIPV | MCIP;
    return 0;
}

static void all_banks_report_from_the_start_on(void **state)
{
    (void)state;
    start_node();
    assert_int_equal(cr4, 1u << 6);
    assert_int_equal(global_control, UINT64_MAX);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(banks[i].control, UINT64_MAX);
    }
    assert_string_equal(kept_log(), "");
}

static void the_first_bank_of_old_processors_is_left_to_firmware(void **state)
{
    (void)state;
    family_model = 0x663;
    start_node();
    assert_int_equal(banks[0].control, 0);
    assert_int_equal(banks[1].control, UINT64_MAX);
}

/* The fake faults on registers that are not there. */
static void a_core_without_banks_has_machine_checks_all_the_same(void **state)
{
    (void)state;
    features = 1u << 7;
    start_node();
    assert_int_equal(cr4, 1u << 6);
    assert_false(hardware_error_is_elsewhere(VECTOR_MACHINE_CHECK));
}

static void a_core_without_machine_checks_is_left_alone(void **state)
{
    (void)state;
    features = 0;
    start_node();
    assert_int_equal(cr4, 0);
}

static void a_count_of_banks_beyond_the_registers_is_bounded(void **state)
{
    (void)state;
    capability = 0xFF;
    start_node();
    assert_int_equal(banks[BANK_MAX - 1].control, UINT64_MAX);
    assert_int_equal(global_control, 0); /* it has none */
}

/* What a reset has left would pass for the cause of the next machine check. */
static void errors_from_before_the_start_are_told_and_forgotten(void **state)
{
    (void)state;
    banks[4].status = FATAL | ADDRESS_VALID | 0x135;
    banks[4].address = 0x123;
    global_status = MCIP;
    start_node();
    assert_true(is_logged("bank 4: STATUS b400000000000135 ADDR 0000000000000123 MISC 0"));
    assert_int_equal(banks[4].status, 0);
    assert_int_equal(global_status, 0);
}

static void the_core_whose_bank_reports_does_not_go_on(void **state)
{
    (void)state;
    banks[9].status = FATAL;
    assert_false(hardware_error_is_elsewhere(VECTOR_MACHINE_CHECK));
    assert_int_equal(global_status, 0);
}

/* Corrected errors, and such as were not what raised it. */
static void a_core_goes_on_whose_banks_report_nothing(void **state)
{
    static const uint64_t statuses[] = {0, FATAL & ~VALID, FATAL & ~UNCORRECTED, FATAL & ~ENABLED};

    for (size_t i = 0; i < ARRAY_COUNT(statuses); i++) {
        begin_started(state);
        banks[3].status = statuses[i];
        assert_true(hardware_error_is_elsewhere(VECTOR_MACHINE_CHECK));
        /* With MCIP left, the next one would reset the machine. */
        assert_int_equal(global_status, 0);
    }
}

static void a_core_that_cannot_be_continued_ends(void **state)
{
    (void)state;
    global_status = MCIP;
    assert_false(hardware_error_is_elsewhere(VECTOR_MACHINE_CHECK));
    assert_int_equal(global_status, 0);
}

static bool is_said;

bool question_is_said(void)
{
    return is_said;
}

/* At the node that has the chipset's line only if another node says so. */
static void an_nmi_is_a_question_unless_it_is_the_chipsets(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        is_said = (i & 1) != 0;
        node_info.nmi_line.is_ours = (i & 2) != 0;
        port_61 = 0;
        assert_int_equal(hardware_error_is_question(VECTOR_NMI),
                         is_said || !node_info.nmi_line.is_ours);
        port_61 = 0x80; /* SERR#, whoever looks */
        assert_int_equal(hardware_error_is_question(VECTOR_NMI), !node_info.nmi_line.is_ours);
        assert_false(hardware_error_is_question(VECTOR_MACHINE_CHECK));
    }
}

static void other_exceptions_are_always_this_nodes(void **state)
{
    (void)state;
    assert_false(hardware_error_is_elsewhere(VECTOR_NMI));
    assert_false(hardware_error_is_elsewhere(VECTOR_PAGE_FAULT));
    assert_int_equal(global_status, RIPV | MCIP);
}

static void the_report_has_the_registers_of_each_valid_bank(void **state)
{
    (void)state;
    banks[0].status = FATAL | ADDRESS_VALID | MISC_VALID | 1;
    banks[0].address = 0xABC;
    banks[0].misc = 0xDEF;
    banks[1].status = ADDRESS_VALID;
    banks[2].status = VALID;
    assert_false(hardware_error_is_elsewhere(VECTOR_MACHINE_CHECK));
    hardware_error_log(VECTOR_MACHINE_CHECK);
    assert_string_equal(kept_log(), "machine check: MCG_STATUS 0000000000000005\n"
                                    "bank 0: STATUS bc00000000000001 ADDR 0000000000000abc MISC "
                                    "0000000000000def\n"
                                    "bank 2: STATUS 8000000000000000 ADDR 0000000000000000 MISC "
                                    "0000000000000000\n");
    assert_int_equal(banks[0].status | banks[2].status, 0);
}

static void an_nmi_of_the_chipset_has_its_reason(void **state)
{
    (void)state;
    port_61 = 0xB1; /* SERR#, and bits that are others' */
    hardware_error_log(VECTOR_NMI);
    assert_string_equal(kept_log(), "NMI by the chipset: SERR#\n");
    assert_int_equal(written_61, 0x0D); /* the speaker's bits as they were */
    kept_log_clear();
    port_61 = 0x40;
    hardware_error_log(VECTOR_NMI);
    assert_string_equal(kept_log(), "NMI by the chipset: IOCHK#\n");
}

static void an_nmi_without_a_reason_is_a_nodes_or_a_persons(void **state)
{
    static const uint8_t ports[] = {0x20, 0xFF}; /* nothing; no such port */

    for (size_t i = 0; i < ARRAY_COUNT(ports); i++) {
        begin_started(state);
        port_61 = ports[i];
        hardware_error_log(VECTOR_NMI);
        assert_true(is_logged("by the NMI line"));
        assert_int_equal(written_61, 0xAA);
    }
}

static void a_node_without_the_nmi_line_does_not_ask_the_chipset(void **state)
{
    (void)state;
    node_info.nmi_line.is_ours = false;
    port_61 = 0xC0;
    hardware_error_log(VECTOR_NMI);
    assert_string_equal(kept_log(), "NMI by another node\n");
    assert_int_equal(written_61, 0xAA);
}

/* The chipset raises it for every core that has it open, and each would end. */
static void the_nmi_line_is_opened_on_its_node_alone(void **state)
{
    begin(state);
    run_step(NODE_READY);
    assert_int_equal(opened_register, 0x360);
    assert_int_equal(opened_entry, 0x2400);
    begin(state);
    node_info.nmi_line = (struct nmi_line){.is_ours = true, .lint = 0};
    run_step(NODE_READY);
    assert_int_equal(opened_register, 0x350);
    assert_int_equal(opened_entry, 0x400);
    begin(state);
    node_info.nmi_line.is_ours = false;
    run_step(NODE_READY);
    assert_int_equal(opened_register, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_banks_report_from_the_start_on, begin),
        cmocka_unit_test_setup(the_first_bank_of_old_processors_is_left_to_firmware, begin),
        cmocka_unit_test_setup(a_core_without_banks_has_machine_checks_all_the_same, begin),
        cmocka_unit_test_setup(a_core_without_machine_checks_is_left_alone, begin),
        cmocka_unit_test_setup(a_count_of_banks_beyond_the_registers_is_bounded, begin),
        cmocka_unit_test_setup(errors_from_before_the_start_are_told_and_forgotten, begin),
        cmocka_unit_test_setup(the_core_whose_bank_reports_does_not_go_on, begin_started),
        cmocka_unit_test_setup(a_core_goes_on_whose_banks_report_nothing, begin_started),
        cmocka_unit_test_setup(a_core_that_cannot_be_continued_ends, begin_started),
        cmocka_unit_test_setup(other_exceptions_are_always_this_nodes, begin_started),
        cmocka_unit_test_setup(an_nmi_is_a_question_unless_it_is_the_chipsets, begin_started),
        cmocka_unit_test_setup(the_report_has_the_registers_of_each_valid_bank, begin_started),
        cmocka_unit_test_setup(an_nmi_of_the_chipset_has_its_reason, begin_started),
        cmocka_unit_test_setup(an_nmi_without_a_reason_is_a_nodes_or_a_persons, begin_started),
        cmocka_unit_test(the_nmi_line_is_opened_on_its_node_alone),
        cmocka_unit_test_setup(a_node_without_the_nmi_line_does_not_ask_the_chipset, begin_started),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
