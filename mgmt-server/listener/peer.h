/* SPDX-License-Identifier: Apache-2.0 */
/* Who calls: the peer's address, its certificate, its token. */
#ifndef MGMT_SERVER_LISTENER_PEER_H
#define MGMT_SERVER_LISTENER_PEER_H

#include <stdbool.h>

#define PEER_ADDRESS_SIZE 64

struct client_cert;
struct db;
struct err;
struct lws;
struct token;

/* As text; "": it is not known. */
void peer_get_address(struct lws *wsi, char ret[PEER_ADDRESS_SIZE]);
/* The device of the client's certificate; false: none that may connect. */
bool peer_get_device(struct db *db, struct lws *wsi, struct client_cert *ret);
/* The token's owner. -PROBLEM_UNAUTHORIZED. */
int peer_authenticate(struct db *db, struct lws *wsi, struct token *ret,
		      struct err *e);

#endif
