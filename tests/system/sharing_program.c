/* SPDX-License-Identifier: MIT */
/*
 * Run in the Linux guest by test_sharing_plugin.py: two processes on two vCPUs, sharing pages in
 * every way that qemu/plugins/sharing.c knows. Prints the pages' physical addresses.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot/probe.h"

#define PAGE_BYTES 4096

enum page {
    UNDECLARED_READ_BY_TWO,
    MAILBOX_OF_ONE_WRITER,
    MAILBOX_OF_TWO_WRITERS,
    ARCHIVE_ONLY_READ,
    ARCHIVE_WRITTEN,
    PAGE_COUNT
};

static const char *const names[] = {"undeclared_read_by_two", "mailbox_of_one_writer",
                                    "mailbox_of_two_writers", "archive_only_read",
                                    "archive_written"};

static volatile char (*pages)[PAGE_BYTES];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* Linux, admin-guide/mm/pagemap: bits 0 to 54 of a page's word are its frame number. */
static uint64_t paddr_of(volatile void *page)
{
    int pagemap = open("/proc/self/pagemap", O_RDONLY);
    uint64_t word = 0;

    if (pread(pagemap, &word, sizeof(word), (off_t)((uintptr_t)page / PAGE_BYTES * 8)) != 8) {
        fail("pagemap");
    }
    close(pagemap);
    return (word & ((UINT64_C(1) << 55) - 1)) * PAGE_BYTES;
}

static void touch_pages(int cpu)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0) {
        fail("sched_setaffinity");
    }
    probe_boot_finished();
    for (int i = 0; i < PAGE_COUNT; i++) {
        (void)pages[i][0];
    }
    pages[MAILBOX_OF_TWO_WRITERS][0] = 1;
    if (cpu == 1) {
        pages[MAILBOX_OF_ONE_WRITER][0] = 1;
        pages[ARCHIVE_WRITTEN][0] = 1;
    }
}

int main(void)
{
    pages = mmap(NULL, PAGE_COUNT * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                 -1, 0);
    if (pages == MAP_FAILED) {
        fail("mmap");
    }
    for (int i = 0; i < PAGE_COUNT; i++) {
        pages[i][0] = 0; /* there is a frame from here on */
        printf("%s 0x%llx\n", names[i], (unsigned long long)paddr_of(pages[i]));
    }
    printf("code 0x%llx\n", (unsigned long long)paddr_of((void *)(uintptr_t)touch_pages));
    probe_declare_mailbox(pages[MAILBOX_OF_ONE_WRITER]);
    probe_declare_mailbox(pages[MAILBOX_OF_TWO_WRITERS]);
    probe_declare_archive(pages[ARCHIVE_ONLY_READ]);
    probe_declare_archive(pages[ARCHIVE_WRITTEN]);
    fflush(stdout);
    for (int cpu = 0; cpu < 2; cpu++) {
        if (fork() == 0) {
            touch_pages(cpu);
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {
    }
    return 0;
}
