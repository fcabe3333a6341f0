/* SPDX-License-Identifier: MIT */
/*
 * The words, and what a load of them may return: see memory_model.h. Each word has one writer and
 * one reader, which the nodes' code keeps to.
 */
#include "tests/unit/world/memory_model.h"

#include <string.h>

#include "kernel/limits.h"
#include "tests/unit/world/memory_explorer.h"

#define WORD_MAX  512
#define RANGE_MAX 8

struct range {
    unsigned owner;
    uint8_t *own;
    const uint8_t *others;
    size_t bytes;
    unsigned first_word;
};

static struct range ranges[RANGE_MAX];
static unsigned range_count;
static unsigned word_count;
static uint32_t issued[WORD_MAX];    /* the last value stored, visible or not */
static uint32_t base[WORD_MAX];      /* as of the reader's floor */
static unsigned last_read[WORD_MAX]; /* of the writer's events, counted from 1 */
static bool is_stored[WORD_MAX];     /* by any run: else its load is no step */
static bool is_acquired[WORD_MAX];   /* by any run: see make_visible() */
static uint64_t base_hash;

/* --- The words --- */

void memory_model_clear(void)
{
    range_count = 0;
    word_count = 0;
    memset(is_stored, 0, sizeof(is_stored));
    memset(is_acquired, 0, sizeof(is_acquired));
}

void memory_model_share(unsigned owner, void *own, const void *others, size_t bytes)
{
    if (range_count == RANGE_MAX || word_count + bytes / 4 > WORD_MAX) {
        give_up("too many words");
    }
    ranges[range_count++] = (struct range){owner, own, others, bytes, word_count};
    word_count += (unsigned)(bytes / 4);
}

/* -1: not one that is shared. */
static int find_word(const void *place, bool is_own)
{
    for (unsigned i = 0; i < range_count; i++) {
        const struct range *range = &ranges[i];
        uintptr_t offset = (uintptr_t)place - (uintptr_t)(is_own ? range->own : range->others);

        if (offset < range->bytes && (&nodes[range->owner] == current) == is_own) {
            return (int)(range->first_word + offset / 4);
        }
    }
    return -1;
}

static uint64_t word_hash(unsigned word)
{
    return mix(word, base[word]);
}

void words_reset(void)
{
    base_hash = 0;
    for (unsigned i = 0; i < range_count; i++) {
        const struct range *range = &ranges[i];

        memcpy(range->own, range->others, range->bytes);
        memcpy(&base[range->first_word], range->others, range->bytes);
        memcpy(&issued[range->first_word], range->others, range->bytes);
    }
    for (unsigned word = 0; word < word_count; word++) {
        last_read[word] = 0;
    }
}

uint64_t words_hash(void)
{
    return base_hash;
}

bool words_is_last_read(const struct store *event, unsigned event_number)
{
    return last_read[event->word] == event_number;
}

/* Up to this event of the other node's, all are seen. */
static void raise_floor(struct node *node, unsigned floor)
{
    const struct node *writer = other_of(node);

    for (; node->floor < floor; node->floor++) {
        const struct store *event = &writer->events[node->floor];

        base_hash ^= word_hash(event->word);
        base[event->word] = event->value;
        base_hash ^= word_hash(event->word);
    }
}

void words_raise_floor(struct node *node)
{
    raise_floor(node, other_of(node)->event_count);
}

/* The values that a load may return: of these, number `index`. Returns how many there are. */
static unsigned find_value(const struct node *node, unsigned word, unsigned index, uint32_t *value,
                           unsigned *event_number)
{
    const struct node *writer = other_of(node);
    unsigned first = last_read[word] > node->floor ? last_read[word] : node->floor;
    unsigned count = 1;

    *value = first > node->floor ? writer->events[first - 1].value : base[word];
    *event_number = first > node->floor ? first : 0;
    for (unsigned i = first; i < writer->event_count; i++) {
        if (writer->events[i].word == word && count++ <= index) {
            *value = writer->events[i].value;
            *event_number = i + 1;
        }
    }
    return count;
}

static unsigned value_count(const struct node *node, unsigned word)
{
    uint32_t value;
    unsigned event_number;

    return find_value(node, word, 0, &value, &event_number);
}

static uint32_t take_value(struct node *node, unsigned word, unsigned index, bool is_acquire)
{
    uint32_t value;
    unsigned event_number;

    (void)find_value(node, word, index, &value, &event_number);
    if (event_number != 0) {
        last_read[word] = event_number;
    }
    if (is_acquire) {
        raise_floor(node, event_number);
    }
    return value;
}

/* Whether the store, and with it those that must come before it, can become visible now: a release
 * waits for loads. */
static bool may_become_visible(const struct node *node, unsigned index)
{
    if (model == MODEL_TSO) {
        return true;
    }
    for (unsigned i = 0; i <= index; i++) {
        const struct store *store = &node->buffer[i];

        if (store->is_release && store->loads_before != 0 &&
            (node->buffer[index].is_release || store->word == node->buffer[index].word)) {
            return false;
        }
    }
    return true;
}

static bool must_come_before(const struct store *earlier, const struct store *later)
{
    return model == MODEL_TSO || later->is_release || earlier->word == later->word;
}

static void move_to_events(struct node *node, unsigned index)
{
    if (node->event_count == EVENT_MAX) {
        give_up("too many events");
    }
    node->events[node->event_count++] = node->buffer[index];
    node->buffered--;
    memmove(&node->buffer[index], &node->buffer[index + 1],
            (node->buffered - index) * sizeof(struct store));
    if (model == MODEL_TSO) {
        words_raise_floor(other_of(node));
    }
}

/* The store, behind those that must come before it. Of these, a word that the other node acquires
 * goes first, with no more than it needs: so what else is not ordered may be seen late. (Of
 * several such words that no release orders, which there are only where one is taken out, just one
 * order is tried.) */
static void make_visible(struct node *node, unsigned index)
{
    struct store store = node->buffer[index];

    for (unsigned acquired = 2; acquired-- > 0;) {
        for (unsigned i = 0; i < index;) {
            struct store *earlier = &node->buffer[i];
            unsigned before = node->buffered;

            if (must_come_before(earlier, &store) && is_acquired[earlier->word] >= acquired) {
                make_visible(node, i);
                index -= before - node->buffered;
                i = 0;
            } else {
                i++;
            }
        }
    }
    move_to_events(node, index);
}

void words_make_all_visible(struct node *node)
{
    for (unsigned i = 0; model != MODEL_TSO && i < node->buffered;) {
        if (is_acquired[node->buffer[i].word]) {
            make_visible(node, i);
            i = 0;
        } else {
            i++;
        }
    }
    while (node->buffered != 0) {
        make_visible(node, 0);
    }
}

unsigned words_choice_count(const struct node *node, unsigned word)
{
    const struct node *writer = other_of(node);
    unsigned count = value_count(node, word);

    for (unsigned i = 0; i < writer->buffered; i++) {
        count += writer->buffer[i].word == word && may_become_visible(writer, i);
    }
    return count;
}

uint32_t words_choose(struct node *node, unsigned word, unsigned choice, bool is_acquire)
{
    struct node *writer = other_of(node);
    unsigned count = value_count(node, word);

    if (choice < count) {
        return take_value(node, word, choice, is_acquire);
    }
    choice -= count;
    for (unsigned i = 0;; i++) {
        if (writer->buffer[i].word == word && may_become_visible(writer, i) && choice-- == 0) {
            make_visible(writer, i);
            return take_value(node, word, value_count(node, word) - 1, is_acquire);
        }
    }
}

/* --- What the nodes' code calls --- */

static bool is_weakened(const char *function)
{
    return weakened.function != NULL && (weakened.nodes >> (current - nodes) & 1) != 0 &&
           strcmp(function, weakened.function) == 0;
}

static uint32_t load(const uint32_t *place, bool is_acquire)
{
    int word = find_word(place, false);

    if (word < 0 || !is_stored[word]) {
        return *place;
    }
    has_grown |= is_acquire && !is_acquired[word];
    is_acquired[word] |= is_acquire;
    current->word = (unsigned)word;
    current->is_acquire = is_acquire;
    return explorer_wait(AT_LOAD);
}

uint32_t memory_model_load(const uint32_t *word)
{
    return load(word, false);
}

uint32_t memory_model_load_acquire(const uint32_t *word, const char *function)
{
    return load(word, !is_weakened(function));
}

void memory_model_copy_line(uint64_t *to, const uint64_t *from)
{
    for (unsigned i = 0; i < CHANNEL_LINE_BYTES / sizeof(uint32_t); i++) {
        /* 64 bits are loaded at once. */
        current->goes_on = i % 2 != 0;
        ((uint32_t *)to)[i] = load((const uint32_t *)from + i, false);
        current->goes_on = false;
    }
}

static void buffer_store(unsigned word, uint32_t value, bool is_release)
{
    if (current->buffered == BUFFER_MAX) {
        give_up("too many stores");
    }
    has_grown |= !is_stored[word];
    is_stored[word] = true;
    issued[word] = value;
    current->buffer[current->buffered++] =
        (struct store){word, value, is_release, current->later_count};
}

static void store(uint32_t *place, uint32_t value, bool is_release)
{
    int word = find_word(place, true);

    *place = value;
    if (word >= 0) {
        buffer_store((unsigned)word, value, is_release);
    }
}

void memory_model_store(uint32_t *word, uint32_t value)
{
    store(word, value, false);
}

void memory_model_store_release(uint32_t *word, uint32_t value, const char *function)
{
    store(word, value, !is_weakened(function));
}

/* What was stored there without the model's knowledge. */
void memory_model_flush(const void *start, size_t bytes)
{
    const uint32_t *words = start;

    for (size_t i = 0; i < bytes / sizeof(uint32_t); i++) {
        int word = find_word(&words[i], true);

        if (word >= 0 && words[i] != issued[word]) {
            buffer_store((unsigned)word, words[i], false);
        }
    }
}

void memory_model_fence(const char *function)
{
    if (is_weakened(function)) {
        return;
    }
    if (current->buffered != 0 || current->later_count != 0) {
        (void)explorer_wait(AT_FENCE);
    } else {
        words_raise_floor(current);
    }
}

void memory_model_load_later(const void *place, uint32_t expected)
{
    int word = find_word(place, false);

    if (word < 0 || current->later_count == LATER_MAX) {
        give_up("no such word, or too many");
    }
    if (model == MODEL_TSO || !is_stored[word]) {
        if (load(place, false) != expected) {
            memory_model_fail("a payload is another one");
        }
        return;
    }
    current->later[current->later_count++] = (struct late_load){(unsigned)word, expected};
}

void memory_model_signal(unsigned kind)
{
    current->signal = kind;
    (void)explorer_wait(AT_SIGNAL);
}

unsigned memory_model_sleep(void)
{
    return explorer_wait(AT_SLEEP);
}
