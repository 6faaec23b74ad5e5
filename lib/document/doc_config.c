/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of a VP. */
#include "lib/auto.h"
#include "lib/document/doc.h"
#include "lib/document/doc_read.h"
#include "lib/document/xml.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define CPU_WEIGHT_DEFAULT 100
#define CPU_WEIGHT_MAX 10000
#define IO_WEIGHT_MAX 10000
#define RATE_MIN 1024
#define RATE_MAX (UINT64_C(1) << 40)
#define PORT_MAX 65535
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
	DOC_READ(name, kind, struct doc_vp_config, member, __VA_ARGS__)
#define END                                                                    \
	{                                                                      \
		NULL                                                           \
	}

static const struct doc_read_attribute image_table[] = {
	CONFIG("id", ID, image),
	CONFIG("min-version", NUMBER, image_min_version, .min = 1,
	       .max = INT32_MAX),
	END,
};

static const struct doc_read_attribute resources_table[] = {
	CONFIG("memory-max", NUMBER, memory_max, .min = 1, .max = BYTES_MAX,
	       .optional = true),
	CONFIG("cpu-weight", NUMBER, cpu_weight, .min = 1,
	       .max = CPU_WEIGHT_MAX, .optional = true),
	CONFIG("io-weight", NUMBER, io_weight, .min = 1, .max = IO_WEIGHT_MAX,
	       .optional = true),
	CONFIG("io-read-max", NUMBER, io_read_max, .min = RATE_MIN,
	       .max = RATE_MAX, .optional = true),
	CONFIG("io-write-max", NUMBER, io_write_max, .min = RATE_MIN,
	       .max = RATE_MAX, .optional = true),
	CONFIG("pids-max", NUMBER, pids_max, .min = 1, .max = PIDS_MAX,
	       .optional = true),
	CONFIG("storage-max", NUMBER, storage_max, .min = 1, .max = BYTES_MAX,
	       .optional = true),
	CONFIG("overcommit", FLAG, overcommit, .optional = true),
	END,
};

static const struct doc_read_attribute network_table[] = {
	CONFIG("rate", NUMBER, net_rate, .min = RATE_MIN, .max = RATE_MAX,
	       .optional = true),
	END,
};

static const struct doc_read_attribute start_table[] = {
	CONFIG("on-boot", FLAG, on_boot),
	END,
};

static const struct doc_read_attribute hardening_table[] = {
	CONFIG("no-new-privileges", FLAG, no_new_privs),
	END,
};

static const struct doc_read_attribute lock_table[] = {
	CONFIG("idle-seconds", NUMBER, idle_seconds, .max = IDLE_MAX_SECONDS,
	       .optional = true),
	CONFIG("attempts", NUMBER, attempts, .max = ATTEMPTS_MAX,
	       .optional = true),
	CONFIG("then", WORD, attempts_then, .words = then_names,
	       .optional = true),
	END,
};

static const struct doc_read_attribute offline_table[] = {
	CONFIG("after-hours", NUMBER, offline_hours, .min = 1,
	       .max = OFFLINE_MAX_HOURS),
	CONFIG("then", WORD, offline_then, .words = then_names),
	END,
};

static const struct doc_read_attribute protection_table[] = {
	CONFIG("iterations", NUMBER, iterations, .min = ITERATIONS_MIN,
	       .max = ITERATIONS_MAX),
	CONFIG("verifier", BASE64, verifier),
	END,
};

static const struct doc_read_attribute secrets_table[] = {
	CONFIG("nonce", BASE64, secrets_nonce),
	END,
};

static int read_vp_label(const struct xml_node *n, struct doc_vp_config *c,
			 struct err *e)
{
	const char *text = xml_text(n);
	size_t len = strlen(text);

	if (len >= sizeof(c->label))
		return doc_read_error(n, e, "longer than %zu bytes",
				      sizeof(c->label) - 1);
	memcpy(c->label, text, len + 1);
	return 0;
}

/* "10.0.0.0/8", or an address alone. */
static int parse_network_prefix(const char *text, struct doc_allow *ret)
{
	char address[INET_ADDRSTRLEN];
	size_t len = strcspn(text, "/");
	uint64_t prefix = 32;
	struct in_addr in;

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(AF_INET, address, &in) != 1 ||
	    (text[len] == '/' &&
	     encoding_parse_number(text + len + 1, 32, &prefix) < 0))
		return -EINVAL;
	ret->address = ntohl(in.s_addr);
	ret->prefix = (uint8_t)prefix;
	return prefix < 32 && ret->address & (~0U >> prefix) ? -EINVAL : 0;
}

static int read_allow_rule(const struct xml_node *n, struct doc_vp_config *c,
			   struct err *e)
{
	const char *host = xml_attribute(n, "host");
	const char *net = xml_attribute(n, "net");
	const char *protocol = xml_attribute(n, "protocol");
	const char *port = xml_attribute(n, "port");
	struct doc_allow a = { 0 };
	uint64_t number = 0;

	if (!host == !net)
		return doc_read_error(n, e, "has one of host and net");
	if (parse_network_prefix(host ? host : net, &a) < 0)
		return doc_read_error(n, e, "'%.40s' is not a network",
				      host ? host : net);
	if (port && encoding_parse_number(port, PORT_MAX, &number) < 0)
		return doc_read_error(n, e, "port='%.40s' is not valid", port);
	if (protocol)
		a.protocol = strcmp(protocol, "tcp") == 0 ? IPPROTO_TCP
							  : IPPROTO_UDP;
	a.port = (uint16_t)number;
	if (c->n_allow == DOC_ALLOW_MAX)
		return doc_read_error(n, e, "more than %d", DOC_ALLOW_MAX);
	c->allow[c->n_allow++] = a;
	return 0;
}

static int read_vp_network(const struct xml_node *n, struct doc_vp_config *c,
			   struct err *e)
{
	const char *mode = xml_attribute(n, "mode");
	int r = 0;

	c->nat = mode && strcmp(mode, "nat") == 0;
	for (const struct xml_node *k = xml_first(n); r == 0 && k;
	     k = xml_next(k))
		r = read_allow_rule(k, c, e);
	if (r == 0 && !c->nat && (c->n_allow > 0 || c->net_rate > 0))
		return doc_read_error(n, e,
				      "allow and rate are for mode nat only");
	return r;
}

struct call_kind {
	const char *word;
	bool *ret;
};

static void parse_call_kinds(const char *s, const struct call_kind calls[3])
{
	while (s && *s) {
		size_t len = strcspn(s, " ");

		for (size_t i = 0; i < 3; i++)
			if (strlen(calls[i].word) == len &&
			    memcmp(calls[i].word, s, len) == 0)
				*calls[i].ret = true;
		s += len;
		s += strspn(s, " ");
	}
}

static int read_vp_foreground(const struct xml_node *n, struct doc_vp_config *c,
			      struct err *e)
{
	const struct call_kind attention[] = {
		{ "call", &c->attention_call },
		{ "sms", &c->attention_sms },
		{ "alarm", &c->attention_alarm },
	};
	const struct call_kind notify[] = {
		{ "call", &c->notify_call },
		{ "sms", &c->notify_sms },
		{ "alarm", &c->notify_alarm },
	};

	parse_call_kinds(xml_attribute(n, "attention"), attention);
	parse_call_kinds(xml_attribute(n, "notify"), notify);
	return 0;
}

static int check_lock_attributes(const struct xml_node *n,
				 struct doc_vp_config *c, struct err *e)
{
	if (!xml_attribute(n, "attempts") != !xml_attribute(n, "then"))
		return doc_read_error(n, e,
				      "attempts and then need each other");
	return 0;
}

static int check_offline_attributes(const struct xml_node *n,
				    struct doc_vp_config *c, struct err *e)
{
	if (c->offline_then == DOC_THEN_WIPE &&
	    c->offline_hours < OFFLINE_WIPE_MIN_HOURS)
		return doc_read_error(n, e,
				      "then='wipe' needs after-hours of %d or "
				      "more",
				      OFFLINE_WIPE_MIN_HOURS);
	return 0;
}

static int read_vp_protection(const struct xml_node *n, struct doc_vp_config *c,
			      struct err *e)
{
	const char *text = xml_attribute(n, "salt");
	auto_free void *salt = NULL;
	size_t len;
	int r;

	r = doc_read_base64(n, text ? text : "", &salt, &len, e);
	if (r < 0)
		return r;
	if (len < SALT_MIN || len > sizeof(c->salt))
		return doc_read_error(n, e, "the salt has %zu bytes", len);
	memcpy(c->salt, salt, len);
	c->salt_len = len;
	c->is_protected = true;
	return 0;
}

static int read_vp_secrets(const struct xml_node *n, struct doc_vp_config *c,
			   struct err *e)
{
	auto_free void *secrets = NULL;
	size_t len;
	int r;

	if (!c->is_protected || c->secrets)
		return doc_read_error(n, e,
				      "may occur once, after <protection>");
	r = doc_read_base64(n, xml_text(n), &secrets, &len, e);
	if (r < 0)
		return r;
	if (len < TAG_SIZE || len > SECRETS_MAX + TAG_SIZE)
		return doc_read_error(n, e, "has %zu bytes", len);
	c->secrets = steal(secrets);
	c->secrets_len = len;
	return 0;
}

/* Attributes first, then what a table cannot say. */
static const struct {
	const char *name;
	const struct doc_read_attribute *table;
	int (*read)(const struct xml_node *n, struct doc_vp_config *c,
		    struct err *e);
} children[] = {
	{ "label", NULL, read_vp_label },
	{ "image", image_table, NULL },
	{ "resources", resources_table, NULL },
	{ "network", network_table, read_vp_network },
	{ "start", start_table, NULL },
	{ "hardening", hardening_table, NULL },
	{ "foreground", NULL, read_vp_foreground },
	{ "lock", lock_table, check_lock_attributes },
	{ "offline", offline_table, check_offline_attributes },
	{ "protection", protection_table, read_vp_protection },
	{ "secrets", secrets_table, read_vp_secrets },
};

static int read_config_element(const struct xml_node *n,
			       struct doc_vp_config *c, struct err *e)
{
	size_t i = 0;
	int r = 0;

	while (i < ARRAY_SIZE(children) &&
	       !doc_read_is_element(n, children[i].name))
		i++;
	if (i == ARRAY_SIZE(children))
		return doc_read_error(n, e, "unknown element");
	if (children[i].table)
		r = doc_read_attributes(n, children[i].table, c, e);
	if (r == 0 && children[i].read)
		r = children[i].read(n, c, e);
	return r;
}

int doc_config_read(const struct xml_node *n, struct doc *ret, struct err *e)
{
	struct doc_vp_config *c = (struct doc_vp_config *)ret;

	memcpy(c->label, c->head.id, sizeof(c->head.id));
	c->cpu_weight = CPU_WEIGHT_DEFAULT;
	for (const struct xml_node *k = xml_first(n); k; k = xml_next(k)) {
		int r = read_config_element(k, c, e);

		if (r < 0)
			return r;
	}
	return 0;
}

void doc_config_fini(struct doc *d)
{
	free(((struct doc_vp_config *)d)->secrets);
}
