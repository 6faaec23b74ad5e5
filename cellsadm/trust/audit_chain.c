/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/trust/audit_chain.h"

#include "cellsadm/adm.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/device_key.h"
#include "cellsadm/trust/state.h"
#include "cellsadm/trust/tree_head.h"
#include "cellsadm/trust/trust_root.h"
#include "lib/auto.h"
#include "lib/document/audit.h"
#include "lib/document/envelope.h"
#include "lib/document/receipt.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/json.h"

#include <errno.h>
#include <string.h>

typedef long long ll;

/* One epoch's chain while it is followed. */
struct epoch_chain {
	const char *device;
	struct device_key key;
	json_t *records, *batches; /* of this epoch, owned */
	json_t *gaps;		   /* its verified statements on this stream */
	/* Records that they cover: so far, and up to the newest head. */
	int64_t bridged, signed_bridged;
	struct audit_chain at; /* where the records lead */
	struct audit_chain signed_at;
	struct audit_chain kept; /* seq 0: nothing was seen here */
	uint8_t at_kept[HASH_SIZE];
	unsigned int heads;
};

static void epoch_chain_fini(struct epoch_chain *c)
{
	device_key_fini(&c->key);
	json_decref(c->records);
	json_decref(c->batches);
	json_decref(c->gaps);
}

static json_t *select_epoch_items(const json_t *list, const char *epoch)
{
	json_t *own = json_array(), *item;
	size_t i;

	json_array_foreach (list, i, item)
		if (strcmp(json_get_string(item, "epoch"), epoch) == 0)
			json_array_append(own, item);
	return own;
}

/* ---- what was seen here */
static int format_chain_name(struct adm *a, const struct epoch_chain *c,
			     char **ret, struct err *e)
{
	const struct admin_config *conf;
	int r = adm_get_server(a, &conf, e);

	if (r < 0)
		return r;
	if (!encoding_is_valid_id(c->device))
		return err_set(e, EBADMSG, "device '%s': not an id", c->device);
	if (asprintf(ret, "chains/%s/%s-%s.json", conf->name, c->device,
		     c->key.epoch) < 0)
		return err_oom(e, c->device);
	return 0;
}

static int load_saved_head(struct adm *a, struct epoch_chain *c, struct err *e)
{
	auto_free char *name = NULL;
	auto_json json_t *j = NULL;
	int r = format_chain_name(a, c, &name, e);

	if (r == 0)
		r = state_load(a, name, &j, e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (encoding_parse_digest(json_get_string(j, "head"), c->kept.head) < 0)
		return err_set(e, EBADMSG, "%s is damaged", name);
	c->kept.seq = (uint64_t)json_integer_value(json_object_get(j, "seq"));
	return 0;
}

static int save_signed_head(struct adm *a, const struct epoch_chain *c,
			    struct err *e)
{
	char head[ENCODING_DIGEST_SIZE];
	auto_free char *name = NULL;
	auto_json json_t *j = NULL;
	int r = format_chain_name(a, c, &name, e);

	if (r < 0)
		return r;
	encoding_format_digest(c->signed_at.head, head);
	j = json_pack("{sI ss}", "seq", (json_int_t)c->signed_at.seq, "head",
		      head);
	return j ? state_save(a, name, j, e) : err_oom(e, name);
}

#define WHAT_NOW                                                               \
	"a backup that was restored, or somebody's change: 'cellsadm audit "   \
	"accept-restore' takes it"

static int check_saved_head(const struct epoch_chain *c, struct err *e)
{
	if (c->signed_at.seq < c->kept.seq)
		return err_reason(e, REASON_ROLLBACK,
				  "the audit of %s ends at record %lld, %lld "
				  "were seen here: " WHAT_NOW,
				  c->device, (ll)c->signed_at.seq,
				  (ll)c->kept.seq);
	if (c->kept.seq > 0 && memcmp(c->at_kept, c->kept.head, HASH_SIZE) != 0)
		return err_reason(e, REASON_EQUIVOCATION,
				  "record %lld of %s is another than was seen "
				  "here: " WHAT_NOW,
				  (ll)c->kept.seq, c->device);
	return 0;
}

/* ---- following */
/* Compares the head with the record that the chain is at. */
static int accept_signed_head(struct epoch_chain *c, const struct audit_head *h,
			      struct err *e)
{
	if (strcmp(h->device, c->device) != 0 ||
	    strcmp(h->epoch, c->key.epoch) != 0)
		return err_reason(e, REASON_SIGNATURE,
				  "a head in the audit of %s is of %.64s, epoch"
				  " %.32s",
				  c->device, h->device, h->epoch);
	if ((uint64_t)h->seq != c->at.seq ||
	    memcmp(h->head, c->at.head, HASH_SIZE) != 0)
		return err_reason(e, REASON_SIGNATURE,
				  "record %lld of %s is not the one that its "
				  "head signs",
				  (ll)h->seq, c->device);
	c->signed_at = c->at;
	c->signed_bridged = c->bridged;
	c->heads++;
	return 0;
}

static int open_signed_head(const struct epoch_chain *c, size_t i,
			    struct audit_head *ret, struct err *e)
{
	json_t *head = json_object_get(json_array_get(c->batches, i), "head");
	struct err why;

	if (audit_open_head(head, c->key.key, ret, &why) < 0)
		return err_reason(e, REASON_SIGNATURE,
				  "head %zu in the audit of %s: %.150s", i + 1,
				  c->device, why.text);
	return 0;
}

/* Where the next record is not there, the device may have signed that it is
 * gone, and what the one after it continues. */
static void skip_signed_gap(struct epoch_chain *c, const json_t *record)
{
	uint64_t next = c->at.seq + 1, to;
	const json_t *gap;
	size_t i;

	json_array_foreach (c->gaps, i, gap) {
		to = (uint64_t)json_get_integer(gap, "to");
		if ((uint64_t)json_get_integer(gap, "from") > next ||
		    to < next ||
		    (uint64_t)json_get_integer(record, "seq") != to + 1 ||
		    encoding_parse_digest(json_get_string(gap, "digest"),
					  c->at.head) < 0)
			continue;
		/* What was seen of it cannot be compared any more. */
		if (c->kept.seq >= next && c->kept.seq <= to)
			memcpy(c->at_kept,
			       c->kept.seq == to ? c->at.head : c->kept.head,
			       HASH_SIZE);
		c->bridged += (int64_t)(to - next + 1);
		c->at.seq = to;
		return;
	}
}

static int follow_record(struct epoch_chain *c, const json_t *record,
			 struct err *e)
{
	const char *text = json_get_string(record, "text");
	int r;

	skip_signed_gap(c, record);
	r = audit_verify_record(&c->at, text, strlen(text), e);

	if (r == 0 && c->at.seq == c->kept.seq)
		memcpy(c->at_kept, c->at.head, HASH_SIZE);
	return r;
}

/* The records up to the one that the head names. */
static int follow_to_head(struct epoch_chain *c, size_t *at,
			  const struct audit_head *h, struct err *e)
{
	if ((uint64_t)h->seq <= c->signed_at.seq)
		return err_reason(e, REASON_SIGNATURE,
				  "two heads in the audit of %s sign record "
				  "%lld",
				  c->device, (ll)h->seq);
	while (c->at.seq < (uint64_t)h->seq) {
		const json_t *record = json_array_get(c->records, *at);
		int r;

		if (!record)
			return err_reason(e, REASON_SIGNATURE,
					  "%s signed record %lld, the server "
					  "has up to %lld only",
					  c->device, (ll)h->seq, (ll)c->at.seq);
		r = follow_record(c, record, e);
		if (r < 0)
			return r;
		(*at)++;
	}
	return accept_signed_head(c, h, e);
}

/* Each head signs the record that it names; what is behind the last one is
 * followed too, but nobody signed it. */
static int follow_all_records(struct epoch_chain *c, struct err *e)
{
	size_t at = 0, n = json_array_size(c->batches);
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		AUTO(audit_head_fini) struct audit_head h = { 0 };

		r = open_signed_head(c, i, &h, e);
		if (r == 0)
			r = follow_to_head(c, &at, &h, e);
	}
	for (; r == 0 && at < json_array_size(c->records); at++)
		r = follow_record(c, json_array_get(c->records, at), e);
	if (r < 0)
		return r;
	return c->heads > 0 ? 0
			    : err_set(e, EBADMSG,
				      "not verified: no signed head of the "
				      "audit of %s, epoch %s, is there (%zu "
				      "records are unsigned)",
				      c->device, c->key.epoch,
				      json_array_size(c->records));
}

/* ---- all epochs of a device */
struct device_audit {
	json_t *keys, *records, *batches; /* owned; as the server has them */
};

static void device_audit_fini(struct device_audit *v)
{
	json_decref(v->keys);
	json_decref(v->records);
	json_decref(v->batches);
}

/* The heads first: records that come meanwhile are behind them. */
static int fetch_device_audit(struct adm *a, const char *device,
			      struct device_audit *v, struct err *e)
{
	int r = remote_list(a, REMOTE_PATH("devices", device, "keys"), 0,
			    &v->keys, e);

	if (r >= 0)
		r = remote_list(a, REMOTE_PATH("devices", device, "batches"), 0,
				&v->batches, e);
	if (r >= 0)
		r = remote_list(a, REMOTE_PATH("devices", device, "audit"), 0,
				&v->records, e);
	if (r >= 0 && json_array_size(v->keys) == 0)
		return err_set(e, ENOENT, "the server gives no key of %s",
			       device);
	return r;
}

/* What belongs to no epoch of the device is nobody's. */
static int check_known_epochs(const struct device_audit *v, const json_t *list,
			      const char *device, struct err *e)
{
	const json_t *item, *entry;
	size_t i, k;

	json_array_foreach (list, i, item) {
		bool known = false;

		json_array_foreach (v->keys, k, entry)
			known |= strcmp(json_get_string(entry, "epoch"),
					json_get_string(item, "epoch")) == 0;
		if (!known)
			return err_reason(e, REASON_SIGNATURE,
					  "the audit of %s has records of epoch"
					  " %.40s, of which there is no key",
					  device,
					  json_get_string(item, "epoch"));
	}
	return 0;
}

/* The statements of the epoch that verify; the others are worth nothing. */
static int load_signed_gaps(struct adm *a, struct epoch_chain *c, struct err *e)
{
	auto_free char *filter = NULL;
	auto_json json_t *items = NULL;
	json_t *item;
	size_t i;
	int r;

	c->gaps = json_array();
	if (!c->gaps ||
	    asprintf(&filter, "type eq gap and epoch eq %s", c->key.epoch) < 0)
		return err_oom(e, c->device);
	r = remote_list(a,
			REMOTE_PATH("devices", c->device, "receipts", "?",
				    "filter", filter),
			0, &items, e);
	if (r < 0)
		return r;
	json_array_foreach (items, i, item) {
		AUTO(envelope_freep) struct envelope *env = NULL;
		AUTO(receipt_fini) struct receipt rc = { 0 };
		struct receipt_gap gap;
		struct err why;

		if (envelope_from_json(json_object_get(item, "envelope"), &env,
				       &why) == 0 &&
		    receipt_open(env, c->key.key, &rc, &why) == 0 &&
		    receipt_read_gap(&rc, &gap, &why) == 0 && gap.is_audit &&
		    strcmp(rc.device, c->device) == 0 &&
		    json_array_append(c->gaps, rc.details) < 0)
			return err_oom(e, c->device);
	}
	return 0;
}

static json_t *format_chain_json(const struct epoch_chain *c)
{
	int64_t gone = c->signed_bridged, behind = c->bridged - gone;

	return json_pack("{ss sI sI sI si ss}", "epoch", c->key.epoch,
			 "records", (json_int_t)c->signed_at.seq - gone,
			 "bridged", (json_int_t)gone, "unsigned",
			 (json_int_t)(c->at.seq - c->signed_at.seq) - behind,
			 "heads", (int)c->heads, "key",
			 device_key_trust_name(&c->key));
}

typedef int epoch_chain_fn(struct adm *a, struct epoch_chain *c, void *ctx,
			   struct err *e);

/* An earlier epoch of which there is nothing, and was nothing, is none. */
static bool is_empty_chain(const struct epoch_chain *c, size_t i)
{
	return i > 0 && c->kept.seq == 0 && json_array_size(c->records) == 0 &&
	       json_array_size(c->batches) == 0;
}

static int for_each_epoch_chain(struct adm *a, const char *device,
				epoch_chain_fn *fn, void *ctx, struct err *e)
{
	AUTO(device_audit_fini) struct device_audit v = { 0 };
	const json_t *entry;
	size_t i;
	int r = fetch_device_audit(a, device, &v, e);

	if (r >= 0)
		r = check_known_epochs(&v, v.records, device, e);
	if (r >= 0)
		r = check_known_epochs(&v, v.batches, device, e);
	if (r < 0)
		return r;
	json_array_foreach (v.keys, i, entry) {
		const char *epoch = json_get_string(entry, "epoch");
		AUTO(epoch_chain_fini)
		struct epoch_chain c = { .device = device };

		c.records = select_epoch_items(v.records, epoch);
		c.batches = select_epoch_items(v.batches, epoch);
		if (!c.records || !c.batches)
			return err_oom(e, device);
		r = device_key_get(a, device, epoch, &c.key, e);
		if (r >= 0)
			r = load_signed_gaps(a, &c, e);
		if (r >= 0)
			r = load_saved_head(a, &c, e);
		if (r >= 0 && !is_empty_chain(&c, i))
			r = fn(a, &c, ctx, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int verify_epoch_chain(struct adm *a, struct epoch_chain *c,
			      void *chains, struct err *e)
{
	int r = follow_all_records(c, e);

	if (r == 0 || (json_array_size(c->records) == 0 &&
		       json_array_size(c->batches) == 0)) {
		int k = check_saved_head(c, e);

		r = k < 0 ? k : r;
	}
	if (r == 0)
		r = save_signed_head(a, c, e);
	if (r == 0 && json_array_append_new(chains, format_chain_json(c)) < 0)
		return err_oom(e, c->device);
	return r;
}

static json_int_t sum_chain_member(const json_t *chains, const char *member)
{
	json_int_t sum = 0;
	const json_t *c;
	size_t i;

	json_array_foreach (chains, i, c)
		sum += json_integer_value(json_object_get(c, member));
	return sum;
}

int audit_chain_verify(struct adm *a, const char *device, json_t **ret,
		       struct err *e)
{
	auto_json json_t *chains = json_array();
	int r = for_each_epoch_chain(a, device, verify_epoch_chain, chains, e);

	if (r < 0)
		return r;
	*ret = json_pack("{sb ss ss sI sI sI sI ss sO}", "valid", 1, "device",
			 device, "epoch",
			 json_get_string(json_array_get(chains, 0), "epoch"),
			 "records", sum_chain_member(chains, "records"),
			 "bridged", sum_chain_member(chains, "bridged"),
			 "unsigned", sum_chain_member(chains, "unsigned"),
			 "heads", sum_chain_member(chains, "heads"), "key",
			 json_get_string(json_array_get(chains, 0), "key"),
			 "chains", chains);
	return *ret ? 0 : err_oom(e, device);
}

/* ---- accepting */
struct accept_context {
	const char *reason;
	unsigned int n;
};

static int accept_epoch_chain(struct adm *a, struct epoch_chain *c, void *ctx,
			      struct err *e)
{
	struct accept_context *acc = ctx;
	char question[256];
	struct err why = { 0 };
	int r = follow_all_records(c, e);

	/* All gone is a restore too; what contradicts itself never is. */
	if (r < 0 && json_array_size(c->batches) > 0)
		return r;
	if (check_saved_head(c, &why) == 0)
		return 0;
	snprintf(question, sizeof(question),
		 "Record %lld of %s was seen here, and now %lld are there "
		 "which do not continue it. Accept them",
		 (ll)c->kept.seq, c->device, (ll)c->signed_at.seq);
	r = adm_confirm(a, question, e);
	if (r == 0)
		r = tree_head_record_restore(
			a, c->device, acc->reason,
			&(struct tree_head_mark){ c->kept.seq, c->kept.head },
			&(struct tree_head_mark){ c->signed_at.seq,
						  c->signed_at.head },
			e);
	if (r == 0)
		r = save_signed_head(a, c, e);
	acc->n++;
	return r;
}

int audit_chain_accept(struct adm *a, const char *device, const char *reason,
		       struct err *e)
{
	struct accept_context acc = { .reason = reason };
	int r = for_each_epoch_chain(a, device, accept_epoch_chain, &acc, e);

	if (r == 0 && acc.n == 0)
		return err_set(e, EINVAL,
			       "nothing to accept: the audit of %s continues "
			       "what was seen here",
			       device);
	return r;
}
