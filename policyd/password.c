/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/password.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/password_crypto.h"
#include "lib/crypto/secure_memory.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/bus/device_client.h"
#include "policyd/bus/reply.h"
#include "policyd/cellsd_state.h"
#include "policyd/command.h"
#include "policyd/policyd.h"
#include "policyd/receipt/audit_log.h"
#include "policyd/staging.h"
#include "policyd/vp_secret.h"

#include <inttypes.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)
#define FREE_TRIES 3
#define FIRST_DELAY 30
#define LONGEST_DELAY 3600
#define CONFIG "config"
#define PASSCODE "passcode"

uint64_t password_get_delay(uint32_t wrong)
{
	uint64_t s = FIRST_DELAY;

	if (wrong < FREE_TRIES)
		return 0;
	for (uint32_t i = FREE_TRIES; i < wrong && s < LONGEST_DELAY; i++)
		s *= 2;
	return s < LONGEST_DELAY ? s : LONGEST_DELAY;
}

uint64_t password_get_wait(const struct store_counter *c, uint64_t boot_ns)
{
	uint64_t delay = password_get_delay(c->wrong) * NS_PER_S;
	uint64_t past = boot_ns > c->boot_ns ? boot_ns - c->boot_ns : 0;

	return past < delay ? delay - past : 0;
}

static int save_try_counter(struct policyd *p, const char *kind,
			    const char *name, const struct store_counter *c,
			    struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	int r = store_begin(p->store, true, &tx, e);

	if (r == 0)
		r = store_set_counter(p->store, kind, name, c, e);
	if (r == 0 && c->wrong > 0)
		r = audit_log_write(&p->recorder, AUDIT_PASSWORD,
				    strcmp(kind, PASSCODE) ? NULL : name, NULL,
				    json_pack("{ss ss sI}", "kind", kind,
					      "name", name, "tries",
					      (json_int_t)c->wrong),
				    e);
	return r < 0 ? r : store_commit(&tx, e);
}

/* The try is written down as a wrong one, before anything is tested. */
static int count_password_try(struct policyd *p, const char *kind,
			      const char *name, uint32_t *ret_wrong,
			      struct err *e)
{
	uint64_t now = clock_boot_ns(), wait;
	struct store_counter c;
	int r = store_get_counter(p->store, kind, name, &c, e);

	if (r < 0)
		return r;
	/* The boot clock restarted: so does the wait. */
	if (now < c.boot_ns) {
		c.boot_ns = now;
		r = save_try_counter(p, kind, name, &c, e);
		if (r < 0)
			return r;
	}
	wait = password_get_wait(&c, now);
	if (wait > 0)
		return err_reason(
			e, REASON_LOCKED_OUT,
			"%s '%s': %u wrong tries; the next in %" PRIu64 " s",
			kind, name, c.wrong, (wait + NS_PER_S - 1) / NS_PER_S);
	c.wrong++;
	c.boot_ns = now;
	*ret_wrong = c.wrong;
	return save_try_counter(p, kind, name, &c, e);
}

/* ---- the config password */
static int verify_config_password(const struct doc_vp_config *c,
				  const char *password,
				  struct password_crypto_key *ret,
				  struct err *e)
{
	uint8_t verifier[HASH_SIZE];
	int r = password_crypto_derive_key(password, c->salt, c->salt_len,
					   c->iterations, ret, e);

	if (r < 0)
		return r;
	password_crypto_verifier(ret, verifier);
	if (hash_compare(verifier, c->verifier, sizeof(verifier)) != 0)
		return err_reason(e, REASON_PASSWORD,
				  "config '%s': wrong password", c->head.id);
	return 0;
}

static int copy_password(const void *data, size_t len, char ret[PASSWORD_MAX],
			 struct err *e)
{
	if (len == 0 || len >= PASSWORD_MAX || memchr(data, '\0', len))
		return err_reason(
			e, REASON_PASSWORD,
			"a password has 1 to %d bytes, none of them 0",
			PASSWORD_MAX - 1);
	memcpy(ret, data, len);
	ret[len] = '\0';
	return 0;
}

int password_unlock_config(struct policyd *p, const char *id, const void *data,
			   size_t len, struct err *e)
{
	const struct doc_vp_config *c =
		document_set_find_config(&p->state.in_force, id);
	AUTO(password_crypto_wipe_key) struct password_crypto_key k = { 0 };
	const struct store_counter none = { 0 };
	char password[PASSWORD_MAX];
	uint32_t wrong;
	int r;

	if (!c)
		return err_reason(
			e, REASON_NO_SUCH_VP,
			"unlock config: no config '%.64s' is in force", id);
	if (!c->is_protected)
		return err_set(e, EINVAL, "config '%s' is not protected", id);
	r = copy_password(data, len, password, e);
	if (r == 0)
		r = count_password_try(p, CONFIG, id, &wrong, e);
	if (r == 0)
		r = verify_config_password(c, password, &k, e);
	explicit_bzero(password, sizeof(password));
	if (r == 0)
		r = save_try_counter(p, CONFIG, id, &none, e);
	if (r < 0)
		return r;
	config_window_open(&p->window, id, PASSWORD_WINDOW);
	if (vp_secret_send_secrets(p->device, c, &k, e) < 0)
		log_warning("%s", e->text);
	/* What was refused for want of it may come again. */
	staging_unblock(p);
	return 0;
}

/* ---- passcodes */
struct passcode_try {
	struct policyd *p;
	struct reply *reply;
	char vp[DOC_ID_SIZE];
	uint32_t wrong;
};

static void free_passcode_tryp(struct passcode_try **a)
{
	if (!*a)
		return;
	reply_free((*a)->reply);
	free(*a);
}

/* Too many: what the config says. The rule's name holds the count, so that each
 * row of wrong tries is punished once. */
static void apply_attempts_rule(struct policyd *p, const char *vp,
				uint32_t wrong)
{
	const struct doc_vp_config *c =
		document_set_find_config(&p->state.in_force, vp);
	uint8_t digest[HASH_SIZE];
	char text[DOC_ID_SIZE + 64], hex[2 * HASH_SIZE + 1], id[DOC_ID_SIZE];
	struct err e;

	if (!c || c->attempts == 0 || wrong < c->attempts ||
	    c->attempts_then == DOC_THEN_NOTHING)
		return;
	snprintf(text, sizeof(text), "%s %u %" PRIu64, vp, wrong,
		 clock_boot_ns());
	hash_sha256(text, strlen(text), digest);
	encoding_to_hex(digest, HASH_SIZE, hex);
	snprintf(id, sizeof(id), "attempts-%.32s", hex);
	if (command_enforce_rule(p->commands, id,
				 c->attempts_then == DOC_THEN_WIPE ? DOC_WIPE
								   : DOC_LOCK,
				 vp, "attempts", &e) < 0)
		log_error("attempts on '%s': %s", vp, e.text);
}

static void on_passcode_answer(void *arg, const struct device_answer *answer)
{
	const struct store_counter none = { 0 };
	AUTO(free_passcode_tryp) struct passcode_try *a = arg;
	struct err e;
	int r = 0;

	if (answer->result == DEVICE_DONE) {
		if (a->wrong > 0 &&
		    save_try_counter(a->p, PASSCODE, a->vp, &none, &e) < 0)
			log_error("passcode of '%s': %s", a->vp, e.text);
		r = reply_send_nothing(a->reply, &e);
	} else {
		reply_send_error(a->reply, &answer->why);
		if (answer->why.reason == REASON_PASSWORD)
			apply_attempts_rule(a->p, a->vp, a->wrong);
	}
	if (r < 0)
		log_error("passcode of '%s': %s", a->vp, e.text);
}

/* Is it a VP of ours, and cellsd there to ask? */
static int check_vp_available(struct policyd *p, const char *vp, struct err *e)
{
	if (!document_set_find_config(&p->state.in_force, vp))
		return err_reason(e, REASON_NO_SUCH_VP,
				  "unlock: there is no VP '%.64s'", vp);
	if (!cellsd_state_is_ready(p->cellsd))
		return err_reason(e, REASON_BUSY,
				  "unlock '%s': cellsd is not there", vp);
	return 0;
}

static struct passcode_try *new_passcode_try(struct policyd *p,
					     struct reply **reply,
					     const char *vp, uint32_t wrong)
{
	struct passcode_try *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	*a = (struct passcode_try){ .p = p,
				    .reply = steal(*reply),
				    .wrong = wrong };
	snprintf(a->vp, sizeof(a->vp), "%s", vp);
	return a;
}

/* What cellsd says to it counts, and is the answer to the caller. */
static struct device_call describe_passcode_call(struct passcode_try *a)
{
	return (struct device_call){ .what = "unlock",
				     .done = on_passcode_answer,
				     .arg = a };
}

static int send_unlock_call(struct passcode_try *a,
			    const struct password_text *passcode)
{
	const struct device_call call = describe_passcode_call(a);
	auto_close int fd =
		secure_memory_create_memfd(passcode->data, passcode->len);

	return fd < 0 ? fd
		      : device_client_unlock(a->p->device, a->vp, fd, false,
					     &call);
}

static int send_set_passcode_call(struct passcode_try *a,
				  const struct password_text *old,
				  const struct password_text *fresh)
{
	const struct device_call call = describe_passcode_call(a);
	auto_close int old_fd = secure_memory_create_memfd(old->data, old->len);
	auto_close int new_fd =
		secure_memory_create_memfd(fresh->data, fresh->len);

	if (old_fd < 0 || new_fd < 0)
		return old_fd < 0 ? old_fd : new_fd;
	return device_client_set_passcode(a->p->device, a->vp, old_fd, new_fd,
					  &call);
}

int password_unlock(struct policyd *p, struct reply **reply, const char *vp,
		    const struct password_text *passcode, struct err *e)
{
	AUTO(free_passcode_tryp) struct passcode_try *a = NULL;
	uint32_t wrong;
	int r = check_vp_available(p, vp, e);

	if (r < 0)
		return r;
	if (passcode->len == 0 || passcode->len >= PASSWORD_MAX)
		return err_reason(e, REASON_PASSWORD,
				  "a passcode has 1 to %d bytes",
				  PASSWORD_MAX - 1);
	r = count_password_try(p, PASSCODE, vp, &wrong, e);
	if (r < 0)
		return r;
	a = new_passcode_try(p, reply, vp, wrong);
	if (!a)
		return err_oom(e, "unlock");
	r = send_unlock_call(a, passcode);
	if (r < 0)
		return err_sys(e, -r, "unlock '%s'", vp);
	steal(a);
	return 0;
}

int password_set_passcode(struct policyd *p, struct reply **reply,
			  const char *vp, const struct password_text *old,
			  const struct password_text *fresh, struct err *e)
{
	AUTO(free_passcode_tryp) struct passcode_try *a = NULL;
	uint32_t wrong = 0;
	int r = check_vp_available(p, vp, e);

	if (r < 0)
		return r;
	if (old->len >= PASSWORD_MAX || fresh->len >= PASSWORD_MAX ||
	    (fresh->len > 0 && fresh->len < PASSWORD_PASSCODE_MIN))
		return err_reason(e, REASON_PASSWORD,
				  "a passcode has %d to %d bytes",
				  PASSWORD_PASSCODE_MIN, PASSWORD_MAX - 1);
	/* A try of the old one is a try. */
	r = old->len > 0 ? count_password_try(p, PASSCODE, vp, &wrong, e) : 0;
	if (r < 0)
		return r;
	a = new_passcode_try(p, reply, vp, wrong);
	if (!a)
		return err_oom(e, "unlock");
	r = send_set_passcode_call(a, old, fresh);
	if (r < 0)
		return err_sys(e, -r, "set the passcode of '%s'", vp);
	steal(a);
	return 0;
}

static void add_wait_seconds(struct policyd *p, json_t *o, const char *kind,
			     const char *name)
{
	struct store_counter c;
	struct err ignored;
	uint64_t wait;

	if (store_get_counter(p->store, kind, name, &c, &ignored) < 0)
		return;
	wait = password_get_wait(&c, clock_boot_ns());
	if (wait > 0)
		json_object_set_new(
			o, name,
			json_integer((json_int_t)((wait + NS_PER_S - 1) /
						  NS_PER_S)));
}

json_t *password_list_waits(struct policyd *p)
{
	json_t *config = json_object(), *passcode = json_object();

	for (unsigned int i = 0; config && passcode && i < p->state.in_force.n;
	     i++) {
		const struct doc_head *h = &p->state.in_force.doc[i]->doc->head;

		if (h->type != DOC_VP_CONFIG)
			continue;
		add_wait_seconds(p, config, CONFIG, h->id);
		add_wait_seconds(p, passcode, PASSCODE, h->id);
	}
	return json_pack("{so so}", CONFIG, config, PASSCODE, passcode);
}
