/* SPDX-License-Identifier: Apache-2.0 */
/* The devices: records, groups, what they report, compliance. */
#ifndef MGMT_SERVER_FLEET_DEVICE_H
#define MGMT_SERVER_FLEET_DEVICE_H

#include <stdbool.h>

#include "lib/document/doc.h"
#include "lib/json.h"

struct connections;
struct db;
struct err;
struct token;

/* The present epoch of an active device. -ENOENT. */
int device_get_epoch(struct db *db, const char *device, char ret[33],
		     struct err *e);

/* What a device says of itself, for display; NULL members stay as they were. */
int device_store_hello(struct db *db, const char *device, const char *agent,
		       json_t *inventory, json_t *status, struct err *e);
int device_store_report(struct db *db, const char *device, const char *member,
			json_t *value, struct err *e);

/* A done membership: a connected device is due for another snapshot. */
int device_set_group(struct db *db, struct connections *p, const char *device,
		     const char *group, struct err *e);
/* Works out, from receipts and the newest snapshot, whether it complies. */
int device_update_compliance(struct db *db, const char *device, struct err *e);
/* 0 if the caller may see the device, and its group; -PROBLEM_NOT_FOUND. */
int device_check_visible(struct db *db, const struct token *caller,
			 const char *device, char ret_group[DOC_ID_SIZE],
			 struct err *e);

#endif
