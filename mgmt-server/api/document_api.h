/* SPDX-License-Identifier: Apache-2.0 */
/* Documents over REST: submitted, listed, shown, withdrawn. */
#ifndef MGMT_SERVER_API_DOCUMENT_API_H
#define MGMT_SERVER_API_DOCUMENT_API_H

#include "lib/json.h"

struct err;
struct request;

/* The document as JSON, by digest. 1 found, 0 none. */
int document_api_load_json(struct request *rq, const char *sha256, json_t **ret,
			   struct err *e);

#endif
