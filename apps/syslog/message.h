/* SPDX-License-Identifier: MIT */
/*
 * Messages of syslog as text (RFC 5424), one for each datagram (RFC 5426): whoever has something to
 * say to a collector writes it with this. What is sent, and where, is the caller's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "libc/core/output.h"

#define SYSLOG_PORT 514 /* RFC 5426 3.3 */

/* What fits one Ethernet frame, so that no datagram comes in fragments (RFC 5426 3.2); collectors
 * should take 2,048 (RFC 5426 3.1). */
#define SYSLOG_DATAGRAM_MAX_BYTES 1472

/* RFC 5424 6.2.1, those that are used. */
enum syslog_facility { SYSLOG_KERNEL = 0, SYSLOG_LOCAL7 = 23 };
enum syslog_severity { SYSLOG_ERROR = 3, SYSLOG_WARNING = 4, SYSLOG_INFO = 6, SYSLOG_DEBUG = 7 };

struct syslog_message {
    enum syslog_facility facility;
    enum syslog_severity severity;
    struct timespec time; /* of the event, since 1970; outside of the years 1 to 9999: not known */
    /* Who speaks, as a name or an address; the program; which of its processes; the kind of
     * message. NULL or empty: not said. */
    const char *host, *application, *process, *kind;
    const char *text;
    size_t text_bytes;
};

/*
 * Append it. Names are cut to what RFC 5424 6 allows, and what is not printable ASCII becomes `?`,
 * in the text, too; a text that does not fit is cut (output_is_cut()).
 */
void syslog_append(struct output *output, const struct syslog_message *message);
