/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The access matrix of a device for people: a line for each class, a column for
 * each VP, the mode as a word, and a mark for the current verdict.
 */
#ifndef CELLSADM_UI_ACCESS_MATRIX_H
#define CELLSADM_UI_ACCESS_MATRIX_H

#include <stdio.h>

#include "lib/json.h"

/*
 * `matrix` is the answer of devices/{device}/access. `color` enables ANSI
 * colours. Classes that the device lacks share one line; with `all` they are in
 * the table.
 */
void access_matrix_write(FILE *f, const json_t *matrix, bool color, bool all);

/* The answer of devices/{device}/access/{vp}/{class}, in sentences. */
void access_matrix_explain(FILE *f, const json_t *explanation);

#endif
