/* SPDX-License-Identifier: MIT */
/*
 * What the launcher sets up and each node's process uses.
 */
#pragma once

#include <signal.h>
#include <sys/types.h>

#include "kernel/hosted/linux.h"

/* By which a node's process ends that parks. */
#define LINUX_PARKED SIGUSR1

struct node_files {
    int mailbox;          /* a file in memory, open for writing: for its owner and the launcher */
    int readable_mailbox; /* the same, which nobody can write through this */
    int doorbell;         /* an eventfd */
};
extern struct node_files node_files[NODE_MAX];

/* Of the nodes' processes, one for each, in memory that the launcher writes and all nodes read. One
 * that has ended is waited for when its node has another one, so that a number that stands here is
 * no foreign process'. 0: there is none yet. */
extern const pid_t *node_processes;
extern int node_processes_file; /* open for reading */
#define NODE_PROCESSES_BYTES ALIGN_UP(NODE_MAX * sizeof(pid_t), (size_t)PAGE_BYTES)

/* Become this node: never returns. `core` is the processor to stay on, or -1. */
_Noreturn void node_run(node_id_t node, int core);

/* Print the message and what errno says, and end this process. */
_Noreturn void linux_die(const char *what);

/* --- launch.c --- */

/* A process for this node. */
void launch_node(unsigned node);

/* --- lives.c, in the launcher: nodes that end, and begin again --- */

/* Before any is started. */
void lives_initialise(void);
/* Its process has ended: by its own will, to sleep (LINUX_PARKED), or by failure. */
void lives_note_end(unsigned node, int signal_number);
/* Start again those whose time has come. */
void lives_look(void);
/* When to look, for poll(): milliseconds, or -1. */
int lives_timeout_ms(void);
/* Whether none lives or will. */
bool lives_is_over(void);

/* --- measure.c, in the launcher --- */

/* The pipe by which nodes ask for measurements; made before they are. */
void measure_initialise(void);
/* For poll(). */
int measure_file(void);
/* Serve what has been asked for. */
void measure_serve(unsigned node_count);
