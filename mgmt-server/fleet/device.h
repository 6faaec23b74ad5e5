/* SPDX-License-Identifier: Apache-2.0 */
/* The devices: records, groups, what they report, compliance, alarms. */
#ifndef MGMT_SERVER_FLEET_DEVICE_H
#define MGMT_SERVER_FLEET_DEVICE_H

#include <stdbool.h>

#include "lib/document/doc.h"
#include "lib/json.h"

struct err;
struct request;
struct server;

/* The present epoch of an active device. -ENOENT. */
int device_get_epoch(struct server *s, const char *device, char ret[33],
		     struct err *e);

/* What a device says of itself, for display; NULL members stay as they were. */
int device_store_hello(struct server *s, const char *device, const char *agent,
		       json_t *inventory, json_t *status, struct err *e);
int device_store_report(struct server *s, const char *device,
			const char *member, json_t *value, struct err *e);

/* A done membership. */
int device_set_group(struct server *s, const char *device, const char *group,
		     struct err *e);
/* Works out, from receipts and the newest snapshot, whether it complies. */
int device_update_compliance(struct server *s, const char *device,
			     struct err *e);
/* Something that must not happen; kept, audited, told; once for each text. */
int device_record_alarm(struct server *s, const char *device, const char *text,
			struct err *e);
/* The texts of a device's alarms, oldest first; the caller owns *ret. */
int device_list_alarms(struct server *s, const char *device, json_t **ret,
		       struct err *e);

/* 0 if the caller may see the device, and its group; -PROBLEM_NOT_FOUND. */
int device_check_visible(struct request *rq, const char *device,
			 char ret_group[DOC_ID_SIZE], struct err *e);

#endif
