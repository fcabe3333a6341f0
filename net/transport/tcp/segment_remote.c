/* SPDX-License-Identifier: MIT */
/*
 * Segments to a link server on another node, in one message each. What a card shall cut refers to
 * all that is in the archive; a short segment only to what is longer than a copy is worth.
 */
#include "net/transport/tcp/segment_remote.h"

#include <string.h>

#include "drivers/nic/frame.h"
#include "kernel/message/send.h"
#include "kernel/platform.h"
#include "net/headers.h"
#include "net/messages.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/segment_block.h"
#include "net/transport/tcp/tcb.h"

/* Shorter pieces of the archive are cheaper to copy into a message than to refer to: a reference
 * costs the link server a descriptor. Chosen. */
#define REFERENCE_MIN_BYTES 256u

/* A message under construction, or one that is only measured. */
struct plan {
    struct transmit_run runs[TRANSMIT_RUN_MAX];
    unsigned run_count;
    uint32_t copied_bytes; /* with the headers */
};

static void begin_plan(struct plan *plan, uint32_t headers_bytes)
{
    memset(plan, 0, sizeof(*plan));
    plan->run_count = 1;
    plan->runs[0].copied_bytes = (uint16_t)headers_bytes;
    plan->copied_bytes = headers_bytes;
}

/* In a run, what is referred to comes last: the next piece needs another one then. */
static struct transmit_run *run_for_next(struct plan *plan)
{
    struct transmit_run *run = &plan->runs[plan->run_count - 1];

    if (run->archive_bytes == 0) {
        return run;
    }
    return plan->run_count < TRANSMIT_RUN_MAX ? &plan->runs[plan->run_count++] : NULL;
}

/* Returns how many of these bytes the message can refer to. */
static uint32_t plan_reference(struct plan *plan, const uint8_t *bytes, uint32_t length_bytes)
{
    struct transmit_run *run = run_for_next(plan);

    if (run == NULL) {
        return 0;
    }
    run->archive_offset = (uintptr_t)bytes - (uintptr_t)platform_archive_start();
    run->archive_bytes = (uint16_t)length_bytes;
    return length_bytes;
}

/* Returns how many of these bytes the message can copy. */
static uint32_t plan_copy(struct plan *plan, uint32_t length_bytes)
{
    struct transmit_run *run;

    if (length_bytes > FRAME_MAX_BYTES - plan->copied_bytes) {
        length_bytes = FRAME_MAX_BYTES - plan->copied_bytes;
    }
    if (length_bytes == 0) {
        return 0;
    }
    run = run_for_next(plan);
    if (run == NULL) {
        return 0;
    }
    run->copied_bytes = (uint16_t)(run->copied_bytes + length_bytes);
    plan->copied_bytes += length_bytes;
    return length_bytes;
}

/* References shorter than `least_bytes` are copied. Returns how many bytes the message can say. */
static uint32_t plan_payload(struct plan *plan, const struct reference *reference, uint32_t offset,
                             uint32_t most_bytes, uint32_t least_bytes)
{
    uint32_t planned_bytes = 0;

    while (planned_bytes < most_bytes) {
        uint32_t left = most_bytes - planned_bytes;
        uint32_t piece = reference->length_bytes - offset;
        uint32_t taken;

        piece = piece < left ? piece : left;
        taken = reference->buffer == NULL && piece >= least_bytes
                    ? plan_reference(plan, reference->bytes + offset, piece)
                    : plan_copy(plan, piece);
        planned_bytes += taken;
        if (taken != piece) {
            break;
        }
        reference = reference->next;
        offset = 0;
    }
    return planned_bytes;
}

uint32_t segment_remote_fit(const struct tcb *tcb, const struct reference *first,
                            uint32_t most_bytes)
{
    struct plan plan;
    uint32_t length_bytes;

    if (most_bytes <= tcb->mss) {
        return most_bytes; /* can be copied */
    }
    begin_plan(&plan, SEGMENT_HEADERS_BYTES);
    length_bytes = plan_payload(&plan, first, 0, most_bytes, 1);
    return length_bytes < tcb->mss ? tcb->mss : length_bytes;
}

static bool has_reference(const struct plan *plan)
{
    return plan->run_count > 1 || plan->runs[0].archive_bytes != 0;
}

static void plan_message(struct plan *plan, uint32_t headers_bytes, const struct reference *first,
                         uint32_t offset, uint32_t length_bytes, uint16_t segment_bytes)
{
    begin_plan(plan, headers_bytes);
    if (plan_payload(plan, first, offset, length_bytes,
                     segment_bytes != 0 ? 1 : REFERENCE_MIN_BYTES) == length_bytes) {
        return;
    }
    /* More runs than there are: nothing but copies. */
    begin_plan(plan, headers_bytes);
    length_bytes -= plan_payload(plan, first, offset, length_bytes, UINT32_MAX);
    ASSERT(segment_bytes == 0 && length_bytes == 0);
}

/* So many bytes from there on, which need not lie in one reference. Moves both. */
static uint8_t *copy_bytes(uint8_t *to, const struct reference **reference, uint32_t *offset,
                           uint32_t length_bytes, bool is_skipped)
{
    while (length_bytes != 0) {
        uint32_t left = (*reference)->length_bytes - *offset;
        uint32_t piece = left < length_bytes ? left : length_bytes;

        if (!is_skipped) {
            memcpy(to, (*reference)->bytes + *offset, piece);
            to += piece;
        }
        *offset += piece;
        length_bytes -= piece;
        if (*offset == (*reference)->length_bytes) {
            *reference = (*reference)->next;
            *offset = 0;
        }
    }
    return to;
}

/* What a message copies, in the order of its runs. */
static void copy_runs(uint8_t *to, const struct plan *plan, const uint8_t *headers,
                      uint32_t headers_bytes, const struct reference *reference, uint32_t offset)
{
    memcpy(to, headers, headers_bytes);
    to += headers_bytes;
    for (unsigned i = 0; i < plan->run_count; i++) {
        const struct transmit_run *run = &plan->runs[i];

        to = copy_bytes(to, &reference, &offset, run->copied_bytes - (i == 0 ? headers_bytes : 0),
                        false);
        to = copy_bytes(to, &reference, &offset, run->archive_bytes, true);
    }
}

int segment_remote_send(node_id_t link_server, const struct segment_fields *fields,
                        const struct reference *first, uint32_t offset)
{
    uint8_t headers[SEGMENT_HEADERS_BYTES + SEGMENT_OPTION_BYTES_MAX];
    uint32_t headers_bytes = SEGMENT_HEADERS_BYTES + fields->option_bytes;
    struct plan plan;
    uint8_t *to;

    segment_put_headers(headers, fields);
    plan_message(&plan, headers_bytes, first, offset, fields->payload_bytes, fields->cut_bytes);
    if (has_reference(&plan) || fields->cut_bytes != 0) {
        struct transmit_segment *message = message_reserve_payload(
            link_server, TRANSMIT_SEGMENT, sizeof(*message), plan.copied_bytes);

        if (message == NULL) {
            return message_refusal(link_server);
        }
        message->segment_bytes = fields->cut_bytes;
        message->ip_header_bytes = IPV4_HEADER_MIN_BYTES;
        message->tcp_header_bytes = (uint8_t)(TCP_HEADER_MIN_BYTES + fields->option_bytes);
        memcpy(message->runs, plan.runs, sizeof(plan.runs));
        to = (uint8_t *)(message + 1);
    } else {
        struct transmit_frame *message = message_reserve_payload(
            link_server, TRANSMIT_FRAME, sizeof(*message), plan.copied_bytes);

        if (message == NULL) {
            return message_refusal(link_server);
        }
        message->offload = FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM;
        message->ip_header_offset = ETHERNET_HEADER_BYTES;
        message->ip_header_bytes = IPV4_HEADER_MIN_BYTES;
        to = (uint8_t *)(message + 1);
    }
    copy_runs(to, &plan, headers, headers_bytes, first, offset);
    message_publish();
    return 0;
}
