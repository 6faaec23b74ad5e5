/* SPDX-License-Identifier: Apache-2.0 */
/* Roots over REST: submitted, listed, shown. */
#ifndef MGMT_SERVER_API_ROOT_API_H
#define MGMT_SERVER_API_ROOT_API_H

#include <stdint.h>

#include "lib/json.h"

struct err;
struct request;

/* The root of that version (0: in force) as a document, or JSON null. */
int root_api_build_json(struct request *rq, int64_t version, json_t **ret,
			struct err *e);

#endif
