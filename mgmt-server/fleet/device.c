/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/fleet/device.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/channel/connections.h"
#include "mgmt-server/core/problem.h"
#include "mgmt-server/store/token.h"

#include <errno.h>
#include <string.h>

#define REPORTED_MAX (64 * 1024)

int device_get_epoch(struct db *db, const char *device, char ret[33],
		     struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e,
			 "SELECT epoch FROM device WHERE id = ?"
			 " AND state = 'active'",
			 "s", device);

	if (r <= 0)
		return r < 0 ? r
			     : err_set(e, ENOENT, "no active device %.64s",
				       device);
	snprintf(ret, 33, "%s", db_text(row, 0));
	return 0;
}

static int load_reported_status(struct db *db, const char *device, json_t **ret,
				struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e,
			 "SELECT reported FROM device WHERE id = ?", "s",
			 device);

	if (r < 0)
		return r;
	*ret = r > 0 ? json_from_text(db_text(row, 0)) : NULL;
	if (!*ret)
		*ret = json_object();
	return *ret ? 0 : err_oom(e, "read a report");
}

static int store_reported_status(struct db *db, const char *device, json_t *j,
				 struct err *e)
{
	auto_free char *text = json_text(j);

	if (!text)
		return err_oom(e, "keep a report");
	if (strlen(text) > REPORTED_MAX)
		return err_set(e, EINVAL, "%s reports more than %d bytes",
			       device, REPORTED_MAX);
	return db_run(db, e,
		      "UPDATE device SET reported = ?, seen = ? WHERE id = ?",
		      "sis", text, clock_wall(), device);
}

int device_store_hello(struct db *db, const char *device, const char *agent,
		       json_t *inventory, json_t *status, struct err *e)
{
	auto_json json_t *j = NULL;
	int r = load_reported_status(db, device, &j, e);

	if (r < 0)
		return r;
	r = json_object_set_new(j, "agent", json_string(agent));
	if (r == 0 && inventory)
		r = json_object_set(j, "inventory", inventory);
	if (r == 0 && status)
		r = json_object_set(j, "status", status);
	return r < 0 ? err_oom(e, "keep a report")
		     : store_reported_status(db, device, j, e);
}

int device_store_report(struct db *db, const char *device, const char *member,
			json_t *value, struct err *e)
{
	auto_json json_t *j = NULL;
	int r = load_reported_status(db, device, &j, e);

	if (r < 0)
		return r;
	return json_object_set(j, member, value) < 0
		       ? err_oom(e, "keep a report")
		       : store_reported_status(db, device, j, e);
}

int device_set_group(struct db *db, struct connections *p, const char *device,
		     const char *group, struct err *e)
{
	int r = db_run(db, e,
		       "UPDATE device SET grp = ?, rev = rev + 1 WHERE id = ?",
		       "ss", group, device);

	if (r == 0)
		connections_mark_stale(p, device);
	return r;
}

/* Is each document of the snapshot in force, by the receipt? */
static bool is_snapshot_in_force(json_t *wanted, json_t *in_force)
{
	json_t *w, *f;
	size_t i, k;

	json_array_foreach (wanted, i, w) {
		const char *sha256 =
			json_string_value(json_object_get(w, "sha256"));
		bool found = false;

		json_array_foreach (in_force, k, f) {
			const char *have =
				json_string_value(json_object_get(f, "sha256"));

			found |= sha256 && have && strcmp(sha256, have) == 0;
		}
		if (!found)
			return false;
	}
	return json_array_size(wanted) > 0;
}

int device_update_compliance(struct db *db, const char *device, struct err *e)
{
	auto_json json_t *wanted = NULL, *receipt = NULL;
	json_t *details, *not_enforced;
	AUTO(db_done) struct db_row *row = NULL;
	bool compliant;
	int r = db_first(db, &row, e,
			 "SELECT n.documents, (SELECT payload FROM receipt"
			 " WHERE device = n.device AND epoch = n.epoch AND"
			 " describes ORDER BY seq DESC LIMIT 1)"
			 " FROM snapshot AS n WHERE n.device = ?",
			 "s", device);

	if (r <= 0)
		return r;
	wanted = json_from_text(db_text(row, 0));
	receipt = json_from_text(db_text(row, 1));
	db_done(&row);
	details = json_object_get(receipt, "details");
	not_enforced = json_object_get(details, "not_enforced");
	compliant = is_snapshot_in_force(
			    wanted, json_object_get(details, "documents")) &&
		    json_array_size(not_enforced) == 0;
	return db_run(db, e, "UPDATE device SET compliant = ? WHERE id = ?",
		      "is", (int64_t)compliant, device);
}

int device_check_visible(struct db *db, const struct token *caller,
			 const char *device, char ret_group[DOC_ID_SIZE],
			 struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e, "SELECT grp FROM device WHERE id = ?",
			 "s", device);

	if (r < 0)
		return r;
	if (r > 0)
		snprintf(ret_group, DOC_ID_SIZE, "%s", db_text(row, 0));
	if (r == 0 || !token_can_see_group(caller, ret_group))
		return err_set(e, PROBLEM_NOT_FOUND, "there is no device %.64s",
			       device);
	return 0;
}
