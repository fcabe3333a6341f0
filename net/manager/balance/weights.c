/* SPDX-License-Identifier: MIT */
/*
 * Trees of weights. Node i has the children 2i and 2i + 1, as in a heap.
 */
#include "net/manager/balance/weights.h"

void weight_tree_set(struct weight_tree *tree, unsigned index, uint64_t weight)
{
    uint32_t at = tree->leaf_count + index;
    uint64_t change = weight - tree->sums[at]; /* modulo 2^64 */

    ASSERT_SLOW(index < tree->leaf_count);
    if (change == 0) {
        return;
    }
    for (; at != 0; at /= 2) {
        tree->sums[at] += change;
    }
}

unsigned weight_tree_at(const struct weight_tree *tree, uint64_t point)
{
    uint32_t at = 1;

    ASSERT_SLOW(point < weight_tree_total(tree));
    while (at < tree->leaf_count) {
        at *= 2;
        if (point >= tree->sums[at]) {
            point -= tree->sums[at];
            at++;
        }
    }
    return at - tree->leaf_count;
}
