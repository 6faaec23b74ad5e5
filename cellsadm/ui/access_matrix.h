/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The access matrix of a device as people read it: a line for each class, a
 * column for each VP, the mode as word, and a mark for what it comes to now.
 */
#ifndef CELLSADM_UI_ACCESS_MATRIX_H
#define CELLSADM_UI_ACCESS_MATRIX_H

#include <stdio.h>

#include "lib/json.h"

/*
 * `matrix` is what devices/{device}/access answers. With color in ANSI colours.
 * Classes that the device lacks share one line, with `all` in the table.
 */
void access_matrix_write(FILE *f, const json_t *matrix, bool color, bool all);

/* What devices/{device}/access/{vp}/{class} answers, in sentences. */
void access_matrix_explain(FILE *f, const json_t *explanation);

#endif
