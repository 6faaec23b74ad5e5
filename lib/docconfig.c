/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of a VP. */
#include "lib/auto.h"
#include "lib/doc.h"
#include "lib/docread.h"
#include "lib/err.h"
#include "lib/xml.h"

#include <string.h>

#define CPU_WEIGHT_DEFAULT 100
#define CPU_WEIGHT_MAX 10000
#define PIDS_MAX 4194304
#define BYTES_MAX (UINT64_C(1) << 50)
#define IDLE_MAX_SECONDS 2592000
#define ATTEMPTS_MAX 1000
#define OFFLINE_MAX_HOURS 87600
#define OFFLINE_WIPE_MIN_HOURS 720
#define ITERATIONS_MIN 210000
#define ITERATIONS_MAX 5000000
#define SALT_MIN 16
#define SECRETS_MAX (64 * 1024)
#define TAG_SIZE 16

static const char *const then_names[] = {
	[DOC_THEN_NOTHING] = "nothing",
	[DOC_THEN_LOCK] = "lock",
	[DOC_THEN_WIPE] = "wipe",
	NULL,
};

#define CONFIG(name, kind, member, ...)                                        \
	DOCREAD(name, kind, struct doc_vp_config, member, __VA_ARGS__)
#define END                                                                    \
	{                                                                      \
		NULL                                                           \
	}

static const struct docread image_table[] = {
	CONFIG("id", ID, image),
	CONFIG("min-version", NUMBER, image_min_version, .min = 1,
	       .max = INT32_MAX),
	END,
};

static const struct docread resources_table[] = {
	CONFIG("memory-max", NUMBER, memory_max, .min = 1, .max = BYTES_MAX,
	       .optional = true),
	CONFIG("cpu-weight", NUMBER, cpu_weight, .min = 1,
	       .max = CPU_WEIGHT_MAX, .optional = true),
	CONFIG("pids-max", NUMBER, pids_max, .min = 1, .max = PIDS_MAX,
	       .optional = true),
	CONFIG("storage-max", NUMBER, storage_max, .min = 1, .max = BYTES_MAX,
	       .optional = true),
	END,
};

static const struct docread start_table[] = {
	CONFIG("on-boot", FLAG, on_boot),
	END,
};

static const struct docread lock_table[] = {
	CONFIG("idle-seconds", NUMBER, idle_seconds, .max = IDLE_MAX_SECONDS,
	       .optional = true),
	CONFIG("attempts", NUMBER, attempts, .max = ATTEMPTS_MAX,
	       .optional = true),
	CONFIG("then", WORD, attempts_then, .words = then_names,
	       .optional = true),
	END,
};

static const struct docread offline_table[] = {
	CONFIG("after-hours", NUMBER, offline_hours, .min = 1,
	       .max = OFFLINE_MAX_HOURS),
	CONFIG("then", WORD, offline_then, .words = then_names),
	END,
};

static const struct docread protection_table[] = {
	CONFIG("iterations", NUMBER, iterations, .min = ITERATIONS_MIN,
	       .max = ITERATIONS_MAX),
	CONFIG("verifier", BASE64, verifier),
	END,
};

static const struct docread secrets_table[] = {
	CONFIG("nonce", BASE64, secrets_nonce),
	END,
};

static int read_label(const struct xml_node *n, struct doc_vp_config *c,
		      struct err *e)
{
	const char *text = xml_text(n);
	size_t len = strlen(text);

	if (len >= sizeof(c->label))
		return docread_fault(n, e, "longer than %zu bytes",
				     sizeof(c->label) - 1);
	memcpy(c->label, text, len + 1);
	return 0;
}

static int read_network(const struct xml_node *n, struct doc_vp_config *c,
			struct err *e)
{
	const char *mode = xml_attribute(n, "mode");

	c->nat = mode && strcmp(mode, "nat") == 0;
	return 0;
}

static int read_foreground(const struct xml_node *n, struct doc_vp_config *c,
			   struct err *e)
{
	const struct {
		const char *word;
		bool *ret;
	} reasons[] = {
		{ "call", &c->attention_call },
		{ "sms", &c->attention_sms },
		{ "alarm", &c->attention_alarm },
	};
	const char *s = xml_attribute(n, "attention");

	while (s && *s) {
		size_t len = strcspn(s, " ");

		for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
			if (strlen(reasons[i].word) == len &&
			    memcmp(reasons[i].word, s, len) == 0)
				*reasons[i].ret = true;
		s += len;
		s += strspn(s, " ");
	}
	return 0;
}

static int read_lock(const struct xml_node *n, struct doc_vp_config *c,
		     struct err *e)
{
	if (!xml_attribute(n, "attempts") != !xml_attribute(n, "then"))
		return docread_fault(n, e, "attempts and then stand together");
	return 0;
}

static int read_offline(const struct xml_node *n, struct doc_vp_config *c,
			struct err *e)
{
	if (c->offline_then == DOC_THEN_WIPE &&
	    c->offline_hours < OFFLINE_WIPE_MIN_HOURS)
		return docread_fault(n, e,
				     "then='wipe' needs after-hours of %d or "
				     "more",
				     OFFLINE_WIPE_MIN_HOURS);
	return 0;
}

static int read_protection(const struct xml_node *n, struct doc_vp_config *c,
			   struct err *e)
{
	const char *text = xml_attribute(n, "salt");
	auto_free void *salt = NULL;
	size_t len;
	int r;

	r = docread_base64(n, text ? text : "", &salt, &len, e);
	if (r < 0)
		return r;
	if (len < SALT_MIN || len > sizeof(c->salt))
		return docread_fault(n, e, "the salt has %zu bytes", len);
	memcpy(c->salt, salt, len);
	c->salt_len = len;
	c->is_protected = true;
	return 0;
}

static int read_secrets(const struct xml_node *n, struct doc_vp_config *c,
			struct err *e)
{
	auto_free void *secrets = NULL;
	size_t len;
	int r;

	if (!c->is_protected || c->secrets)
		return docread_fault(n, e, "stands once, behind <protection>");
	r = docread_base64(n, xml_text(n), &secrets, &len, e);
	if (r < 0)
		return r;
	if (len < TAG_SIZE || len > SECRETS_MAX + TAG_SIZE)
		return docread_fault(n, e, "has %zu bytes", len);
	c->secrets = steal(secrets);
	c->secrets_len = len;
	return 0;
}

/* Attributes first, then what a table cannot say. */
static const struct {
	const char *name;
	const struct docread *table;
	int (*read)(const struct xml_node *n, struct doc_vp_config *c,
		    struct err *e);
} children[] = {
	{ "label", NULL, read_label },
	{ "image", image_table, NULL },
	{ "resources", resources_table, NULL },
	{ "network", NULL, read_network },
	{ "start", start_table, NULL },
	{ "foreground", NULL, read_foreground },
	{ "lock", lock_table, read_lock },
	{ "offline", offline_table, read_offline },
	{ "protection", protection_table, read_protection },
	{ "secrets", secrets_table, read_secrets },
};

static int read_child(const struct xml_node *n, struct doc_vp_config *c,
		      struct err *e)
{
	size_t i = 0;
	int r = 0;

	while (i < ARRAY_SIZE(children) && !docread_is(n, children[i].name))
		i++;
	if (i == ARRAY_SIZE(children))
		return docread_fault(n, e, "unknown element");
	if (children[i].table)
		r = docread_attributes(n, children[i].table, c, e);
	if (r == 0 && children[i].read)
		r = children[i].read(n, c, e);
	return r;
}

int docconfig_read(const struct xml_node *n, struct doc *ret, struct err *e)
{
	struct doc_vp_config *c = (struct doc_vp_config *)ret;

	memcpy(c->label, c->head.id, sizeof(c->head.id));
	c->cpu_weight = CPU_WEIGHT_DEFAULT;
	for (const struct xml_node *k = xml_first(n); k; k = xml_next(k)) {
		int r = read_child(k, c, e);

		if (r < 0)
			return r;
	}
	return 0;
}

void docconfig_fini(struct doc *d)
{
	free(((struct doc_vp_config *)d)->secrets);
}
