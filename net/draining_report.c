/* SPDX-License-Identifier: MIT */
/*
 * What status pages say of draining, and of a node's return from it.
 */
#include "kernel/message/mailbox.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/draining.h"

struct draining_report draining_report_of(node_id_t node)
{
    uint64_t word = status_word(node, STATUS_WORD_DRAIN); /* any number */
    uint64_t draining = word >> DRAINING_LEFT_BITS;

    return (struct draining_report){
        .draining = draining <= DRAINING_MACHINE ? (enum draining)draining : DRAINING_NOT,
        .left = (uint32_t)word};
}

void draining_call_back(node_id_t node)
{
    /* Before the interrupt: its core looks when one comes (boot/rejoin.c). */
    mailbox_store_release(&status_own_page->for_nodes[node].wanted, status_incarnation(node));
    platform_send_attention(node);
}
