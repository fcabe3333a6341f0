/* SPDX-License-Identifier: MIT */
/*
 * What the hardware reports of its own errors: machine checks (SDM 3B 16), and NMIs of the chipset.
 *
 * Each core has banks of registers, some of them shared with its neighbours, in which the hardware
 * leaves what it has found. Intel's processors tell all cores of an error; the one whose banks
 * report it fails, the others go on. A machine check while MCIP is set resets the machine (SDM
 * 3B 16.3.1.2), so it is cleared before anything is done about the first.
 */
#include "drivers/errors/hardware.h"

#include "drivers/errors/question.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "kernel/x86/trap.h"
#include "libc/core/cpu.h"
#include "libc/core/lapic.h"
#include "libc/core/port.h"

#define CPUID_1_EDX_MCE BIT(7)
#define CPUID_1_EDX_MCA BIT(14)
#define CR4_MCE         BIT(6)

/* SDM 3B 16.3 */
#define MSR_MCG_CAP     0x179
#define MSR_MCG_STATUS  0x17A
#define MSR_MCG_CTL     0x17B
#define MCG_CAP_BANKS   BITS(7, 0)
#define MCG_CAP_CTL     BIT(8)
#define MCG_STATUS_RIPV BIT(0) /* the interrupted code can go on */
#define BANK_MAX        32u    /* beyond them lie MSRs of other kinds (SDM 4 table 2-2) */

#define MSR_MC_CTL(bank)    (0x400u + 4 * (bank))
#define MSR_MC_STATUS(bank) (MSR_MC_CTL(bank) + 1)
#define MSR_MC_ADDR(bank)   (MSR_MC_CTL(bank) + 2)
#define MSR_MC_MISC(bank)   (MSR_MC_CTL(bank) + 3)

#define STATUS_VALID         BIT(63)
#define STATUS_UNCORRECTED   BIT(61)
#define STATUS_ENABLED       BIT(60) /* else it was not what raised the exception */
#define STATUS_MISC_VALID    BIT(59)
#define STATUS_ADDRESS_VALID BIT(58)
#define STATUS_FATAL         (STATUS_VALID | STATUS_UNCORRECTED | STATUS_ENABLED)

/* Pins of the local APIC (SDM 3A table 11-1, figure 11-8). */
#define LAPIC_LVT_LINT0 0x350
#define LAPIC_LVT_LINT1 0x360
#define LVT_NMI         0x400
#define LVT_ACTIVE_LOW  BIT(13)

/* The PC's system control port B. */
#define CHIPSET_NMI_PORT   0x61
#define CHIPSET_SERR       BIT(7)
#define CHIPSET_IOCHK      BIT(6)
#define CHIPSET_CLEAR      0x0C /* both latches, and off */
#define CHIPSET_WRITABLE   0x0F
#define CHIPSET_IS_MISSING 0xFF

static uint64_t mcg_status; /* as the last machine check found it */

static unsigned bank_count(void)
{
    uint64_t count = 0;

    if (cpu_id(1, 0).edx & CPUID_1_EDX_MCA) {
        count = FIELD_GET(MCG_CAP_BANKS, cpu_read_msr(MSR_MCG_CAP));
    }
    return count < BANK_MAX ? (unsigned)count : BANK_MAX;
}

static void log_bank(unsigned bank, const char *when)
{
    uint64_t status = cpu_read_msr(MSR_MC_STATUS(bank));

    if (status & STATUS_VALID) {
        /* Where they are not valid they need not even exist. */
        log_error("hardware", "%sbank %u: STATUS %016lx ADDR %016lx MISC %016lx", when, bank,
                  status, status & STATUS_ADDRESS_VALID ? cpu_read_msr(MSR_MC_ADDR(bank)) : 0,
                  status & STATUS_MISC_VALID ? cpu_read_msr(MSR_MC_MISC(bank)) : 0);
    }
}

/* Only the node that has the chipset's line looks there. */
static uint8_t chipset_nmi_status(void)
{
    uint8_t status = node_info.nmi_line.is_ours ? port_read8(CHIPSET_NMI_PORT) : 0;

    return status == CHIPSET_IS_MISSING ? 0 : status;
}

bool hardware_error_is_question(uint64_t vector)
{
    if (vector != VECTOR_NMI || !node_info.nmi_line.is_ours) {
        return vector == VECTOR_NMI;
    }
    return (chipset_nmi_status() & (CHIPSET_SERR | CHIPSET_IOCHK)) == 0 && question_is_said();
}

/* May this core go on (SDM 3B 16.10.4.1)? Banks that cores share report to each of them. */
bool hardware_error_is_elsewhere(uint64_t vector)
{
    if (vector != VECTOR_MACHINE_CHECK || bank_count() == 0) {
        return false;
    }
    mcg_status = cpu_read_msr(MSR_MCG_STATUS);
    cpu_write_msr(MSR_MCG_STATUS, 0);
    for (unsigned bank = 0; bank < bank_count(); bank++) {
        if ((~cpu_read_msr(MSR_MC_STATUS(bank)) & STATUS_FATAL) == 0) {
            return false;
        }
    }
    return (mcg_status & MCG_STATUS_RIPV) != 0;
}

static void log_machine_check(void)
{
    log_error("hardware", "machine check: MCG_STATUS %016lx", mcg_status);
    for (unsigned bank = 0; bank < bank_count(); bank++) {
        log_bank(bank, "");
        cpu_write_msr(MSR_MC_STATUS(bank), 0); /* the next machine check is not for this */
    }
}

/* A person's button leaves no trace. */
static void log_nmi(void)
{
    uint8_t status = chipset_nmi_status();

    if ((status & (CHIPSET_SERR | CHIPSET_IOCHK)) == 0) {
        log_error("hardware", "NMI by another node%s",
                  node_info.nmi_line.is_ours ? " or by the NMI line, as a button has it" : "");
        return;
    }
    log_error("hardware", "NMI by the chipset:%s%s", status & CHIPSET_SERR ? " SERR#" : "",
              status & CHIPSET_IOCHK ? " IOCHK#" : "");
    port_write8(CHIPSET_NMI_PORT, (status & CHIPSET_WRITABLE) | CHIPSET_CLEAR);
}

void hardware_error_log(uint64_t vector)
{
    if (vector == VECTOR_MACHINE_CHECK) {
        log_machine_check();
    } else if (vector == VECTOR_NMI) {
        log_nmi();
    }
}

/* Firmware's own on family 6 before model 1AH (SDM 3B 16.3.2.1). */
static bool is_first_bank_firmwares(void)
{
    uint32_t eax = cpu_id(1, 0).eax;

    return (eax >> 8 & 0xF) == 6 && ((eax >> 12 & 0xF0) | (eax >> 4 & 0xF)) < 0x1A;
}

/* From here on an error that the core cannot correct is a machine check, where before it reset the
 * machine. What the banks have kept from before is of no use but to be known. */
static void enable_machine_checks(void)
{
    if ((cpu_id(1, 0).edx & CPUID_1_EDX_MCE) == 0) {
        return;
    }
    for (unsigned bank = 0; bank < bank_count(); bank++) {
        log_bank(bank, "of before this start, ");
        if (bank > 0 || !is_first_bank_firmwares()) {
            cpu_write_msr(MSR_MC_CTL(bank), UINT64_MAX);
        }
        cpu_write_msr(MSR_MC_STATUS(bank), 0);
    }
    if (bank_count() > 0) {
        if (cpu_read_msr(MSR_MCG_CAP) & MCG_CAP_CTL) {
            cpu_write_msr(MSR_MCG_CTL, UINT64_MAX);
        }
        cpu_write_msr(MSR_MCG_STATUS, 0);
    }
    cpu_set_cr4(CR4_MCE);
}

/* At one node, or each would end. */
static void open_nmi_line(void)
{
    const struct nmi_line *line = &node_info.nmi_line;

    if (line->is_ours) {
        lapic_write(line->lint == 0 ? LAPIC_LVT_LINT0 : LAPIC_LVT_LINT1,
                    LVT_NMI | (line->is_active_low ? (uint32_t)LVT_ACTIVE_LOW : 0));
    }
}

static const struct component hardware_errors_component = {
    .steps = {[BOOT_MEMORY] = enable_machine_checks,
              [NODE_MEMORY] = enable_machine_checks,
              [NODE_READY] = open_nmi_line},
};
COMPONENT(hardware_errors_component);
