/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/listener/http_exchange.h"

#include "mgmt-server/store/blob.h"

#include <stdlib.h>

void http_exchange_unlink(struct http_exchange **list,
			  const struct http_exchange *x)
{
	for (; *list; list = &(*list)->next)
		if (*list == x) {
			*list = x->next;
			return;
		}
}

void http_exchange_track_sending(struct http_exchange *x)
{
	struct http_exchange **head = &x->edge->sending;

	if (x->at_sending)
		return;
	x->at_sending = head;
	x->next_sending = *head;
	if (*head)
		(*head)->at_sending = &x->next_sending;
	*head = x;
}

static void untrack_sending(struct http_exchange *x)
{
	if (!x->at_sending)
		return;
	*x->at_sending = x->next_sending;
	if (x->next_sending)
		x->next_sending->at_sending = x->at_sending;
	x->at_sending = NULL;
}

void http_exchange_free(struct http_exchange *x)
{
	if (!x)
		return;
	if (x->in_fresh)
		http_exchange_unlink(&x->edge->fresh, x);
	if (x->in_held)
		http_exchange_unlink(&x->edge->held, x);
	untrack_sending(x);
	blob_sink_free(x->sink);
	request_fini(&x->rq);
	free(x->piece);
	free(x);
}

int http_exchange_hang_up(struct lws *wsi)
{
	lws_rx_flow_control(wsi, 0);
	return -1;
}

uintptr_t http_exchange_bytes_read(struct lws *wsi)
{
	const SSL *ssl = lws_get_ssl(wsi);

	return ssl ? (uintptr_t)BIO_number_read(SSL_get_rbio(ssl)) : 0;
}
