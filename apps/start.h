/* SPDX-License-Identifier: MIT */
/*
 * Starts on this node what the configuration gives it; supplies kernel/main.h's
 * node_start_roles().
 */
#pragma once

/* An application that can be named in app=. The table is in apps/applications.c. */
struct application {
    const char *name;
    int (*main)(int argc,
                char **argv); /* runs in a thread of its own; argv from the words after `--` */
};

/* Ends with a name of NULL. */
extern const struct application applications[];

/* Started before the application on its node (libc/): registers what an application receives. */
void sockets_start(void);
