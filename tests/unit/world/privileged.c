/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions, played: see privileged.h.
 */
#define _GNU_SOURCE /* names of registers */
#include "tests/unit/world/privileged.h"

#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <ucontext.h>

/* SDM 2: instruction set reference. */
#define CLI         0xFA
#define STI         0xFB
#define HLT         0xF4
#define REX_B       0x41 /* the eight upper registers */
#define TWO_BYTES   0x0F
#define MOV_FROM_CR 0x20
#define MOV_TO_CR   0x22

struct privileged privileged;

static sigjmp_buf halted;
static struct sigaction usual;

/* In the order of their numbers in an instruction. */
static const int register_places[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                      REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                      REG_R12, REG_R13, REG_R14, REG_R15};

/* Returns how long the instruction is, or 0: it is none of these. */
static unsigned move_control_register(const uint8_t *code, greg_t *registers)
{
    unsigned prefix_bytes = code[0] == REX_B;
    const uint8_t *instruction = code + prefix_bytes;
    unsigned control = instruction[2] >> 3 & 7;

    greg_t *other = &registers[register_places[(instruction[2] & 7) + 8 * prefix_bytes]];

    if (instruction[0] != TWO_BYTES || control > 4) {
        return 0;
    }
    if (instruction[1] == MOV_FROM_CR) {
        *other = (greg_t)privileged.control[control];
    } else if (instruction[1] == MOV_TO_CR) {
        privileged.control[control] = (uint64_t)*other;
    } else {
        return 0;
    }
    return prefix_bytes + 3;
}

static void play(int number, siginfo_t *information, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)registers[REG_RIP];
    unsigned bytes = 1;

    (void)information;
    if (code[0] == CLI || code[0] == STI) {
        privileged.has_interrupts = code[0] == STI;
    } else if (code[0] == HLT && privileged.has_interrupts) {
        privileged.sleep_count++;
        if (privileged.in_sleep != NULL) {
            privileged.in_sleep();
        }
    } else if (code[0] == HLT) {
        siglongjmp(halted, 1);
    } else {
        bytes = move_control_register(code, registers);
    }
    if (bytes == 0) {
        sigaction(number, &usual, NULL); /* a fault like others: it comes again */
    }
    registers[REG_RIP] += bytes;
}

bool privileged_call(void (*function)(void))
{
    struct sigaction action = {.sa_sigaction = play, .sa_flags = SA_SIGINFO | SA_NODEFER};
    bool has_returned = false;

    sigaction(SIGSEGV, &action, &usual);
    if (sigsetjmp(halted, 1) == 0) {
        function();
        has_returned = true;
    }
    sigaction(SIGSEGV, &usual, NULL);
    return has_returned;
}
