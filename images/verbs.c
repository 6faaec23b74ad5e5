/* SPDX-License-Identifier: Apache-2.0 */
#include "images/verbs.h"

#include "lib/err.h"
#include "lib/log.h"
#include "lib/opt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool verbs_parse_arguments(const struct opt_program *p, int argc, char **argv,
			   int n, int *ret_first, int *ret_exit)
{
	struct err e;
	int first = opt_parse(p, argc, argv, true, &e);

	if (first == -ECANCELED) {
		*ret_exit = EXIT_SUCCESS;
		return false;
	}
	*ret_exit = EXIT_USAGE;
	if (first < 0) {
		log_error("%s", e.text);
		return false;
	}
	if (argc - first != n) {
		log_error("usage: %s [OPTION...]%s%s (see --help)", p->name,
			  *p->args ? " " : "", p->args);
		return false;
	}
	*ret_first = first;
	return true;
}
