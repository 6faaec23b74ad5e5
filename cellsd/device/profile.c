/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/profile.h"

#include "lib/auto.h"
#include "lib/class.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64 * 1024)
#define RULES_MAX 512
#define CONDITIONS_MAX 8

enum condition_type {
	ASK_SUBSYSTEM,
	ASK_SYSNAME,
	ASK_DEVNAME,
	ASK_DRIVER,
	ASK_PROPERTY,
	ASK_ATTRIBUTE,
	ASK_COUNT
};

static const struct {
	const char *word;
	bool keyed; /* KEY=GLOB instead of GLOB */
} asks[ASK_COUNT] = {
	[ASK_SUBSYSTEM] = { "subsystem", false },
	[ASK_SYSNAME] = { "sysname", false },
	[ASK_DEVNAME] = { "devname", false },
	[ASK_DRIVER] = { "driver", false },
	[ASK_PROPERTY] = { "property", true },
	[ASK_ATTRIBUTE] = { "attribute", true },
};

struct condition {
	enum condition_type ask;
	char *key, *glob;
};

struct rule {
	enum cells_class cls;
	unsigned int n;
	struct condition condition[CONDITIONS_MAX];
};

struct profile {
	unsigned int n;
	struct rule rule[RULES_MAX];
};

struct profile *profile_new(void)
{
	return calloc(1, sizeof(struct profile));
}

static void free_profile_rule(struct rule *r)
{
	for (unsigned int i = 0; i < r->n; i++) {
		free(r->condition[i].key);
		free(r->condition[i].glob);
	}
	r->n = 0;
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	for (unsigned int i = 0; i < p->n; i++)
		free_profile_rule(&p->rule[i]);
	free(p);
}

static int parse_rule_condition(struct rule *rule, char *text, struct err *e)
{
	struct condition *c = &rule->condition[rule->n];
	char *word, *value, *equals;

	text = encoding_trim_blanks(text);
	word = strsep(&text, " \t");
	value = text ? encoding_trim_blanks(text) : word + strlen(word);
	if (rule->n == CONDITIONS_MAX)
		return err_set(e, EINVAL, "more than %d conditions",
			       CONDITIONS_MAX);
	for (c->ask = 0; c->ask < ASK_COUNT; c->ask++)
		if (strcmp(asks[c->ask].word, word) == 0)
			break;
	if (c->ask == ASK_COUNT)
		return err_set(e, EINVAL, "unknown condition '%.40s'", word);
	if (!*value)
		return err_set(e, EINVAL, "%s needs a value", word);
	c->key = c->glob = NULL;
	if (asks[c->ask].keyed) {
		equals = strchr(value, '=');
		if (!equals || equals == value)
			return err_set(e, EINVAL, "%s needs KEY=VALUE", word);
		*equals = '\0';
		c->key = strdup(encoding_trim_blanks(value));
		value = encoding_trim_blanks(equals + 1);
	}
	c->glob = strdup(value);
	rule->n++;
	if (!c->glob || (asks[c->ask].keyed && !c->key))
		return err_oom(e, "read a hardware profile");
	return 0;
}

static int parse_profile_rule(struct profile *p, char *line, struct err *e)
{
	struct rule *rule = &p->rule[p->n];
	char *equals = strchr(line, '='), *name, *rest, *text;
	int r = 0;

	if (!equals)
		return err_set(e, EINVAL, "no '=' in '%.40s'", line);
	*equals = '\0';
	name = encoding_trim_blanks(line);
	rest = equals + 1;
	if (p->n == RULES_MAX)
		return err_set(e, EINVAL, "more than %d rules", RULES_MAX);
	rule->cls = class_from_name(name);
	if (rule->cls == CELLS_CLASS_COUNT)
		return err_set(e, EINVAL, "unknown class '%.40s'", name);
	rule->n = 0;
	while (r == 0 && (text = strsep(&rest, ",")))
		r = parse_rule_condition(rule, text, e);
	/* A rule without a subsystem would ask every device of the machine. */
	if (r == 0 && rule->condition[0].ask != ASK_SUBSYSTEM)
		r = err_set(e, EINVAL,
			    "the first condition is not a subsystem");
	if (r < 0)
		free_profile_rule(rule);
	else
		p->n++;
	return r;
}

int profile_parse_text(struct profile *p, const char *name, char *text,
		       struct err *e)
{
	unsigned int number = 0;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		struct err why;
		int r;

		number++;
		line = encoding_trim_blanks(line);
		if (!*line || *line == '#')
			continue;
		r = parse_profile_rule(p, line, &why);
		if (r < 0)
			return err_set(e, -r, "%s:%u: %s", name, number,
				       why.text);
	}
	return 0;
}

int profile_read_file(struct profile *p, const char *path, struct err *e)
{
	auto_free char *text = NULL;
	size_t len;
	int r = io_read_file(path, FILE_MAX, &text, &len, e);

	if (r < 0)
		return r;
	if (strlen(text) != len)
		return err_set(e, EINVAL, "%s: holds a NUL byte", path);
	return profile_parse_text(p, path, text, e);
}

static int is_conf_file(const struct dirent *d)
{
	return d->d_name[0] != '.' && fnmatch("*.conf", d->d_name, 0) == 0;
}

int profile_read_folder(struct profile *p, const char *folder, struct err *e)
{
	struct dirent **list = NULL;
	int n = scandir(folder, &list, is_conf_file, alphasort), r = 0;

	if (n < 0)
		return errno == ENOENT ? 0
				       : err_sys(e, errno, "list %s", folder);
	for (int i = 0; i < n; i++) {
		auto_free char *path = io_join(folder, list[i]->d_name);

		if (r == 0)
			r = path ? profile_read_file(p, path, e)
				 : err_oom(e, folder);
		free(list[i]);
	}
	free(list);
	return r;
}

static const char *get_condition_value(const struct condition *c,
				       const struct profile_device *d)
{
	switch (c->ask) {
	case ASK_SUBSYSTEM:
		return d->subsystem(d->arg);
	case ASK_SYSNAME:
		return d->sysname(d->arg);
	case ASK_DEVNAME:
		return d->devname(d->arg);
	case ASK_DRIVER:
		return d->driver(d->arg);
	case ASK_PROPERTY:
		return d->property(d->arg, c->key);
	case ASK_ATTRIBUTE:
		return d->attribute(d->arg, c->key);
	case ASK_COUNT:
		break;
	}
	return NULL;
}

static bool is_rule_met(const struct rule *rule, const struct profile_device *d)
{
	for (unsigned int i = 0; i < rule->n; i++) {
		const char *value = get_condition_value(&rule->condition[i], d);

		if (!value || fnmatch(rule->condition[i].glob, value, 0) != 0)
			return false;
	}
	return true;
}

uint32_t profile_match_device(const struct profile *p,
			      const struct profile_device *d)
{
	uint32_t classes = 0;

	for (unsigned int i = 0; i < p->n; i++)
		if (is_rule_met(&p->rule[i], d))
			classes |= 1U << p->rule[i].cls;
	return class_drop_coarser(classes);
}

void profile_each_subsystem(const struct profile *p,
			    void (*fn)(void *arg, const char *), void *arg)
{
	for (unsigned int i = 0; i < p->n; i++)
		fn(arg, p->rule[i].condition[0].glob);
}
