/* SPDX-License-Identifier: MIT */
/*
 * The applications that app= can name.
 */
#include <stddef.h>

#include "apps/start.h"

/* Programs keep their main(); apps.mk gives it this name in the image. */
int httpd_main(int argc, char **argv);

const struct application applications[] = {
    {"httpd", httpd_main},
    {NULL, NULL},
};
