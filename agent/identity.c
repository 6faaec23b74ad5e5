/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/identity.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEY_FILE "identity.key"
#define NOW_FILE "enrolment.json"
#define NEXT_FILE "enrolment.next"
#define FILE_MAX (64 * 1024)
#define FORMAT 1

/* ---- enrollments */

void identity_enrollment_fini(struct identity_enrollment *n)
{
	free(n->ca);
	free(n->cert);
	memset(n, 0, sizeof(*n));
}

/* As JSON; the caller frees it. */
static int format_enrollment(const struct identity_enrollment *n, char **ret,
			     struct err *e)
{
	auto_json json_t *j =
		json_pack("{s:i, s:s, s:s, s:s, s:i, s:i, s:s, s:s}", "format",
			  FORMAT, "device", n->device, "epoch", n->epoch,
			  "host", n->host, "port", n->port, "device_port",
			  n->device_port, "ca", n->ca, "cert", n->cert);

	*ret = j ? json_text(j) : NULL;
	return *ret ? 0 : err_oom(e, "enrolment");
}

struct enrollment_fields {
	int64_t format, port, device_port;
	const char *device, *epoch, *host, *ca, *cert;
};

static int convert_enrollment_fields(const struct enrollment_fields *f,
				     struct identity_enrollment *ret,
				     struct err *e)
{
	AUTO(identity_enrollment_fini) struct identity_enrollment n = { 0 };

	if (f->format != FORMAT || f->port < 1 || f->port > UINT16_MAX ||
	    f->device_port < 1 || f->device_port > UINT16_MAX ||
	    strlen(f->device) >= sizeof(n.device) ||
	    strlen(f->epoch) != sizeof(n.epoch) - 1 ||
	    strlen(f->host) >= sizeof(n.host))
		return err_set(e, EINVAL,
			       "enrollment: a member is out of range");
	snprintf(n.device, sizeof(n.device), "%s", f->device);
	snprintf(n.epoch, sizeof(n.epoch), "%s", f->epoch);
	snprintf(n.host, sizeof(n.host), "%s", f->host);
	n.port = (uint16_t)f->port;
	n.device_port = (uint16_t)f->device_port;
	n.ca = strdup(f->ca);
	n.cert = strdup(f->cert);
	if (!n.ca || !n.cert)
		return err_oom(e, "enrolment");
	*ret = n;
	memset(&n, 0, sizeof(n));
	return 0;
}

/* -EINVAL: not an enrollment. */
static int parse_enrollment(const char *text, size_t len,
			    struct identity_enrollment *ret, struct err *e)
{
	auto_json json_t *j = NULL;
	struct enrollment_fields f = { 0 };
	const struct json_member members[] = {
		{ "format", JSON_INTEGER, .ret = &f.format },
		{ "device", JSON_STRING, .ret = &f.device },
		{ "epoch", JSON_STRING, .ret = &f.epoch },
		{ "host", JSON_STRING, .ret = &f.host },
		{ "port", JSON_INTEGER, .ret = &f.port },
		{ "device_port", JSON_INTEGER, .ret = &f.device_port },
		{ "ca", JSON_STRING, .ret = &f.ca },
		{ "cert", JSON_STRING, .ret = &f.cert },
		{ 0 },
	};
	int r = json_parse(text, len, "enrolment", &j, e);

	if (r == 0)
		r = json_read_object(j, members, true, "enrolment", e);
	return r < 0 ? r : convert_enrollment_fields(&f, ret, e);
}

/* ---- the folder */

static int build_identity_path(const struct identity *id, const char *name,
			       char **ret, struct err *e)
{
	*ret = io_join(id->folder, name);
	return *ret ? 0 : err_oom(e, name);
}

static int read_enrollment_file(const struct identity *id, const char *name,
				struct identity_enrollment *ret, bool *ret_has,
				struct err *e)
{
	auto_free char *path = NULL, *text = NULL;
	size_t len;
	int r = build_identity_path(id, name, &path, e);

	if (r == 0)
		r = io_read_file(path, FILE_MAX, &text, &len, e);
	if (r == 0)
		r = parse_enrollment(text, len, ret, e);
	*ret_has = r == 0;
	return r == -ENOENT ? 0 : r;
}

static int write_enrollment_file(const struct identity *id, const char *name,
				 const struct identity_enrollment *n,
				 struct err *e)
{
	auto_free char *path = NULL, *text = NULL;
	int r = build_identity_path(id, name, &path, e);

	if (r == 0)
		r = format_enrollment(n, &text, e);
	return r < 0 ? r : io_replace_file(path, text, strlen(text), 0600, e);
}

static int open_identity_key(struct identity *id, struct err *e)
{
	auto_free char *path = NULL;
	int r = build_identity_path(id, KEY_FILE, &path, e);

	if (r == 0)
		r = key_open_file(path, true, &id->key, e);
	if (r == 0)
		r = key_to_pem(id->key, true, &id->key_pem, e);
	if (r == 0)
		snprintf(id->device, sizeof(id->device), "dev-%.12s",
			 key_id(id->key));
	return r;
}

int identity_open(const char *folder, struct identity **ret, struct err *e)
{
	AUTO(identity_freep) struct identity *id = calloc(1, sizeof(*id));
	int r;

	if (!id)
		return err_oom(e, folder);
	id->folder = strdup(folder);
	if (!id->folder)
		return err_oom(e, folder);
	r = io_mkdirs(folder, 0700, e);
	if (r == 0)
		r = open_identity_key(id, e);
	if (r == 0)
		r = read_enrollment_file(id, NOW_FILE, &id->now,
					 &id->is_enrolled, e);
	if (r == 0)
		r = read_enrollment_file(id, NEXT_FILE, &id->next,
					 &id->has_next, e);
	if (r < 0)
		return r;
	*ret = steal(id);
	return 0;
}

void identity_free(struct identity *id)
{
	if (!id)
		return;
	key_free(id->key);
	if (id->key_pem)
		explicit_bzero(id->key_pem, strlen(id->key_pem));
	free(id->key_pem);
	identity_enrollment_fini(&id->now);
	identity_enrollment_fini(&id->next);
	free(id->folder);
	free(id);
}

static int copy_enrollment(const struct identity_enrollment *from,
			   struct identity_enrollment *ret, struct err *e)
{
	struct identity_enrollment n = *from;

	n.ca = strdup(from->ca);
	n.cert = strdup(from->cert);
	if (!n.ca || !n.cert) {
		identity_enrollment_fini(&n);
		return err_oom(e, "enrolment");
	}
	identity_enrollment_fini(ret);
	*ret = n;
	return 0;
}

int identity_stage(struct identity *id, const struct identity_enrollment *n,
		   struct err *e)
{
	int r = write_enrollment_file(id, NEXT_FILE, n, e);

	if (r == 0)
		r = copy_enrollment(n, &id->next, e);
	id->has_next = r == 0;
	return r;
}

int identity_commit(struct identity *id, struct err *e)
{
	int r = write_enrollment_file(id, NOW_FILE, &id->next, e);

	if (r < 0)
		return r;
	identity_enrollment_fini(&id->now);
	id->now = id->next;
	memset(&id->next, 0, sizeof(id->next));
	id->is_enrolled = true;
	identity_drop_staged(id);
	return 0;
}

void identity_drop_staged(struct identity *id)
{
	auto_free char *path = NULL;
	struct err ignored;

	identity_enrollment_fini(&id->next);
	id->has_next = false;
	if (build_identity_path(id, NEXT_FILE, &path, &ignored) == 0)
		unlink(path); /* left behind it is dropped at the next start */
}

int identity_renew(struct identity *id, const char *cert, struct err *e)
{
	AUTO(identity_enrollment_fini) struct identity_enrollment n = { 0 };
	int r = copy_enrollment(&id->now, &n, e);

	if (r < 0)
		return r;
	free(n.cert);
	n.cert = strdup(cert);
	if (!n.cert)
		return err_oom(e, "certificate");
	r = write_enrollment_file(id, NOW_FILE, &n, e);
	return r < 0 ? r : copy_enrollment(&n, &id->now, e);
}
