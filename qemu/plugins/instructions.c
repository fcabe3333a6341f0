/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCG plugin: how many instructions does each vCPU execute?
 *
 * Iterations of rep string instructions are counted apart: TCG runs each as an instruction of
 * its own, hardware does not. Counts stand in a file that is mapped by QEMU and may be read at
 * any moment (tests/system/harness/counters.py, qemu/plugins/profile), so that a benchmark can
 * take the difference between two moments of one run.
 *
 * Arguments: counters=FILE; blocks=on counts every translated block as well, for profiles.
 *
 * The file, in 64-bit little-endian words unless told otherwise:
 *
 *   struct header     64 bytes
 *   struct totals     64 bytes for each vCPU
 *   struct block      16 bytes and one word for each vCPU; block_count of them so far
 *
 * A block counts when it is entered: one that an exception leaves half-way counts whole.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <qemu-plugin.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

#define COUNTERS_MAGIC UINT64_C(0x31544E43534C4154) /* "TALSCNT1" */
/* Chosen: a Linux guest translates some 100,000 blocks, Talus a few thousand a node. */
#define BLOCK_MAX (UINT64_C(1) << 18)
#define SLOT_COUNT (2 * BLOCK_MAX)

struct header {
    uint64_t magic;
    uint64_t vcpu_count;
    uint64_t block_bytes;         /* from one block to the next; 0: blocks are not counted */
    _Atomic uint64_t block_count; /* those below it are complete */
    _Atomic uint64_t block_lost;  /* translations that found no room: only in the totals */
    uint64_t reserved[3];
};

/* Written by one vCPU's thread: on a line of its own, and no atomics. */
struct totals {
    uint64_t instructions; /* without the next */
    uint64_t rep_iterations;
    uint64_t reserved[6];
};

struct block {
    uint64_t pc;
    uint32_t instructions;   /* without a rep string instruction, which can only be the last */
    uint32_t rep_iterations; /* 1 if there is one: it is an iteration each time */
    uint64_t executions[];   /* by vCPU */
};

_Static_assert(sizeof(struct header) == 64 && sizeof(struct totals) == 64, "as documented");

static struct header *header;
static struct totals *totals;
static char *blocks;

/* Which block a translation belongs to; QEMU translates again after it has flushed its cache. */
struct slot {
    uintptr_t host_address;
    struct block *block;
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot *slots;

/* What the totals' callback is given instead of a pointer. */
#define REP_BIT ((uintptr_t)1 << 16)

static void count_totals(unsigned vcpu, void *data)
{
    uintptr_t packed = (uintptr_t)data;

    totals[vcpu].instructions += packed & (REP_BIT - 1);
    totals[vcpu].rep_iterations += packed / REP_BIT;
}

static void count_block(unsigned vcpu, void *data)
{
    struct block *block = data;

    totals[vcpu].instructions += block->instructions;
    totals[vcpu].rep_iterations += block->rep_iterations;
    /* Only this vCPU's thread writes this word. */
    block->executions[vcpu]++;
}

static bool is_rep_string(const struct qemu_plugin_insn *insn)
{
    const uint8_t *bytes = qemu_plugin_insn_data(insn);
    size_t size = qemu_plugin_insn_size(insn);
    bool has_rep = false;
    size_t i = 0;

    /* Legacy prefixes in any order, then at most one REX (SDM 2A 2.1.1, 2.2.1). */
    while (i < size && strchr("\xF2\xF3\x66\x67\x2E\x36\x3E\x26\x64\x65", bytes[i]) != NULL &&
           bytes[i] != 0) {
        has_rep |= bytes[i] == 0xF2 || bytes[i] == 0xF3;
        i++;
    }
    if (i < size && (bytes[i] & 0xF0) == 0x40) {
        i++;
    }
    if (!has_rep || i + 1 != size) {
        return false;
    }
    /* INS and OUTS; MOVS and CMPS; STOS, LODS and SCAS. */
    return (bytes[i] >= 0x6C && bytes[i] <= 0x6F) || (bytes[i] >= 0xA4 && bytes[i] <= 0xA7) ||
           (bytes[i] >= 0xAA && bytes[i] <= 0xAF);
}

/* The block of a translation, a new one if need be; NULL when there is no room. */
static struct block *find_block(uint64_t pc, uintptr_t host_address, uint32_t instructions,
                                uint32_t rep_iterations)
{
    uint64_t index = (pc ^ host_address) * UINT64_C(0x9E3779B97F4A7C15) % SLOT_COUNT;
    uint64_t count = atomic_load_explicit(&header->block_count, memory_order_relaxed);
    struct block *block;

    for (; slots[index].block != NULL; index = (index + 1) % SLOT_COUNT) {
        block = slots[index].block;
        if (slots[index].host_address == host_address && block->pc == pc &&
            block->instructions == instructions && block->rep_iterations == rep_iterations) {
            return block;
        }
    }
    if (count == BLOCK_MAX) {
        atomic_fetch_add_explicit(&header->block_lost, 1, memory_order_relaxed);
        return NULL;
    }
    block = (struct block *)(blocks + count * header->block_bytes);
    block->pc = pc;
    block->instructions = instructions;
    block->rep_iterations = rep_iterations;
    slots[index].host_address = host_address;
    slots[index].block = block;
    /* Publish to the readers of the file. */
    atomic_store_explicit(&header->block_count, count + 1, memory_order_release);
    return block;
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t count = qemu_plugin_tb_n_insns(tb);
    bool has_rep = is_rep_string(qemu_plugin_tb_get_insn(tb, count - 1));
    uint32_t instructions = (uint32_t)(count - has_rep);
    struct block *block = NULL;

    (void)id;
    if (blocks != NULL) {
        pthread_mutex_lock(&lock);
        block = find_block(qemu_plugin_tb_vaddr(tb),
                           (uintptr_t)qemu_plugin_insn_haddr(qemu_plugin_tb_get_insn(tb, 0)),
                           instructions, has_rep);
        pthread_mutex_unlock(&lock);
    }
    if (block != NULL) {
        qemu_plugin_register_vcpu_tb_exec_cb(tb, count_block, QEMU_PLUGIN_CB_NO_REGS, block);
    } else {
        qemu_plugin_register_vcpu_tb_exec_cb(tb, count_totals, QEMU_PLUGIN_CB_NO_REGS,
                                             (void *)(instructions + has_rep * REP_BIT));
    }
}

/* Make and map the file. Returns 0, or -1 after saying why not. */
static int open_counters(const char *path, unsigned vcpu_count, bool has_blocks)
{
    size_t block_bytes = sizeof(struct block) + vcpu_count * sizeof(uint64_t);
    size_t fixed_bytes = sizeof(struct header) + vcpu_count * sizeof(struct totals);
    size_t file_bytes = fixed_bytes + (has_blocks ? BLOCK_MAX * block_bytes : 0);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    char *map = MAP_FAILED;

    /* Sparse: blocks that are never counted take no room on the disk. */
    if (file >= 0 && ftruncate(file, (off_t)file_bytes) == 0) {
        map = mmap(NULL, file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    }
    if (map == MAP_FAILED) {
        perror(path);
        return -1;
    }
    (void)close(file); /* the mapping stays */
    header = (struct header *)map;
    totals = (struct totals *)(map + sizeof(*header));
    if (has_blocks) {
        blocks = map + fixed_bytes;
        slots = calloc(SLOT_COUNT, sizeof(*slots));
        if (slots == NULL) {
            perror("instructions");
            return -1;
        }
        header->block_bytes = block_bytes;
    }
    header->vcpu_count = vcpu_count;
    header->magic = COUNTERS_MAGIC;
    return 0;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    const char *path = NULL;
    bool has_blocks = false;

    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "counters=", 9) == 0) {
            path = argv[i] + 9;
        } else if (strncmp(argv[i], "blocks=", 7) != 0 ||
                   !qemu_plugin_bool_parse("blocks", argv[i] + 7, &has_blocks)) {
            fprintf(stderr, "instructions: unknown argument %s\n", argv[i]);
            return -1;
        }
    }
    if (path == NULL || !info->system_emulation) {
        fprintf(stderr, "instructions: needs counters=FILE and a whole machine\n");
        return -1;
    }
    if (open_counters(path, (unsigned)info->system.max_vcpus, has_blocks) != 0) {
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    return 0;
}
