/* SPDX-License-Identifier: MIT */
/*
 * Images: all that a node keeps between two inputs, under a number. What an image does with an
 * input is found out once, by running the real code, and remembered: states of the machine that
 * differ elsewhere share it.
 */
#pragma once

#include "kernel/base.h"
#include "tests/proof/node.h"

/* What an input has made of an image. */
struct image_step {
    uint32_t image;
    const char *fault; /* NULL: none; else the rest means nothing */
    uint32_t message_count;
    struct image_message {
        uint32_t to;
        uint32_t message; /* its number */
    } messages[];
};

/* That of a node which has not been started. */
#define IMAGE_FIRST 0u

/* Before the first use, and to forget all images but the first. */
void image_clear(void);
const struct image_step *image_act(uint32_t image, const struct node_input *input);
const struct node_view *image_view(uint32_t image);

uint32_t message_number(const struct packed_message *message);
const struct packed_message *message_numbered(uint32_t number);

/* How many there are, and how often the code under test has run. */
uint32_t image_count(void);
uint32_t image_step_count(void);
