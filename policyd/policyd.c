/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/policyd.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/key.h"

#include <string.h>

int64_t policyd_get_presumed_time(const struct policyd *p)
{
	return secure_time_get_presumed(&p->time, clock_boot_ns());
}

int64_t policyd_get_confirmed_time(const struct policyd *p)
{
	return secure_time_get_confirmed(&p->time, clock_boot_ns());
}

int policyd_save_time(struct policyd *p, struct err *e)
{
	char text[SECURE_TIME_TEXT_SIZE];

	secure_time_format(&p->time, clock_boot_ns(), clock_wall(), text);
	return store_set_text(p->store, STORE_TIME, text, e);
}

const struct doc_root *policyd_get_root(const struct policyd *p)
{
	return doc_as_root(p->root);
}

void policyd_unload(struct policyd *p)
{
	doc_free(p->root);
	p->root = NULL;
	key_free(p->identity.key);
	p->identity = (struct identity){ 0 };
	document_set_fini(&p->staged_docs);
	document_set_fini(&p->force);
	free(p->snapshot);
	free(p->staged);
	p->snapshot = p->staged = NULL;
	p->staged_blocked = false;
	p->window.until_ns = 0;
}

void policyd_init_recorder(struct policyd *p)
{
	p->recorder = (struct recorder){ .store = p->store,
					 .pending = &p->pending,
					 .identity = &p->identity,
					 .time = &p->time,
					 .in_force = &p->force };
}
