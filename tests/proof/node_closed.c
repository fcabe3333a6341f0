/* SPDX-License-Identifier: MIT */
/*
 * Whether a transport server has gathered closed connections that no CM has heard of. Its variables
 * are that file's own: hence it is part of this one.
 */
#include "net/transport/closed.c"
#include "tests/proof/node.h"

bool closed_is_gathering(void)
{
    return !node_set_is_empty(&gathering);
}
