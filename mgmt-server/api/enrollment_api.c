/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enrollment: the server knows the digest of a token's admit value only. It
 * certifies the keys that a device brings with it, and keeps the device's
 * `bind`, by which cellsadm, who knows the token, finds a server that lies
 * about keys.
 */
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/key.h"
#include "lib/crypto/x509.h"
#include "lib/db.h"
#include "lib/document/receipt.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/listing.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/channel/connections.h"
#include "mgmt-server/channel/device_channel.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/store/pki.h"
#include "mgmt-server/store/root.h"

#include <errno.h>
#include <string.h>

#define TTL_MAX 2592000
#define USES_MAX 100000
#define NOTE_MAX 200
#define NAME_MAX_LEN 64
#define SKEW 300

int enrollment_api_show_ca(struct request *rq, struct err *e)
{
	return request_answer_text(rq, 200, "application/x-pem-file",
				   strdup(pki_ca_pem(rq->context->pki)), e);
}

/* ---- tokens for enrollment */
#define COLUMNS                                                                \
	"SELECT number, id, grp, created, expires, uses, used, revoked,"       \
	" creator, note, (SELECT json_group_array(device) FROM epoch"          \
	"  WHERE epoch.enrolment = enrolment.id) FROM enrolment"

static int build_enrollment_json(struct request *rq, struct db_row *row,
				 json_t **ret, struct err *e)
{
	bool expired = db_int(row, 4) <= clock_wall();
	int64_t uses = db_int(row, 5);
	int64_t used = db_int(row, 6);
	const char *state = db_bool(row, 7) ? "revoked"
			    : used >= uses  ? "used"
			    : expired	    ? "expired"
					    : "open";

	*ret = json_pack("{s:s, s:s, s:o, s:o, s:I, s:I, s:s, s:s, s:s, s:o}",
			 "id", db_text(row, 1), "group", db_text(row, 2),
			 "created", request_optional_time(db_int(row, 3)),
			 "expires", request_optional_time(db_int(row, 4)),
			 "uses", (json_int_t)uses, "used", (json_int_t)used,
			 "state", state, "by", db_text(row, 8), "note",
			 db_text(row, 9), "devices",
			 json_from_text(db_text(row, 10)));
	return *ret ? 0 : err_oom(e, "list enrolments");
}

int enrollment_api_list(struct request *rq, struct err *e)
{
	static const struct listing l = {
		.sql = COLUMNS,
		.key = "number",
		.desc = true,
		.scope = "grp",
		.row = build_enrollment_json,
	};

	return listing_answer(rq, &l, NULL, e);
}

static int load_enrollment_json(struct request *rq, const char *id,
				json_t **ret, struct err *e)
{
	struct db *db = rq->db;
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e, COLUMNS " WHERE id = ?", "s", id);

	if (r < 0)
		return r;
	if (r == 0 || !request_can_see_group(rq, db_text(row, 2)))
		return err_set(e, PROBLEM_NOT_FOUND,
			       "there is no such enrolment");
	r = build_enrollment_json(rq, row, ret, e);
	return r;
}

int enrollment_api_show(struct request *rq, struct err *e)
{
	json_t *j = NULL;
	int r = load_enrollment_json(rq, rq->param[0], &j, e);

	return r < 0 ? r : request_answer_json(rq, 200, j, e);
}

int enrollment_api_create(struct request *rq, struct err *e)
{
	const char *admit = NULL, *group = NULL, *note = "";
	int64_t ttl = 0, uses = 1;
	const struct json_member table[] = {
		{ "admit_sha256", JSON_STRING, false, &admit },
		{ "group", JSON_STRING, false, &group },
		{ "ttl", JSON_INTEGER, false, &ttl },
		{ "uses", JSON_INTEGER, true, &uses },
		{ "note", JSON_STRING, true, &note },
		{ NULL },
	};
	uint8_t digest[HASH_SIZE], random[8];
	char id[2 * sizeof(random) + 1];
	json_t *j = NULL;
	int r = request_parse_body(rq, table, e);

	if (r < 0)
		return r;
	if (encoding_from_hex(admit, digest, sizeof(digest)) < 0)
		return err_set(e, EINVAL, "admit_sha256: not 64 hex digits");
	if (!encoding_is_valid_id(group))
		return err_set(e, EINVAL, "group '%.64s' is not an id", group);
	if (!request_can_see_group(rq, group))
		return err_set(e, PROBLEM_FORBIDDEN,
			       "the token is not for group %s", group);
	if (ttl < 1 || ttl > TTL_MAX || uses < 1 || uses > USES_MAX ||
	    strlen(note) > NOTE_MAX)
		return err_set(e, EINVAL, "ttl, uses or note is out of bounds");
	hash_random(random, sizeof(random));
	encoding_to_hex(random, sizeof(random), id);
	r = db_run(rq->db, e,
		   "INSERT INTO enrolment (id, admit, grp, created, expires,"
		   " uses, creator, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		   "sssiiiss", id, admit, group, clock_wall(),
		   clock_wall() + ttl, uses, rq->caller.name, note);
	if (r == -EEXIST)
		return err_set(e, PROBLEM_CONFLICT, "that token is known");
	if (r == 0)
		r = load_enrollment_json(rq, id, &j, e);
	if (r < 0)
		return r;
	request_set_audit(rq, id, NULL, group, NULL, json_deep_copy(j));
	return request_answer_json(rq, 201, j, e);
}

int enrollment_api_revoke(struct request *rq, struct err *e)
{
	json_t *before = NULL, *after = NULL;
	int r = load_enrollment_json(rq, rq->param[0], &before, e);

	if (r < 0)
		return r;
	request_set_audit(rq, rq->param[0], NULL,
			  json_string_value(json_object_get(before, "group")),
			  before, NULL);
	r = db_run(rq->db, e, "UPDATE enrolment SET revoked = 1 WHERE id = ?",
		   "s", rq->param[0]);
	if (r == 0)
		r = load_enrollment_json(rq, rq->param[0], &after, e);
	return r < 0 ? r : request_answer_json(rq, 200, after, e);
}

/* ---- a device comes */
struct enrollment_request {
	const char *admit, *bind, *identity_csr, *receipt_csr, *name;
	struct key *identity, *receipts;
	char *identity_cert, *receipt_cert;
	char device[24], epoch[33], group[65], enrolment[17];
};

static void enrollment_request_fini(struct enrollment_request *a)
{
	key_free(a->identity);
	key_free(a->receipts);
	free(a->identity_cert);
	free(a->receipt_cert);
}

static void format_device_id(const struct key *identity, char ret[24])
{
	snprintf(ret, 24, "dev-%.12s", key_id(identity));
}

static int parse_enrollment_request(struct request *rq,
				    struct enrollment_request *a, struct err *e)
{
	const struct json_member table[] = {
		{ "admit", JSON_STRING, false, &a->admit },
		{ "bind", JSON_STRING, false, &a->bind },
		{ "identity_csr", JSON_STRING, false, &a->identity_csr },
		{ "receipt_csr", JSON_STRING, false, &a->receipt_csr },
		{ "name", JSON_STRING, false, &a->name },
		{ NULL },
	};
	uint8_t bytes[HASH_SIZE];
	int r = request_parse_body(rq, table, e);

	if (r < 0)
		return r;
	if (encoding_from_hex(a->admit, bytes, sizeof(bytes)) < 0 ||
	    encoding_from_hex(a->bind, bytes, sizeof(bytes)) < 0)
		return err_set(e, EINVAL, "admit and bind are 64 hex digits");
	if (strlen(a->name) > NAME_MAX_LEN)
		return err_set(e, EINVAL, "name: more than %d bytes",
			       NAME_MAX_LEN);
	r = x509_request_key(a->identity_csr, &a->identity, e);
	if (r == 0)
		r = x509_request_key(a->receipt_csr, &a->receipts, e);
	if (r < 0)
		return err_set(e, EINVAL, "a CSR is not valid: %.200s",
			       e->text);
	if (strcmp(key_id(a->identity), key_id(a->receipts)) == 0)
		return err_set(e, EINVAL, "both CSRs have one key");
	format_device_id(a->identity, a->device);
	receipt_epoch(a->receipts, a->epoch);
	return 0;
}

/* One answer for every token that does not admit: nothing to guess by. */
static int redeem_enrollment_token(struct request *rq,
				   struct enrollment_request *a, struct err *e)
{
	struct db *db = rq->db;
	uint8_t admit[HASH_SIZE], digest[HASH_SIZE];
	char hex[2 * HASH_SIZE + 1];
	AUTO(db_done) struct db_row *row = NULL;
	int r;

	encoding_from_hex(a->admit, admit, sizeof(admit));
	hash_sha256(admit, sizeof(admit), digest);
	encoding_to_hex(digest, sizeof(digest), hex);
	r = db_first(db, &row, e,
		     "SELECT id, grp FROM enrolment WHERE admit = ? AND"
		     " revoked = 0 AND used < uses AND expires > ?",
		     "si", hex, clock_wall());
	if (r <= 0)
		return r < 0 ? r
			     : err_set(e, PROBLEM_FORBIDDEN,
				       "the token is unknown, used, expired or "
				       "revoked");
	snprintf(a->enrolment, sizeof(a->enrolment), "%s", db_text(row, 0));
	snprintf(a->group, sizeof(a->group), "%s", db_text(row, 1));
	db_done(&row);
	return db_run(db, e,
		      "UPDATE enrolment SET used = used + 1 WHERE id = ?", "s",
		      a->enrolment);
}

/* A device that enrolls again (a new epoch) was reset; a retired one is not
 * taken back under its old key. */
static int insert_enrolled_device(struct request *rq,
				  const struct enrollment_request *a,
				  struct err *e)
{
	struct db *db = rq->db;
	size_t identity_len, receipts_len;
	const void *identity = key_spki(a->identity, &identity_len);
	const void *receipts = key_spki(a->receipts, &receipts_len);
	int64_t now = clock_wall();
	int r = db_run(db, e,
		       "INSERT INTO device (id, name, grp, state, epoch,"
		       " enrolled) VALUES (?, ?, ?, 'active', ?, ?)"
		       " ON CONFLICT (id) DO UPDATE SET grp = excluded.grp,"
		       " epoch = excluded.epoch, enrolled = excluded.enrolled,"
		       " foreground = NULL, compliant = NULL, rev = rev + 1"
		       " WHERE state = 'active'",
		       "ssssi", a->device, a->name[0] ? a->name : a->device,
		       a->group, a->epoch, now);

	if (r < 0)
		return r;
	if (db_changed(db) == 0)
		return err_set(e, PROBLEM_FORBIDDEN, "the device is retired");
	r = db_run(db, e,
		   "INSERT INTO epoch (device, epoch, enrolment,"
		   " identity_spki, receipt_spki, identity_cert, receipt_cert,"
		   " bind, enrolled) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		   "sssbbsssi", a->device, a->epoch, a->enrolment, identity,
		   identity_len, receipts, receipts_len, a->identity_cert,
		   a->receipt_cert, a->bind, now);
	if (r == -EEXIST)
		return err_set(e, PROBLEM_CONFLICT,
			       "these keys are enrolled already");
	if (r == 0) /* what waits for the old epoch is never delivered */
		r = db_run(db, e,
			   "UPDATE action SET state = 'expired', updated = ?,"
			   " reason = 'err.epoch' WHERE device = ? AND"
			   " epoch <> ? AND state IN ('proposed', 'pending',"
			   " 'sent', 'received')",
			   "iss", now, a->device, a->epoch);
	return r;
}

int enrollment_api_enroll_device(struct request *rq, struct err *e)
{
	AUTO(enrollment_request_fini) struct enrollment_request a = { 0 };
	auto_json json_t *roots = NULL;
	int r = parse_enrollment_request(rq, &a, e);

	if (r == 0)
		r = redeem_enrollment_token(rq, &a, e);
	if (r == 0)
		r = pki_issue_client(rq->context->pki, a.device, a.identity,
				     &a.identity_cert, e);
	if (r == 0)
		r = pki_issue_client(rq->context->pki, a.device, a.receipts,
				     &a.receipt_cert, e);
	if (r == 0)
		r = insert_enrolled_device(rq, &a, e);
	if (r == 0)
		r = root_list_envelopes_after(rq->db, 0, &roots, e);
	if (r < 0)
		return r;
	connections_close_device(rq->context->connections, a.device);
	snprintf(rq->caller.name, sizeof(rq->caller.name), "%s", a.device);
	request_set_audit(rq, a.device, a.device, a.group, NULL,
			  json_pack("{s:s, s:s, s:s}", "epoch", a.epoch,
				    "enrolment", a.enrolment, "name", a.name));
	turn_queue_event(rq->context->turn, "device", a.group,
			 json_pack("{s:s, s:s, s:s, s:s}", "id", a.device,
				   "name", a.name, "group", a.group, "state",
				   "active"));
	return request_answer_json(
		rq, 201,
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:O, s:i}", "device",
			  a.device, "epoch", a.epoch, "identity_cert",
			  a.identity_cert, "receipt_cert", a.receipt_cert, "ca",
			  pki_ca_pem(rq->context->pki), "roots", roots,
			  "device_port", (int)rq->context->device_port),
		e);
}

/* ---- renewal */
struct renewal_request {
	const char *csr, *cert, *device, *time, *sig;
	struct key *old, *fresh;
	char *pem;
};

static void renewal_request_fini(struct renewal_request *w)
{
	key_free(w->old);
	key_free(w->fresh);
	free(w->pem);
}

/* The old key vouches for the request, also after its certificate's end. */
static int verify_renewal_signature(const struct renewal_request *w,
				    struct err *e)
{
	auto_free char *text = NULL;
	auto_free void *sig = NULL;
	uint8_t digest[HASH_SIZE];
	char csr[2 * HASH_SIZE + 1];
	int64_t time;
	size_t len;

	if (encoding_parse_time(w->time, &time) < 0 ||
	    time > clock_wall() + SKEW || time < clock_wall() - SKEW)
		return err_set(e, PROBLEM_FORBIDDEN,
			       "time is not within 5 minutes of the server's");
	hash_sha256(w->csr, strlen(w->csr), digest);
	encoding_to_hex(digest, sizeof(digest), csr);
	if (asprintf(&text, "cells-renew\n%s\n%s\n%s", w->device, w->time,
		     csr) < 0)
		return err_oom(e, "renew");
	hash_sha256(text, strlen(text), digest);
	if (encoding_from_base64(w->sig, strlen(w->sig), &sig, &len) < 0 ||
	    key_verify(w->old, digest, sig, len) < 0)
		return err_set(e, PROBLEM_FORBIDDEN,
			       "the signature is not by the device's key");
	return 0;
}

/* The key must be the one that was enrolled, whatever certificate came. */
static int check_renewed_key(struct request *rq,
			     const struct renewal_request *w, struct err *e)
{
	struct db *db = rq->db;
	const void *spki, *have;
	size_t len, have_len;
	AUTO(db_done) struct db_row *row = NULL;
	bool same;
	int r = db_first(db, &row, e,
			 "SELECT p.identity_spki FROM device AS d JOIN epoch AS"
			 " p ON p.device = d.id AND p.epoch = d.epoch WHERE"
			 " d.id = ? AND d.state = 'active'",
			 "s", w->device);

	if (r < 0)
		return r;
	spki = key_spki(w->old, &len);
	have = r > 0 ? db_blob(row, 0, &have_len) : NULL;
	same = have && have_len == len && memcmp(have, spki, len) == 0;
	return same ? 0
		    : err_set(e, PROBLEM_FORBIDDEN,
			      "no active device has that key");
}

int enrollment_api_renew_certificate(struct request *rq, struct err *e)
{
	AUTO(renewal_request_fini) struct renewal_request w = { 0 };
	const struct json_member table[] = {
		{ "csr", JSON_STRING, false, &w.csr },
		{ "cert", JSON_STRING, false, &w.cert },
		{ "device", JSON_STRING, false, &w.device },
		{ "time", JSON_STRING, false, &w.time },
		{ "sig", JSON_STRING, false, &w.sig },
		{ NULL },
	};
	int r = request_parse_body(rq, table, e);

	if (r < 0)
		return r;
	if (rq->device[0] && strcmp(rq->device, w.device) != 0)
		return err_set(e, PROBLEM_FORBIDDEN, "not for another device");
	if (x509_key(w.cert, &w.old, e) < 0 ||
	    x509_request_key(w.csr, &w.fresh, e) < 0)
		return err_set(e, EINVAL, "csr or cert is not valid: %.200s",
			       e->text);
	r = check_renewed_key(rq, &w, e);
	if (r == 0)
		r = verify_renewal_signature(&w, e);
	/* The device's id is its key's: a renewed certificate has the same. */
	if (r == 0 && strcmp(key_id(w.old), key_id(w.fresh)) != 0)
		r = err_set(e, PROBLEM_FORBIDDEN,
			    "a new identity key needs a new enrolment");
	if (r == 0)
		r = pki_issue_client(rq->context->pki, w.device, w.fresh,
				     &w.pem, e);
	if (r == 0)
		r = db_run(rq->db, e,
			   "UPDATE epoch SET identity_cert = ?1 WHERE"
			   " device = ?2 AND epoch = (SELECT epoch FROM device"
			   " WHERE id = ?2)",
			   "ss", w.pem, w.device);
	if (r < 0)
		return r;
	snprintf(rq->caller.name, sizeof(rq->caller.name), "%s", w.device);
	request_set_audit(rq, w.device, w.device, NULL, NULL, NULL);
	return request_answer_json(rq, 201,
				   json_pack("{s:s, s:s, s:s}", "device",
					     w.device, "identity_cert", w.pem,
					     "ca",
					     pki_ca_pem(rq->context->pki)),
				   e);
}
