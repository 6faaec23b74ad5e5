/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows what documents would change, for each device, VP and class, without
 * submitting them.
 */
#ifndef CELLSADM_VERBS_PLAN_H
#define CELLSADM_VERBS_PLAN_H

#include <stdio.h>

#include "lib/json.h"

struct adm;
struct err;

/*
 * Shows the plan for the files (NULL ends them), signed or not. Returns 0, or
 * EXIT_CHANGES when something would change.
 */
int plan_show_files(struct adm *a, char **files, struct err *e);

/* Writes a plan as the schema has it; true: something would change. */
bool plan_write(FILE *f, const json_t *plan);

#endif
