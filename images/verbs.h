/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be said to cells-image. argv[0] is the verb. A verb returns the exit
 * code, or a negative errno with e filled; main() prints that.
 */
#ifndef IMAGES_VERBS_H
#define IMAGES_VERBS_H

#include <stdbool.h>

struct err;
struct opt_program;

int verbs_build(int argc, char **argv, struct err *e);
int verbs_inspect(int argc, char **argv, struct err *e);
int verbs_verify(int argc, char **argv, struct err *e);
int verbs_diff(int argc, char **argv, struct err *e);
int verbs_extract(int argc, char **argv, struct err *e);
int verbs_push(int argc, char **argv, struct err *e);
int verbs_list(int argc, char **argv, struct err *e);

/*
 * Options, then exactly `n` arguments, to argv[*ret_first]. True: go on; else
 * *ret_exit is the verb's exit code and the user has been informed.
 */
bool verbs_parse_arguments(const struct opt_program *p, int argc, char **argv,
			   int n, int *ret_first, int *ret_exit);

#endif
