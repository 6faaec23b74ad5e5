/* SPDX-License-Identifier: Apache-2.0 */
#include "images/image_document.h"

#include "lib/auto.h"
#include "lib/crypto/key.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <termios.h>

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

/* Asks on the terminal, without showing what is typed. */
static int prompt_key_password(const char *name, char **ret, struct err *e)
{
	auto_fclose FILE *tty = fopen("/dev/tty", "r+");
	auto_free char *line = NULL;
	struct termios old, quiet;
	size_t room = 0;
	ssize_t n;

	if (!tty || tcgetattr(fileno(tty), &old) < 0)
		return err_set(e, ENOTTY,
			       "%s: no terminal to ask for the password (see "
			       "--password-file)",
			       name);
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(fileno(tty), TCSAFLUSH, &quiet);
	fprintf(tty, "Password of %s: ", name);
	fflush(tty);
	n = getline(&line, &room, tty);
	tcsetattr(fileno(tty), TCSAFLUSH, &old);
	fputc('\n', tty);
	if (n <= 0)
		return err_set(e, ECANCELED, "%s: no password was given", name);
	line[strcspn(line, "\n")] = '\0';
	*ret = steal(line);
	return 0;
}

static int get_key_password(const char *key_file, const char *password_file,
			    char **ret, struct err *e)
{
	size_t len;
	int r;

	if (!password_file)
		return prompt_key_password(key_file, ret, e);
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
