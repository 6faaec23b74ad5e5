/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/enroll.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/key.h"
#include "lib/crypto/x509.h"
#include "lib/document/enroll_uri.h"
#include "lib/document/envelope.h"
#include "lib/document/receipt.h"
#include "lib/document/trust.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/log.h"
#include "policyd/bus/peer_watch.h"
#include "policyd/bus/reply.h"
#include "policyd/loader.h"
#include "policyd/policyd.h"
#include "policyd/receipt/audit_log.h"
#include "policyd/reconcile.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)
#define PATIENCE_NS (120 * NS_PER_S)
#define REMIND_NS (2 * NS_PER_S)
#define ROOTS_MAX 1000
#define ANSWER_MAX (16 * 1024 * 1024)

struct enroll {
	struct policyd *p;
	struct reply *reply; /* NULL: nothing is under way */
	uint64_t deadline_ns, remind_ns;
	struct enroll_uri uri;
	struct key *key;	  /* receipts, of the new epoch */
	char device[DOC_ID_SIZE]; /* "": the agent has not come yet */
	struct peer_watch *agent;
};

int enroll_new(struct policyd *p, struct enroll **ret, struct err *e)
{
	struct enroll *n = calloc(1, sizeof(*n));

	if (!n)
		return err_oom(e, "enroll");
	n->p = p;
	*ret = n;
	return 0;
}

static void reset_enrollment(struct enroll *n)
{
	reply_free(n->reply);
	n->reply = NULL;
	peer_watch_free(n->agent);
	n->agent = NULL;
	key_free(n->key);
	n->key = NULL;
	explicit_bzero(&n->uri, sizeof(n->uri));
	n->device[0] = '\0';
}

void enroll_free(struct enroll *n)
{
	if (!n)
		return;
	reset_enrollment(n);
	free(n);
}

int enroll_begin_with_uri(struct policyd *p, struct reply **reply,
			  const char *uri, struct err *e)
{
	struct enroll *n = p->enroll;
	int64_t resetting;
	int r = store_get_int(p->store, STORE_RESETTING, 0, &resetting, e);

	if (r < 0)
		return r;
	if (n->reply || resetting)
		return err_reason(
			e, REASON_BUSY,
			"enroll: an enrollment or reset is under way");
	r = enroll_uri_parse(uri, &n->uri, e);
	if (r == 0)
		r = key_generate(&n->key, e);
	if (r < 0) {
		reset_enrollment(n);
		return r;
	}
	n->reply = steal(*reply);
	n->deadline_ns = clock_mono_ns() + PATIENCE_NS;
	n->remind_ns = clock_mono_ns() + REMIND_NS;
	pending_signal(&p->pending, "enroll");
	return 0;
}

static void format_device_id(const void *spki, size_t len,
			     char ret[DOC_ID_SIZE])
{
	char hex[2 * HASH_SIZE + 1];
	uint8_t digest[HASH_SIZE];

	hash_sha256(spki, len, digest);
	encoding_to_hex(digest, HASH_SIZE, hex);
	snprintf(ret, DOC_ID_SIZE, "dev-%.12s", hex);
}

static void on_agent_gone(void *arg)
{
	struct enroll *n = arg;

	n->device[0] = '\0';
}

/* What the agent may know: nothing that gives the token away. */
static int build_agent_request(const struct enroll *n, const void *spki,
			       size_t len, char **ret, struct err *e)
{
	char admit[2 * HASH_SIZE + 1], bind[2 * HASH_SIZE + 1];
	auto_free char *csr = NULL;
	auto_json json_t *j = NULL;
	char ca[ENCODING_DIGEST_SIZE];
	uint8_t mac[HASH_SIZE];
	size_t own_len;
	const void *own = key_spki(n->key, &own_len);
	int r = x509_request(n->key, n->device, &csr, e);

	if (r < 0)
		return r;
	enroll_uri_compute_admit(&n->uri, mac);
	encoding_to_hex(mac, sizeof(mac), admit);
	enroll_uri_compute_bind(&n->uri, spki, len, own, own_len, mac);
	encoding_to_hex(mac, sizeof(mac), bind);
	encoding_format_digest(n->uri.ca, ca);
	j = json_pack("{ss si ss ss ss ss}", "host", n->uri.host, "port",
		      (int)n->uri.port, "ca", ca, "admit", admit, "bind", bind,
		      "receipt_csr", csr);
	*ret = j ? json_text(j) : NULL;
	return *ret ? 0 : err_oom(e, "enroll");
}

int enroll_create_request(struct policyd *p, const char *agent,
			  const void *spki, size_t len, char **ret,
			  struct err *e)
{
	AUTO(key_freep) struct key *identity = NULL;
	struct enroll *n = p->enroll;
	int r;

	if (!n->reply)
		return err_reason(e, REASON_BUSY, "enroll: none is under way");
	r = key_from_spki(spki, len, &identity, e);
	if (r < 0)
		return r;
	format_device_id(spki, len, n->device);
	peer_watch_free(n->agent);
	n->agent = peer_watch_new(p->connection, agent, on_agent_gone, n);
	return build_agent_request(n, spki, len, ret, e);
}

/* ---- the server's answer */
struct server_answer {
	const char *device, *epoch, *receipt_cert, *ca;
	json_t *roots;
	char *last;	  /* envelope text of the newest root; owned */
	struct doc *root; /* owned */
};

static void server_answer_fini(struct server_answer *a)
{
	free(a->last);
	doc_free(a->root);
}

static int parse_server_answer(json_t *j, struct server_answer *a,
			       struct err *e)
{
	const struct json_member members[] = {
		{ "device", JSON_STRING, .ret = &a->device },
		{ "epoch", JSON_STRING, .ret = &a->epoch },
		{ "identity_cert", JSON_STRING },
		{ "receipt_cert", JSON_STRING, .ret = &a->receipt_cert },
		{ "ca", JSON_STRING, .ret = &a->ca },
		{ "roots", JSON_ARRAY, .ret = &a->roots },
		{ "device_port", JSON_INTEGER },
		{ NULL },
	};

	return json_read_object(j, members, false, "server's answer", e);
}

/* Those before the pinned one say nothing: their signers may have been
 * removed. From there on each by the one before; the last must live. */
static int verify_root_chain(const struct enroll *n, struct server_answer *a,
			     struct err *e)
{
	json_t *item;
	size_t i;

	if (json_array_size(a->roots) > ROOTS_MAX)
		return err_reason(e, REASON_ROOT_CHAIN,
				  "enroll: more than %d roots", ROOTS_MAX);
	json_array_foreach (a->roots, i, item) {
		AUTO(envelope_freep) struct envelope *env = NULL;
		AUTO(doc_freep) struct doc *next = NULL;
		auto_free char *text = json_text(item);
		int r = text ? envelope_parse(text, strlen(text), &env, e)
			     : err_oom(e, "enroll");

		if (r == 0 && !a->root &&
		    memcmp(env->digest, n->uri.root, HASH_SIZE) != 0)
			continue;
		if (r == 0)
			r = a->root ? trust_open_next_root(doc_as_root(a->root),
							   env, &next, e)
				    : trust_open_pinned_root(env, n->uri.root,
							     &next, e);
		if (r < 0)
			return r;
		doc_free(a->root);
		a->root = steal(next);
		free(a->last);
		a->last = steal(text);
	}
	if (!a->root)
		return err_reason(
			e, REASON_ROOT_CHAIN,
			"enroll: the server did not send the root that "
			"the URI pins");
	if (a->root->head.expires < clock_wall())
		return err_reason(e, REASON_EXPIRED,
				  "enroll: root %u has expired",
				  a->root->head.version);
	return 0;
}

static int check_server_ca(const struct server_answer *a, struct err *e)
{
	const struct doc_root *root = doc_as_root(a->root);
	uint8_t digest[HASH_SIZE];
	int r = x509_digest(a->ca, digest, e);

	if (r < 0)
		return r;
	for (unsigned int i = 0; i < root->n_cas; i++)
		if (memcmp(root->ca[i], digest, HASH_SIZE) == 0)
			return 0;
	return root->n_cas == 0
		       ? 0
		       : err_reason(e, REASON_ROOT_CHAIN,
				    "enroll: the root does not name the "
				    "server's CA");
}

static int check_server_answer(const struct enroll *n, struct server_answer *a,
			       struct err *e)
{
	AUTO(key_freep) struct key *certified = NULL;
	char epoch[33];
	int r;

	receipt_epoch(n->key, epoch);
	if (strcmp(a->device, n->device) != 0)
		return err_reason(e, REASON_WRONG_DEVICE,
				  "enroll: the answer is for %.64s, this is %s",
				  a->device, n->device);
	if (strcmp(a->epoch, epoch) != 0)
		return err_reason(e, REASON_EPOCH,
				  "enroll: the answer is for another key");
	r = verify_root_chain(n, a, e);
	if (r == 0)
		r = check_server_ca(a, e);
	if (r == 0)
		r = x509_key(a->receipt_cert, &certified, e);
	if (r < 0)
		return r;
	if (strcmp(key_id(certified), key_id(n->key)) != 0)
		return err_set(e, EPERM,
			       "enroll: the receipt certificate is for another "
			       "key");
	if (n->p->state.root &&
	    strcmp(n->p->identity.org, a->root->head.org) != 0)
		return err_reason(e, REASON_WRONG_ORG,
				  "enroll: this device is enrolled with '%s'; "
				  "cellsctl reset leaves it",
				  n->p->identity.org);
	return 0;
}

/* A root that does not go back, for a device that enrolls once more. */
static int check_root_version(const struct enroll *n,
			      const struct server_answer *a, struct err *e)
{
	const struct doc *held = n->p->state.root;

	if (held && a->root->head.version < held->head.version)
		return err_reason(
			e, REASON_ROLLBACK,
			"enroll: root %u is older than the one held, %u",
			a->root->head.version, held->head.version);
	return 0;
}

static int write_identity(struct enroll *n, const struct server_answer *a,
			  struct err *e)
{
	struct store *s = n->p->store;
	char hex[2 * HASH_SIZE + 1];
	auto_free char *pem = NULL;
	int r = key_to_pem(n->key, true, &pem, e);

	encoding_to_hex(n->uri.root, HASH_SIZE, hex);
	if (r == 0)
		r = store_set_text(s, STORE_KEY, pem, e);
	if (r == 0)
		r = store_set_text(s, STORE_DEVICE, n->device, e);
	if (r == 0)
		r = store_set_text(s, STORE_EPOCH, a->epoch, e);
	if (r == 0)
		r = store_set_text(s, STORE_ORG, a->root->head.org, e);
	if (r == 0)
		r = store_set_text(s, STORE_PIN, hex, e);
	if (r == 0)
		r = store_set_text(s, STORE_GROUP, n->uri.group, e);
	if (r == 0)
		r = store_set_int(s, STORE_GROUP_MIN, n->uri.group_min, e);
	if (pem)
		explicit_bzero(pem, strlen(pem));
	return r;
}

/* A device that was enrolled keeps its time; else the root gives a first one.
 */
static int write_initial_time(struct policyd *p, int64_t issued,
			      struct secure_time *time, struct err *e)
{
	char saved[SECURE_TIME_TEXT_SIZE];

	*time = p->time;
	secure_time_set_contact(time, clock_boot_ns());
	if (!p->state.root || time->base < issued)
		secure_time_reset(time, issued, clock_boot_ns());
	secure_time_format(time, clock_boot_ns(), clock_wall(), saved);
	return store_set_text(p->store, STORE_TIME, saved, e);
}

/* The device is enrolled all the same. */
static void write_enrolled_record(struct policyd *p)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct err e;
	int r = store_begin(p->store, false, &tx, &e);

	if (r == 0)
		r = audit_log_write(&p->recorder, AUDIT_ENROLLED, NULL, NULL,
				    json_pack("{ss ss ss}", "org",
					      p->identity.org, "device",
					      p->identity.device, "epoch",
					      p->identity.epoch),
				    &e);
	if (r == 0)
		r = store_commit(&tx, &e);
	if (r < 0)
		log_error("note the enrollment: %s", e.text);
}

static int commit_enrollment(struct enroll *n, const struct server_answer *a,
			     struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	struct policyd *p = n->p;
	struct secure_time time;
	int r = store_begin(p->store, true, &tx, e);

	assert(a->root);
	if (r == 0)
		r = store_clear_enrollment(p->store, e);
	if (r == 0)
		r = write_identity(n, a, e);
	if (r == 0)
		r = write_initial_time(p, a->root->head.issued, &time, e);
	if (r == 0)
		r = store_put_root(p->store, &a->root->head, a->last, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r < 0)
		return r;
	p->time = time;
	policyd_unload(p);
	r = loader_load_state(&p->recorder, &p->identity, &p->state, e);
	/* What is enrolled and not known here comes with the next start. */
	if (r < 0)
		sd_event_exit(p->event, EXIT_FAILURE);
	else
		write_enrolled_record(p);
	return r;
}

static int finish_enrollment(struct enroll *n, const char *answer,
			     struct err *e)
{
	AUTO(server_answer_fini) struct server_answer a = { 0 };
	auto_json json_t *j = NULL;
	size_t len = strlen(answer);
	int r;

	if (len > ANSWER_MAX)
		return err_set(e, EFBIG, "enroll: the answer is too long");
	r = json_parse(answer, len, "server's answer", &j, e);
	if (r == 0)
		r = parse_server_answer(j, &a, e);
	if (r == 0)
		r = check_server_answer(n, &a, e);
	if (r == 0)
		r = check_root_version(n, &a, e);
	return r < 0 ? r : commit_enrollment(n, &a, e);
}

/* The device is enrolled, also if that cannot be said. */
static void send_device_id(struct reply *reply, const char *device)
{
	struct err e;

	if (reply_send_text(reply, device, &e) < 0)
		log_error("enroll: %s", e.text);
}

int enroll_handle_answer(struct policyd *p, const char *answer,
			 const char *failure, struct err *e)
{
	struct enroll *n = p->enroll;
	int r;

	if (!n->reply || !n->device[0])
		return err_reason(e, REASON_BUSY, "enroll: none is under way");
	if (*answer)
		r = finish_enrollment(n, answer, e);
	else
		r = err_set(e, EIO, "enroll: %.400s", failure);
	if (r < 0) {
		reply_send_error(n->reply, e);
		log_error("%s", e->text);
	} else {
		send_device_id(n->reply, p->identity.device);
		log_info("enrolled as %s with '%s'", p->identity.device,
			 p->identity.org);
		pending_signal(&p->pending, "hello");
		reconcile_push_state(p, "policy");
	}
	reset_enrollment(n);
	return r;
}

bool enroll_is_in_progress(const struct policyd *p)
{
	return p->enroll->reply != NULL;
}

void enroll_end_overdue(struct policyd *p)
{
	struct enroll *n = p->enroll;
	uint64_t now = clock_mono_ns();
	struct err e;

	if (!n->reply)
		return;
	if (now >= n->deadline_ns) {
		err_set(&e, ETIMEDOUT, "enroll: %s did not answer in time",
			n->device[0] ? "the server" : "cells-agent");
		reply_send_error(n->reply, &e);
		reset_enrollment(n);
	} else if (now >= n->remind_ns && !n->device[0]) {
		/* It may have been started meanwhile. */
		n->remind_ns = now + REMIND_NS;
		pending_signal(&p->pending, "enroll");
	}
}
