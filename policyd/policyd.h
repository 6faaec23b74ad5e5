/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon's parts share; the whole is daemon.h. Who may change what:
 * `store` only inside a transaction; `state` only after
 * its commit.
 */
#ifndef POLICYD_POLICYD_H
#define POLICYD_POLICYD_H

#include <systemd/sd-event.h>

#include "policyd/access/evaluate.h"
#include "policyd/document/config_window.h"
#include "policyd/document/document_state.h"
#include "policyd/document/secure_time.h"
#include "policyd/receipt/pending.h"
#include "policyd/receipt/recorder.h"
#include "policyd/store/store.h"

struct command_queue;
struct connection;
struct device_client;
struct device_signals;
struct reconcile;
struct unenroll;
struct cellsd_state;
struct enroll;
struct err;
struct layer_download;
struct schedule;
struct service;
struct layer_store;
struct periodic;

struct policyd {
	char *dir;
	sd_event *event;
	struct connection *connection;
	struct store *store;
	struct secure_time time;

	struct pending pending;
	struct identity identity;
	struct recorder recorder;

	struct document_state state;
	uint64_t arrived_ns;   /* mono: the last envelope or layer came */
	uint64_t activated_ns; /* arrival of what completed the set */

	struct config_window window;

	struct cellsd_state *cellsd;
	struct device_client *device;
	struct device_signals *signals;
	struct reconcile *reconcile;
	struct layer_store *layers;
	struct layer_download *download;
	struct enroll *enroll;
	struct unenroll *unenroll;
	struct command_queue *commands;
	struct schedule *schedule;
	struct periodic *periodic;
	bool missed_signal; /* what cellsd signalled could not be written */
	int64_t unrecorded_events; /* events that could not be, so many */
	struct service *service;
};

/* Saves secure time; inside a transaction. */
int policyd_save_time(struct policyd *p, struct err *e);

/* Once the store is open. */
void policyd_init_recorder(struct policyd *p);

/* What rights are decided by now. */
void policyd_get_evaluate_facts(const struct policyd *p,
				struct evaluate_facts *ret);

/* Forgets what loader_load_state() read. */
void policyd_unload(struct policyd *p);

#endif
