/* SPDX-License-Identifier: Apache-2.0 */
/* What the device is and runs, as JSON: cells-status(5). */
#ifndef POLICYD_STATUS_H
#define POLICYD_STATUS_H

struct err;
struct policyd;

/* The caller frees *ret. */
int status_format_json(struct policyd *p, char **ret, struct err *e);

#endif
