/* SPDX-License-Identifier: MIT */
/*
 * The paper's figures and tables as files of data. README.md lists their columns.
 */
#pragma once

#include "tests/sim/output.h"
#include "tests/sim/scenario.h"

struct figure_request {
    const char *folder;
    uint64_t seed;
    uint64_t duration_ns; /* of the paper's experiment at its own size */
    unsigned server_max;  /* larger machines are left out */
};

/* Service time percentiles (figures_percentiles.c). */
void figure_5(const struct figure_request *request);
void figure_7(const struct figure_request *request);
void figure_schemes(const struct figure_request *request);
/* What happens over time (figures_time.c). */
void figure_6(const struct figure_request *request);
void figure_9(const struct figure_request *request);
void figure_10(const struct figure_request *request);
/* figure_8.c */
void figure_8(const struct figure_request *request);
/* table_3.c */
void table_3(const struct figure_request *request);

/* The schemes of Figure 7, and our own; NULL at the end. */
extern const char *const figure_schemes_shown[];

/* What all files say of themselves. */
void figure_open(struct output_file *file, const struct figure_request *request, const char *name,
                 const char *how);
