/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/policyd.h"

#include "lib/clock.h"
#include "lib/crypto/key.h"
#include "policyd/cellsd_state.h"

int policyd_save_time(struct policyd *p, struct err *e)
{
	char text[SECURE_TIME_TEXT_SIZE];

	secure_time_format(&p->time, clock_boot_ns(), clock_wall(), text);
	return store_set_text(p->store, STORE_TIME, text, e);
}

void policyd_unload(struct policyd *p)
{
	document_state_fini(&p->state);
	key_free(p->identity.key);
	p->identity = (struct identity){ 0 };
	p->window = (struct config_window){ 0 };
}

void policyd_init_recorder(struct policyd *p)
{
	p->recorder = (struct recorder){ .store = p->store,
					 .pending = &p->pending,
					 .identity = &p->identity,
					 .time = &p->time,
					 .in_force = &p->state.in_force };
}

void policyd_get_evaluate_facts(const struct policyd *p,
				struct evaluate_facts *ret)
{
	*ret = (struct evaluate_facts){
		.store = p->store,
		.state = &p->state,
		.level = cellsd_state_get_level(p->cellsd),
	};
	evaluate_get_time(&p->time, &ret->at);
}
