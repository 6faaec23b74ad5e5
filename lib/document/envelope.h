/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DSSE envelopes (secure-systems-lab/dsse, protocol and envelope 1.0): JSON
 * files that contain the exact bytes of a document and signatures over its PAE.
 */
#ifndef LIB_DOCUMENT_ENVELOPE_H
#define LIB_DOCUMENT_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/hash.h"
#include "lib/crypto/key.h"
#include "lib/json.h"

#define ENVELOPE_MAX (1024 * 1024)
#define ENVELOPE_PAYLOAD_MAX (512 * 1024)
#define ENVELOPE_SIGNATURES_MAX 16
#define ENVELOPE_PROOFS_MAX 64
#define ENVELOPE_TYPE_XML(type) "application/vnd.cells." type "+xml"
#define ENVELOPE_TYPE_JSON(type) "application/vnd.cells." type "+json"

struct err;

struct envelope_signature {
	char keyid[KEY_ID_SIZE];
	uint8_t sig[KEY_SIG_MAX];
	size_t sig_len;
};

struct envelope_proof {
	uint8_t over[HASH_SIZE]; /* digest of the config in force */
	uint8_t mac[HASH_SIZE];
};

struct envelope {
	char type[80]; /* payloadType */
	void *payload; /* NUL behind it */
	size_t payload_len;
	uint8_t digest[HASH_SIZE];     /* SHA-256 of the payload */
	uint8_t pae_digest[HASH_SIZE]; /* SHA-256 of the PAE: what is signed */
	unsigned int n_signatures, n_proofs;
	struct envelope_signature signature[ENVELOPE_SIGNATURES_MAX];
	struct envelope_proof proof[ENVELOPE_PROOFS_MAX];
};

/*
 * Parses an envelope without verifying signatures. The caller frees *ret.
 * err.too-large, err.envelope.
 */
int envelope_parse(const char *json, size_t len, struct envelope **ret,
		   struct err *e);

/* Parses a JSON value. -EBADMSG: j is NULL. */
int envelope_from_json(const json_t *j, struct envelope **ret, struct err *e);
/* Parses a file. */
int envelope_read_file(const char *path, struct envelope **ret, struct err *e);

/* Creates an envelope without signatures, with a copy of the payload. */
int envelope_new(const char *type, const void *payload, size_t len,
		 struct envelope **ret, struct err *e);
void envelope_free(struct envelope *env);

/*
 * Adds a signature, or replaces the one of the same key, which must be private.
 * -E2BIG: there are too many.
 */
int envelope_sign(struct envelope *env, const struct key *k, struct err *e);
/* -EINVAL: this type allows none; -E2BIG: there are too many. */
int envelope_add_proof(struct envelope *env, const struct envelope_proof *p,
		       struct err *e);

/*
 * Adds the signatures and proofs of `from` that env lacks, to collect
 * signatures of several people. -EINVAL: the PAE differs.
 */
int envelope_merge(struct envelope *env, const struct envelope *from,
		   struct err *e);

/* The JSON text, which the caller frees. */
int envelope_text(const struct envelope *env, char **ret, struct err *e);

/* DSSEv1 SP len SP type SP len SP body; the caller frees *ret. */
int envelope_pae(const char *type, const void *payload, size_t len, void **ret,
		 size_t *ret_len, struct err *e);

/*
 * Verifies the payloadType and a signature of k. err.envelope, err.unknown-key,
 * err.signature. (For documents: trust.h.)
 */
int envelope_verify(const struct envelope *env, const char *type,
		    const struct key *k, struct err *e);

/* Creates an envelope, signs it and returns its text. */
int envelope_make(const char *type, const void *payload, size_t len,
		  const struct key *k, char **ret, struct err *e);

static inline void envelope_freep(struct envelope **env)
{
	envelope_free(*env);
}

#endif
