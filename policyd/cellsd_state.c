/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/cellsd_state.h"

#include "lib/auto.h"
#include "lib/class.h"
#include "lib/err.h"
#include "policyd/bus/device_messages.h"
#include "policyd/store/store.h"

#include <errno.h>
#include <string.h>

struct cellsd_state {
	struct store *store; /* borrowed */
	bool is_present, is_ready;
	enum doc_level level;
	char backend[16];
	json_t *classes; /* name -> nodes */
	json_t *lacks;	 /* VP -> what is not enforced of it */
	json_t *given;	 /* digests of layers that cellsd holds, as keys */
};

void cellsd_state_set_unenforced(struct cellsd_state *s, const char *vp,
				 json_t *names)
{
	if (names)
		json_object_set_new(s->lacks, vp, names);
	else
		json_object_del(s->lacks, vp);
}

json_t *cellsd_state_get_unenforced(const struct cellsd_state *s,
				    const char *vp)
{
	return json_object_get(s->lacks, vp);
}

void cellsd_state_set_present(struct cellsd_state *s)
{
	s->is_present = true;
	s->is_ready = false;
}

void cellsd_state_set_absent(struct cellsd_state *s)
{
	s->is_present = s->is_ready = false;
}

void cellsd_state_set_ready(struct cellsd_state *s)
{
	s->is_ready = true;
}

bool cellsd_state_is_present(const struct cellsd_state *s)
{
	return s->is_present;
}

bool cellsd_state_is_ready(const struct cellsd_state *s)
{
	return s->is_present && s->is_ready;
}

enum doc_level cellsd_state_get_level(const struct cellsd_state *s)
{
	return s->level;
}

bool cellsd_state_has_class(const struct cellsd_state *s, enum cells_class c)
{
	return json_object_get(s->classes, class_name(c)) != NULL;
}

json_t *cellsd_state_format_inventory(const struct cellsd_state *s)
{
	return json_pack("{ss ss sO}", "backend", s->backend, "level",
			 doc_level_name(s->level), "classes", s->classes);
}

static enum doc_level parse_level_name(const char *name)
{
	enum doc_level l = DOC_OPEN;

	doc_level_from_name(name, &l);
	return l;
}

static int save_device_level(struct cellsd_state *s, enum doc_level level,
			     struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	int r = store_begin(s->store, true, &tx, e);

	if (r == 0)
		r = store_set_text(s->store, STORE_LEVEL, doc_level_name(level),
				   e);
	return r < 0 ? r : store_commit(&tx, e);
}

int cellsd_state_set_inventory(struct cellsd_state *s,
			       const struct device_inventory *inventory,
			       struct err *e)
{
	enum doc_level level = parse_level_name(inventory->level);
	int r;

	snprintf(s->backend, sizeof(s->backend), "%s", inventory->backend);
	json_decref(s->classes);
	s->classes = json_incref(inventory->classes);
	if (level == s->level)
		return 0;
	/* Receipts claim what is stored. */
	r = save_device_level(s, level, e);
	if (r < 0)
		return r;
	s->level = level;
	return 0;
}

/* ---- layers that it holds */
void cellsd_state_set_layers(struct cellsd_state *s, json_t *digests)
{
	json_t *digest;
	size_t i;

	json_object_clear(s->given);
	json_array_foreach (digests, i, digest)
		cellsd_state_add_layer(s, json_string_value(digest));
}

bool cellsd_state_has_layer(const struct cellsd_state *s, const char *digest)
{
	return json_object_get(s->given, digest) != NULL;
}

void cellsd_state_add_layer(struct cellsd_state *s, const char *digest)
{
	json_object_set_new(s->given, digest, json_true());
}

void cellsd_state_remove_layer(struct cellsd_state *s, const char *digest)
{
	json_object_del(s->given, digest);
}

/* As cellsd last reported; the weakest if it never did. */
static int load_saved_level(struct store *store, enum doc_level *ret,
			    struct err *e)
{
	auto_free char *level = NULL;
	int r = store_lookup_text(store, STORE_LEVEL, &level, e);

	*ret = r == 0 ? parse_level_name(level) : DOC_OPEN;
	return r == -ENOENT ? 0 : r;
}

int cellsd_state_new(struct store *store, struct cellsd_state **ret,
		     struct err *e)
{
	AUTO(cellsd_state_freep)
	struct cellsd_state *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_oom(e, "watch cellsd");
	s->store = store;
	s->classes = json_object();
	s->lacks = json_object();
	s->given = json_object();
	if (!s->classes || !s->lacks || !s->given)
		return err_oom(e, "watch cellsd");
	r = load_saved_level(store, &s->level, e);
	if (r < 0)
		return r;
	*ret = steal(s);
	return 0;
}

void cellsd_state_free(struct cellsd_state *s)
{
	if (!s)
		return;
	json_decref(s->classes);
	json_decref(s->lacks);
	json_decref(s->given);
	free(s);
}
