/* SPDX-License-Identifier: MIT */
/*
 * A node's process: the system calls that it makes.
 */
#include "kernel/hosted/linux/node.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "libc/core/mmio.h"

struct linux_node linux_node;
struct node_files node_files[NODE_MAX];
const pid_t *node_processes;
int node_processes_file;

/* The doorbell first, then what is watched. */
static struct pollfd watched[1 + LINUX_WATCH_MAX];
static unsigned watched_count = 1;

_Noreturn void linux_die(const char *what)
{
    fprintf(stderr, "talus: %s: %s\n", what, strerror(errno));
    _exit(1);
}

uint64_t linux_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* --- Memory --- */

void *linux_map_mailbox(node_id_t owner, size_t offset_bytes, size_t bytes)
{
    bool is_own = owner == linux_node.node;
    void *pages = mmap(NULL, bytes, is_own ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
                       is_own ? node_files[owner].mailbox : node_files[owner].readable_mailbox,
                       (off_t)offset_bytes);

    if (pages == MAP_FAILED) {
        linux_die("mailbox pages cannot be mapped");
    }
    return pages;
}

/* Aligned to its size, below which the page that is not mapped lies. */
void *linux_map_stack(size_t bytes)
{
    size_t room_bytes = 3 * bytes;
    char *room =
        mmap(NULL, room_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *stack;

    if (room == MAP_FAILED) {
        return NULL;
    }
    stack = (char *)ALIGN_UP((uintptr_t)room + PAGE_BYTES, bytes);
    if (mprotect(stack, bytes, PROT_READ | PROT_WRITE) != 0) {
        munmap(room, room_bytes);
        return NULL;
    }
    munmap(room, (size_t)(stack - PAGE_BYTES - room));
    munmap(stack + bytes, (size_t)(room + room_bytes - (stack + bytes)));
    return stack;
}

/* --- Sleeping and waking --- */

void linux_ring(node_id_t node, uint64_t what)
{
    /* It fails only when 2^64 would be reached: then the node is awake, or will be. */
    ssize_t written = write(node_files[node].doorbell, &what, sizeof(what));

    (void)written;
}

int linux_watch(int file)
{
    if (watched_count == ARRAY_COUNT(watched)) {
        return -ENOSPC;
    }
    watched[watched_count].fd = file;
    watched[watched_count].events = POLLIN;
    return (int)watched_count++ - 1;
}

/* The doorbell's file counts what comes, asleep or awake, so nothing that was rung after the caller
 * last looked for work is lost: it ends ppoll() at once. */
struct linux_wake linux_sleep(uint64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                               .tv_nsec = (long)(timeout_ns % NS_PER_S)};
    struct linux_wake wake = {.rung = 0};

    int count = ppoll(watched, watched_count, timeout_ns == UINT64_MAX ? NULL : &timeout, NULL);

    wake.is_timeout = count == 0;
    if (count <= 0) {
        return wake;
    }
    if (watched[0].revents != 0 &&
        read(watched[0].fd, &wake.rung, sizeof(wake.rung)) != sizeof(wake.rung)) {
        wake.rung = 0;
    }
    for (unsigned i = 1; i < watched_count; i++) {
        if (watched[i].revents != 0) {
            wake.readable |= 1u << (i - 1);
        }
        if ((watched[i].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
            watched[i].fd = -1; /* it would end every sleep from now on */
        }
    }
    return wake;
}

void linux_stop_node(node_id_t node, bool at_once)
{
    pid_t process = (pid_t)mmio_read32(&node_processes[node], 0);

    if (process > 0) {
        kill(process, at_once ? SIGKILL : SIGQUIT);
    }
}

/* --- Console --- */

void linux_write_console(const char *text, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(STDOUT_FILENO, text, bytes);

        if (written < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
        } else if (written < 0 && errno != EINTR) {
            return; /* nobody reads any more */
        } else if (written > 0) {
            text += written;
            bytes -= (size_t)written;
        }
    }
}

static bool has_input_ended;

int linux_console_file(void)
{
    return has_input_ended ? -1 : STDIN_FILENO;
}

int linux_read_console(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    unsigned char byte;

    if (has_input_ended || poll(&input, 1, 0) <= 0) {
        return -1;
    }
    if (read(STDIN_FILENO, &byte, 1) == 1) {
        return byte;
    }
    has_input_ended = true;
    for (unsigned i = 1; i < watched_count; i++) {
        if (watched[i].fd == STDIN_FILENO) {
            watched[i].fd = -1; /* it is readable for ever */
        }
    }
    return -1;
}

/* --- Ends --- */

_Noreturn void linux_abort(void)
{
    signal(SIGABRT, SIG_DFL);
    abort();
}

_Noreturn void linux_park(void)
{
    signal(LINUX_PARKED, SIG_DFL);
    raise(LINUX_PARKED);
    abort();
}

_Noreturn void linux_halt(void)
{
    for (;;) {
        pause();
    }
}

_Noreturn void linux_exit(int status)
{
    _exit(status);
}

/* --- The start --- */

static void handle_fault(int number, siginfo_t *information, void *context)
{
    const ucontext_t *registers = context;

    hosted_fault(number, (uintptr_t)registers->uc_mcontext.gregs[REG_RIP],
                 number == SIGQUIT ? 0 : (uintptr_t)information->si_addr);
}

/* On a stack of its own: a thread's may be what has overflowed. A sanitizer reports faults by
 * itself, and better. */
static void catch_faults(void)
{
    static const int signals[] = {SIGQUIT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    static char stack[64 * 1024];
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_sigaction = handle_fault,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

    sigaltstack(&alternative, NULL);
    for (unsigned i = 0; i < ARRAY_COUNT(signals); i++) {
#ifdef __SANITIZE_ADDRESS__
        if (signals[i] != SIGQUIT) {
            continue;
        }
#endif
        sigaction(signals[i], &action, NULL);
    }
}

static void stay_on(int core)
{
    cpu_set_t cores;

    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    if (sched_setaffinity(0, sizeof(cores), &cores) != 0) {
        linux_die("a node cannot stay on its processor");
    }
}

/* What this node must not write it cannot even open: all it keeps of the others is what it may
 * read, and their doorbells. */
static void close_others(node_id_t self)
{
    for (unsigned node = 0; node < linux_node.node_count; node++) {
        if (node != self) {
            close(node_files[node].mailbox);
        }
    }
}

_Noreturn void node_run(node_id_t node, int core)
{
    char name[16];
    sigset_t none;

    linux_node.node = node;
    snprintf(name, sizeof(name), "talus-node%u", node);
    prctl(PR_SET_NAME, name);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* the launcher blocks some */
    node_processes =
        mmap(NULL, NODE_PROCESSES_BYTES, PROT_READ, MAP_SHARED, node_processes_file, 0);
    if (node_processes == MAP_FAILED) {
        linux_die("the other nodes' processes cannot be known");
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN); /* it is for the launcher, which ends all */
    signal(SIGPIPE, SIG_IGN);
    close_others(node);
    if (core >= 0) {
        stay_on(core);
    }
    linux_node.memory = mmap(NULL, linux_node.memory_bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (linux_node.memory == MAP_FAILED) {
        linux_die("a node's memory cannot be mapped");
    }
    /* In large pages, as on the bare machine; without them it only takes longer. */
    (void)madvise(linux_node.memory, linux_node.memory_bytes, MADV_HUGEPAGE);
    if (getrandom(linux_node.random_seed, sizeof(linux_node.random_seed), 0) !=
        sizeof(linux_node.random_seed)) {
        linux_die("there are no random numbers");
    }
    watched[0] = (struct pollfd){.fd = node_files[node].doorbell, .events = POLLIN};
    catch_faults();
    hosted_main();
}
