/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/bus/desired_state.h"

#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CAUSE_MAX 256

static int set_read_error(struct err *e, int r, const char *what)
{
	return err_sys(e, r < 0 ? -r : EBADMSG, "read Apply: %s", what);
}

static int read_text_property(sd_bus_message *m, char **field, struct err *e)
{
	const char *s;
	char *copy;
	int r = sd_bus_message_read(m, "v", "s", &s);

	if (r < 0)
		return set_read_error(e, r, "text");
	copy = strdup(s);
	if (!copy)
		return err_oom(e, "read Apply");
	free(*field);
	*field = copy;
	return 0;
}

static int read_scalar_property(sd_bus_message *m, const struct vp_property *p,
				struct vp_conf *c, struct err *e)
{
	static const char *const types[] = {
		[VP_INT] = "i", [VP_U32] = "u", [VP_U64] = "t", [VP_BOOL] = "b"
	};
	void *field = (char *)c + p->offset;
	int flag, r;

	switch (p->kind) {
	case VP_TEXT:
		return read_text_property(m, field, e);
	case VP_BOOL:
		r = sd_bus_message_read(m, "v", "b", &flag);
		*(bool *)field = r >= 0 && flag;
		break;
	default:
		r = sd_bus_message_read(m, "v", types[p->kind], field);
	}
	return r < 0 ? set_read_error(e, r, p->name) : 0;
}

static int read_layer_digests(sd_bus_message *m, struct vp_conf *c,
			      struct err *e)
{
	const char *digest;
	int r = sd_bus_message_enter_container(m, 'v', "as");

	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'a', "s");
	if (r < 0)
		return set_read_error(e, r, "layers");
	while ((r = sd_bus_message_read(m, "s", &digest)) > 0) {
		r = vp_conf_add_layer(c, digest, e);
		if (r < 0)
			return r;
	}
	if (r < 0 || sd_bus_message_exit_container(m) < 0 ||
	    sd_bus_message_exit_container(m) < 0)
		return set_read_error(e, r, "layers");
	return 0;
}

static int read_allow_rules(sd_bus_message *m, struct vp_conf *c, struct err *e)
{
	struct firewall_allow a;
	int r = sd_bus_message_enter_container(m, 'v', "a(uyyq)");

	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'a', "(uyyq)");
	if (r < 0)
		return set_read_error(e, r, "allow");
	while ((r = sd_bus_message_read(m, "(uyyq)", &a.address, &a.prefix,
					&a.protocol, &a.port)) > 0) {
		r = vp_conf_add_allow(c, &a, e);
		if (r < 0)
			return r;
	}
	if (r < 0 || sd_bus_message_exit_container(m) < 0 ||
	    sd_bus_message_exit_container(m) < 0)
		return set_read_error(e, r, "allow");
	return 0;
}

/* An array of words, kept as one text with spaces between. */
static int read_word_list(sd_bus_message *m, const char *name, char **field,
			  struct err *e)
{
	auto_free char *words = strdup("");
	const char *word;
	int r = sd_bus_message_enter_container(m, 'v', "as");

	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'a', "s");
	if (r < 0)
		return set_read_error(e, r, name);
	while (words && (r = sd_bus_message_read(m, "s", &word)) > 0) {
		char *longer;

		if (asprintf(&longer, "%s%s%s", words, *words ? " " : "",
			     word) < 0)
			return err_oom(e, "read Apply");
		free(words);
		words = longer;
	}
	if (!words)
		return err_oom(e, "read Apply");
	if (r < 0 || sd_bus_message_exit_container(m) < 0 ||
	    sd_bus_message_exit_container(m) < 0)
		return set_read_error(e, r, name);
	free(*field);
	*field = steal(words);
	return 0;
}

static int read_config_entry(sd_bus_message *m, struct vp_conf *c,
			     struct err *e)
{
	const char *name;
	int r = sd_bus_message_read(m, "s", &name);

	if (r < 0)
		return set_read_error(e, r, "property");
	if (strcmp(name, "layers") == 0)
		return read_layer_digests(m, c, e);
	if (strcmp(name, "allow") == 0)
		return read_allow_rules(m, c, e);
	if (strcmp(name, "attention") == 0)
		return read_word_list(m, name, &c->attention, e);
	if (strcmp(name, "notify") == 0)
		return read_word_list(m, name, &c->notify, e);
	for (const struct vp_property *p = vp_properties; p->name; p++)
		if (strcmp(p->name, name) == 0)
			return read_scalar_property(m, p, c, e);
	return err_set(e, EINVAL, "read Apply: unknown property '%.40s'", name);
}

static int read_vp_config(sd_bus_message *m, struct vp *v, struct err *e)
{
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	if (r < 0)
		return set_read_error(e, r, "properties");
	while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = read_config_entry(m, &v->conf, e);
		if (r < 0)
			return r;
		r = sd_bus_message_exit_container(m);
		if (r < 0)
			break;
	}
	if (r < 0 || sd_bus_message_exit_container(m) < 0)
		return set_read_error(e, r, "properties");
	return vp_conf_check(&v->conf, v->name, e);
}

static struct vp *find_desired_vp(const struct vp_table_desired *w,
				  const char *name)
{
	for (unsigned int i = 0; i < w->n; i++)
		if (strcmp(w->vp[i]->name, name) == 0)
			return w->vp[i];
	return NULL;
}

static int read_vp_entry(sd_bus_message *m, struct vp_table_desired *w,
			 struct err *e)
{
	AUTO(vp_freep) struct vp *v = NULL;
	const char *name;
	int r = sd_bus_message_read(m, "s", &name);

	if (r < 0)
		return set_read_error(e, r, "VPs");
	if (!encoding_is_valid_id(name) || find_desired_vp(w, name))
		return err_set(e, EINVAL, "read Apply: VP name '%.70s'", name);
	if (w->n == VPS_MAX)
		return err_reason(e, REASON_BUSY, "more than %d VPs", VPS_MAX);
	v = vp_new(name, e);
	if (!v)
		return -ENOMEM;
	for (int c = 0; c < CELLS_CLASS_COUNT; c++)
		v->right[c].kill = true;
	r = read_vp_config(m, v, e);
	if (r < 0)
		return r;
	w->vp[w->n++] = steal(v);
	return 0;
}

static int read_vp_list(sd_bus_message *m, struct vp_table_desired *w,
			struct err *e)
{
	int r = sd_bus_message_enter_container(m, 'a', "(sa{sv})");

	if (r < 0)
		return set_read_error(e, r, "VPs");
	while ((r = sd_bus_message_enter_container(m, 'r', "sa{sv}")) > 0) {
		r = read_vp_entry(m, w, e);
		if (r < 0)
			return r;
		r = sd_bus_message_exit_container(m);
		if (r < 0)
			break;
	}
	if (r < 0 || sd_bus_message_exit_container(m) < 0)
		return set_read_error(e, r, "VPs");
	return 0;
}

static int read_class_rights(sd_bus_message *m, struct vp_table_desired *w,
			     struct err *e)
{
	const char *name;
	uint32_t cls;
	uint8_t use;
	int block, kill, r;

	r = sd_bus_message_enter_container(m, 'a', "(suybb)");
	if (r < 0)
		return set_read_error(e, r, "rights");
	while ((r = sd_bus_message_read(m, "(suybb)", &name, &cls, &use, &block,
					&kill)) > 0) {
		struct vp *v = find_desired_vp(w, name);

		if (!v)
			return err_set(e, EINVAL,
				       "read Apply: a right of '%.64s', which "
				       "is not a VP of it",
				       name);
		if (cls >= CELLS_CLASS_COUNT || use > CELLS_USE_ANY)
			return err_set(e, EINVAL,
				       "read Apply: VP %s: class %u, use %u",
				       name, cls, use);
		v->right[cls].right.use = use;
		v->right[cls].right.block = block != 0;
		v->right[cls].kill = kill != 0;
	}
	if (r < 0 || sd_bus_message_exit_container(m) < 0)
		return set_read_error(e, r, "rights");
	return 0;
}

int desired_state_read(sd_bus_message *m, struct vp_table_desired *ret,
		       const char **ret_cause, struct err *e)
{
	int r = sd_bus_message_read(m, "t", &ret->generation);

	if (r < 0)
		return set_read_error(e, r, "generation");
	r = read_vp_list(m, ret, e);
	if (r == 0)
		r = read_class_rights(m, ret, e);
	if (r < 0)
		return r;
	r = sd_bus_message_read(m, "s", ret_cause);
	if (r < 0)
		return set_read_error(e, r, "cause");
	if (strlen(*ret_cause) > CAUSE_MAX)
		return err_set(e, EINVAL, "read Apply: cause too long");
	return 0;
}
