/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/documents/template.h"

#include "cellsadm/adm.h"
#include "cellsadm/documents/xml_writer.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/password_crypto.h"
#include "lib/err.h"

#include <errno.h>
#include <string.h>

#define DAY 86400
#define SALT_SIZE 16

static int write_reference(struct xml_writer *x, const char *element,
			   const char *spec, struct err *e)
{
	char id[DOC_ID_SIZE];
	uint32_t min = 1;
	int r = adm_parse_reference(spec, id, &min, e);

	if (r < 0)
		return r;
	xml_writer_begin_element(x, element);
	xml_writer_add_attribute(x, "id", "%s", id);
	xml_writer_add_attribute(x, "min-version", "%u", min);
	xml_writer_end_element(x);
	return 0;
}

static int write_group_body(struct xml_writer *x,
			    const struct template_options *s, struct err *e)
{
	int r = 0;

	for (unsigned int i = 0; r >= 0 && i < s->policies.n; i++)
		r = write_reference(x, "policy", s->policies.item[i], e);
	for (unsigned int i = 0; r >= 0 && i < s->vp_configs.n; i++)
		r = write_reference(x, "vp-config", s->vp_configs.item[i], e);
	return r;
}

static int write_membership_body(struct xml_writer *x,
				 const struct template_options *s,
				 struct err *e)
{
	char id[DOC_ID_SIZE];
	uint32_t min = 1;
	int r;

	if (!s->device || !s->epoch || !s->group)
		return err_usage(e, "a membership needs --device, --epoch and "
				    "--group");
	r = adm_parse_reference(s->group, id, &min, e);
	if (r < 0)
		return r;
	xml_writer_add_attribute(x, "device", "%s", s->device);
	xml_writer_add_attribute(x, "epoch", "%s", s->epoch);
	xml_writer_add_attribute(x, "group", "%s", id);
	xml_writer_add_attribute(x, "min-version", "%u", min);
	if (s->after)
		xml_writer_add_attribute(x, "after", "%s", s->after);
	return 0;
}

static int write_command_body(struct xml_writer *x,
			      const struct template_options *s, struct err *e)
{
	xml_writer_add_attribute(x, "device", "%s", s->device);
	xml_writer_add_attribute(x, "epoch", "%s", s->epoch);
	if (s->vp)
		xml_writer_add_attribute(x, "vp", "%s", s->vp);
	xml_writer_add_attribute(x, "action", "%s", s->action);
	if (s->sealed_key) {
		xml_writer_begin_element(x, "sealed-key");
		xml_writer_add_base64(x, NULL, s->sealed_key,
				      s->sealed_key_len);
		xml_writer_end_element(x);
	}
	return 0;
}

/* An attribute of <resources>: a size (like 512M), or a number (0: not said).
 */
struct resource_limit {
	const char *attribute, *size;
	uint64_t number;
};

static int write_resource_limits(struct xml_writer *x,
				 const struct template_options *s,
				 struct err *e)
{
	struct resource_limit all[] = {
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
		if (all[i].size &&
		    adm_parse_size(all[i].size, &all[i].number, e) < 0)
			return -EINVAL;
		any = any || all[i].size || all[i].number;
	}
	if (!any)
		return 0;
	xml_writer_begin_element(x, "resources");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].size || all[i].number)
			xml_writer_add_attribute(x, all[i].attribute, "%ju",
						 (uintmax_t)all[i].number);
	xml_writer_end_element(x);
	return 0;
}

/* "192.0.2.10", "tcp:192.0.2.10:443", "198.51.100.0/24:53" */
static int write_allow_rule(struct xml_writer *x, const char *spec,
			    struct err *e)
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
	xml_writer_begin_element(x, "allow");
	xml_writer_add_attribute(x, memchr(net, '/', len) ? "net" : "host",
				 "%.*s", (int)len, net);
	if (named)
		xml_writer_add_attribute(x, "protocol", "%.*s",
					 (int)strcspn(spec, ":"), spec);
	if (port)
		xml_writer_add_attribute(x, "port", "%s", port);
	xml_writer_end_element(x);
	return 0;
}

static int write_network_element(struct xml_writer *x,
				 const struct template_options *s,
				 struct err *e)
{
	uint64_t rate = 0;
	int r = s->rate ? adm_parse_size(s->rate, &rate, e) : 0;

	if (r < 0)
		return r;
	xml_writer_begin_element(x, "network");
	xml_writer_add_attribute(x, "mode", "%s",
				 s->network ? s->network : "none");
	if (s->rate)
		xml_writer_add_attribute(x, "rate", "%ju", (uintmax_t)rate);
	for (unsigned int i = 0; r >= 0 && i < s->allow.n; i++)
		r = write_allow_rule(x, s->allow.item[i], e);
	xml_writer_end_element(x);
	return r;
}

static void write_foreground_element(struct xml_writer *x,
				     const struct template_options *s)
{
	if (!s->attention && !s->notify)
		return;
	xml_writer_begin_element(x, "foreground");
	xml_writer_add_attribute(x, "attention", "%s",
				 s->attention ? s->attention : "");
	if (s->notify)
		xml_writer_add_attribute(x, "notify", "%s", s->notify);
	xml_writer_end_element(x);
}

static int write_lock_elements(struct xml_writer *x,
			       const struct template_options *s, struct err *e)
{
	if (s->then && !s->attempts)
		return err_set(e, EINVAL, "--then needs --attempts");
	if (s->offline_then && !s->offline_hours)
		return err_set(e, EINVAL,
			       "--offline-then needs "
			       "--offline-hours");
	if (s->idle_seconds || s->attempts) {
		xml_writer_begin_element(x, "lock");
		if (s->idle_seconds)
			xml_writer_add_attribute(x, "idle-seconds", "%ju",
						 (uintmax_t)s->idle_seconds);
		if (s->attempts) {
			xml_writer_add_attribute(x, "attempts", "%ju",
						 (uintmax_t)s->attempts);
			xml_writer_add_attribute(x, "then", "%s",
						 s->then ? s->then : "lock");
		}
		xml_writer_end_element(x);
	}
	if (s->offline_hours) {
		xml_writer_begin_element(x, "offline");
		xml_writer_add_attribute(x, "after-hours", "%ju",
					 (uintmax_t)s->offline_hours);
		xml_writer_add_attribute(x, "then", "%s",
					 s->offline_then ? s->offline_then
							 : "lock");
		xml_writer_end_element(x);
	}
	return 0;
}

/* Associated data: "vp-config\n<org>\n<id>\n<version>". */
static int write_sealed_secrets(struct xml_writer *x,
				const struct template_options *s,
				const struct password_crypto_key *k,
				struct err *e)
{
	uint8_t nonce[PASSWORD_CRYPTO_NONCE_SIZE];
	auto_free void *sealed = NULL;
	auto_free char *aad = NULL;
	size_t len;
	int n, r;

	n = asprintf(&aad, "vp-config\n%s\n%s\n%ju", s->org, s->id,
		     (uintmax_t)s->version);
	if (n < 0)
		return err_oom(e, "seal the secrets");
	hash_random(nonce, sizeof(nonce));
	r = password_crypto_encrypt(k->enc, nonce, aad, (size_t)n, s->secrets,
				    s->secrets_len, &sealed, &len, e);
	if (r < 0)
		return r;
	xml_writer_begin_element(x, "secrets");
	xml_writer_add_attribute(x, "cipher", "aes-256-gcm");
	xml_writer_add_base64(x, "nonce", nonce, sizeof(nonce));
	xml_writer_add_base64(x, NULL, sealed, len);
	xml_writer_end_element(x);
	return 0;
}

static int write_protection(struct xml_writer *x,
			    const struct template_options *s, struct err *e)
{
	AUTO(password_crypto_wipe_key) struct password_crypto_key k = { 0 };
	uint8_t salt[SALT_SIZE], verifier[HASH_SIZE];
	uint64_t iterations = s->iterations ? s->iterations : KEY_ITERATIONS;
	int r;

	if (!s->password && s->secrets)
		return err_set(e, EINVAL,
			       "secrets need a config password to seal them");
	if (!s->password)
		return 0;
	hash_random(salt, sizeof(salt));
	r = password_crypto_derive_key(s->password, salt, sizeof(salt),
				       iterations, &k, e);
	if (r < 0)
		return r;
	password_crypto_verifier(&k, verifier);
	xml_writer_begin_element(x, "protection");
	xml_writer_add_attribute(x, "kdf", "pbkdf2-hmac-sha512");
	xml_writer_add_attribute(x, "iterations", "%ju", (uintmax_t)iterations);
	xml_writer_add_base64(x, "salt", salt, sizeof(salt));
	xml_writer_add_base64(x, "verifier", verifier, sizeof(verifier));
	xml_writer_end_element(x);
	return s->secrets ? write_sealed_secrets(x, s, &k, e) : 0;
}

static int write_vp_config_body(struct xml_writer *x,
				const struct template_options *s, struct err *e)
{
	int r;

	if (!s->image)
		return err_usage(e, "a vp-config needs --image");
	xml_writer_begin_element(x, "label");
	xml_writer_add_text(x, s->label ? s->label : s->id);
	xml_writer_end_element(x);
	r = write_reference(x, "image", s->image, e);
	if (r >= 0)
		r = write_resource_limits(x, s, e);
	if (r >= 0)
		r = write_network_element(x, s, e);
	if (r < 0)
		return r;
	xml_writer_begin_element(x, "start");
	xml_writer_add_attribute(x, "on-boot", "%s",
				 s->on_boot ? "true" : "false");
	xml_writer_end_element(x);
	if (s->no_new_privs) {
		xml_writer_begin_element(x, "hardening");
		xml_writer_add_attribute(x, "no-new-privileges", "true");
		xml_writer_end_element(x);
	}
	write_foreground_element(x, s);
	r = write_lock_elements(x, s, e);
	return r < 0 ? r : write_protection(x, s, e);
}

/* "mon-fri/08:00-18:00" */
static int write_time_window(struct xml_writer *x, char *spec, struct err *e)
{
	char *slash = strchr(spec, '/');
	char *dash = slash ? strchr(slash, '-') : NULL;

	if (!dash)
		return err_set(e, EINVAL,
			       "window '%s': not DAYS/FROM-TO (like "
			       "mon-fri/08:00-18:00)",
			       spec);
	xml_writer_begin_element(x, "only");
	xml_writer_add_attribute(x, "days", "%.*s", (int)(slash - spec), spec);
	xml_writer_add_attribute(x, "from", "%.*s", (int)(dash - slash - 1),
				 slash + 1);
	xml_writer_add_attribute(x, "to", "%s", dash + 1);
	xml_writer_end_element(x);
	return 0;
}

/* "gps=none+block", "camera=shared+keep@mon-fri/08:00-18:00", "default=none" */
static int write_class_rule(struct xml_writer *x, char *spec, struct err *e)
{
	char *window = strchr(spec, '@'), *mode = strchr(spec, '='), *more;
	int r = 0;

	if (!mode)
		return err_set(e, EINVAL, "rule '%s': not CLASS=MODE", spec);
	*mode++ = '\0';
	if (window)
		*window++ = '\0';
	xml_writer_begin_element(x, strcmp(spec, "default") == 0 ? "default"
								 : "class");
	if (strcmp(spec, "default") != 0)
		xml_writer_add_attribute(x, "name", "%s", spec);
	more = strchr(mode, '+');
	xml_writer_add_attribute(x, "mode", "%.*s", (int)strcspn(mode, "+"),
				 mode);
	while (more) {
		int len = (int)strcspn(++more, "+");

		if (strncmp(more, "block", (size_t)len) == 0)
			xml_writer_add_attribute(x, "block", "true");
		else
			xml_writer_add_attribute(x, "on-revoke", "%.*s", len,
						 more);
		more = strchr(more, '+');
	}
	if (window)
		r = write_time_window(x, window, e);
	xml_writer_end_element(x);
	return r;
}

static int write_policy_vp(struct xml_writer *x, const char *spec,
			   struct err *e)
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
	xml_writer_begin_element(x, "vp");
	xml_writer_add_attribute(x, "id", "%s", copy);
	for (rule = strtok_r(rules, ",", &rest); rule && r >= 0;
	     rule = strtok_r(NULL, ",", &rest))
		r = write_class_rule(x, rule, e);
	xml_writer_end_element(x);
	return r;
}

static int write_policy_body(struct xml_writer *x,
			     const struct template_options *s, struct err *e)
{
	int r = 0;

	if (s->require) {
		xml_writer_begin_element(x, "require");
		xml_writer_add_attribute(x, "enforcement", "%s", s->require);
		xml_writer_end_element(x);
	}
	for (unsigned int i = 0; r >= 0 && i < s->vps.n; i++)
		r = write_policy_vp(x, s->vps.item[i], e);
	return r;
}

/* What was written is read again before anybody gets it. */
static int finish_and_check(struct xml_writer *x, enum doc_type t, char **ret,
			    struct err *e)
{
	AUTO(doc_freep) struct doc *doc = NULL;
	auto_free char *xml = NULL;
	size_t len;
	int r = xml_writer_finish(x, &xml, &len, e);

	if (r >= 0)
		r = doc_parse(t, xml, len, &doc, e);
	if (r < 0)
		return r;
	*ret = steal(xml);
	return 0;
}

int template_build_xml(enum doc_type t, const struct template_options *s,
		       char **ret, struct err *e)
{
	static int (*const body[DOC_TYPE_COUNT])(
		struct xml_writer *, const struct template_options *,
		struct err *) = {
		[DOC_GROUP] = write_group_body,
		[DOC_MEMBERSHIP] = write_membership_body,
		[DOC_VP_CONFIG] = write_vp_config_body,
		[DOC_DEVICE_POLICY] = write_policy_body,
		[DOC_COMMAND] = write_command_body,
	};
	struct xml_writer_head head = { doc_type_name(t), s->org, s->id,
					(uint32_t)s->version, clock_wall() };
	AUTO(xml_writer_freep) struct xml_writer *x = NULL;
	int r;

	if (!body[t])
		return err_set(e, EINVAL,
			       "a document of type %s is not made here",
			       doc_type_name(t));
	head.expires = head.issued + (int64_t)(s->ttl ? s->ttl : s->days * DAY);
	r = xml_writer_new(&x, e);
	if (r < 0)
		return r;
	xml_writer_begin_document(x, &head);
	r = body[t](x, s, e);
	return r < 0 ? r : finish_and_check(x, t, ret, e);
}
