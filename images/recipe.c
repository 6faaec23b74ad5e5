/* SPDX-License-Identifier: Apache-2.0 */
#include "images/recipe.h"

#include "images/interrupt.h"
#include "lib/auto.h"
#include "lib/config.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/opt.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define PREFIX "RECIPE_"

/* What is passed on of our own environment. */
static const char *const inherited[] = { "SOURCE_DATE_EPOCH", "http_proxy",
					 "https_proxy", "no_proxy" };

struct recipe_env {
	char *env[OPT_LIST_MAX + ARRAY_SIZE(inherited) + 2];
	unsigned int n;
};

static void recipe_env_fini(struct recipe_env *s)
{
	while (s->n > 0)
		free(s->env[--s->n]);
}

void recipe_fini(struct recipe *r)
{
	free(r->input);
	free(r->init);
	free(r->stop_signal);
	memset(r, 0, sizeof(*r));
}

/* "suite=bookworm" as RECIPE_SUITE=bookworm. */
static int add_recipe_setting(struct recipe_env *s, const char *setting,
			      struct err *e)
{
	size_t n = strcspn(setting, "=");
	char *env;

	for (size_t i = 0; i < n; i++)
		if (!islower((unsigned char)setting[i]))
			n = 0;
	if (n == 0 || setting[n] != '=')
		return err_set(e, EINVAL, "--set %s: not NAME=VALUE", setting);
	if (asprintf(&env, PREFIX "%s", setting) < 0)
		return err_oom(e, setting);
	for (size_t i = 0; i < n; i++)
		env[strlen(PREFIX) + i] =
			(char)toupper((unsigned char)setting[i]);
	s->env[s->n++] = env;
	return 0;
}

static int add_inherited_variables(struct recipe_env *s, struct err *e)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(inherited); i++) {
		const char *value = getenv(inherited[i]);

		if (!value)
			continue;
		if (asprintf(&s->env[s->n], "%s=%s", inherited[i], value) < 0)
			return err_oom(e, inherited[i]);
		s->n++;
	}
	return 0;
}

static int read_recipe_result(const char *folder, struct recipe *ret,
			      struct err *e)
{
	auto_free char *conf = io_join(folder, "recipe.conf");
	const struct config_key keys[] = {
		{ "init", CONFIG_STRING, &ret->init },
		{ "stop-signal", CONFIG_STRING, &ret->stop_signal },
		{ NULL },
	};

	ret->input = io_join(folder, "root.tar");
	if (!conf || !ret->input)
		return err_oom(e, folder);
	if (access(ret->input, F_OK) < 0)
		strcpy(strrchr(ret->input, '/'), "/root");
	if (access(ret->input, F_OK) < 0)
		return err_set(e, ENOENT, "the recipe made no root");
	return config_read(conf, true, keys, e);
}

int recipe_run(const char *name, const char *where, const char *folder,
	       const char *architecture, const struct opt_list *settings,
	       const char *log, struct recipe *ret, struct err *e)
{
	AUTO(recipe_env_fini) struct recipe_env s = { .n = 0 };
	AUTO(recipe_fini) struct recipe out = { 0 };
	auto_free char *program = NULL, *arch = NULL;
	int r = 0;

	if (!encoding_is_valid_id(name))
		return err_set(e, EINVAL, "'%s' is not a recipe", name);
	program = io_join(where ? where : RECIPES_DIR, name);
	if (!program || asprintf(&arch, "architecture=%s", architecture) < 0)
		return err_oom(e, name);
	if (access(program, X_OK) < 0)
		return err_sys(e, errno, "run recipe %s", program);
	r = add_recipe_setting(&s, arch, e);
	for (unsigned int i = 0; r == 0 && i < settings->n; i++)
		r = add_recipe_setting(&s, settings->item[i], e);
	if (r == 0)
		r = add_inherited_variables(&s, e);
	if (r == 0)
		r = interrupt_run_program(
			(const char *const[]){ program, folder, NULL },
			(const char *const *)s.env, log, e);
	if (r == 0)
		r = read_recipe_result(folder, &out, e);
	if (r < 0)
		return r;
	*ret = out;
	memset(&out, 0, sizeof(out));
	return 0;
}
