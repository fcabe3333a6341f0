/* SPDX-License-Identifier: MIT */
/*
 * What the launcher sets up and each node's process uses.
 */
#pragma once

#include <sys/types.h>

#include "kernel/hosted/linux.h"

struct node_files {
    int mailbox;          /* a file in memory, open for writing: for its owner and the launcher */
    int readable_mailbox; /* the same, which nobody can write through this */
    int doorbell;         /* an eventfd */
};
extern struct node_files node_files[NODE_MAX];

/* Of the nodes' processes, in the launcher and, once node_run() has read them, in each of them.
 * None is waited for before all have ended, so a number never becomes another process'. */
extern pid_t node_processes[NODE_MAX];

/* Become this node: never returns. `processes` is a pipe from which node_processes can be read,
 * `core` the processor to stay on, or -1. */
_Noreturn void node_run(node_id_t node, int processes, int core);

/* Print the message and what errno says, and end this process. */
_Noreturn void linux_die(const char *what);

/* --- measure.c, in the launcher --- */

/* The pipe by which nodes ask for measurements; made before they are. */
void measure_initialise(void);
/* For poll(). */
int measure_file(void);
/* Serve what has been asked for. */
void measure_serve(unsigned node_count);
