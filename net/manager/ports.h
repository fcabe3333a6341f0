/* SPDX-License-Identifier: MIT */
/*
 * Which ports are served, told to the transport servers whose own CM this is (PORTS_SERVED): those
 * that somebody listens on, or that another CM offers an application for.
 */
#pragma once

#include "kernel/base.h"

struct listener;
struct manager;

/* This listener may be a new one: then they are told. */
void ports_note_listener(struct manager *manager, struct listener *listener);
/* A listener is gone, or this CM has more transport servers now: they are told. */
void ports_tell(struct manager *manager);
