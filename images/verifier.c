/* SPDX-License-Identifier: Apache-2.0 */
#include "images/verifier.h"

#include "images/bundle.h"
#include "lib/auto.h"
#include "lib/document/doc.h"
#include "lib/document/envelope.h"
#include "lib/document/trust.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* A layer's file need not be there: the chunks are the image. */
static int check_layer_file(const struct bundle *b, unsigned int layer,
			    struct err *e)
{
	auto_free char *path = bundle_layer_path(b, layer);
	uint8_t want[HASH_SIZE], got[HASH_SIZE];
	auto_close int fd = -1;
	int r;

	if (!path)
		return err_oom(e, b->path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "open %s", path);
	r = hash_fd(fd, got);
	if (r < 0)
		return err_sys(e, -r, "read %s", path);
	if (encoding_parse_digest(b->image->layer[layer].digest, want) < 0 ||
	    memcmp(want, got, HASH_SIZE) != 0)
		return err_reason(e, REASON_IMAGE_DIGEST,
				  "%s: its bytes have another digest", path);
	return 0;
}

int verifier_check_digests(const struct bundle *b, bool files, struct err *e)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < b->image->n_layers; i++) {
		r = bundle_assemble_layer(b, i, -1, e);
		if (r == 0 && files)
			r = check_layer_file(b, i, e);
	}
	return r;
}

static int open_root_document(const char *file, const char *pin,
			      struct doc **ret, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	uint8_t digest[HASH_SIZE];
	int r;

	if (pin && encoding_parse_digest(pin, digest) < 0)
		return err_set(e, EINVAL, "--pin %s: not sha256:<hex>", pin);
	r = envelope_read_file(file, &env, e);
	return r < 0 ? r
		     : trust_open_pinned_root(env, pin ? digest : env->digest,
					      ret, e);
}

int verifier_check_signatures(const struct bundle *b, const char *root_file,
			      const char *pin, char *ret, size_t size,
			      struct err *e)
{
	AUTO(doc_freep) struct doc *root_doc = NULL, *doc = NULL;
	const struct doc_root *root;
	struct threshold_result who;
	int r;

	if (!b->env)
		return err_reason(e, REASON_SIGNATURE, "%s is not signed",
				  b->path);
	r = open_root_document(root_file, pin, &root_doc, e);
	if (r < 0)
		return r;
	root = doc_as_root(root_doc);
	r = trust_open(root, b->env, &doc, &who, e);
	if (r < 0)
		return r;
	threshold_names(root, who.signers, ret, size);
	return 0;
}
