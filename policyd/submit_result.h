/* SPDX-License-Identifier: Apache-2.0 */
/* What Submit of org.cells.Policy1 answers about an envelope. */
#ifndef POLICYD_SUBMIT_RESULT_H
#define POLICYD_SUBMIT_RESULT_H

#include "lib/err.h"

struct submit_result {
	const char *outcome; /* accepted, staged, known, refused; static */
	struct err e;	     /* of a refusal */
};

#endif
