/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a verified envelope changes in the store, in one transaction each. What
 * is in memory stays as it was: the caller changes that once the commit is done
 * (policyd/submit.h).
 */
#ifndef POLICYD_ACCEPT_H
#define POLICYD_ACCEPT_H

#include "lib/document/receipt.h"

struct activate;
struct activate_facts;
struct err;
struct recorder;
struct secure_time;
struct snapshot;
struct verify;

/* The next root, whose envelope is `text`, with `time` as it is under it. */
int accept_root(const struct recorder *rec, const struct verify *v,
		const char *text, const struct secure_time *time,
		struct err *e);

/* A new snapshot, which is taken out of *v unless it fails. */
int accept_snapshot(const struct recorder *rec, const struct activate_facts *f,
		    struct verify *v, const struct secure_time *time,
		    struct activate *ret, struct err *e);

/* A document of the staged snapshot, taken out of *v. A refusal (err.h) is one
 * of the whole snapshot. */
int accept_document(const struct recorder *rec, const struct activate_facts *f,
		    struct verify *v, const char *text, struct activate *ret,
		    struct err *e);

/* How receipts name it; the device's id is borrowed. */
struct receipt_doc accept_describe_snapshot(const struct snapshot *s);

#endif
