/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/adm.h"
#include "cellsadm/list.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/device_key.h"
#include "cellsadm/trust/trust_root.h"
#include "cellsadm/ui/qr.h"
#include "cellsadm/verbs/verbs.h"
#include "lib/auto.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/x509.h"
#include "lib/document/doc.h"
#include "lib/document/enroll_uri.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/table.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define TTL_DEFAULT 3600
#define PNG_SCALE 6

struct enroll_opts {
	const char *group, *ttl, *note, *png, *svg, *out;
	uint64_t uses;
	bool qr, no_qr;
};

static const struct table_column enrolment_columns[] = {
	{ "ID", "id" },
	{ "GROUP", "group" },
	{ "STATE", "state" },
	{ "USED", "used" },
	{ "OF", "uses" },
	{ "EXPIRES", "expires" },
	{ "DEVICES", "devices" },
	{ "NOTE", "note" },
	{ NULL }
};

/* Without :MIN it is the version that the server has now, if signed right. */
static int resolve_group_version(struct adm *a, const char *spec,
				 struct enroll_uri *u, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(doc_freep) struct doc *doc = NULL;
	auto_json json_t *j = NULL;
	const char *sha256;
	int r = adm_parse_reference(spec, u->group, &u->group_min, e);

	if (r < 0 || u->group_min > 0)
		return r;
	r = remote_get(a, REMOTE_PATH("documents", "group", u->group, "latest"),
		       &j, e);
	if (r == -ENOENT)
		return err_set(e, ENOENT,
			       "the server has no valid group '%s' (use "
			       "--group ID:MIN to enroll before there is one)",
			       u->group);
	if (r < 0)
		return r;
	sha256 = json_string_value(json_object_get(j, "sha256"));
	if (!sha256)
		return err_set(e, EBADMSG, "the server gave no digest");
	r = trust_root_fetch_document(a, sha256, &env, &doc, NULL, e);
	if (r < 0)
		return r;
	if (doc->head.type != DOC_GROUP || strcmp(doc->head.id, u->group) != 0)
		return err_reason(e, REASON_MIX_AND_MATCH,
				  "the server answered group '%s' with another "
				  "document",
				  u->group);
	u->group_min = doc->head.version;
	return 0;
}

static int fill_enrollment_uri(struct adm *a, const char *group,
			       struct enroll_uri *u, struct err *e)
{
	const struct doc_root *root;
	const struct admin_config *c;
	int r = adm_get_server(a, &c, e);

	if (r < 0)
		return r;
	if (!c->has_root)
		return err_set(
			e, ENOENT,
			"server '%s': no root is pinned, so a device "
			"would have nothing to trust (cellsadm server add "
			"--root)",
			c->name);
	if (snprintf(u->host, sizeof(u->host), "%s", c->host) >=
	    (int)sizeof(u->host))
		return err_set(e, EINVAL, "the server's name is too long");
	u->port = c->port;
	/* The newest: whom an older one named may have been removed since. If
	 * the server shows none that fits, the newest that is kept here. */
	r = trust_root_get(a, true, &root, e);
	if (r < 0)
		r = trust_root_get(a, false, &root, e);
	if (r < 0)
		return r;
	memcpy(u->root, root->head.digest, HASH_SIZE);
	r = x509_digest(c->ca_pem, u->ca, e);
	if (r >= 0)
		r = resolve_group_version(a, group, u, e);
	hash_random(u->token, sizeof(u->token));
	return r;
}

/* The server learns the digest of what a device will show, nothing more. */
static int register_enrollment(struct adm *a, const struct enroll_uri *u,
			       const struct enroll_opts *o, json_t **ret,
			       struct err *e)
{
	uint8_t admit[HASH_SIZE], digest[HASH_SIZE];
	char hex[2 * HASH_SIZE + 1];
	auto_json json_t *body = NULL;
	uint64_t ttl = TTL_DEFAULT;

	if (o->ttl && adm_parse_duration(o->ttl, &ttl, e) < 0)
		return -EINVAL;
	enroll_uri_compute_admit(u, admit);
	hash_sha256(admit, sizeof(admit), digest);
	encoding_to_hex(digest, sizeof(digest), hex);
	body = json_pack("{ss ss sI sI}", "admit_sha256", hex, "group",
			 u->group, "ttl", (json_int_t)ttl, "uses",
			 (json_int_t)(o->uses ? o->uses : 1));
	if (!body)
		return err_oom(e, "announce a token");
	if (o->note)
		json_object_set_new(body, "note", json_string(o->note));
	return remote_send(a, "POST", REMOTE_PATH("enrolments"), body, ret, e);
}

static int output_qr_code(const struct enroll_opts *o, const char *uri,
			  bool table, struct err *e)
{
	AUTO(qr_freep) struct qr *q = NULL;
	auto_free char *svg = NULL;
	int r = qr_new(uri, &q, e);

	if (r >= 0 && o->png)
		r = qr_write_png(q, o->png, PNG_SCALE, e);
	if (r >= 0 && o->svg) {
		svg = qr_format_svg(q);
		r = svg ? adm_write_secret(o->svg, svg, e) : err_oom(e, o->svg);
	}
	if (r >= 0 && table && !o->no_qr && (o->qr || isatty(STDOUT_FILENO)))
		qr_write_terminal(q, stdout);
	return r;
}

static int verb_enroll_create(void *context, const void *opts, char **argv,
			      struct err *e)
{
	struct adm *a = context;
	const struct enroll_opts *o = opts;
	struct enroll_uri u = { .port = 0 };
	auto_free char *uri = NULL;
	auto_json json_t *j = NULL;
	const char *id;
	int r;

	if (!o->group)
		return err_usage(e, "enroll create: --group is missing");
	r = fill_enrollment_uri(a, o->group, &u, e);
	if (r >= 0)
		r = register_enrollment(a, &u, o, &j, e);
	if (r < 0)
		return r;
	id = json_string_value(json_object_get(j, "id"));
	r = id ? device_key_save_token(a, id, u.token, u.group, e)
	       : err_set(e, EBADMSG, "the server gave the enrollment no id");
	if (r >= 0)
		r = enroll_uri_format(&u, &uri, e);
	explicit_bzero(u.token, sizeof(u.token));
	if (r >= 0 && !uri)
		r = err_oom(e, "enroll create");
	if (r >= 0)
		r = output_qr_code(o, uri, !a->json && !o->out, e);
	if (r < 0 || !uri)
		return r;
	if (o->out)
		return adm_write_secret(o->out, uri, e);
	json_object_set_new(j, "uri", json_string(uri));
	if (a->json)
		adm_print_json(j);
	else
		puts(uri);
	return 0;
}

static int verb_enroll_list(void *context, const void *opts, char **argv,
			    struct err *e)
{
	struct adm *a = context;
	return list_print_items(a, REMOTE_PATH("enrolments"), 0,
				enrolment_columns, e);
}

static int verb_enroll_revoke(void *context, const void *opts, char **argv,
			      struct err *e)
{
	struct adm *a = context;
	auto_json json_t *j = NULL;
	int r = remote_send(a, "POST",
			    REMOTE_PATH("enrolments", argv[0], "revoke"), NULL,
			    &j, e);

	return r < 0 ? r : adm_print_object(a, enrolment_columns, j, e);
}

/* Devices to check: the one that is named, or all. */
static int list_devices_to_check(struct adm *a, const char *device,
				 json_t **ret, struct err *e)
{
	if (!device)
		return remote_list(a, REMOTE_PATH("devices"), 0, ret, e);
	*ret = json_pack("[{ss}]", "id", device);
	return *ret ? 0 : err_oom(e, device);
}

static json_t *check_device_binding(struct adm *a, const char *id, bool *bad)
{
	AUTO(device_key_fini) struct device_key b = { 0 };
	struct err e = { 0 };

	if (device_key_get(a, id, NULL, &b, &e) < 0) {
		*bad = true;
		return json_pack("{ss ss ss}", "device", id, "key", "WRONG",
				 "text", e.text);
	}
	return json_pack("{ss ss ss}", "device", b.device, "epoch", b.epoch,
			 "key", device_key_trust_name(&b));
}

static int verb_enroll_check(void *context, const void *opts, char **argv,
			     struct err *e)
{
	struct adm *a = context;
	static const struct table_column columns[] = { { "DEVICE", "device" },
						       { "KEY", "key" },
						       { "EPOCH", "epoch" },
						       { "WHY", "text" },
						       { NULL } };
	auto_json json_t *devices = NULL, *rows = json_array();
	const json_t *device;
	bool bad = false;
	size_t i;
	int r = list_devices_to_check(a, argv[0], &devices, e);

	if (r < 0)
		return r;
	json_array_foreach (devices, i, device) {
		const char *id =
			json_string_value(json_object_get(device, "id"));

		if (id)
			json_array_append_new(
				rows, check_device_binding(a, id, &bad));
	}
	r = adm_print_rows(a, columns, rows, e);
	return r < 0 ? r : bad;
}

#define OPT(member, name, letter, kind, arg, help)                             \
	VERB_OPT(struct enroll_opts, member, name, letter, kind, arg, help)

static const struct opt create_opts[] = {
	OPT(group, "group", 'g', OPT_STRING, "ID[:MIN]",
	    "the device's group and its least version; the newest"),
	OPT(ttl, "ttl", 0, OPT_STRING, "TIME", "admits for so long; 1h"),
	OPT(uses, "uses", 0, OPT_NUMBER, "N", "admits so many devices; 1"),
	OPT(note, "note", 0, OPT_STRING, "TEXT", "for the list"),
	OPT(out, "out", 'o', OPT_STRING, "FILE",
	    "write the URI there (mode 0600)"),
	OPT(png, "png", 0, OPT_STRING, "FILE", "QR code as PNG"),
	OPT(svg, "svg", 0, OPT_STRING, "FILE", "QR code as SVG"),
	OPT(qr, "qr", 0, OPT_FLAG, NULL, "QR code also where output is piped"),
	OPT(no_qr, "no-qr", 0, OPT_FLAG, NULL, "no QR code in the terminal"),
	{ NULL },
};

const struct verb verb_enroll_table[] = {
	{ "create", "", 0, 0, "make a token and its URI",
	  VERB_SERVER | VERB_FORMAT, create_opts, sizeof(struct enroll_opts),
	  verb_enroll_create },
	{ "list", "", 0, 0, "tokens and who used them",
	  VERB_SERVER | VERB_FORMAT, NULL, 0, verb_enroll_list },
	{ "revoke", "ID", 1, 1, "no more devices by this token",
	  VERB_SERVER | VERB_FORMAT, NULL, 0, verb_enroll_revoke },
	{ "check", "[DEVICE]", 0, 1,
	  "are devices' receipt keys bound to our tokens",
	  VERB_SERVER | VERB_FORMAT, NULL, 0, verb_enroll_check },
	{ NULL },
};
