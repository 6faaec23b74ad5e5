/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/adm.h"
#include "cellsadm/list.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/verify_access.h"
#include "cellsadm/ui/access_matrix.h"
#include "cellsadm/verbs/verbs.h"
#include "lib/auto.h"
#include "lib/class.h"
#include "lib/clock.h"
#include "lib/document/doc.h"
#include "lib/document/receipt.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/table.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct access_opts {
	const char *class, *at, *from, *to, *device, *vp, *verdict, *max_age;
	uint64_t limit;
	bool all, used;
};

/* A moment as the server wants it; NULL stays NULL. */
static int format_query_time(const char *s, char buffer[ENCODING_TIME_SIZE],
			     const char **ret, struct err *e)
{
	int64_t t;
	int r;

	*ret = NULL;
	if (!s)
		return 0;
	r = adm_parse_time(s, &t, e);
	if (r < 0)
		return r;
	encoding_format_time(t, buffer);
	*ret = buffer;
	return 0;
}

static int check_class_name(const char *class, struct err *e)
{
	if (class && class_from_name(class) == CELLS_CLASS_COUNT)
		return err_reason(e, REASON_UNKNOWN_CLASS,
				  "there is no class '%s'", class);
	return 0;
}

static int verb_access_matrix(void *context, const void *opts, char **argv,
			      struct err *e)
{
	struct adm *a = context;
	const struct access_opts *o = opts;
	auto_json json_t *j = NULL;
	auto_free char *proof = NULL;
	char buffer[ENCODING_TIME_SIZE];
	struct err why = { 0 };
	const char *at;
	int r = format_query_time(o->at, buffer, &at, e);

	if (r >= 0)
		r = remote_get(a,
			       REMOTE_PATH("devices", argv[0], "access", "?",
					   "at", at),
			       &j, e);
	if (r < 0)
		return r;
	r = verify_access_check_matrix(a, argv[0], j, at, &proof, &why);
	json_object_set_new(j, "verified", json_boolean(r >= 0));
	if (a->json)
		adm_print_json(j);
	else
		access_matrix_write(stdout, j, isatty(STDOUT_FILENO), o->all);
	if (r >= 0 && !a->json)
		puts(proof);
	if (r >= 0)
		return 0;
	err_set(e, EBADMSG, "not verified here: %.220s", why.text);
	e->reason = why.reason;
	return -EBADMSG;
}

static int verb_access_explain(void *context, const void *opts, char **argv,
			       struct err *e)
{
	struct adm *a = context;
	const struct access_opts *o = opts;
	auto_json json_t *j = NULL;
	char buffer[ENCODING_TIME_SIZE];
	const char *at;
	int r = check_class_name(argv[2], e);

	if (r >= 0)
		r = format_query_time(o->at, buffer, &at, e);
	if (r >= 0)
		r = remote_get(a,
			       REMOTE_PATH("devices", argv[0], "access",
					   argv[1], argv[2], "?", "at", at),
			       &j, e);
	if (r < 0)
		return r;
	if (a->json)
		adm_print_json(j);
	else
		access_matrix_explain(stdout, j);
	return 0;
}

static int list_access_events(struct adm *a, const struct access_opts *o,
			      const char *resource, struct err *e)
{
	static const struct table_column columns[] = {
		{ "TIME", "time" },
		{ "DEVICE", "device" },
		{ "VP", "vp" },
		{ "CLASS", "class" },
		{ "EVENT", "event" },
		{ "SEQ", "seq" },
		{ "DETAIL", "detail", TABLE_PAIRS },
		{ "POLICIES", "policies", TABLE_SIGNED },
		{ NULL }
	};
	char from_buffer[ENCODING_TIME_SIZE], to_buffer[ENCODING_TIME_SIZE];
	const char *from, *to;
	int r = format_query_time(o->from, from_buffer, &from, e);

	if (r >= 0)
		r = format_query_time(o->to, to_buffer, &to, e);
	if (r < 0)
		return r;
	return list_print_items(a,
				REMOTE_PATH("access", resource, "?", "class",
					    o->class, "from", from, "to", to,
					    "device", o->device, "vp", o->vp),
				(unsigned int)o->limit, columns, e);
}

/* ---- who can: each row by the device's own receipt */
struct access_check {
	uint64_t max_age; /* seconds; 0: any */
	unsigned int wrong, old, unknown;
	struct err why; /* of the first that is wrong */
	char first_unknown[DOC_ID_SIZE];
};

static int mark_row_wrong(struct access_check *k, json_t *row,
			  const struct err *why)
{
	if (k->wrong++ == 0)
		k->why = *why;
	return json_object_set_new(row, "verified", json_false()) |
	       json_object_set_new(row, "text", json_string(why->text));
}

static int mark_row_unknown(struct access_check *k, json_t *row)
{
	if (k->unknown++ == 0)
		snprintf(k->first_unknown, sizeof(k->first_unknown), "%s",
			 json_get_string(row, "device"));
	return json_object_set_new(row, "verified", json_false());
}

/* The receipt's own words in the place of the server's. */
static int mark_row_verified(struct access_check *k, json_t *row,
			     const struct receipt *rc, int64_t now)
{
	int64_t time = 0;

	encoding_parse_time(rc->time, &time);
	if (k->max_age && (now < time || (uint64_t)(now - time) > k->max_age))
		k->old++;
	return json_object_set_new(row, "verified", json_true()) |
	       json_object_set_new(row, "receipt",
				   json_pack("{ss sI ss}", "epoch", rc->epoch,
					     "seq", (json_int_t)rc->seq, "time",
					     rc->time));
}

static int check_access_rows(struct adm *a, json_t *items, const char *at,
			     struct access_check *k, struct err *e)
{
	AUTO(verify_access_freep) struct verify_access *c = NULL;
	char device[DOC_ID_SIZE] = "";
	struct err why = { 0 };
	int64_t now = clock_wall();
	bool loaded = false;
	json_t *row;
	size_t i;
	int r = verify_access_new(a, &c, e);

	if (at)
		encoding_parse_time(at, &now);
	json_array_foreach (items, i, row) {
		const char *its = json_get_string(row, "device");
		int broken;

		if (r < 0)
			return r;
		if (strcmp(json_get_string(row, "verdict"), "unknown") == 0) {
			broken = mark_row_unknown(k, row);
		} else {
			if (strcmp(device, its) != 0) {
				snprintf(device, sizeof(device), "%s", its);
				loaded = verify_access_load(c, its, row, at,
							    &why) == 0;
			}
			broken = loaded && verify_access_check_row(c, row,
								   &why) == 0
					 ? mark_row_verified(
						   k, row,
						   verify_access_get_receipt(c),
						   now)
					 : mark_row_wrong(k, row, &why);
		}
		if (broken)
			return err_oom(e, "verify access");
	}
	return r;
}

static int report_access_check(const struct access_check *k,
			       const struct access_opts *o, struct err *e)
{
	if (k->wrong > 0) {
		err_set(e, EBADMSG,
			"%u rows are not verified; the first: %.180s", k->wrong,
			k->why.text);
		e->reason = k->why.reason;
		return -EBADMSG;
	}
	if (k->old > 0)
		return err_set(e, ESTALE,
			       "%u rows rest on receipts older than %.40s",
			       k->old, o->max_age);
	if (k->unknown > 0)
		return err_set(e, ENODATA,
			       "no receipt says what is in force on %.64s%s, "
			       "so who can there is not known (devices: %u)",
			       k->first_unknown,
			       k->unknown > 1 ? " and others" : "", k->unknown);
	return 0;
}

static int list_access_rights(struct adm *a, const struct access_opts *o,
			      struct err *e)
{
	static const struct table_column columns[] = {
		{ "DEVICE", "device" },
		{ "NAME", "name" },
		{ "VP", "vp" },
		{ "CLASS", "class" },
		{ "VERDICT", "verdict" },
		{ "MODE", "mode" },
		{ "FRONT", "foreground" },
		{ "LEVEL", "enforcement" },
		{ "RECEIPT", "receipt.seq" },
		{ "OF", "receipt.time" },
		{ "VERIFIED", "verified" },
		{ NULL }
	};
	auto_json json_t *items = NULL;
	char buffer[ENCODING_TIME_SIZE];
	struct access_check k = { 0 };
	const char *at;
	int r = format_query_time(o->at, buffer, &at, e);

	if (r >= 0 && o->max_age)
		r = adm_parse_duration(o->max_age, &k.max_age, e);
	if (r >= 0)
		r = remote_list(a,
				REMOTE_PATH("access", "?", "class", o->class,
					    "at", at, "device", o->device, "vp",
					    o->vp, "verdict", o->verdict),
				(unsigned int)o->limit, &items, e);
	if (r >= 0)
		r = check_access_rows(a, items, at, &k, e);
	if (r >= 0)
		r = adm_print_rows(a, columns, items, e);
	return r < 0 ? r : report_access_check(&k, o, e);
}

/* Who can (now or at a time), or with times, who did. */
static int verb_access_query(void *context, const void *opts, char **argv,
			     struct err *e)
{
	struct adm *a = context;
	const struct access_opts *o = opts;
	int r = check_class_name(o->class, e);

	if (r < 0)
		return r;
	if (o->max_age && (o->from || o->to || o->used))
		return err_usage(e,
				 "--max-age is for who can, not for who did");
	if (o->at && (o->from || o->to || o->used))
		return err_usage(
			e, "--at asks who could, --from and --to who did: "
			   "use one of them");
	return o->from || o->to || o->used ? list_access_events(a, o, "used", e)
					   : list_access_rights(a, o, e);
}

static int verb_access_denials(void *context, const void *opts, char **argv,
			       struct err *e)
{
	struct adm *a = context;
	const struct access_opts *o = opts;
	int r = check_class_name(o->class, e);

	return r < 0 ? r : list_access_events(a, o, "denied", e);
}

#define OPT(member, name, letter, kind, arg, help)                             \
	VERB_OPT(struct access_opts, member, name, letter, kind, arg, help)
#define RANGE_OPTS                                                             \
	OPT(class, "class", 'c', OPT_STRING, "CLASS", "of one class; all"),    \
		OPT(from, "from", 0, OPT_STRING, "TIME",                       \
		    "like 2026-11-20T08:00:00Z, now, -2h"),                    \
		OPT(to, "to", 0, OPT_STRING, "TIME", "until then; now"),       \
		OPT(device, "device", 0, OPT_STRING, "DEVICE",                 \
		    "of one device; all"),                                     \
		OPT(vp, "vp", 0, OPT_STRING, "VP", "of one VP; all"),          \
		OPT(limit, "limit", 0, OPT_NUMBER, "N",                        \
		    "so many at most; all")

static const struct opt matrix_opts[] = {
	OPT(at, "at", 0, OPT_STRING, "TIME", "as it was then; now"),
	OPT(all, "all", 'a', OPT_FLAG, NULL,
	    "also the classes that the device lacks"),
	{ NULL },
};
static const struct opt explain_opts[] = {
	OPT(at, "at", 0, OPT_STRING, "TIME", "as it was then; now"),
	{ NULL },
};
static const struct opt query_opts[] = {
	RANGE_OPTS,
	OPT(at, "at", 0, OPT_STRING, "TIME", "who could use it then; now"),
	OPT(verdict, "verdict", 0, OPT_STRING, "WORD",
	    "allowed, denied, virtual, absent, unknown or any; allowed"),
	OPT(max_age, "max-age", 0, OPT_STRING, "TIME",
	    "an error if a receipt is older than 30m, 12h, 7d"),
	OPT(used, "used", 0, OPT_FLAG, NULL,
	    "who did use it; --from and --to imply it"),
	{ NULL },
};
static const struct opt denial_opts[] = { RANGE_OPTS, { NULL } };

#define FLAGS (VERB_SERVER | VERB_FORMAT)
const struct verb verb_access_table[] = {
	{ "matrix", "DEVICE", 1, 1, "VPs by classes, as enforced", FLAGS,
	  matrix_opts, sizeof(struct access_opts), verb_access_matrix },
	{ "explain", "DEVICE VP CLASS", 3, 3,
	  "why a VP may use a class, or not", FLAGS, explain_opts,
	  sizeof(struct access_opts), verb_access_explain },
	{ "query", "", 0, 0, "who can use a class, or who did", FLAGS,
	  query_opts, sizeof(struct access_opts), verb_access_query },
	{ "denials", "", 0, 0, "what was denied", FLAGS, denial_opts,
	  sizeof(struct access_opts), verb_access_denials },
	{ NULL },
};
