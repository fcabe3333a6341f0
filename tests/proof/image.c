/* SPDX-License-Identifier: MIT */
/*
 * An image is cut into chunks, those into groups, and each different one is kept once: two images
 * that follow each other share nearly all.
 */
#include "tests/proof/image.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/proof/intern.h"

#define CHUNK_BYTES  256u
#define GROUP_CHUNKS 16u
#define GROUP_MAX    128u
#define CHUNK_MAX    (GROUP_MAX * GROUP_CHUNKS)

/* node.ld's sections. */
extern uint8_t __start_node_data[], __stop_node_data[], __start_node_bss[], __stop_node_bss[];

struct outgoing outbox[OUTBOX_MAX];
unsigned outbox_count;
char node_fault[160];

void node_fail(const char *format, ...)
{
    va_list arguments;

    if (node_fault[0] == '\0') {
        va_start(arguments, format);
        (void)vsnprintf(node_fault, sizeof(node_fault), format, arguments);
        va_end(arguments);
    }
}

static struct intern chunks = {.bytes = CHUNK_BYTES};
static struct intern groups = {.bytes = GROUP_CHUNKS * sizeof(uint32_t)};
static struct intern images = {.bytes = GROUP_MAX * sizeof(uint32_t)};
static struct intern messages = {.bytes = sizeof(struct packed_message)};

/* Where each chunk lies, and which one is there. */
static struct {
    uint8_t *at;
    uint32_t bytes;
    uint32_t number;
} live[CHUNK_MAX];
static unsigned live_count;
static uint32_t loaded;

static struct node_view **views; /* by image */
static uint32_t view_room;

/* --- The image that is loaded --- */

static void *allocate(void *old, size_t bytes)
{
    void *memory = realloc(old, bytes);

    if (memory == NULL) {
        fprintf(stderr, "no memory for so many images\n");
        exit(2);
    }
    return memory;
}

static void cut(uint8_t *start, const uint8_t *stop)
{
    while (start < stop) {
        size_t left = (size_t)(stop - start);

        if (live_count == CHUNK_MAX) {
            fprintf(stderr, "a node has too many variables\n");
            exit(2);
        }
        live[live_count].at = start;
        live[live_count].bytes = left < CHUNK_BYTES ? (uint32_t)left : CHUNK_BYTES;
        start += live[live_count++].bytes;
    }
}

static uint32_t chunk_number(const uint8_t *at, uint32_t bytes)
{
    uint8_t chunk[CHUNK_BYTES] = {0};

    memcpy(chunk, at, bytes);
    return intern(&chunks, chunk);
}

/* The number of what is there now. */
static uint32_t save(void)
{
    uint32_t group[GROUP_CHUNKS];
    uint32_t image[GROUP_MAX] = {0};

    for (unsigned first = 0; first < live_count; first += GROUP_CHUNKS) {
        memset(group, 0, sizeof(group));
        for (unsigned i = 0; i < GROUP_CHUNKS && first + i < live_count; i++) {
            unsigned place = first + i;

            if (memcmp(live[place].at, interned(&chunks, live[place].number), live[place].bytes) !=
                0) {
                live[place].number = chunk_number(live[place].at, live[place].bytes);
            }
            group[i] = live[place].number;
        }
        image[first / GROUP_CHUNKS] = intern(&groups, group);
    }
    return intern(&images, image);
}

static void load(uint32_t number)
{
    const uint32_t *wanted = interned(&images, number);
    const uint32_t *current = interned(&images, loaded);

    for (unsigned first = 0; first < live_count; first += GROUP_CHUNKS) {
        const uint32_t *group = interned(&groups, wanted[first / GROUP_CHUNKS]);

        if (wanted[first / GROUP_CHUNKS] == current[first / GROUP_CHUNKS]) {
            continue;
        }
        for (unsigned i = 0; i < GROUP_CHUNKS && first + i < live_count; i++) {
            unsigned place = first + i;

            if (live[place].number != group[i]) {
                live[place].number = group[i];
                memcpy(live[place].at, interned(&chunks, group[i]), live[place].bytes);
            }
        }
    }
    loaded = number;
}

static void note_view(uint32_t number)
{
    if (number >= view_room) {
        uint32_t room = 2 * number + 64;

        views = allocate(views, room * sizeof(*views));
        memset(views + view_room, 0, (room - view_room) * sizeof(*views));
        view_room = room;
    }
    if (views[number] == NULL) {
        views[number] = allocate(NULL, sizeof(*views[number]));
        node_look(views[number]);
    }
}

const struct node_view *image_view(uint32_t image)
{
    return views[image];
}

/* --- Inputs --- */

struct input_key {
    uint8_t kind, node, from, argument;
    uint8_t room[8];
    uint32_t message;
    uint32_t image;
};

static struct intern keys = {.bytes = sizeof(struct input_key)};
static struct image_step **steps; /* by key */
static uint32_t step_room;

static struct image_step *run(uint32_t image, const struct node_input *input)
{
    struct image_step *step;

    load(image);
    node_fault[0] = '\0';
    node_act(input);
    step = allocate(NULL, sizeof(*step) + outbox_count * sizeof(step->messages[0]));
    step->message_count = outbox_count;
    for (unsigned i = 0; i < outbox_count; i++) {
        step->messages[i] =
            (struct image_message){outbox[i].to, intern(&messages, &outbox[i].message)};
    }
    step->fault = node_fault[0] == '\0' ? NULL : strdup(node_fault);
    step->image = loaded = save();
    if (step->fault == NULL) {
        note_view(step->image);
    }
    return step;
}

const struct image_step *image_act(uint32_t image, const struct node_input *input)
{
    struct input_key key = {
        .kind = input->kind,
        .node = input->node,
        .from = input->from,
        .argument = input->argument,
        .message = input->kind == INPUT_MESSAGE ? intern(&messages, &input->message) : 0,
        .image = image,
    };
    bool is_new;

    memcpy(key.room, input->room, sizeof(input->room));
    uint32_t number = intern_new(&keys, &key, &is_new);

    if (is_new) {
        if (number >= step_room) {
            step_room = 2 * number + 1024;
            steps = allocate(steps, step_room * sizeof(*steps));
        }
        steps[number] = run(image, input);
    }
    return steps[number];
}

uint32_t message_number(const struct packed_message *message)
{
    return intern(&messages, message);
}

const struct packed_message *message_numbered(uint32_t number)
{
    return interned(&messages, number);
}

static void cut_all(void)
{
    cut(__start_node_data, __stop_node_data);
    cut(__start_node_bss, __stop_node_bss);
    for (unsigned place = 0; place < live_count; place++) {
        live[place].number = chunk_number(live[place].at, live[place].bytes);
    }
    loaded = save();
}

/* Chunks, groups and messages stay: they mean the same in each exploration. */
void image_clear(void)
{
    if (live_count == 0) {
        cut_all();
        return;
    }
    load(0);
    for (uint32_t i = 0; i < keys.count; i++) {
        free((void *)steps[i]->fault);
        free(steps[i]);
    }
    for (uint32_t i = 0; i < images.count; i++) {
        free(views[i]);
        views[i] = NULL;
    }
    intern_clear(&keys);
    intern_clear(&images);
    loaded = save();
}

uint32_t image_count(void)
{
    return images.count;
}

uint32_t image_step_count(void)
{
    return keys.count;
}
