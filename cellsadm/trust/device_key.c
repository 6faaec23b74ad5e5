/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/trust/device_key.h"

#include "cellsadm/adm.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/state.h"
#include "cellsadm/trust/trust_root.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/x509.h"
#include "lib/document/enroll_uri.h"
#include "lib/document/receipt.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <errno.h>
#include <string.h>

void device_key_fini(struct device_key *b)
{
	key_free(b->key);
	*b = (struct device_key){ 0 };
}

const char *device_key_trust_name(const struct device_key *b)
{
	return b->given ? "given" : b->bound ? "bound" : "server CA only";
}

/* A member that holds base64 of an SPKI. */
static int read_spki_member(const json_t *j, const char *member,
			    struct key **ret, struct err *e)
{
	const char *b64 = json_string_value(json_object_get(j, member));
	auto_free void *der = NULL;
	size_t len;

	if (!b64 || encoding_from_base64(b64, strlen(b64), &der, &len) < 0)
		return err_set(e, EBADMSG, "a device's keys: no '%s'", member);
	return key_from_spki(der, len, ret, e);
}

/* The same from the certificate, where the answer has only that. */
static int read_key_member(const json_t *entry, const char *spki,
			   const char *cert, struct key **ret, struct err *e)
{
	const char *pem = json_string_value(json_object_get(entry, cert));

	if (json_object_get(entry, spki) || !pem)
		return read_spki_member(entry, spki, ret, e);
	return x509_key(pem, ret, e);
}

static int format_key_state_name(struct adm *a, const char *device,
				 const char *epoch, char **ret, struct err *e)
{
	const struct admin_config *c = adm_get_server_or_null(a);

	if (!encoding_is_valid_id(device) || !encoding_is_valid_id(epoch))
		return err_set(e, EBADMSG, "device '%s', epoch '%s': not ids",
			       device, epoch);
	if (asprintf(ret, "devices/%s/%s-%s.json", c ? c->name : "-", device,
		     epoch) < 0)
		return err_oom(e, device);
	return 0;
}

int device_key_load(struct adm *a, const char *device, const char *epoch,
		    struct device_key *ret, struct err *e)
{
	AUTO(device_key_fini) struct device_key b = { 0 };
	auto_json json_t *j = NULL;
	auto_free char *name = NULL;
	char own[33];
	int r = format_key_state_name(a, device, epoch, &name, e);

	if (r >= 0)
		r = state_load(a, name, &j, e);
	if (r >= 0)
		r = read_spki_member(j, "receipt_spki", &b.key, e);
	if (r < 0)
		return r;
	receipt_epoch(b.key, own);
	if (strcmp(own, epoch) != 0)
		return err_set(e, EBADMSG,
			       "the kept key of %s is not of its "
			       "epoch",
			       device);
	snprintf(b.device, sizeof(b.device), "%s", device);
	snprintf(b.epoch, sizeof(b.epoch), "%s", epoch);
	b.bound = json_is_true(json_object_get(j, "bound"));
	*ret = b;
	b.key = NULL;
	return 0;
}

static int save_device_key(struct adm *a, const struct device_key *b,
			   struct err *e)
{
	size_t len;
	const void *spki = key_spki(b->key, &len);
	auto_free char *b64 = encoding_to_base64(spki, len), *name = NULL;
	auto_json json_t *j = NULL;
	int r = format_key_state_name(a, b->device, b->epoch, &name, e);

	if (r < 0)
		return r;
	j = json_pack("{ss ss ss sb}", "device", b->device, "epoch", b->epoch,
		      "receipt_spki", b64 ? b64 : "", "bound", b->bound);
	if (!j || !b64)
		return err_oom(e, b->device);
	return state_save(a, name, j, e);
}

/* The names that follow from the keys; other names are forged. */
static int check_derived_ids(const json_t *entry, const struct key *identity,
			     const struct key *receipts, struct device_key *b,
			     struct err *e)
{
	const char *device =
		json_string_value(json_object_get(entry, "device"));
	const char *epoch = json_string_value(json_object_get(entry, "epoch"));

	snprintf(b->device, sizeof(b->device), "dev-%.12s", key_id(identity));
	receipt_epoch(receipts, b->epoch);
	if ((device && strcmp(device, b->device) != 0) ||
	    (epoch && strcmp(epoch, b->epoch) != 0))
		return err_reason(e, REASON_SIGNATURE,
				  "the keys given for %s are of %s, epoch %s",
				  device ? device : "a device", b->device,
				  b->epoch);
	return 0;
}

static bool is_bound_to_token(const uint8_t token[32],
			      const struct key *identity,
			      const struct key *receipts,
			      const uint8_t bind[32])
{
	struct enroll_uri u = { .port = 0 };
	size_t identity_len, receipts_len;
	const void *i = key_spki(identity, &identity_len);
	const void *r = key_spki(receipts, &receipts_len);
	uint8_t want[HASH_SIZE];

	memcpy(u.token, token, sizeof(u.token));
	enroll_uri_compute_bind(&u, i, identity_len, r, receipts_len, want);
	explicit_bzero(&u, sizeof(u));
	return hash_compare(want, bind, HASH_SIZE) == 0;
}

struct token_search {
	const struct key *identity, *receipts;
	const uint8_t *bind;
	const char *enrollment;
	bool known, fits; /* the enrollment's token is here; it gives `bind` */
};

static int try_saved_token(void *ctx, const char *name, json_t *j,
			   struct err *e)
{
	struct token_search *s = ctx;
	const char *hex = json_string_value(json_object_get(j, "token"));
	const char *id = json_string_value(json_object_get(j, "id"));
	uint8_t token[32];

	if (!hex || encoding_from_hex(hex, token, sizeof(token)) < 0)
		return 0;
	if (s->enrollment && id && strcmp(id, s->enrollment) == 0)
		s->known = true;
	s->fits = is_bound_to_token(token, s->identity, s->receipts, s->bind);
	explicit_bzero(token, sizeof(token));
	return s->fits;
}

/* No token: the certificate must be by a CA of the root, whenever issued. */
static int check_receipt_certificate(struct adm *a, const json_t *entry,
				     const struct key *receipts, struct err *e)
{
	const char *pem =
		json_string_value(json_object_get(entry, "receipt_cert"));
	AUTO(key_freep) struct key *certified = NULL;
	const struct admin_config *c;
	const struct doc_root *root;
	uint8_t digest[HASH_SIZE];
	int64_t from, to;
	int r = adm_get_server(a, &c, e);

	if (r >= 0)
		r = trust_root_get(a, true, &root, e);
	if (r >= 0)
		r = x509_digest(c->ca_pem, digest, e);
	if (r < 0)
		return r;
	if (!pem)
		return err_set(e, EBADMSG, "a device's keys: no certificate");
	for (unsigned int i = 0;; i++) {
		if (i == root->n_cas)
			return err_reason(e, REASON_SIGNATURE,
					  "the root does not name the CA of "
					  "server '%s'",
					  c->name);
		if (memcmp(root->ca[i], digest, HASH_SIZE) == 0)
			break;
	}
	r = x509_validity(pem, &from, &to, e);
	if (r >= 0)
		r = x509_check(pem, c->ca_pem, from, e);
	if (r >= 0)
		r = x509_key(pem, &certified, e);
	if (r < 0)
		return r;
	if (strcmp(key_id(certified), key_id(receipts)) != 0)
		return err_reason(e, REASON_SIGNATURE,
				  "the certificate is of another key");
	return 0;
}

static int verify_key_binding(struct adm *a, const json_t *entry,
			      const uint8_t token[32], struct token_search *s,
			      struct device_key *b, struct err *e)
{
	int r;

	if (token) {
		s->known = true;
		s->fits = is_bound_to_token(token, s->identity, s->receipts,
					    s->bind);
	} else {
		r = state_for_each(a, "tokens", try_saved_token, s, e);
		if (r < 0)
			return r;
	}
	if (s->known && !s->fits)
		return err_reason(e, REASON_SIGNATURE,
				  "the keys of %s are not bound to the token "
				  "of enrollment %s: somebody put in others",
				  b->device,
				  s->enrollment ? s->enrollment : "");
	b->bound = s->fits;
	return s->fits ? 0
		       : check_receipt_certificate(a, entry, s->receipts, e);
}

int device_key_verify(struct adm *a, const json_t *entry,
		      const uint8_t token[32], struct device_key *ret,
		      struct err *e)
{
	AUTO(device_key_fini) struct device_key b = { 0 };
	AUTO(key_freep) struct key *identity = NULL;
	const char *hex = json_string_value(json_object_get(entry, "bind"));
	uint8_t bind[HASH_SIZE];
	struct token_search s = { .bind = bind };
	int r = read_key_member(entry, "identity_spki", "identity_cert",
				&identity, e);

	if (r >= 0)
		r = read_key_member(entry, "receipt_spki", "receipt_cert",
				    &b.key, e);
	if (r >= 0)
		r = check_derived_ids(entry, identity, b.key, &b, e);
	if (r < 0)
		return r;
	if (!hex || encoding_from_hex(hex, bind, sizeof(bind)) < 0)
		return err_set(e, EBADMSG, "the keys of %s: no 'bind'",
			       b.device);
	s.identity = identity;
	s.receipts = b.key;
	s.enrollment = json_string_value(json_object_get(entry, "enrolment"));
	r = verify_key_binding(a, entry, token, &s, &b, e);
	if (r < 0)
		return r;
	*ret = b;
	b.key = NULL;
	return 0;
}

/* Reports the outcome to the server, so that others see it; a failure is
 * ignored. */
static void report_key_binding(struct adm *a, const char *device,
			       const char *epoch, bool bound)
{
	auto_json json_t *body =
		json_pack("{ss sb}", "epoch", epoch, "bound", bound);
	struct err ignored;

	if (body)
		remote_send(a, "POST",
			    REMOTE_PATH("devices", device, "checked"), body,
			    NULL, &ignored);
}

static int fetch_device_key(struct adm *a, const char *device,
			    const char *epoch, struct device_key *ret,
			    struct err *e)
{
	auto_json json_t *items = NULL;
	const json_t *entry, *found = NULL;
	const char *its;
	size_t i;
	int r = remote_list(a, REMOTE_PATH("devices", device, "keys"), 0,
			    &items, e);

	if (r < 0)
		return r;
	json_array_foreach (items, i, entry) {
		its = json_string_value(json_object_get(entry, "epoch"));
		if (!found && its && (!epoch || strcmp(its, epoch) == 0))
			found = entry;
	}
	if (!found)
		return err_set(e, ENOENT, "the server gives no key of %s%s%s",
			       device, epoch ? ", epoch " : "",
			       epoch ? epoch : "");
	its = json_string_value(json_object_get(found, "epoch"));
	r = device_key_verify(a, found, NULL, ret, e);
	if (r < 0 && e->reason == REASON_SIGNATURE)
		report_key_binding(a, device, its, false);
	if (r < 0)
		return r;
	if (strcmp(ret->device, device) != 0) {
		device_key_fini(ret);
		return err_reason(e, REASON_SIGNATURE,
				  "the server gave another device's keys for "
				  "%s",
				  device);
	}
	if (ret->bound)
		report_key_binding(a, device, ret->epoch, true);
	return save_device_key(a, ret, e);
}

int device_key_get(struct adm *a, const char *device, const char *epoch,
		   struct device_key *ret, struct err *e)
{
	AUTO(device_key_fini) struct device_key kept = { 0 };

	if (epoch && device_key_load(a, device, epoch, &kept, e) == 0 &&
	    kept.bound) {
		*ret = kept;
		kept.key = NULL;
		return 0;
	}
	return fetch_device_key(a, device, epoch, ret, e);
}

static json_t *format_token_json(const char *enrollment,
				 const uint8_t token[32], const char *group,
				 const char *server)
{
	char hex[65], created[ENCODING_TIME_SIZE];
	json_t *j;

	encoding_to_hex(token, 32, hex);
	encoding_format_time(clock_wall(), created);
	j = json_pack("{ss ss ss ss ss}", "id", enrollment, "token", hex,
		      "group", group, "server", server, "created", created);
	explicit_bzero(hex, sizeof(hex));
	return j;
}

int device_key_save_token(struct adm *a, const char *enrollment,
			  const uint8_t token[32], const char *group,
			  struct err *e)
{
	auto_json json_t *j = NULL;
	const struct admin_config *c;
	char name[160];
	int r = adm_get_server(a, &c, e);

	if (r < 0)
		return r;
	if (!encoding_is_valid_id(enrollment))
		return err_set(e, EBADMSG, "enrollment '%s': not an id",
			       enrollment);
	j = format_token_json(enrollment, token, group, c->name);
	if (!j)
		return err_oom(e, enrollment);
	snprintf(name, sizeof(name), "tokens/%s-%s.json", c->name, enrollment);
	return state_save(a, name, j, e);
}
