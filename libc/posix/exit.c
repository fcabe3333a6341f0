/* SPDX-License-Identifier: MIT */
/*
 * The end of a program. A node goes on without it, so what the program leaves behind is put in
 * order: lines that were not ended, and whatever it has open.
 */
#include <stdlib.h>
#include <unistd.h>

#include "kernel/log.h"
#include "kernel/thread/thread.h"
#include "libc/posix/descriptor.h"
#include "libc/posix/log_stream.h"

void _exit(int status)
{
    const char *name = thread_name(thread_self());

    descriptors_close_all();
    log_write(status == EXIT_SUCCESS ? LOG_INFO : LOG_WARNING, name, "ended with status %d",
              status);
    thread_exit();
}

void exit(int status)
{
    log_streams_end_lines();
    _exit(status);
}
