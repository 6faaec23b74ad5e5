/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/listener/peer.h"

#include "lib/err.h"
#include "mgmt-server/core/problem.h"
#include "mgmt-server/listener/client_cert.h"
#include "mgmt-server/listener/connection_limit.h"
#include "mgmt-server/store/token.h"

#include <libwebsockets.h>
#include <string.h>

void peer_get_address(struct lws *wsi, char ret[PEER_ADDRESS_SIZE])
{
	ret[0] = '\0';
	lws_get_peer_simple(wsi, ret, PEER_ADDRESS_SIZE);
}

bool peer_get_device(struct db *db, struct lws *wsi, struct client_cert *ret)
{
	struct err e;

	if (client_cert_get_device(db, lws_get_ssl(wsi), ret, &e) < 0)
		return false;
	connection_limit_uncount_address(wsi);
	return true;
}

int peer_authenticate(struct db *db, struct lws *wsi, struct token *ret,
		      struct err *e)
{
	static const char scheme[] = "Bearer ";
	char text[160];
	int r;

	if (lws_hdr_copy(wsi, text, sizeof(text),
			 WSI_TOKEN_HTTP_AUTHORIZATION) <= (int)strlen(scheme) ||
	    strncasecmp(text, scheme, strlen(scheme)) != 0)
		return err_set(e, PROBLEM_UNAUTHORIZED, "no token was sent");
	r = token_authenticate(db, text + strlen(scheme), ret, e);
	explicit_bzero(text, sizeof(text));
	return r;
}
