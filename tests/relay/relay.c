/* SPDX-License-Identifier: MIT */
/*
 * A bad wire: carries Ethernet frames between two network devices of one namespace, and loses,
 * delays, reorders and duplicates them as it is told, by a seed, so that a run can be repeated. For
 * kernels that have no netem, and for tests that want to know what was lost.
 *
 *   relay [options] GUEST CLIENT
 *
 * GUEST is a TAP device that somebody else (QEMU) has open: its frames are taken and given through
 * a packet socket. CLIENT is one that the relay opens itself: the kernel's own stack is behind it.
 * Every frame draws its fate anew, in the order of arrival, each direction from a sequence of its
 * own. On SIGTERM it prints what it has done, one line a direction, and ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX_BYTES 1600
#define FRAMES_MAX      65536 /* on their way: 100 MB */
#define RECEIVE_BATCH   64
#define SOCKET_BYTES    (8 << 20)
#define NS_PER_S        1000000000ull
#define NS_PER_MS       1000000.0

struct frame {
    uint64_t due_ns;
    uint64_t number; /* of two that are due at a time, the one that came first goes first */
    uint16_t length_bytes;
    uint8_t direction;
    uint8_t data[FRAME_MAX_BYTES];
};

enum { TO_GUEST, TO_CLIENT, DIRECTIONS };

static struct {
    uint64_t random;
    uint64_t seen, lost, reordered, duplicated, crowded_out, passed;
} directions[DIRECTIONS];

static const char *const names[DIRECTIONS] = {"to guest", "to client"};

static struct {
    double loss, reorder, duplicate; /* 0 .. 1 */
    uint64_t delay_ns, reorder_ns;
    uint64_t seed;
} options;

static int guest, client; /* sockets: of packets, of the TAP device */
static volatile sig_atomic_t is_ended;

/* A heap of frames on their way, by when they are due; and those that are free. */
static struct frame *heap[FRAMES_MAX];
static unsigned heap_count;
static struct frame *spare[FRAMES_MAX];
static unsigned spare_count;
static uint64_t next_number;

static _Noreturn void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("relay: ", stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* splitmix64 (Steele, Lea and Flood, 2014). */
static uint64_t draw(uint64_t *state)
{
    uint64_t value = *state += 0x9E3779B97F4A7C15ull;

    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ value >> 27) * 0x94D049BB133111EBull;
    return value ^ value >> 31;
}

static bool happens(unsigned direction, double probability)
{
    return (double)(draw(&directions[direction].random) >> 11) * 0x1p-53 < probability;
}

/* --- Frames on their way --- */

static bool is_earlier(const struct frame *left, const struct frame *right)
{
    return left->due_ns != right->due_ns ? left->due_ns < right->due_ns
                                         : left->number < right->number;
}

static void heap_add(struct frame *frame)
{
    unsigned at = heap_count++;

    for (; at > 0 && is_earlier(frame, heap[(at - 1) / 2]); at = (at - 1) / 2) {
        heap[at] = heap[(at - 1) / 2];
    }
    heap[at] = frame;
}

static struct frame *heap_take(void)
{
    struct frame *first = heap[0];
    struct frame *last = heap[--heap_count];
    unsigned at = 0;

    for (unsigned child = 1; child < heap_count; child = 2 * at + 1) {
        if (child + 1 < heap_count && is_earlier(heap[child + 1], heap[child])) {
            child++;
        }
        if (!is_earlier(heap[child], last)) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

static struct frame *take_spare(void)
{
    if (spare_count > 0) {
        return spare[--spare_count];
    }
    return heap_count == FRAMES_MAX ? NULL : malloc(sizeof(struct frame));
}

static void give(unsigned direction, const uint8_t *data, size_t length_bytes)
{
    ssize_t result;

    do {
        result = direction == TO_GUEST ? send(guest, data, length_bytes, 0)
                                       : write(client, data, length_bytes);
    } while (result < 0 && errno == EINTR);
    /* A device's queue is full, or it is down: lost here, as on any wire, and counted as such. */
    if (result < 0) {
        directions[direction].crowded_out++;
    } else {
        directions[direction].passed++;
    }
}

static void carry(unsigned direction, const uint8_t *data, size_t length_bytes, uint64_t delay_ns)
{
    struct frame *frame;

    if (delay_ns == 0) {
        give(direction, data, length_bytes);
        return;
    }
    frame = take_spare();
    if (frame == NULL) {
        directions[direction].crowded_out++;
        return;
    }
    frame->due_ns = now_ns() + delay_ns;
    frame->number = next_number++;
    frame->direction = (uint8_t)direction;
    frame->length_bytes = (uint16_t)length_bytes;
    memcpy(frame->data, data, length_bytes);
    heap_add(frame);
}

/* Three draws a frame, whatever becomes of it: so one option does not change what another one hits.
 */
static void decide(unsigned direction, const uint8_t *data, size_t length_bytes)
{
    bool is_lost = happens(direction, options.loss);
    bool is_reordered = happens(direction, options.reorder);
    bool is_duplicated = happens(direction, options.duplicate);

    directions[direction].seen++;
    if (is_lost) {
        directions[direction].lost++;
        return;
    }
    directions[direction].reordered += is_reordered;
    carry(direction, data, length_bytes,
          options.delay_ns + (is_reordered ? options.reorder_ns : 0));
    if (is_duplicated) {
        directions[direction].duplicated++;
        carry(direction, data, length_bytes, options.delay_ns);
    }
}

static void deliver_due(void)
{
    uint64_t now = now_ns();

    while (heap_count > 0 && heap[0]->due_ns <= now) {
        struct frame *frame = heap_take();

        give(frame->direction, frame->data, frame->length_bytes);
        spare[spare_count++] = frame;
    }
}

/* --- The two devices --- */

static void receive_from_guest(void)
{
    uint8_t data[FRAME_MAX_BYTES];

    for (unsigned i = 0; i < RECEIVE_BATCH; i++) {
        struct sockaddr_ll from;
        socklen_t from_bytes = sizeof(from);
        ssize_t length = recvfrom(guest, data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC,
                                  (struct sockaddr *)&from, &from_bytes);

        if (length < 0) {
            return;
        }
        /* What we gave to the device ourselves passes by here, too. */
        if (from.sll_pkttype != PACKET_OUTGOING && (size_t)length <= sizeof(data)) {
            decide(TO_CLIENT, data, (size_t)length);
        }
    }
}

static void receive_from_client(void)
{
    uint8_t data[FRAME_MAX_BYTES];

    for (unsigned i = 0; i < RECEIVE_BATCH; i++) {
        ssize_t length = read(client, data, sizeof(data));

        if (length < 0) {
            return;
        }
        decide(TO_GUEST, data, (size_t)length);
    }
}

static int open_guest(const char *name)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    int bytes = SOCKET_BYTES;
    int file = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

    address.sll_ifindex = (int)if_nametoindex(name);
    if (file < 0 || address.sll_ifindex == 0 ||
        bind(file, (struct sockaddr *)&address, sizeof(address)) != 0) {
        fail("%s: %s", name, strerror(errno));
    }
    (void)setsockopt(file, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
    (void)setsockopt(file, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
    return file;
}

static int open_client(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int file = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (file < 0 || ioctl(file, TUNSETIFF, &request) != 0) {
        fail("%s: %s", name, strerror(errno));
    }
    return file;
}

/* --- Options --- */

static double to_number(const char *text, double most)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value >= 0 && value <= most)) {
        fail("%s: a number from 0 to %g is wanted", text, most);
    }
    return value;
}

static void parse(int count, char **words)
{
    static const struct option known[] = {
        {"loss", required_argument, NULL, 'l'},
        {"delay", required_argument, NULL, 'd'},
        {"reorder", required_argument, NULL, 'r'},
        {"reorder-by", required_argument, NULL, 'b'},
        {"duplicate", required_argument, NULL, 'u'},
        {"seed", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    int word;

    while ((word = getopt_long(count, words, "", known, NULL)) != -1) {
        switch (word) {
        case 'l':
            options.loss = to_number(optarg, 100) / 100;
            break;
        case 'd':
            options.delay_ns = (uint64_t)(to_number(optarg, 10000) * NS_PER_MS);
            break;
        case 'r':
            options.reorder = to_number(optarg, 100) / 100;
            break;
        case 'b':
            options.reorder_ns = (uint64_t)(to_number(optarg, 10000) * NS_PER_MS);
            break;
        case 'u':
            options.duplicate = to_number(optarg, 100) / 100;
            break;
        case 's':
            options.seed = (uint64_t)to_number(optarg, 1e15);
            break;
        default:
            exit(2);
        }
    }
    if (count - optind != 2) {
        fprintf(stderr, "usage: relay [--loss PERCENT] [--delay MS] [--reorder PERCENT] "
                        "[--reorder-by MS] [--duplicate PERCENT] [--seed N] GUEST CLIENT\n");
        exit(2);
    }
}

static void end(int signal_number)
{
    (void)signal_number;
    is_ended = 1;
}

/* Poll's own time-out is in whole milliseconds. */
static void wait_for_work(void)
{
    struct pollfd files[] = {{.fd = guest, .events = POLLIN}, {.fd = client, .events = POLLIN}};
    struct timespec left = {0}, *patience = NULL;

    if (heap_count > 0) {
        uint64_t now = now_ns();
        uint64_t wait_ns = heap[0]->due_ns > now ? heap[0]->due_ns - now : 0;

        left.tv_sec = (time_t)(wait_ns / NS_PER_S);
        left.tv_nsec = (long)(wait_ns % NS_PER_S);
        patience = &left;
    }
    (void)ppoll(files, 2, patience, NULL);
}

int main(int count, char **words)
{
    struct sigaction action = {.sa_handler = end};

    parse(count, words);
    for (unsigned i = 0; i < DIRECTIONS; i++) {
        directions[i].random = options.seed * DIRECTIONS + i;
    }
    guest = open_guest(words[optind]);
    client = open_client(words[optind + 1]);
    sigaction(SIGTERM, &action, NULL);
    puts("ready");
    fflush(stdout);
    while (!is_ended) {
        wait_for_work();
        receive_from_guest();
        receive_from_client();
        deliver_due();
    }
    for (unsigned i = 0; i < DIRECTIONS; i++) {
        printf("%s: seen %" PRIu64 " lost %" PRIu64 " reordered %" PRIu64 " duplicated %" PRIu64
               " crowded_out %" PRIu64 " passed %" PRIu64 "\n",
               names[i], directions[i].seen, directions[i].lost, directions[i].reordered,
               directions[i].duplicated, directions[i].crowded_out, directions[i].passed);
    }
    return 0;
}
