/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/desired_state.h"

#include "lib/auto.h"
#include "lib/class.h"
#include "lib/crypto/hpke.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/json.h"
#include "policyd/cellsd_client.h"
#include "policyd/document/document_state.h"
#include "policyd/receipt/audit_log.h"
#include "policyd/receipt/recorder.h"
#include "policyd/store/store.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#define RECOVERY_SIZE (2 * HPKE_PUBLIC_KEY_SIZE + 1)

struct desired_state {
	struct store *store; /* borrowed, as the state */
	const struct document_state *state;
	/* What was in force when this was decided; another set may be by now.
	 */
	struct document_set docs;
	struct evaluate_row *row; /* of docs */
	size_t n;
	int64_t generation;
	char digest[ENCODING_DIGEST_SIZE];
	char recovery[RECOVERY_SIZE]; /* see format_recovery_point() */
	uint8_t snapshot[HASH_SIZE];  /* that it was made from; 0: none */
	bool news;
	json_t *modes; /* "vp class" -> mode, for the audit of changes */
};

#define STORE_MODES "modes" /* JSON of what was last applied */

void desired_state_free(struct desired_state *d)
{
	if (!d)
		return;
	free(d->row);
	document_set_fini(&d->docs);
	json_decref(d->modes);
	free(d);
}

/* "TERM", "RTMIN+3": the schema allows only these. */
static int parse_signal_name(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = {
		{ "HUP", SIGHUP },   { "INT", SIGINT },	    { "QUIT", SIGQUIT },
		{ "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },   { "TERM", SIGTERM },
		{ "PWR", SIGPWR },   { "WINCH", SIGWINCH },
	};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (strcmp(signals[i].name, name) == 0)
			return signals[i].number;
	if (strncmp(name, "RTMIN", 5) == 0)
		return SIGRTMIN + (name[5] == '+' ? atoi(name + 6) : 0);
	return SIGTERM;
}

/* 1: it is to be there; 0: it was wiped or removed, and comes back with a newer
 * config only. */
static int is_vp_wanted(struct store *store, const struct doc_vp_config *c,
			struct err *e)
{
	int64_t gone;
	int r = store_get_vp_gone(store, c->head.id, &gone, e);

	return r < 0 ? r : (int64_t)c->head.version > gone;
}

static void hash_digest_line(struct hash *h, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void hash_digest_line(struct hash *h, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	hash_add(h, text, strlen(text) + 1);
}

/* The organisation's point that VPs' keys are wrapped for, in hex, or "". */
static void format_recovery_point(const struct document_state *state,
				  char ret[RECOVERY_SIZE])
{
	uint8_t point[HPKE_PUBLIC_KEY_SIZE];

	ret[0] = '\0';
	if (!state->root || !document_state_get_root(state)->recovery)
		return;
	hpke_public_key(document_state_get_root(state)->recovery, point);
	encoding_to_hex(point, sizeof(point), ret);
}

/* 1: the document is a part of what desired_state_write_message() writes. */
static int is_document_written(struct store *store, const struct doc *doc,
			       struct err *e)
{
	if (doc->head.type == DOC_VP_CONFIG)
		return is_vp_wanted(store, doc_as_vp_config(doc), e);
	return doc->head.type == DOC_IMAGE;
}

/* Of everything that desired_state_write_message() writes. */
static int compute_state_digest(struct desired_state *d, struct err *e)
{
	uint8_t digest[HASH_SIZE];
	char hex[2 * HASH_SIZE + 1];
	struct hash h;

	hash_init(&h);
	for (unsigned int i = 0; i < d->docs.n; i++) {
		const struct doc *doc = d->docs.doc[i]->doc;
		int r = is_document_written(d->store, doc, e);

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		encoding_to_hex(doc->head.digest, HASH_SIZE, hex);
		hash_digest_line(&h, "%s %s", doc->head.id, hex);
	}
	for (size_t i = 0; i < d->n; i++)
		hash_digest_line(&h, "%s %u %u %u %u", d->row[i].vp,
				 d->row[i].cls, d->row[i].right.use,
				 d->row[i].right.block, d->row[i].kill);
	hash_digest_line(&h, "%s", d->recovery);
	hash_end(&h, digest);
	encoding_format_digest(digest, d->digest);
	return 0;
}

static int collect_access_modes(struct desired_state *d, struct err *e)
{
	d->modes = json_object();
	for (size_t i = 0; d->modes && i < d->n; i++) {
		char name[DOC_ID_SIZE + 40];

		snprintf(name, sizeof(name), "%s %s", d->row[i].vp,
			 class_name(d->row[i].cls));
		json_object_set_new(
			d->modes, name,
			json_string(access_mode_name(d->row[i].right)));
	}
	return d->modes ? 0 : err_oom(e, "evaluate");
}

/* 1: nothing is to be done; 0: this is news. */
static int is_state_applied(struct store *store, const char *digest,
			    struct err *e)
{
	auto_free char *held = NULL;
	int64_t applying = 0;
	int r = store_get_text(store, STORE_DESIRED, "", &held, e);

	if (r < 0)
		return r;
	r = store_get_int(store, STORE_APPLYING, 0, &applying, e);
	return r < 0 ? r : strcmp(held, digest) == 0 && !applying;
}

static int hold_documents(struct desired_state *d,
			  const struct document_set *in_force, struct err *e)
{
	d->docs.is_partial = in_force->is_partial;
	for (unsigned int i = 0; i < in_force->n; i++) {
		int r = document_set_add_shared(&d->docs, in_force->doc[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

int desired_state_new(const struct evaluate_facts *f,
		      struct desired_state **ret, struct err *e)
{
	struct desired_state *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_oom(e, "evaluate");
	d->store = f->store;
	d->state = f->state;
	format_recovery_point(d->state, d->recovery);
	r = hold_documents(d, &f->state->in_force, e);
	if (r == 0)
		r = evaluate_table(&d->docs, f->level, &f->at, &d->row, &d->n,
				   e);
	if (r == 0)
		r = collect_access_modes(d, e);
	if (r == 0)
		r = compute_state_digest(d, e);
	if (r == 0)
		r = store_get_int(d->store, STORE_GENERATION, 0, &d->generation,
				  e);
	if (r == 0)
		r = is_state_applied(d->store, d->digest, e);
	if (r < 0) {
		desired_state_free(d);
		return r;
	}
	if (d->state->snapshot)
		memcpy(d->snapshot, d->state->snapshot->digest, HASH_SIZE);
	d->news = r == 0;
	if (d->news)
		d->generation++;
	*ret = d;
	return 0;
}

bool desired_state_has_changed(const struct desired_state *d)
{
	return d->news;
}

bool desired_state_is_current(const struct desired_state *d)
{
	const struct snapshot *s = d->state->snapshot;

	return s && memcmp(d->snapshot, s->digest, HASH_SIZE) == 0;
}

/* ---- Apply's arguments */
static int append_string_list(sd_bus_message *m, const char *name,
			      const char *const *strings)
{
	int r = sd_bus_message_open_container(m, 'e', "sv");

	if (r >= 0)
		r = sd_bus_message_append(m, "s", name);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "as");
	if (r >= 0)
		r = sd_bus_message_append_strv(m, (char **)(uintptr_t)strings);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_image_options(sd_bus_message *m, const struct doc_image *im)
{
	const char *digests[DOC_LAYERS_MAX + 1] = { NULL };
	int r;

	for (unsigned int i = 0; i < im->n_layers; i++)
		digests[i] = im->layer[i].digest;
	r = append_string_list(m, "layers", digests);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}", "init", "s", im->init);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}", "stop-signal", "i",
					  parse_signal_name(im->stop_signal));
	return r;
}

static int append_allow_rules(sd_bus_message *m, const struct doc_vp_config *c)
{
	int r = sd_bus_message_open_container(m, 'e', "sv");

	if (r >= 0)
		r = sd_bus_message_append(m, "s", "allow");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "a(uyyq)");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(uyyq)");
	for (unsigned int i = 0; r >= 0 && i < c->n_allow; i++) {
		const struct doc_allow *a = &c->allow[i];

		r = sd_bus_message_append(m, "(uyyq)", a->address, a->prefix,
					  a->protocol, a->port);
	}
	for (int i = 0; r >= 0 && i < 3; i++)
		r = sd_bus_message_close_container(m);
	return r;
}

static int append_event_kinds(sd_bus_message *m, const char *name, bool call,
			      bool sms, bool alarm)
{
	const char *words[4] = { NULL };
	unsigned int n = 0;

	if (call)
		words[n++] = "call";
	if (sms)
		words[n++] = "sms";
	if (alarm)
		words[n++] = "alarm";
	return append_string_list(m, name, words);
}

static int append_config_options(sd_bus_message *m,
				 const struct doc_vp_config *c)
{
	int r;

	r = sd_bus_message_append(
		m, "{sv}{sv}{sv}{sv}{sv}", "label", "s", c->label, "memory-max",
		"t", c->memory_max, "storage-max", "t", c->storage_max,
		"cpu-weight", "u", c->cpu_weight, "pids-max", "u", c->pids_max);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}", "overcommit", "b",
					  (int)c->overcommit);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}", "nat", "b",
					  (int)c->nat, "on-boot", "b",
					  (int)c->on_boot, "idle-seconds", "u",
					  c->idle_seconds);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}", "io-weight", "u",
					  c->io_weight, "net-rate", "t",
					  c->net_rate);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}", "io-read-max", "t",
					  c->io_read_max, "io-write-max", "t",
					  c->io_write_max, "no-new-privileges",
					  "b", (int)c->no_new_privs);
	if (r >= 0)
		r = append_allow_rules(m, c);
	if (r >= 0)
		r = append_event_kinds(m, "notify", c->notify_call,
				       c->notify_sms, c->notify_alarm);
	return r < 0 ? r
		     : append_event_kinds(m, "attention", c->attention_call,
					  c->attention_sms, c->attention_alarm);
}

static int append_desired_vp(const struct desired_state *d, sd_bus_message *m,
			     const struct doc_vp_config *c,
			     const struct doc_image *im)
{
	int r = sd_bus_message_open_container(m, 'r', "sa{sv}");

	if (r >= 0)
		r = sd_bus_message_append(m, "s", c->head.id);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "{sv}");
	if (r >= 0)
		r = append_config_options(m, c);
	if (r >= 0)
		r = append_image_options(m, im);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}", "recovery", "s",
					  d->recovery);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_desired_vps(const struct desired_state *d, sd_bus_message *m)
{
	int r = sd_bus_message_open_container(m, 'a', "(sa{sv})");
	struct err ignored;

	for (unsigned int i = 0; r >= 0 && i < d->docs.n; i++) {
		const struct doc *doc = d->docs.doc[i]->doc;
		const struct doc_vp_config *c;
		const struct doc_image *im;

		if (doc->head.type != DOC_VP_CONFIG)
			continue;
		c = doc_as_vp_config(doc);
		im = document_set_find_image(&d->docs, c->image);
		if (im)
			r = is_vp_wanted(d->store, c, &ignored);
		if (im && r > 0)
			r = append_desired_vp(d, m, c, im);
	}
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int desired_state_write_message(const struct desired_state *d,
				sd_bus_message *m, const char *cause)
{
	int r = sd_bus_message_append(m, "t", (uint64_t)d->generation);
	struct err ignored;

	if (r >= 0)
		r = append_desired_vps(d, m);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(suybb)");
	for (size_t i = 0; r >= 0 && i < d->n; i++) {
		const struct evaluate_row *row = &d->row[i];
		const struct doc_vp_config *c =
			document_set_find_config(&d->docs, row->vp);

		if (c)
			r = is_vp_wanted(d->store, c, &ignored);
		if (c && r > 0)
			r = sd_bus_message_append(
				m, "(suybb)", row->vp, (uint32_t)row->cls,
				row->right.use, (int)row->right.block,
				(int)row->kill);
	}
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_append(m, "s", cause);
}

/* ---- afterwards */
/* A record for each (VP, class) that is in `these` and not the same in `those`.
 */
static int write_mode_changes(const struct recorder *rec, json_t *these,
			      json_t *those, bool forward, const char *cause,
			      struct err *e)
{
	const char *name;
	json_t *mode;

	json_object_foreach (these, name, mode) {
		json_t *other = json_object_get(those, name);
		const char *a = json_string_value(mode);
		const char *b = other ? json_string_value(other) : "none";
		char vp[DOC_ID_SIZE];
		const char *cls = strchr(name, ' ');
		int r;

		/* backward: only what is missing there; the rest was sent */
		if (forward ? strcmp(a, b) == 0 : other != NULL)
			continue;
		snprintf(vp, sizeof(vp), "%.*s", (int)(cls - name), name);
		r = audit_log_write(rec, AUDIT_MODE, vp, cls + 1,
				    json_pack("{ss ss ss}", "from",
					      forward ? b : a, "to",
					      forward ? a : b, "cause", cause),
				    e);
		if (r < 0)
			return r;
	}
	return 0;
}

int desired_state_save_applied(const struct desired_state *d,
			       const struct recorder *rec, const char *cause,
			       struct err *e)
{
	auto_free char *held = NULL, *text = json_text(d->modes);
	auto_json json_t *old = NULL;
	int r;

	if (!text)
		return err_oom(e, "evaluate");
	r = store_get_text(d->store, STORE_MODES, "{}", &held, e);
	if (r == 0)
		r = json_parse(held, strlen(held), "modes", &old, e);
	if (r < 0)
		return r;
	r = write_mode_changes(rec, d->modes, old, true, cause, e);
	if (r == 0)
		r = write_mode_changes(rec, old, d->modes, false, cause, e);
	if (r == 0)
		r = store_set_text(d->store, STORE_MODES, text, e);
	if (r == 0)
		r = store_set_text(d->store, STORE_DESIRED, d->digest, e);
	if (r == 0)
		r = store_set_int(d->store, STORE_GENERATION, d->generation, e);
	/* Another set may have been activated meanwhile: its turn comes. */
	if (r < 0 || !desired_state_is_current(d))
		return r;
	return store_set_int(d->store, STORE_APPLYING, 0, e);
}

struct json_t *
desired_state_list_missing_classes(const struct desired_state *d,
				   const struct cellsd_client *cellsd)
{
	json_t *names = json_array();

	for (unsigned int c = 0; names && c < CELLS_CLASS_COUNT; c++) {
		bool given = false;

		for (size_t i = 0; i < d->n && !given; i++)
			given = d->row[i].cls == c &&
				d->row[i].right.use != CELLS_USE_NONE;
		if (given && !cellsd_client_has_class(cellsd, c))
			json_array_append_new(names,
					      json_string(class_name(c)));
	}
	return names;
}
