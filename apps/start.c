/* SPDX-License-Identifier: MIT */
/*
 * From the command line to running servers and applications: the one place that knows them all. The
 * configuration is parsed on every node from the same line, so all nodes agree without a message.
 */
#include <stdlib.h>
#include <string.h>

#include "apps/monitor/status_line.h"
#include "apps/syslog/sender.h"
#include "drivers/nic/user.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/command_line.h"
#include "libc/core/format.h"
#include "libc/core/pages.h"
#include "libc/posix/socket.h"
#include "net/configuration.h"
#include "net/draining.h"
#include "net/link/port.h"
#include "net/link/server.h"
#include "net/manager/server.h"
#include "net/returning.h"
#include "net/status_text.h"
#include "net/steering.h"
#include "net/transport/server.h"

#define ARGUMENT_MAX   128 /* what a command line has room for, nearly */
#define NOTATION_BYTES 64

/* Longer than the others, and read by boot. */
#define DEVICE_KEY "virtio_mmio.device"

/* Every key that some part of Talus reads. */
static const char *const known_keys[] = {
    "net",     "ntp",     "nic",        "pika",         "app",       "log",
    "console", "panic",   "debug_exit", "node_timeout", "nodes",     "mem",
    "pci",     "check",   "balance",    "offer-period", "steer",     "claim-timeout",
    "grants",  "rto-min", "restart",    "iommu",        "randomise", "drain",
    "vip",     "capture", "syslog",     DEVICE_KEY,     NULL,
};

/* Programs keep their main(); apps.mk gives it this name in the image. */
int echo_main(int argc, char **argv);
int forward_main(int argc, char **argv);
int httpd_main(int argc, char **argv);
int source_main(int argc, char **argv);
int webswamp_main(int argc, char **argv);

struct application {
    const char *name;                   /* in app= */
    int (*main)(int argc, char **argv); /* in a thread of its own; the words after `--` */
};

static const struct application applications[] = {
    {"echo", echo_main},     {"forward", forward_main},   {"httpd", httpd_main},
    {"source", source_main}, {"webswamp", webswamp_main},
};

static struct configuration current;

static struct {
    const struct application *application;
    char words[COMMAND_LINE_MAX_BYTES]; /* cut into argv */
    char *argv[ARGUMENT_MAX + 1];
    int argc;
} program;

static const struct application *find_application(const char *name)
{
    for (unsigned i = 0; i < ARRAY_COUNT(applications); i++) {
        if (strcmp(applications[i].name, name) == 0) {
            return &applications[i];
        }
    }
    return NULL;
}

static bool is_first_node(void)
{
    return platform_node() == 0;
}

/* Without one that can be, the default; `reason` says why, or is empty. */
static void choose_configuration(const char *line, unsigned node_count, char *reason,
                                 size_t reason_bytes)
{
    reason[0] = '\0';
    if (configuration_parse(&current, line, node_count, reason, reason_bytes) == 0 &&
        current.application_count != 0 && find_application(current.application) == NULL) {
        (void)format_text(reason, reason_bytes, "app=: there is no application %s",
                          current.application);
        configuration_default(&current, node_count);
    }
}

static void configure(const char *line)
{
    char reason[128];

    choose_configuration(line, platform_node_count(), reason, sizeof(reason));
    if (reason[0] != '\0' && is_first_node()) {
        log_warning("boot", "%s; using the default", reason);
    }
    if (steering_parse(&current, line, reason, sizeof(reason)) != 0 && is_first_node()) {
        log_warning("boot", "%s; using source12", reason);
    }
    if (link_port_folds()) {
        steering_fold(&current);
    }
}

/* The words after `--`, behind the application's own name. */
static void cut_arguments(const char *line)
{
    const char *blanks = " \t";
    bool is_application_word = false;
    char *at = program.words;

    program.argv[0] = current.application;
    program.argc = 1;
    ASSERT(strlen(line) < sizeof(program.words));
    strcpy(program.words, line);
    while (*(at += strspn(at, blanks)) != '\0') {
        char *word = at;

        at += strcspn(at, blanks);
        if (*at != '\0') {
            *at++ = '\0';
        }
        if (!is_application_word) {
            is_application_word = strcmp(word, "--") == 0;
        } else if (program.argc < ARGUMENT_MAX) {
            program.argv[program.argc++] = word;
        } else {
            log_warning("boot", "more than %u words for %s, '%s' is ignored", ARGUMENT_MAX - 1,
                        current.application, word);
        }
    }
}

static void run_application(void *argument)
{
    (void)argument;
    exit(program.application->main(program.argc, program.argv));
}

static void start_application(void)
{
    program.application = find_application(current.application);
    cut_arguments(platform_command_line());
    sockets_start();
    if (thread_create(current.application, run_application, NULL) == NULL) {
        PANIC("no memory to start %s", current.application);
    }
}

static void announce(unsigned roles)
{
    char notation[NOTATION_BYTES], role_text[STATUS_TEXT_BYTES];

    configuration_print(&current, notation, sizeof(notation));
    configuration_print_roles(&current, platform_node(), role_text, sizeof(role_text));
    status_set_text(STATUS_TEXT_ROLES, role_text);
    status_line_set_configuration(notation);
    log_info("boot", "roles %s, %llu MiB, %s", role_text,
             (unsigned long long)(pages_total_bytes() / MIB), notation);
    if (roles == 0) {
        log_info("boot", "nothing asks for this node: it only sleeps");
    }
}

static void report_unknown_words(const char *line)
{
    const char *word;
    int length;

    while ((length = command_line_next_unknown(&line, known_keys, &word)) >= 0) {
        log_warning("boot", "command line: ignored `%.*s`", length, word);
    }
}

static void start_roles(void)
{
    const char *line = platform_command_line();
    const struct configuration *configuration;
    unsigned roles;

    if (is_first_node()) {
        log_info("boot", "command line: %s", line);
        report_unknown_words(line);
    }
    configure(line);
    configuration_set_current(&current);
    configuration = configuration_current();
    roles = configuration->roles[platform_node()];
    announce(roles);
    if (roles != 0) {
        returning_start();
        draining_start();
    }

    /* The NIC resets while all else starts. */
    if ((roles & ROLE_LS) != 0) {
        link_server_start(configuration);
    }
    /* A round flushes in this order: what a CM settles a TS sends, and what a TS sends an LS, once
     * it has a queue, gives to the NIC, all in the same round. */
    if ((roles & ROLE_CM) != 0) {
        connection_manager_start(configuration);
    }
    if ((roles & ROLE_TS) != 0) {
        transport_server_start(configuration);
        syslog_sender_start();
    }
    if ((roles & ROLE_APPLICATION) != 0) {
        start_application();
    }
}

/* While the machine boots: what is wrong with the line will be said when roles start. */
static unsigned list_link_servers(unsigned node_count, node_id_t nodes[NODE_MAX])
{
    char reason[128];

    choose_configuration(platform_command_line(), node_count, reason, sizeof(reason));
    memcpy(nodes, current.ls, current.ls_count * sizeof(nodes[0]));
    return current.ls_count;
}

static const struct nic_user link_servers = {.list_nodes = list_link_servers};
NIC_USER(link_servers);

static const struct component roles_component = {.steps = {[NODE_RUN] = start_roles}};
COMPONENT(roles_component);
