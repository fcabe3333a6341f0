/* SPDX-License-Identifier: MIT */
/*
 * The launcher: what boot/ is on the bare machine. It makes the mailbox pages and the doorbells,
 * starts a process for each node, and waits. A node's process that ends by a signal takes down what
 * it owned and nothing else (lives.c). One that exits ends the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cpuid.h>

#include "kernel/hosted/linux/node.h"
#include "kernel/message/status.h"
#include "libc/core/cpu.h"

#define MEMORY_DEFAULT_MIB 256u
#define CALIBRATION_NS     (20 * 1000 * 1000)
#define INVARIANT_TSC_BIT  (1u << 8) /* CPUID 80000007H EDX (SDM 3B 17.17.1) */

/* build/hosted-archive.S */
extern const char hosted_archive_start[];
extern const char hosted_archive_end[];

static const char usage[] =
    "talus [OPTION].. [WORD]..: a Linux process for each node; WORDs are Talus' command line\n"
    "  --nodes N      so many nodes, up to 256: 1\n"
    "  --memory MIB   of each: 256\n"
    "  --cores LIST   where they stay: 0,1\n"
    "  --card CARD    tap:NAME, xdp:NAME, memory or memory:WORDS (drivers/hosted/README.md)\n"
    "  --root FILE    a tar file of pages\n";

static struct {
    int cores[NODE_MAX];
    unsigned core_count;
    const char *root;
} options;

static char command_line[COMMAND_LINE_MAX_BYTES];
static struct termios terminal;
static bool has_terminal;

/* --- Options --- */

_Noreturn static void refuse(const char *why)
{
    fprintf(stderr, "talus: %s\n%s", why, usage);
    exit(2);
}

static unsigned parse_number(const char *text, unsigned long most, const char *what)
{
    char *end;
    unsigned long number;

    errno = 0;
    number = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number == 0 || number > most) {
        refuse(what);
    }
    return (unsigned)number;
}

static void parse_cores(char *list)
{
    for (char *word = strtok(list, ","); word != NULL; word = strtok(NULL, ",")) {
        char *end;
        long core = strtol(word, &end, 10);

        if (end == word || *end != '\0' || core < 0 || core >= CPU_SETSIZE ||
            options.core_count == NODE_MAX) {
            refuse("--cores takes numbers of processors, with commas between");
        }
        options.cores[options.core_count++] = (int)core;
    }
}

static void add_word(const char *word)
{
    size_t length = strlen(command_line);

    if (length + strlen(word) + 2 > sizeof(command_line)) {
        refuse("too many words");
    }
    sprintf(command_line + length, "%s%s", length == 0 ? "" : " ", word);
}

static void parse_options(int argc, char **argv)
{
    static const struct option names[] = {{"nodes", required_argument, NULL, 'n'},
                                          {"memory", required_argument, NULL, 'm'},
                                          {"cores", required_argument, NULL, 'c'},
                                          {"card", required_argument, NULL, 'd'},
                                          {"root", required_argument, NULL, 'r'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    unsigned memory_mib = MEMORY_DEFAULT_MIB;
    int option;

    linux_node.node_count = 1;
    linux_node.card = "";
    /* '+': words that look like options are the application's. */
    while ((option = getopt_long(argc, argv, "+", names, NULL)) != -1) {
        switch (option) {
        case 'n':
            linux_node.node_count = (uint16_t)parse_number(optarg, NODE_MAX, "--nodes is wrong");
            break;
        case 'm':
            memory_mib = parse_number(optarg, 1u << 20, "--memory is wrong");
            break;
        case 'c':
            parse_cores(optarg);
            break;
        case 'd':
            linux_node.card = optarg;
            break;
        case 'r':
            options.root = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    for (int i = optind; i < argc; i++) {
        add_word(argv[i]);
    }
    linux_node.command_line = command_line;
    linux_node.memory_bytes = memory_mib * (uint64_t)MIB;
}

/* --- What the nodes find --- */

static void add_module(char *archive, size_t *used_bytes, const char *name, const void *bytes,
                       size_t length)
{
    struct linux_module *module = &linux_node.modules[linux_node.module_count++];

    memcpy(archive + *used_bytes, bytes, length);
    *module = (struct linux_module){.name = name, .start = archive + *used_bytes, .bytes = length};
    *used_bytes += ALIGN_UP(length, (size_t)PAGE_BYTES);
}

static const void *map_root(size_t *bytes)
{
    struct stat status;
    int file = open(options.root, O_RDONLY | O_CLOEXEC);
    void *content;

    if (file < 0 || fstat(file, &status) != 0 || status.st_size == 0) {
        linux_die(options.root);
    }
    *bytes = (size_t)status.st_size;
    content = mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE, file, 0);
    if (content == MAP_FAILED) {
        linux_die(options.root);
    }
    close(file);
    return content;
}

/* As boot/ does, the user's before the built-in one. */
static void make_archive(void)
{
    size_t builtin_bytes = (uintptr_t)hosted_archive_end - (uintptr_t)hosted_archive_start;
    size_t root_bytes = 0, used_bytes = 0;
    const void *root = options.root != NULL ? map_root(&root_bytes) : NULL;
    char *archive;

    linux_node.archive_bytes =
        ALIGN_UP(builtin_bytes, (size_t)PAGE_BYTES) + ALIGN_UP(root_bytes, (size_t)PAGE_BYTES);
    archive = mmap(NULL, linux_node.archive_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (archive == MAP_FAILED) {
        linux_die("no memory for the pages");
    }
    if (root != NULL) {
        add_module(archive, &used_bytes, "root.tar", root, root_bytes);
        munmap((void *)root, root_bytes);
    }
    add_module(archive, &used_bytes, "builtin.tar", hosted_archive_start, builtin_bytes);
    linux_node.archive = archive;
    mprotect(archive, linux_node.archive_bytes, PROT_READ);
}

/* Where the time-stamp counter is good for a clock it costs least, and is what the bare machine
 * uses. A millionth of error in its rate is as good as the crystal. */
static void set_clock(void)
{
    unsigned eax, ebx, ecx, edx = 0;
    uint64_t start_ns, start_tsc, ns;

    linux_node.boot_epoch_s = (uint64_t)time(NULL);
    if (__get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) == 0 || (edx & INVARIANT_TSC_BIT) == 0) {
        return;
    }
    start_ns = linux_now_ns();
    start_tsc = cpu_read_tsc();
    nanosleep(&(struct timespec){.tv_nsec = CALIBRATION_NS}, NULL);
    ns = linux_now_ns() - start_ns;
    linux_node.ns_per_tick =
        (uint64_t)(((unsigned __int128)ns << 32) / (cpu_read_tsc() - start_tsc));
    linux_node.tsc_at_zero = start_tsc;
}

static void make_files(unsigned node)
{
    struct node_files *files = &node_files[node];
    char name[32];

    sprintf(name, "talus-node%u", node);
    files->mailbox = memfd_create(name, MFD_CLOEXEC);
    files->doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (files->mailbox < 0 || files->doorbell < 0 ||
        ftruncate(files->mailbox, (off_t)hosted_mailbox_bytes(linux_node.node_count)) != 0) {
        linux_die("mailbox pages cannot be made");
    }
    sprintf(name, "/proc/self/fd/%d", files->mailbox);
    files->readable_mailbox = open(name, O_RDONLY | O_CLOEXEC);
    if (files->readable_mailbox < 0) {
        linux_die("mailbox pages cannot be opened for reading");
    }
}

static void make_mailboxes(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    for (unsigned node = 0; node < linux_node.node_count; node++) {
        make_files(node);
    }
}

/* --- Its processes --- */

static pid_t *written_processes;

/* A file in memory: written here, and of which each node gets what it may read. */
static void share_processes(void)
{
    int file = memfd_create("talus-processes", MFD_CLOEXEC);
    char name[32];
    void *shared;

    if (file < 0 || ftruncate(file, NODE_PROCESSES_BYTES) != 0) {
        linux_die("nodes cannot be told of each other");
    }
    shared = mmap(NULL, NODE_PROCESSES_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    sprintf(name, "/proc/self/fd/%d", file);
    node_processes_file = open(name, O_RDONLY | O_CLOEXEC);
    if (shared == MAP_FAILED || node_processes_file < 0 ||
        madvise(shared, NODE_PROCESSES_BYTES, MADV_DONTFORK) != 0) {
        linux_die("nodes cannot be told of each other");
    }
    close(file);
    node_processes = written_processes = shared;
}

void launch_node(unsigned node)
{
    pid_t before = node_processes[node];
    pid_t process = fork();

    if (process < 0) {
        linux_die("a node's process cannot be started");
    }
    if (process == 0) {
        node_run((node_id_t)node,
                 options.core_count == 0 ? -1 : options.cores[node % options.core_count]);
    }
    written_processes[node] = process;
    if (before != 0) {
        waitpid(before, NULL, 0);
    }
}

/* By a signal at whose default action valgrind still writes what it counted, and after which they
 * are waited for: when this process has ended, Linux kills them at once (node_run()). One that is
 * stopped takes it when it goes on. */
_Noreturn static void end_all(int status)
{
    siginfo_t ended;

    for (unsigned node = 0; node < linux_node.node_count; node++) {
        kill(node_processes[node], SIGTERM);
        kill(node_processes[node], SIGCONT);
    }
    for (unsigned node = 0; node < linux_node.node_count; node++) {
        while (waitid(P_PID, (id_t)node_processes[node], &ended, WEXITED | WNOWAIT) != 0 &&
               errno == EINTR) {
        }
    }
    if (has_terminal) {
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
    }
    exit(status);
}

static void look_at_nodes(void)
{
    static pid_t ended_processes[NODE_MAX];

    for (unsigned node = 0; node < linux_node.node_count; node++) {
        siginfo_t ended = {.si_pid = 0};
        pid_t process = node_processes[node];

        if (ended_processes[node] != process &&
            waitid(P_PID, (id_t)process, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            ended.si_pid != 0) {
            if (ended.si_code == CLD_EXITED) {
                end_all(ended.si_status);
            }
            ended_processes[node] = process;
            lives_note_end(node, ended.si_status);
        }
    }
    if (lives_is_over()) {
        fputs("talus: no node is left\n", stderr);
        end_all(1);
    }
}

/* Characters as they are typed: who reads them shows them. Ctrl-C stays Linux's. */
static void use_terminal(void)
{
    struct termios raw;

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &terminal) != 0) {
        return;
    }
    has_terminal = true;
    raw = terminal;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static int open_signals(sigset_t *signals)
{
    int file;

    sigemptyset(signals);
    sigaddset(signals, SIGCHLD);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    sigprocmask(SIG_BLOCK, signals, NULL);
    file = signalfd(-1, signals, SFD_CLOEXEC);
    if (file < 0) {
        linux_die("signals cannot be waited for");
    }
    return file;
}

int main(int argc, char **argv)
{
    struct signalfd_siginfo signal_number;
    struct pollfd files[2] = {{.events = POLLIN}, {.events = POLLIN}};
    sigset_t signals;

    parse_options(argc, argv);
    make_archive();
    set_clock();
    make_mailboxes();
    measure_initialise();
    fflush(NULL);
    share_processes();
    lives_initialise();
    for (unsigned node = 0; node < linux_node.node_count; node++) {
        launch_node(node);
    }
    files[0].fd = open_signals(&signals);
    files[1].fd = measure_file();
    use_terminal();
    look_at_nodes(); /* who ended before signals were waited for */
    for (;;) {
        poll(files, 2, lives_timeout_ms());
        lives_look();
        if (files[1].revents != 0) {
            measure_serve(linux_node.node_count);
        }
        if (files[0].revents != 0 &&
            read(files[0].fd, &signal_number, sizeof(signal_number)) == sizeof(signal_number)) {
            if (signal_number.ssi_signo != SIGCHLD) {
                end_all(128 + (int)signal_number.ssi_signo);
            }
            look_at_nodes();
        }
    }
}
