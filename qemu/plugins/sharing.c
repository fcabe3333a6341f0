/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCG plugin: do Talus' nodes share memory that they should not?
 *
 * Records which vCPU reads, writes and executes each page of RAM, from the moment on at which
 * that vCPU's node reports that its boot is finished (boot/probe.h), and not while boot's code
 * builds a node again that has failed. At exit it judges:
 *
 *   private page   touched by at most one vCPU
 *   mailbox page   read by any, written by at most one, executed by none
 *   archive page   read by any, written by none, executed by none
 *
 * Arguments: report=FILE (default: standard error). The report's last line is "sharing: passed"
 * or "sharing: FAILED" with the reason; each guilty page has a line with the vCPUs, what they did
 * and the address of the instruction that did it first.
 *
 * With lines=on it also counts the lines that move between vCPUs, as caches without end would move
 * them: `fetched` are reads of a line that only others have a copy of, `taken` are writes to one
 * that others have. The report gives both for each kind of page.
 *
 * A page whose kind is changed is judged by its old kind first, and begins anew.
 *
 * Not seen: page-table walks, interrupt frames that the CPU pushes, DMA, and the second page of an
 * access that straddles two.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qemu-plugin.h>

#include "boot/probe.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

#define PAGE_SHIFT       12
/* Chosen: more than any machine that the tests start. The table is touched only where used. */
#define MEMORY_MAX_BYTES (UINT64_C(16) << 30)
#define PAGE_MAX         (MEMORY_MAX_BYTES >> PAGE_SHIFT)
#define LINE_SHIFT       6
#define LINE_MAX         (MEMORY_MAX_BYTES >> LINE_SHIFT)
/* One bit each in a page's masks. */
#define VCPU_MAX         64

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_EXECUTE, ACCESS_COUNT };
enum page_kind { PAGE_PRIVATE, PAGE_MAILBOX, PAGE_ARCHIVE, PAGE_KIND_COUNT };

static const char *const access_names[] = {"reads", "writes", "executes"};
static const char *const kind_names[] = {"private", "mailbox", "archive"};

/* The first time that a vCPU accessed a page in one way. */
struct touch {
    struct touch *next;
    uint64_t pc;
    unsigned vcpu;
    enum access access;
};

struct page {
    _Atomic uint64_t vcpus[ACCESS_COUNT]; /* who has done it; looked at without the lock */
    _Atomic unsigned kind;
    bool was_guilty;       /* as what it was before */
    struct touch *touches; /* under `lock`, newest first */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct page *pages;

/* Of each line, the vCPUs that have a copy; NULL: lines are not counted. Two accesses at the same
 * moment may count as one move more or less. */
static _Atomic uint64_t *line_holders;
enum move { LINE_FETCHED, LINE_TAKEN, MOVE_COUNT };
static _Atomic uint64_t moves[PAGE_KIND_COUNT][MOVE_COUNT];
static const char *report_path;

/* vCPUs whose boot is finished. */
static _Atomic uint64_t armed;
/* Where QEMU keeps the byte of physical address 0; 0 until the first vCPU is armed. */
static _Atomic uintptr_t memory_base;
/* Pages past MEMORY_MAX_BYTES: a run in which there were any proves nothing. */
static _Atomic uint64_t untracked;

static void note(uint64_t paddr, unsigned vcpu, enum access access, uint64_t pc)
{
    uint64_t bit = UINT64_C(1) << vcpu;
    struct page *page;
    struct touch *touch;

    if (paddr >= MEMORY_MAX_BYTES) {
        atomic_fetch_add_explicit(&untracked, 1, memory_order_relaxed);
        return;
    }
    page = &pages[paddr >> PAGE_SHIFT];
    if (atomic_load_explicit(&page->vcpus[access], memory_order_relaxed) & bit) {
        return;
    }
    touch = calloc(1, sizeof(*touch));
    if (touch == NULL) {
        abort();
    }
    touch->vcpu = vcpu;
    touch->access = access;
    touch->pc = pc;
    pthread_mutex_lock(&lock);
    atomic_fetch_or_explicit(&page->vcpus[access], bit, memory_order_relaxed);
    touch->next = page->touches;
    page->touches = touch;
    pthread_mutex_unlock(&lock);
}

static void note_line(uint64_t paddr, unsigned vcpu, bool is_write)
{
    uint64_t bit = UINT64_C(1) << vcpu;
    _Atomic uint64_t *line;
    uint64_t holders;

    if (line_holders == NULL || paddr >= MEMORY_MAX_BYTES) {
        return;
    }
    line = &line_holders[paddr >> LINE_SHIFT];
    holders = atomic_load_explicit(line, memory_order_relaxed);
    if (is_write ? holders == bit : (holders & bit) != 0) {
        return; /* it has what it needs, as nearly always */
    }
    holders = is_write ? atomic_exchange_explicit(line, bit, memory_order_relaxed)
                       : atomic_fetch_or_explicit(line, bit, memory_order_relaxed);
    if ((holders & ~bit) != 0) {
        unsigned kind =
            atomic_load_explicit(&pages[paddr >> PAGE_SHIFT].kind, memory_order_relaxed);

        atomic_fetch_add_explicit(&moves[kind][is_write ? LINE_TAKEN : LINE_FETCHED], 1,
                                  memory_order_relaxed);
    }
}

static bool is_armed(unsigned vcpu)
{
    return atomic_load_explicit(&armed, memory_order_relaxed) >> vcpu & 1;
}

/* The physical address of an access to RAM; false for a device's registers. */
static bool ram_address(qemu_plugin_meminfo_t info, uint64_t vaddr, uint64_t *paddr)
{
    const struct qemu_plugin_hwaddr *hwaddr = qemu_plugin_get_hwaddr(info, vaddr);

    if (hwaddr == NULL || qemu_plugin_hwaddr_is_io(hwaddr)) {
        return false;
    }
    *paddr = qemu_plugin_hwaddr_phys_addr(hwaddr);
    return true;
}

static void on_memory(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *pc)
{
    uint64_t paddr;

    if (is_armed(vcpu) && ram_address(info, vaddr, &paddr)) {
        bool is_write = qemu_plugin_mem_is_store(info);

        note(paddr, vcpu, is_write ? ACCESS_WRITE : ACCESS_READ, (uintptr_t)pc);
        note_line(paddr, vcpu, is_write);
    }
}

/* The first instruction in its page among those that are translated together. */
struct fetch {
    uint64_t pc;
    uintptr_t host_address;
};

static void on_fetch(unsigned vcpu, void *data)
{
    const struct fetch *fetch = data;

    if (is_armed(vcpu)) {
        note(fetch->host_address - atomic_load_explicit(&memory_base, memory_order_relaxed), vcpu,
             ACCESS_EXECUTE, fetch->pc);
    }
}

static unsigned count_bits(uint64_t mask)
{
    return (unsigned)__builtin_popcountll(mask);
}

static bool is_guilty(const struct page *page)
{
    uint64_t readers = page->vcpus[ACCESS_READ];
    uint64_t writers = page->vcpus[ACCESS_WRITE];
    uint64_t executors = page->vcpus[ACCESS_EXECUTE];

    switch (page->kind) {
    case PAGE_MAILBOX:
        return count_bits(writers) > 1 || executors != 0;
    case PAGE_ARCHIVE:
        return writers != 0 || executors != 0;
    default:
        return count_bits(readers | writers | executors) > 1;
    }
}

static void begin_anew(struct page *page, enum page_kind kind)
{
    if (is_guilty(page)) {
        page->was_guilty = true; /* and stays as it is, for the report */
        return;
    }
    while (page->touches != NULL) {
        struct touch *touch = page->touches;

        page->touches = touch->next;
        free(touch);
    }
    for (unsigned i = 0; i < ACCESS_COUNT; i++) {
        atomic_store_explicit(&page->vcpus[i], 0, memory_order_relaxed);
    }
    atomic_store_explicit(&page->kind, kind, memory_order_relaxed);
}

static void declare(qemu_plugin_meminfo_t info, uint64_t vaddr, enum page_kind kind)
{
    uint64_t paddr;

    if (ram_address(info, vaddr, &paddr) && paddr < MEMORY_MAX_BYTES) {
        struct page *page = &pages[paddr >> PAGE_SHIFT];

        pthread_mutex_lock(&lock);
        if (page->kind != kind && !page->was_guilty) {
            begin_anew(page, kind);
        }
        pthread_mutex_unlock(&lock);
    }
}

static void on_declare_mailbox(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr,
                               void *data)
{
    (void)vcpu;
    (void)data;
    declare(info, vaddr, PAGE_MAILBOX);
}

static void on_declare_archive(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr,
                               void *data)
{
    (void)vcpu;
    (void)data;
    declare(info, vaddr, PAGE_ARCHIVE);
}

static void on_declare_private(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr,
                               void *data)
{
    (void)vcpu;
    (void)data;
    declare(info, vaddr, PAGE_PRIVATE);
}

/* The marking instruction loads its own first byte: both its addresses are known here. */
static void on_boot_finished(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr,
                             void *host_address)
{
    uint64_t paddr;

    if (vcpu < VCPU_MAX && ram_address(info, vaddr, &paddr)) {
        atomic_store_explicit(&memory_base, (uintptr_t)host_address - paddr, memory_order_relaxed);
        atomic_fetch_or_explicit(&armed, UINT64_C(1) << vcpu, memory_order_release);
    }
}

static void on_boot_again(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data)
{
    (void)info;
    (void)vaddr;
    (void)data;
    if (vcpu < VCPU_MAX) {
        atomic_fetch_and_explicit(&armed, ~(UINT64_C(1) << vcpu), memory_order_release);
    }
}

/* The number in a marking load, 0 for any other instruction. */
static uint32_t mark_of(const struct qemu_plugin_insn *insn)
{
    static const uint8_t opcode[] = {0x8A, 0x87}; /* movb disp32(%rdi), %al */
    const uint8_t *bytes = qemu_plugin_insn_data(insn);
    uint32_t number;

    if (qemu_plugin_insn_size(insn) != sizeof(opcode) + sizeof(number) ||
        memcmp(bytes, opcode, sizeof(opcode)) != 0) {
        return 0;
    }
    memcpy(&number, bytes + sizeof(opcode), sizeof(number));
    return number;
}

static void watch_memory(struct qemu_plugin_insn *insn)
{
    qemu_plugin_vcpu_mem_cb_t callback = on_memory;
    void *data = (void *)(uintptr_t)qemu_plugin_insn_vaddr(insn);

    switch (mark_of(insn)) {
    case PROBE_MAILBOX:
        callback = on_declare_mailbox;
        break;
    case PROBE_ARCHIVE:
        callback = on_declare_archive;
        break;
    case PROBE_BOOT_FINISHED:
        callback = on_boot_finished;
        data = qemu_plugin_insn_haddr(insn);
        break;
    case PROBE_PRIVATE:
        callback = on_declare_private;
        break;
    case PROBE_BOOT_AGAIN:
        callback = on_boot_again;
        break;
    }
    qemu_plugin_register_vcpu_mem_cb(insn, callback, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
                                     data);
}

static void watch_fetch(struct qemu_plugin_insn *insn)
{
    struct fetch *fetch;

    if (qemu_plugin_insn_haddr(insn) == NULL) {
        return; /* code in a device */
    }
    /* Lives as long as the translation, whose end the plugin is not told: never freed. */
    fetch = malloc(sizeof(*fetch));
    if (fetch == NULL) {
        abort();
    }
    fetch->pc = qemu_plugin_insn_vaddr(insn);
    fetch->host_address = (uintptr_t)qemu_plugin_insn_haddr(insn);
    qemu_plugin_register_vcpu_insn_exec_cb(insn, on_fetch, QEMU_PLUGIN_CB_NO_REGS, fetch);
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    uint64_t page_number = UINT64_MAX;

    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

        watch_memory(insn);
        if (qemu_plugin_insn_vaddr(insn) >> PAGE_SHIFT != page_number) {
            page_number = qemu_plugin_insn_vaddr(insn) >> PAGE_SHIFT;
            watch_fetch(insn);
        }
    }
}

static void print_page(FILE *out, uint64_t number)
{
    const struct page *page = &pages[number];

    fprintf(out, "sharing: page 0x%" PRIx64 " (%s):", number << PAGE_SHIFT, kind_names[page->kind]);
    for (const struct touch *touch = page->touches; touch != NULL; touch = touch->next) {
        fprintf(out, " vcpu%u %s at 0x%" PRIx64 "%s", touch->vcpu, access_names[touch->access],
                touch->pc, touch->next != NULL ? "," : "\n");
    }
}

static void print_moves(FILE *out)
{
    uint64_t shared[PAGE_KIND_COUNT] = {0};

    for (uint64_t i = 0; i < PAGE_MAX; i++) {
        const struct page *page = &pages[i];

        shared[page->kind] += count_bits(page->vcpus[ACCESS_READ] | page->vcpus[ACCESS_WRITE] |
                                         page->vcpus[ACCESS_EXECUTE]) > 1;
    }
    for (unsigned kind = 0; kind < PAGE_KIND_COUNT; kind++) {
        fprintf(out,
                "sharing: %s: %" PRIu64 " pages touched by several vCPUs, %" PRIu64
                " lines fetched, %" PRIu64 " taken\n",
                kind_names[kind], shared[kind], moves[kind][LINE_FETCHED], moves[kind][LINE_TAKEN]);
    }
}

static void on_exit_report(qemu_plugin_id_t id, void *data)
{
    FILE *out = report_path != NULL ? fopen(report_path, "w") : stderr;
    uint64_t touched[PAGE_KIND_COUNT] = {0};
    uint64_t guilty = 0;

    (void)id;
    (void)data;
    if (out == NULL) {
        perror(report_path);
        return;
    }
    pthread_mutex_lock(&lock);
    if (line_holders != NULL) {
        print_moves(out);
    }
    for (uint64_t i = 0; i < PAGE_MAX; i++) {
        if (pages[i].touches != NULL) {
            touched[pages[i].kind]++;
            if (pages[i].was_guilty || is_guilty(&pages[i])) {
                guilty++;
                print_page(out, i);
            }
        }
    }
    fprintf(out,
            "sharing: %u vCPUs watched; pages touched: %" PRIu64 " private, %" PRIu64
            " mailbox, %" PRIu64 " archive\n",
            count_bits(armed), touched[PAGE_PRIVATE], touched[PAGE_MAILBOX], touched[PAGE_ARCHIVE]);
    if (armed == 0) {
        fprintf(out, "sharing: FAILED: no node reported the end of its boot\n");
    } else if (untracked != 0) {
        fprintf(out, "sharing: FAILED: memory above %" PRIu64 " GiB was used\n",
                MEMORY_MAX_BYTES >> 30);
    } else if (guilty != 0) {
        fprintf(out, "sharing: FAILED: %" PRIu64 " pages\n", guilty);
    } else {
        fprintf(out, "sharing: passed\n");
    }
    pthread_mutex_unlock(&lock);
    if (out != stderr) {
        fclose(out);
    }
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "report=", 7) == 0) {
            report_path = strdup(argv[i] + 7);
        } else if (strcmp(argv[i], "lines=on") == 0) {
            line_holders = calloc(LINE_MAX, sizeof(*line_holders));
            if (line_holders == NULL) {
                perror("sharing");
                return -1;
            }
        } else {
            fprintf(stderr, "sharing: unknown argument %s\n", argv[i]);
            return -1;
        }
    }
    if (!info->system_emulation || info->system.max_vcpus > VCPU_MAX) {
        fprintf(stderr, "sharing: watches machines of at most %d vCPUs\n", VCPU_MAX);
        return -1;
    }
    pages = calloc(PAGE_MAX, sizeof(*pages));
    if (pages == NULL) {
        perror("sharing");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, on_exit_report, NULL);
    return 0;
}
