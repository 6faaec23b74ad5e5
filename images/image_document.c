/* SPDX-License-Identifier: Apache-2.0 */
#include "images/image_document.h"

#include "lib/auto.h"
#include "lib/crypto/key.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/tty_line.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define KEY_FILE_MAX (64 * 1024)
#define PASSWORD_MAX 1024

/* What an attribute may hold unescaped. */
static bool is_plain_attribute(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "/._-+@";

	return *s && s[strspn(s, plain)] == '\0';
}

static int check_document_fields(const struct image_document *d, struct err *e)
{
	if (!encoding_is_valid_id(d->org))
		return err_set(e, EINVAL, "--org '%s' is not an id", d->org);
	if (!encoding_is_valid_id(d->id))
		return err_set(e, EINVAL, "--id '%s' is not an id", d->id);
	if (!is_plain_attribute(d->init) || d->init[0] != '/')
		return err_set(e, EINVAL, "init '%s' is not an absolute path",
			       d->init);
	if (!is_plain_attribute(d->stop_signal))
		return err_set(e, EINVAL, "--stop-signal '%s' is not a signal",
			       d->stop_signal);
	return 0;
}

static void write_layer_elements(const struct image_document *d, FILE *f)
{
	for (unsigned int i = 0; i < d->n_layers; i++) {
		char digest[ENCODING_DIGEST_SIZE], chunks[ENCODING_DIGEST_SIZE];

		encoding_format_digest(d->layer[i].digest, digest);
		encoding_format_digest(d->layer[i].chunks, chunks);
		fprintf(f,
			"  <layer digest=\"%s\" size=\"%" PRIu64
			"\"\n         chunks=\"%s\"/>\n",
			digest, d->layer[i].size, chunks);
	}
}

int image_document_format(const struct image_document *d, char **ret,
			  struct err *e)
{
	char issued[ENCODING_TIME_SIZE], expires[ENCODING_TIME_SIZE];
	AUTO(doc_freep) struct doc *doc = NULL;
	auto_free char *xml = NULL;
	size_t len = 0;
	FILE *f;
	int r;

	r = check_document_fields(d, e);
	if (r < 0)
		return r;
	f = open_memstream(&xml, &len);
	if (!f)
		return err_oom(e, d->id);
	encoding_format_time(d->issued, issued);
	encoding_format_time(d->expires, expires);
	fprintf(f,
		"<image xmlns=\"urn:cells:image:1\" org=\"%s\" id=\"%s\" "
		"version=\"%u\"\n       issued=\"%s\" expires=\"%s\"\n"
		"       architecture=\"%s\" init=\"%s\" stop-signal=\"%s\" "
		"min-agent=\"%u\">\n",
		d->org, d->id, d->version, issued, expires, d->architecture,
		d->init, d->stop_signal, d->min_agent);
	write_layer_elements(d, f);
	fputs("</image>\n", f);
	if (fclose(f) != 0)
		return err_oom(e, d->id);
	r = doc_parse(DOC_IMAGE, xml, len, &doc, e);
	if (r < 0)
		return r;
	*ret = steal(xml);
	return 0;
}

static int ask_key_password(const char *name, char **ret, struct err *e)
{
	auto_free char *prompt = NULL;
	char line[TTY_LINE_SIZE];
	size_t len;
	int r;

	if (asprintf(&prompt, "Password of %s: ", name) < 0)
		return err_oom(e, name);
	r = tty_line_ask(prompt, false, line, &len, e);
	if (r == -ENXIO)
		r = err_set(e, ENOTTY,
			    "%s: no terminal to ask for the password (see "
			    "--password-file)",
			    name);
	else if (r == -ENODATA)
		r = err_set(e, ECANCELED, "%s: no password was given", name);
	if (r == 0) {
		*ret = strdup(line);
		if (!*ret)
			r = err_oom(e, name);
	}
	explicit_bzero(line, sizeof(line));
	return r;
}

static int get_key_password(const char *key_file, const char *password_file,
			    char **ret, struct err *e)
{
	size_t len;
	int r;

	if (!password_file)
		return ask_key_password(key_file, ret, e);
	r = io_read_file(password_file, PASSWORD_MAX, ret, &len, e);
	if (r == 0)
		(*ret)[strcspn(*ret, "\r\n")] = '\0';
	return r;
}

static int open_signing_key(const char *key_file, const char *password_file,
			    struct key **ret, struct err *e)
{
	auto_free char *text = NULL, *password = NULL;
	size_t len;
	int r;

	r = io_read_file(key_file, KEY_FILE_MAX, &text, &len, e);
	if (r < 0)
		return r;
	if (strncmp(text, "-----BEGIN", strlen("-----BEGIN")) == 0) {
		r = key_from_pem(text, ret, e);
	} else {
		r = get_key_password(key_file, password_file, &password, e);
		if (r == 0)
			r = key_file_decrypt(text, len, password, ret, NULL, e);
	}
	explicit_bzero(text, len);
	if (password)
		explicit_bzero(password, strlen(password));
	return r;
}

int image_document_sign(const char *xml, const char *key_file,
			const char *password_file, char **ret, struct err *e)
{
	AUTO(key_freep) struct key *key = NULL;
	int r;

	r = open_signing_key(key_file, password_file, &key, e);
	if (r < 0)
		return r;
	if (!key_is_private(key))
		return err_set(e, EINVAL, "%s: holds no private key", key_file);
	return envelope_make(doc_payload_type(DOC_IMAGE), xml, strlen(xml), key,
			     ret, e);
}
