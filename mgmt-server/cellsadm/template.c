/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/cellsadm/template.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/password_crypto.h"
#include "mgmt-server/cellsadm/adm.h"
#include "mgmt-server/cellsadm/xml_writer.h"

#include <errno.h>
#include <string.h>

#define DAY 86400
#define SALT_SIZE 16

static int write_reference(struct xmlout *x, const char *element,
			   const char *spec, struct err *e)
{
	char id[DOC_ID_SIZE];
	uint32_t min = 1;
	int r = adm_reference(spec, id, &min, e);

	if (r < 0)
		return r;
	xmlout_begin(x, element);
	xmlout_attr(x, "id", "%s", id);
	xmlout_attr(x, "min-version", "%u", min);
	xmlout_end(x);
	return 0;
}

static int write_group(struct xmlout *x, const struct skeleton *s,
		       struct err *e)
{
	int r = 0;

	for (unsigned int i = 0; r >= 0 && i < s->policies.n; i++)
		r = write_reference(x, "policy", s->policies.item[i], e);
	for (unsigned int i = 0; r >= 0 && i < s->vp_configs.n; i++)
		r = write_reference(x, "vp-config", s->vp_configs.item[i], e);
	return r;
}

static int write_membership(struct xmlout *x, const struct skeleton *s,
			    struct err *e)
{
	char id[DOC_ID_SIZE];
	uint32_t min = 1;
	int r;

	if (!s->device || !s->epoch || !s->group)
		return err_set(e, EINVAL,
			       "a membership needs --device, --epoch and "
			       "--group");
	r = adm_reference(s->group, id, &min, e);
	if (r < 0)
		return r;
	xmlout_attr(x, "device", "%s", s->device);
	xmlout_attr(x, "epoch", "%s", s->epoch);
	xmlout_attr(x, "group", "%s", id);
	xmlout_attr(x, "min-version", "%u", min);
	if (s->after)
		xmlout_attr(x, "after", "%s", s->after);
	return 0;
}

static int write_command(struct xmlout *x, const struct skeleton *s,
			 struct err *e)
{
	xmlout_attr(x, "device", "%s", s->device);
	xmlout_attr(x, "epoch", "%s", s->epoch);
	if (s->vp)
		xmlout_attr(x, "vp", "%s", s->vp);
	xmlout_attr(x, "action", "%s", s->action);
	if (s->sealed_key) {
		xmlout_begin(x, "sealed-key");
		xmlout_base64(x, NULL, s->sealed_key, s->sealed_key_len);
		xmlout_end(x);
	}
	return 0;
}

/* An attribute of <resources>: a size (like 512M), or a number (0: not said).
 */
struct quantity {
	const char *attribute, *size;
	uint64_t number;
};

static int write_resources(struct xmlout *x, const struct skeleton *s,
			   struct err *e)
{
	struct quantity all[] = {
		{ "memory-max", s->memory, 0 },
		{ "cpu-weight", NULL, s->cpu_weight },
		{ "io-weight", NULL, s->io_weight },
		{ "io-read-max", s->io_read, 0 },
		{ "io-write-max", s->io_write, 0 },
		{ "pids-max", NULL, s->pids },
		{ "storage-max", s->storage, 0 },
	};
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i].size && adm_size(all[i].size, &all[i].number, e) < 0)
			return -EINVAL;
		any = any || all[i].size || all[i].number;
	}
	if (!any)
		return 0;
	xmlout_begin(x, "resources");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].size || all[i].number)
			xmlout_attr(x, all[i].attribute, "%ju",
				    (uintmax_t)all[i].number);
	xmlout_end(x);
	return 0;
}

/* "192.0.2.10", "tcp:192.0.2.10:443", "198.51.100.0/24:53" */
static int write_allow(struct xmlout *x, const char *spec, struct err *e)
{
	size_t len = strcspn(spec, ":");
	bool named = len > 0 && !strchr("0123456789", *spec);
	const char *net = named && spec[len] ? spec + len + 1 : spec;
	const char *port;

	len = strcspn(net, ":");
	port = net[len] ? net + len + 1 : NULL;
	if (len == 0 || (named && net == spec) || (port && strchr(port, ':')))
		return err_set(e, EINVAL,
			       "allow '%s': not [PROTOCOL:]NET[:PORT] (like "
			       "tcp:192.0.2.10:443)",
			       spec);
	xmlout_begin(x, "allow");
	xmlout_attr(x, memchr(net, '/', len) ? "net" : "host", "%.*s", (int)len,
		    net);
	if (named)
		xmlout_attr(x, "protocol", "%.*s", (int)strcspn(spec, ":"),
			    spec);
	if (port)
		xmlout_attr(x, "port", "%s", port);
	xmlout_end(x);
	return 0;
}

static int write_network(struct xmlout *x, const struct skeleton *s,
			 struct err *e)
{
	uint64_t rate = 0;
	int r = s->rate ? adm_size(s->rate, &rate, e) : 0;

	if (r < 0)
		return r;
	xmlout_begin(x, "network");
	xmlout_attr(x, "mode", "%s", s->network ? s->network : "none");
	if (s->rate)
		xmlout_attr(x, "rate", "%ju", (uintmax_t)rate);
	for (unsigned int i = 0; r >= 0 && i < s->allow.n; i++)
		r = write_allow(x, s->allow.item[i], e);
	xmlout_end(x);
	return r;
}

static void write_foreground(struct xmlout *x, const struct skeleton *s)
{
	if (!s->attention && !s->notify)
		return;
	xmlout_begin(x, "foreground");
	xmlout_attr(x, "attention", "%s", s->attention ? s->attention : "");
	if (s->notify)
		xmlout_attr(x, "notify", "%s", s->notify);
	xmlout_end(x);
}

static int write_lock(struct xmlout *x, const struct skeleton *s, struct err *e)
{
	if (s->then && !s->attempts)
		return err_set(e, EINVAL, "--then needs --attempts");
	if (s->offline_then && !s->offline_hours)
		return err_set(e, EINVAL,
			       "--offline-then needs "
			       "--offline-hours");
	if (s->idle_seconds || s->attempts) {
		xmlout_begin(x, "lock");
		if (s->idle_seconds)
			xmlout_attr(x, "idle-seconds", "%ju",
				    (uintmax_t)s->idle_seconds);
		if (s->attempts) {
			xmlout_attr(x, "attempts", "%ju",
				    (uintmax_t)s->attempts);
			xmlout_attr(x, "then", "%s",
				    s->then ? s->then : "lock");
		}
		xmlout_end(x);
	}
	if (s->offline_hours) {
		xmlout_begin(x, "offline");
		xmlout_attr(x, "after-hours", "%ju",
			    (uintmax_t)s->offline_hours);
		xmlout_attr(x, "then", "%s",
			    s->offline_then ? s->offline_then : "lock");
		xmlout_end(x);
	}
	return 0;
}

/* Associated data: "vp-config\n<org>\n<id>\n<version>". */
static int write_secrets(struct xmlout *x, const struct skeleton *s,
			 const struct seal_key *k, struct err *e)
{
	uint8_t nonce[SEAL_NONCE_SIZE];
	auto_free void *sealed = NULL;
	auto_free char *aad = NULL;
	size_t len;
	int n, r;

	n = asprintf(&aad, "vp-config\n%s\n%s\n%ju", s->org, s->id,
		     (uintmax_t)s->version);
	if (n < 0)
		return err_oom(e, "seal the secrets");
	hash_random(nonce, sizeof(nonce));
	r = seal_encrypt(k->enc, nonce, aad, (size_t)n, s->secrets,
			 s->secrets_len, &sealed, &len, e);
	if (r < 0)
		return r;
	xmlout_begin(x, "secrets");
	xmlout_attr(x, "cipher", "aes-256-gcm");
	xmlout_base64(x, "nonce", nonce, sizeof(nonce));
	xmlout_base64(x, NULL, sealed, len);
	xmlout_end(x);
	return 0;
}

static int write_protection(struct xmlout *x, const struct skeleton *s,
			    struct err *e)
{
	AUTO(seal_wipe) struct seal_key k = { 0 };
	uint8_t salt[SALT_SIZE], verifier[HASH_SIZE];
	uint64_t iterations = s->iterations ? s->iterations : KEY_ITERATIONS;
	int r;

	if (!s->password && s->secrets)
		return err_set(e, EINVAL,
			       "secrets need a config password to seal them");
	if (!s->password)
		return 0;
	hash_random(salt, sizeof(salt));
	r = seal_derive(s->password, salt, sizeof(salt), iterations, &k, e);
	if (r < 0)
		return r;
	seal_verifier(&k, verifier);
	xmlout_begin(x, "protection");
	xmlout_attr(x, "kdf", "pbkdf2-hmac-sha512");
	xmlout_attr(x, "iterations", "%ju", (uintmax_t)iterations);
	xmlout_base64(x, "salt", salt, sizeof(salt));
	xmlout_base64(x, "verifier", verifier, sizeof(verifier));
	xmlout_end(x);
	return s->secrets ? write_secrets(x, s, &k, e) : 0;
}

static int write_vp_config(struct xmlout *x, const struct skeleton *s,
			   struct err *e)
{
	int r;

	if (!s->image)
		return err_set(e, EINVAL, "a vp-config needs --image");
	xmlout_begin(x, "label");
	xmlout_text(x, s->label ? s->label : s->id);
	xmlout_end(x);
	r = write_reference(x, "image", s->image, e);
	if (r >= 0)
		r = write_resources(x, s, e);
	if (r >= 0)
		r = write_network(x, s, e);
	if (r < 0)
		return r;
	xmlout_begin(x, "start");
	xmlout_attr(x, "on-boot", "%s", s->on_boot ? "true" : "false");
	xmlout_end(x);
	if (s->no_new_privs) {
		xmlout_begin(x, "hardening");
		xmlout_attr(x, "no-new-privileges", "true");
		xmlout_end(x);
	}
	write_foreground(x, s);
	r = write_lock(x, s, e);
	return r < 0 ? r : write_protection(x, s, e);
}

/* "mon-fri/08:00-18:00" */
static int write_window(struct xmlout *x, char *spec, struct err *e)
{
	char *slash = strchr(spec, '/');
	char *dash = slash ? strchr(slash, '-') : NULL;

	if (!dash)
		return err_set(e, EINVAL,
			       "window '%s': not DAYS/FROM-TO (like "
			       "mon-fri/08:00-18:00)",
			       spec);
	xmlout_begin(x, "only");
	xmlout_attr(x, "days", "%.*s", (int)(slash - spec), spec);
	xmlout_attr(x, "from", "%.*s", (int)(dash - slash - 1), slash + 1);
	xmlout_attr(x, "to", "%s", dash + 1);
	xmlout_end(x);
	return 0;
}

/* "gps=none+block", "camera=shared+keep@mon-fri/08:00-18:00", "default=none" */
static int write_rule(struct xmlout *x, char *spec, struct err *e)
{
	char *window = strchr(spec, '@'), *mode = strchr(spec, '='), *more;
	int r = 0;

	if (!mode)
		return err_set(e, EINVAL, "rule '%s': not CLASS=MODE", spec);
	*mode++ = '\0';
	if (window)
		*window++ = '\0';
	xmlout_begin(x, strcmp(spec, "default") == 0 ? "default" : "class");
	if (strcmp(spec, "default") != 0)
		xmlout_attr(x, "name", "%s", spec);
	more = strchr(mode, '+');
	xmlout_attr(x, "mode", "%.*s", (int)strcspn(mode, "+"), mode);
	while (more) {
		int len = (int)strcspn(++more, "+");

		if (strncmp(more, "block", (size_t)len) == 0)
			xmlout_attr(x, "block", "true");
		else
			xmlout_attr(x, "on-revoke", "%.*s", len, more);
		more = strchr(more, '+');
	}
	if (window)
		r = write_window(x, window, e);
	xmlout_end(x);
	return r;
}

static int write_policy_vp(struct xmlout *x, const char *spec, struct err *e)
{
	auto_free char *copy = strdup(spec);
	char *rules = copy ? strchr(copy, ':') : NULL, *rule, *rest;
	int r = 0;

	if (!copy)
		return err_oom(e, spec);
	if (!rules)
		return err_set(e, EINVAL, "--vp %s: not VP:CLASS=MODE,...",
			       spec);
	*rules++ = '\0';
	xmlout_begin(x, "vp");
	xmlout_attr(x, "id", "%s", copy);
	for (rule = strtok_r(rules, ",", &rest); rule && r >= 0;
	     rule = strtok_r(NULL, ",", &rest))
		r = write_rule(x, rule, e);
	xmlout_end(x);
	return r;
}

static int write_policy(struct xmlout *x, const struct skeleton *s,
			struct err *e)
{
	int r = 0;

	if (s->require) {
		xmlout_begin(x, "require");
		xmlout_attr(x, "enforcement", "%s", s->require);
		xmlout_end(x);
	}
	for (unsigned int i = 0; r >= 0 && i < s->vps.n; i++)
		r = write_policy_vp(x, s->vps.item[i], e);
	return r;
}

/* What was written is read again before anybody gets it. */
static int finish(struct xmlout *x, enum doc_type t, char **ret, struct err *e)
{
	AUTO(doc_freep) struct doc *doc = NULL;
	auto_free char *xml = NULL;
	size_t len;
	int r = xmlout_finish(x, &xml, &len, e);

	if (r >= 0)
		r = doc_parse(t, xml, len, &doc, e);
	if (r < 0)
		return r;
	*ret = steal(xml);
	return 0;
}

int skeleton_xml(enum doc_type t, const struct skeleton *s, char **ret,
		 struct err *e)
{
	static int (*const body[DOC_TYPE_COUNT])(
		struct xmlout *, const struct skeleton *, struct err *) = {
		[DOC_GROUP] = write_group,
		[DOC_MEMBERSHIP] = write_membership,
		[DOC_VP_CONFIG] = write_vp_config,
		[DOC_DEVICE_POLICY] = write_policy,
		[DOC_COMMAND] = write_command,
	};
	struct xmlout_head head = { doc_type_name(t), s->org, s->id,
				    (uint32_t)s->version, clock_wall() };
	AUTO(xmlout_freep) struct xmlout *x = NULL;
	int r;

	if (!body[t])
		return err_set(e, EINVAL,
			       "a document of type %s is not made here",
			       doc_type_name(t));
	head.expires = head.issued + (int64_t)(s->ttl ? s->ttl : s->days * DAY);
	r = xmlout_new(&x, e);
	if (r < 0)
		return r;
	xmlout_head(x, &head);
	r = body[t](x, s, e);
	return r < 0 ? r : finish(x, t, ret, e);
}
