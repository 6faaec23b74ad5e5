/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a device, one a line, up to the first that ends the channel. */
#include "lib/auto.h"
#include "lib/db.h"
#include "lib/err.h"
#include "mgmt-server/channel/device_channel.h"
#include "mgmt-server/fleet/device_messages.h"
#include "mgmt-server/server.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/office.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct server *s = office_server();
	const char *at = (const char *)data, *end = at + len;
	struct device_channel *c = NULL;
	struct err e;
	int r = 0;

	if (turn_begin_write(&s->turn, &e) < 0 ||
	    device_messages_open(&s->devices, OFFICE_DEVICE, NULL, &c, &e) < 0)
		abort();
	while (r == 0 && at < end) {
		const char *line = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((line ? line : end) - at);

		r = device_messages_handle(c, at, n, &e);
		at += n + 1;
	}
	s->turn.number++;
	while (device_channel_peek_message(c))
		device_channel_remove_sent(c);
	device_messages_close(c);
	db_rollback(s->db);
	s->turn.writing = false;
	if (audit_log_load_tree(s->db, &s->turn.tree, &e) < 0)
		abort();
	return 0;
}
