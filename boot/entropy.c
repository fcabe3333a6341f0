/* SPDX-License-Identifier: MIT */
/*
 * The pool, and the test of the processor's generators: one that repeats itself, or gives all zeros
 * or all ones, is stuck. Some are after the machine has slept (AMD family 15h to 17h: all ones, and
 * valid by its own word). One that is worse in other ways does no harm: it is one source of many.
 */
#include "boot/entropy.h"

#include "boot/hardware_random.h"
#include "kernel/log.h"
#include "libc/core/random.h"

/* 1024 bits; that two neighbours are alike by chance, once in 2^60 machines. */
#define DRAW_COUNT 16u
/* As the SDM recommends for RDRAND; RDSEED runs dry sooner, and does not matter more. */
#define DRAW_TRIES 100u

enum generator_state { GENERATOR_ABSENT, GENERATOR_WORKS, GENERATOR_SILENT, GENERATOR_STUCK };

static struct random_pool pool;
static enum generator_state rdrand;
static enum generator_state rdseed;

static bool draw_once(bool (*draw)(uint64_t *value), uint64_t *value)
{
    for (unsigned i = 0; i < DRAW_TRIES; i++) {
        if (draw(value)) {
            return true;
        }
    }
    return false;
}

/* What it gives goes into the pool even if it is stuck: it cannot do harm there. */
static enum generator_state draw_from(bool (*draw)(uint64_t *value))
{
    enum generator_state state = GENERATOR_WORKS;
    uint64_t previous = 0;

    for (unsigned i = 0; i < DRAW_COUNT; i++) {
        uint64_t value;

        if (!draw_once(draw, &value)) {
            return state == GENERATOR_STUCK ? state : GENERATOR_SILENT;
        }
        if (value == previous || value == 0 || value == UINT64_MAX) {
            state = GENERATOR_STUCK;
        }
        previous = value;
        entropy_add(&value, sizeof(value));
    }
    return state;
}

void entropy_start(void)
{
    bool has_rdrand = (cpu_id(1, 0).ecx & CPUID_1_ECX_RDRAND) != 0;
    bool has_rdseed = cpu_id(0, 0).eax >= 7 && (cpu_id(7, 0).ebx & CPUID_7_EBX_RDSEED) != 0;

    rdrand = has_rdrand ? draw_from(hardware_rdrand) : GENERATOR_ABSENT;
    rdseed = has_rdseed ? draw_from(hardware_rdseed) : GENERATOR_ABSENT;
}

void entropy_add(const void *bytes, size_t length)
{
    uint64_t tsc = cpu_read_tsc();

    random_add(&pool, &tsc, sizeof(tsc));
    random_add(&pool, bytes, length);
}

static void report_generator(const char *name, enum generator_state state)
{
    if (state == GENERATOR_STUCK) {
        log_warning("boot", "%s is stuck: it repeats itself, and is trusted with no secret", name);
    } else if (state == GENERATOR_SILENT) {
        log_warning("boot", "%s gives nothing", name);
    }
}

void entropy_report(void)
{
    report_generator("RDRAND", rdrand);
    report_generator("RDSEED", rdseed);
    if (rdrand != GENERATOR_WORKS && rdseed != GENERATOR_WORKS) {
        log_warning("boot", "%s: secrets rest on the jitter of clocks",
                    rdrand == GENERATOR_ABSENT ? "no RDRAND" : "no generator that works");
    }
}

static void draw_seed(struct random_pool *from, uint64_t seed[ENTROPY_SEED_WORDS])
{
    uint64_t tsc = cpu_read_tsc();

    random_add(from, &tsc, sizeof(tsc));
    for (unsigned i = 0; i < ENTROPY_SEED_WORDS; i++) {
        seed[i] = random_take(from);
    }
}

void entropy_draw(uint64_t seed[ENTROPY_SEED_WORDS])
{
    draw_seed(&pool, seed);
}

void entropy_renew(uint64_t kept[ENTROPY_SEED_WORDS], uint64_t seed[ENTROPY_SEED_WORDS])
{
    struct random_pool own = {.drawn_count = 0};
    uint64_t value;

    random_add(&own, kept, ENTROPY_SEED_WORDS * sizeof(kept[0]));
    for (unsigned i = 0; i < ENTROPY_SEED_WORDS && rdrand == GENERATOR_WORKS; i++) {
        if (draw_once(hardware_rdrand, &value)) {
            random_add(&own, &value, sizeof(value));
        }
    }
    draw_seed(&own, seed);
    draw_seed(&own, kept);
}
