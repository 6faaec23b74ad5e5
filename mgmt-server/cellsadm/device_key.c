/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/cellsadm/device_key.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/receipt.h"
#include "lib/uri.h"
#include "lib/x509.h"
#include "mgmt-server/cellsadm/adm.h"
#include "mgmt-server/cellsadm/remote.h"
#include "mgmt-server/cellsadm/state.h"
#include "mgmt-server/cellsadm/trust_root.h"

#include <errno.h>
#include <string.h>

void boundkey_fini(struct boundkey *b)
{
	key_free(b->key);
	*b = (struct boundkey){ 0 };
}

const char *boundkey_word(const struct boundkey *b)
{
	return b->given ? "given" : b->bound ? "bound" : "server CA only";
}

/* A member that holds base64 of an SPKI. */
static int spki_of(const json_t *j, const char *member, struct key **ret,
		   struct err *e)
{
	const char *b64 = json_string_value(json_object_get(j, member));
	auto_free void *der = NULL;
	size_t len;

	if (!b64 || text_unbase64(b64, strlen(b64), &der, &len) < 0)
		return err_set(e, EBADMSG, "a device's keys: no '%s'", member);
	return key_from_spki(der, len, ret, e);
}

/* The same from the certificate, where the answer has only that. */
static int key_of(const json_t *entry, const char *spki, const char *cert,
		  struct key **ret, struct err *e)
{
	const char *pem = json_string_value(json_object_get(entry, cert));

	if (json_object_get(entry, spki) || !pem)
		return spki_of(entry, spki, ret, e);
	return x509_key(pem, ret, e);
}

static int kept_path(struct adm *a, const char *device, const char *epoch,
		     char **ret, struct err *e)
{
	const struct adminconf *c = adm_server_or_null(a);

	if (!text_is_id(device) || !text_is_id(epoch))
		return err_set(e, EBADMSG, "device '%s', epoch '%s': not ids",
			       device, epoch);
	if (asprintf(ret, "devices/%s/%s-%s.json", c ? c->name : "-", device,
		     epoch) < 0)
		return err_oom(e, device);
	return 0;
}

int boundkey_kept(struct adm *a, const char *device, const char *epoch,
		  struct boundkey *ret, struct err *e)
{
	AUTO(boundkey_fini) struct boundkey b = { 0 };
	auto_json json_t *j = NULL;
	auto_free char *name = NULL;
	char own[33];
	int r = kept_path(a, device, epoch, &name, e);

	if (r >= 0)
		r = keep_get(a, name, &j, e);
	if (r >= 0)
		r = spki_of(j, "receipt_spki", &b.key, e);
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

static int keep(struct adm *a, const struct boundkey *b, struct err *e)
{
	size_t len;
	const void *spki = key_spki(b->key, &len);
	auto_free char *b64 = text_base64(spki, len), *name = NULL;
	auto_json json_t *j = NULL;
	int r = kept_path(a, b->device, b->epoch, &name, e);

	if (r < 0)
		return r;
	j = json_pack("{ss ss ss sb}", "device", b->device, "epoch", b->epoch,
		      "receipt_spki", b64 ? b64 : "", "bound", b->bound);
	if (!j || !b64)
		return err_oom(e, b->device);
	return keep_put(a, name, j, e);
}

/* The names that follow from the keys; whoever tells others lies. */
static int check_names(const json_t *entry, const struct key *identity,
		       const struct key *receipts, struct boundkey *b,
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
				  "the keys told for %s are of %s, epoch %s",
				  device ? device : "a device", b->device,
				  b->epoch);
	return 0;
}

static bool token_fits(const uint8_t token[32], const struct key *identity,
		       const struct key *receipts, const uint8_t bind[32])
{
	struct uri u = { .port = 0 };
	size_t identity_len, receipts_len;
	const void *i = key_spki(identity, &identity_len);
	const void *r = key_spki(receipts, &receipts_len);
	uint8_t want[HASH_SIZE];

	memcpy(u.token, token, sizeof(u.token));
	uri_bind(&u, i, identity_len, r, receipts_len, want);
	explicit_bzero(&u, sizeof(u));
	return hash_compare(want, bind, HASH_SIZE) == 0;
}

struct search {
	const struct key *identity, *receipts;
	const uint8_t *bind;
	const char *enrolment;
	bool known, fits; /* the enrolment's token is here; it gives `bind` */
};

static int try_token(void *ctx, const char *name, json_t *j, struct err *e)
{
	struct search *s = ctx;
	const char *hex = json_string_value(json_object_get(j, "token"));
	const char *id = json_string_value(json_object_get(j, "id"));
	uint8_t token[32];

	if (!hex || text_unhex(hex, token, sizeof(token)) < 0)
		return 0;
	if (s->enrolment && id && strcmp(id, s->enrolment) == 0)
		s->known = true;
	s->fits = token_fits(token, s->identity, s->receipts, s->bind);
	explicit_bzero(token, sizeof(token));
	return s->fits;
}

/* No token: the certificate must be by a CA of the root, whenever issued. */
static int check_certificate(struct adm *a, const json_t *entry,
			     const struct key *receipts, struct err *e)
{
	const char *pem =
		json_string_value(json_object_get(entry, "receipt_cert"));
	AUTO(key_freep) struct key *certified = NULL;
	const struct adminconf *c;
	const struct doc_root *root;
	uint8_t digest[HASH_SIZE];
	int64_t from, to;
	int r = adm_server(a, &c, e);

	if (r >= 0)
		r = pin_root(a, true, &root, e);
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

static int check_bind(struct adm *a, const json_t *entry,
		      const uint8_t token[32], struct search *s,
		      struct boundkey *b, struct err *e)
{
	int r;

	if (token) {
		s->known = true;
		s->fits = token_fits(token, s->identity, s->receipts, s->bind);
	} else {
		r = keep_each(a, "tokens", try_token, s, e);
		if (r < 0)
			return r;
	}
	if (s->known && !s->fits)
		return err_reason(e, REASON_SIGNATURE,
				  "the keys of %s are not bound to the token "
				  "of enrolment %s: somebody put in others",
				  b->device, s->enrolment ? s->enrolment : "");
	b->bound = s->fits;
	return s->fits ? 0 : check_certificate(a, entry, s->receipts, e);
}

int boundkey_check(struct adm *a, const json_t *entry, const uint8_t token[32],
		   struct boundkey *ret, struct err *e)
{
	AUTO(boundkey_fini) struct boundkey b = { 0 };
	AUTO(key_freep) struct key *identity = NULL;
	const char *hex = json_string_value(json_object_get(entry, "bind"));
	uint8_t bind[HASH_SIZE];
	struct search s = { .bind = bind };
	int r = key_of(entry, "identity_spki", "identity_cert", &identity, e);

	if (r >= 0)
		r = key_of(entry, "receipt_spki", "receipt_cert", &b.key, e);
	if (r >= 0)
		r = check_names(entry, identity, b.key, &b, e);
	if (r < 0)
		return r;
	if (!hex || text_unhex(hex, bind, sizeof(bind)) < 0)
		return err_set(e, EBADMSG, "the keys of %s: no 'bind'",
			       b.device);
	s.identity = identity;
	s.receipts = b.key;
	s.enrolment = json_string_value(json_object_get(entry, "enrolment"));
	r = check_bind(a, entry, token, &s, &b, e);
	if (r < 0)
		return r;
	*ret = b;
	b.key = NULL;
	return 0;
}

/* Tells the server what came out, so that others see it; it may not care. */
static void tell(struct adm *a, const char *device, const char *epoch,
		 bool bound)
{
	auto_json json_t *body =
		json_pack("{ss sb}", "epoch", epoch, "bound", bound);
	struct err ignored;

	if (body)
		remote_send(a, "POST",
			    REMOTE_PATH("devices", device, "checked"), body,
			    NULL, &ignored);
}

static int ask(struct adm *a, const char *device, const char *epoch,
	       struct boundkey *ret, struct err *e)
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
		return err_set(e, ENOENT, "the server tells no key of %s%s%s",
			       device, epoch ? ", epoch " : "",
			       epoch ? epoch : "");
	its = json_string_value(json_object_get(found, "epoch"));
	r = boundkey_check(a, found, NULL, ret, e);
	if (r < 0 && e->reason == REASON_SIGNATURE)
		tell(a, device, its, false);
	if (r < 0)
		return r;
	if (strcmp(ret->device, device) != 0) {
		boundkey_fini(ret);
		return err_reason(e, REASON_SIGNATURE,
				  "the server told another device's keys for "
				  "%s",
				  device);
	}
	if (ret->bound)
		tell(a, device, ret->epoch, true);
	return keep(a, ret, e);
}

int boundkey_of(struct adm *a, const char *device, const char *epoch,
		struct boundkey *ret, struct err *e)
{
	AUTO(boundkey_fini) struct boundkey kept = { 0 };

	if (epoch && boundkey_kept(a, device, epoch, &kept, e) == 0 &&
	    kept.bound) {
		*ret = kept;
		kept.key = NULL;
		return 0;
	}
	return ask(a, device, epoch, ret, e);
}

static json_t *token_json(const char *enrolment, const uint8_t token[32],
			  const char *group, const char *server)
{
	char hex[65], created[TEXT_TIME_SIZE];
	json_t *j;

	text_hex(token, 32, hex);
	text_time(clock_wall(), created);
	j = json_pack("{ss ss ss ss ss}", "id", enrolment, "token", hex,
		      "group", group, "server", server, "created", created);
	explicit_bzero(hex, sizeof(hex));
	return j;
}

int boundkey_keep_token(struct adm *a, const char *enrolment,
			const uint8_t token[32], const char *group,
			struct err *e)
{
	auto_json json_t *j = NULL;
	const struct adminconf *c;
	char name[160];
	int r = adm_server(a, &c, e);

	if (r < 0)
		return r;
	if (!text_is_id(enrolment))
		return err_set(e, EBADMSG, "enrolment '%s': not an id",
			       enrolment);
	j = token_json(enrolment, token, group, c->name);
	if (!j)
		return err_oom(e, enrolment);
	snprintf(name, sizeof(name), "tokens/%s-%s.json", c->name, enrolment);
	return keep_put(a, name, j, e);
}
