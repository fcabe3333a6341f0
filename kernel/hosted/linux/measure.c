/* SPDX-License-Identifier: MIT */
/*
 * What the nodes' processes cost between two moments that one of them chooses: processor time as
 * ticks of the time-stamp counter, system calls included, and instructions in user mode where the
 * machine has counters for them. Measured by the launcher, so that it costs the nodes nothing.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernel/hosted/linux/node.h"

#define TITLE_BYTES 48

struct request {
    bool is_end;
    char title[TITLE_BYTES];
    uint64_t count;
    uint64_t card_ticks;
};

/* One process' costs so far. */
struct cost {
    uint64_t cpu_ns;
    uint64_t instructions;
};

static int requests[2], answers[2];
static int counters[NODE_MAX];
static bool has_counters;
static struct cost begin[NODE_MAX];
static uint64_t begin_ns;

void measure_initialise(void)
{
    if (pipe2(requests, O_CLOEXEC) != 0 || pipe2(answers, O_CLOEXEC) != 0) {
        linux_die("no pipe");
    }
}

int measure_file(void)
{
    return requests[0];
}

/* --- In a node --- */

static void ask(const struct request *request)
{
    char byte;

    if (write(requests[1], request, sizeof(*request)) != sizeof(*request) ||
        read(answers[0], &byte, 1) != 1) {
        linux_die("nothing can be measured");
    }
}

void linux_measure_begin(void)
{
    ask(&(struct request){.is_end = false});
}

void linux_measure_end(const char *title, uint64_t count, uint64_t card_ticks)
{
    struct request request = {.is_end = true, .count = count, .card_ticks = card_ticks};

    snprintf(request.title, sizeof(request.title), "%s", title);
    ask(&request);
}

/* --- In the launcher --- */

static int open_counter(pid_t process)
{
    struct perf_event_attr event = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof(event),
        .config = PERF_COUNT_HW_INSTRUCTIONS,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };

    return (int)syscall(SYS_perf_event_open, &event, process, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static void open_counters(unsigned node_count)
{
    static bool is_tried;

    if (is_tried) {
        return;
    }
    is_tried = has_counters = true;
    for (unsigned node = 0; node < node_count; node++) {
        counters[node] = open_counter(node_processes[node]);
        has_counters = has_counters && counters[node] >= 0;
    }
}

static struct cost read_cost(unsigned node)
{
    struct cost cost = {.cpu_ns = 0};
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(node_processes[node], &clock) == 0 &&
        clock_gettime(clock, &used) == 0) {
        cost.cpu_ns = (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
    }
    if (has_counters && read(counters[node], &cost.instructions, sizeof(cost.instructions)) !=
                            sizeof(cost.instructions)) {
        has_counters = false;
    }
    return cost;
}

static uint64_t ticks_of(uint64_t ns)
{
    return linux_node.ns_per_tick == 0
               ? ns
               : (uint64_t)(((unsigned __int128)ns << 32) / linux_node.ns_per_tick);
}

/* A line: what a request costs on each node in ticks, what of it is the card in memory, and what is
 * left for Talus; the same in instructions. */
static void print(const struct request *request, unsigned node_count)
{
    uint64_t elapsed_ns = linux_now_ns() - begin_ns;
    uint64_t ticks = 0, instructions = 0;

    printf("%-28s", request->title);
    for (unsigned node = 0; node < node_count; node++) {
        struct cost end = read_cost(node);
        uint64_t own = ticks_of(end.cpu_ns - begin[node].cpu_ns);

        printf(" node%u %6" PRIu64, node, own / request->count);
        ticks += own;
        instructions += end.instructions - begin[node].instructions;
    }
    printf("  card %5" PRIu64 "  Talus %6" PRIu64 " cycles", request->card_ticks / request->count,
           (ticks - request->card_ticks) / request->count);
    if (has_counters) {
        printf(", all %6" PRIu64 " instructions", instructions / request->count);
    }
    printf("  (%" PRIu64 " requests, %.0f/s)\n", request->count,
           (double)request->count * 1e9 / (double)(elapsed_ns == 0 ? 1 : elapsed_ns));
    fflush(stdout);
}

void measure_serve(unsigned node_count)
{
    struct request request;

    if (read(requests[0], &request, sizeof(request)) != sizeof(request)) {
        return;
    }
    if (request.is_end && request.count != 0) {
        print(&request, node_count);
    } else {
        open_counters(node_count);
        begin_ns = linux_now_ns();
        for (unsigned node = 0; node < node_count; node++) {
            begin[node] = read_cost(node);
        }
    }
    if (write(answers[1], "", 1) != 1) {
        linux_die("a node waits for its measurement");
    }
}
