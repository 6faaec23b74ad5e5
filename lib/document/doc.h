/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The documents that administrators sign, as XML (schema/xsd) and as structs.
 * Documents are parsed with libxml2 without DTD, entities, network and
 * XInclude, then validated with the XSD (compiled in), and then with checks
 * that an XSD cannot express. Errors: err.schema, err.unknown-class,
 * err.unsupported-mode.
 */
#ifndef LIB_DOCUMENT_DOC_H
#define LIB_DOCUMENT_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/hash.h"
#include "lib/crypto/key.h"

#include <cells/class.h>
#include <cells/mode.h>

#define DOC_ID_SIZE 65
#define DOC_VPS_MAX 64 /* in one policy or group */
#define DOC_LAYERS_MAX 16
#define DOC_LIFE_MAX_DAYS 30 /* of a group, membership or command */

struct err;

enum doc_type {
	DOC_NONE,
	DOC_ROOT,
	DOC_GROUP,
	DOC_MEMBERSHIP,
	DOC_VP_CONFIG,
	DOC_DEVICE_POLICY,
	DOC_IMAGE,
	DOC_COMMAND,
	DOC_TYPE_COUNT,
};

/* "vp-config"; "root" ... */
const char *doc_type_name(enum doc_type t);
/* Returns DOC_NONE if there is no such type. */
enum doc_type doc_type_from_name(const char *name);
/*
 * The type of "application/vnd.cells.<type>+xml"; DOC_NONE if there is no such
 * type.
 */
enum doc_type doc_type_from_payload_type(const char *payload_type);
const char *doc_payload_type(enum doc_type t);

struct doc_head {
	enum doc_type type;
	char org[DOC_ID_SIZE], id[DOC_ID_SIZE];
	uint32_t version;
	int64_t issued, expires;   /* seconds since 1970 */
	uint8_t digest[HASH_SIZE]; /* of the exact bytes */
};

/* ---- root */
#define DOC_KEYS_MAX 64
#define DOC_THRESHOLD_MAX 16 /* an envelope has no more signatures */
#define DOC_CAS_MAX 8

enum doc_role {
	DOC_ROLE_ROOT,
	DOC_ROLE_POLICY,
	DOC_ROLE_IMAGE,
	DOC_ROLE_COMMAND,
	DOC_ROLE_DESTROY,
	DOC_ROLE_DIRECTOR,
	DOC_ROLE_COUNT,
};

const char *doc_role_name(enum doc_role r);

struct doc_key {
	char name[DOC_ID_SIZE]; /* who: for lists and explain */
	struct key *key;
};

struct doc_root {
	struct doc_head head;
	unsigned int n_keys, n_cas;
	struct doc_key key[DOC_KEYS_MAX];
	struct {
		unsigned int threshold;
		uint64_t members; /* a bit for each key[] */
	} role[DOC_ROLE_COUNT];
	uint8_t ca[DOC_CAS_MAX][HASH_SIZE]; /* SHA-256 of certificates' DER */
	struct key *recovery;		    /* NULL: none */
};

/* ---- group, membership, command */
struct doc_ref {
	enum doc_type type;
	char id[DOC_ID_SIZE];
	uint32_t min_version;
};

struct doc_group {
	struct doc_head head;
	unsigned int n_refs;
	struct doc_ref ref[2 * DOC_VPS_MAX];
};

struct doc_membership {
	struct doc_head head;
	char device[DOC_ID_SIZE], epoch[33];
	char group[DOC_ID_SIZE];
	uint32_t min_version;
	char after[sizeof("sha256:") + 64]; /* "": it names none */
};

enum doc_action {
	DOC_START,
	DOC_STOP,
	DOC_SWITCH,
	DOC_LOCK,
	DOC_UNLOCK,
	DOC_CHECKPOINT,
	DOC_RESTORE,
	DOC_REBOOT,
	DOC_WIPE,
	DOC_REMOVE,
	DOC_ROTATE_KEYS,
	DOC_ACTION_COUNT,
};

const char *doc_action_name(enum doc_action a);
/* wipe, remove and rotate-keys belong to destroy, the others to command. */
enum doc_role doc_action_role(enum doc_action a);
bool doc_action_needs_vp(enum doc_action a);

struct doc_command {
	struct doc_head head;
	char device[DOC_ID_SIZE], epoch[33];
	char vp[DOC_ID_SIZE]; /* "" for reboot, rotate-keys */
	enum doc_action action;
	void *sealed_key; /* of unlock; NULL: none */
	size_t sealed_key_len;
};

/* ---- vp-config */
enum doc_then { DOC_THEN_NOTHING, DOC_THEN_LOCK, DOC_THEN_WIPE };

/*
 * A destination to which a VP can send: IPv4 in host byte order; 0 means any
 * protocol or port.
 */
#define DOC_ALLOW_MAX 64
struct doc_allow {
	uint32_t address;
	uint8_t prefix, protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	uint16_t port;
};

struct doc_vp_config {
	struct doc_head head;
	char label[128];
	char image[DOC_ID_SIZE];
	uint32_t image_min_version;
	uint64_t memory_max, storage_max; /* bytes; 0: no limit */
	bool overcommit;		  /* its storage is not reserved */
	uint32_t cpu_weight, pids_max;
	uint32_t io_weight; /* 0: not said */
	/* Bytes a second of its data; 0: no limit */
	uint64_t io_read_max, io_write_max;
	bool nat;	      /* false: loopback only */
	uint64_t net_rate;    /* bytes a second, each way; 0: no limit */
	unsigned int n_allow; /* 0: anywhere */
	struct doc_allow allow[DOC_ALLOW_MAX];
	bool on_boot;
	bool no_new_privs; /* su and sudo do not work in it */
	bool attention_call, attention_sms, attention_alarm;
	bool notify_call, notify_sms, notify_alarm;
	uint32_t idle_seconds; /* 0: never */
	uint32_t attempts;     /* wrong passcodes; 0: no limit */
	enum doc_then attempts_then;
	uint32_t offline_hours; /* 0: never */
	enum doc_then offline_then;
	bool is_protected;
	uint32_t iterations;
	uint8_t salt[64];
	size_t salt_len;
	uint8_t verifier[HASH_SIZE];
	uint8_t secrets_nonce[12];
	void *secrets; /* ciphertext and tag; NULL: none */
	size_t secrets_len;
};

/* ---- device-policy */
/* Enforcement, weakest first. */
enum doc_level { DOC_OPEN, DOC_LIVE, DOC_MAPPED };
extern const char *const doc_level_names[]; /* NULL behind the last */
const char *doc_level_name(enum doc_level l);
/* 0 or -EINVAL. */
int doc_level_from_name(const char *name, enum doc_level *ret);

enum doc_on_revoke { DOC_REVOKE_DEFAULT, DOC_REVOKE_KILL, DOC_REVOKE_KEEP };

#define DOC_WINDOWS_MAX 16
#define DOC_DAY_MINUTES 1440
struct doc_window {
	uint8_t days; /* bit 0 Monday ... bit 6 Sunday */
	/* Minutes of the day, 0..1440; to <= from: past midnight. */
	uint16_t from, to;
};

struct doc_rule {
	enum cells_class cls; /* CELLS_CLASS_COUNT: the <default> */
	enum cells_use use;
	bool block;
	enum doc_on_revoke on_revoke;
	unsigned int line; /* in the XML, for explain */
	unsigned int n_windows;
	struct doc_window window[DOC_WINDOWS_MAX];
};

struct doc_policy_vp {
	char id[DOC_ID_SIZE];
	unsigned int n_rules;
	struct doc_rule *rule;
};

struct doc_device_policy {
	struct doc_head head;
	enum doc_level require;
	unsigned int n_vps;
	struct doc_policy_vp vp[DOC_VPS_MAX];
};

/* ---- image */
struct doc_layer {
	char digest[72]; /* "sha256:<hex>" of the EROFS file */
	uint64_t size;
	char chunks[72]; /* "sha256:<hex>" of the chunk list */
};

struct doc_image {
	struct doc_head head;
	char architecture[16]; /* Debian's name: amd64, arm64 */
	char init[128];
	char stop_signal[16]; /* "TERM", "RTMIN+3" */
	uint32_t min_agent;
	unsigned int n_layers;
	struct doc_layer layer[DOC_LAYERS_MAX]; /* lowest first */
};

/*
 * A document is one allocation that starts with its head; doc_free() frees each
 * type.
 */
struct doc {
	struct doc_head head;
};

/*
 * Parses and checks a payload of the given type. The root element must match.
 * To cast to a type, such as struct doc_group, use the doc_as_*() helpers,
 * which assert head.type.
 */
int doc_parse(enum doc_type t, const void *xml, size_t len, struct doc **ret,
	      struct err *e);
void doc_free(struct doc *d);

const struct doc_root *doc_as_root(const struct doc *d);
const struct doc_group *doc_as_group(const struct doc *d);
const struct doc_membership *doc_as_membership(const struct doc *d);
const struct doc_command *doc_as_command(const struct doc *d);
const struct doc_vp_config *doc_as_vp_config(const struct doc *d);
const struct doc_device_policy *doc_as_device_policy(const struct doc *d);
const struct doc_image *doc_as_image(const struct doc *d);

static inline void doc_freep(struct doc **d)
{
	doc_free(*d);
}

#endif
