/* SPDX-License-Identifier: Apache-2.0 */
/* The reason codes of schema/reasons.def, as numbers and as words. */
#ifndef LIB_REASON_H
#define LIB_REASON_H

enum reason {
	REASON_NONE,
#define REASON(symbol, code, err, text, remedy) REASON_##symbol,
#include "schema/reasons.def"
#undef REASON
	REASON_COUNT,
};

/* "err.threshold"; NULL for REASON_NONE. All strings are static. */
const char *reason_code(enum reason r);
const char *reason_text(enum reason r);
const char *reason_remedy(enum reason r);

/* The (positive) errno of the reason in return values. */
int reason_errno(enum reason r);

/* Returns REASON_NONE if the word is not a reason code. */
enum reason reason_from_code(const char *code);

#endif
