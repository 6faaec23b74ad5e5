/* SPDX-License-Identifier: Apache-2.0 */
#include "images/oci.h"

#include "lib/architecture.h"
#include "lib/auto.h"
#include "lib/crypto/hash.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ENTRIES_MAX 1024
#define TAG_ANNOTATION "org.opencontainers.image.ref.name"
#define OCI "application/vnd.oci.image."
#define DOCKER "application/vnd.docker."

static const char *const index_types[] = {
	OCI "index.v1+json",
	DOCKER "distribution.manifest.list.v2+json",
	NULL,
};
static const char *const manifest_types[] = {
	OCI "manifest.v1+json",
	DOCKER "distribution.manifest.v2+json",
	NULL,
};
static const char *const config_types[] = {
	OCI "config.v1+json",
	DOCKER "container.image.v1+json",
	NULL,
};
static const char *const layer_types[] = {
	OCI "layer.v1.tar",
	OCI "layer.v1.tar+gzip",
	OCI "layer.v1.tar+zstd",
	OCI "layer.nondistributable.v1.tar",
	OCI "layer.nondistributable.v1.tar+gzip",
	OCI "layer.nondistributable.v1.tar+zstd",
	DOCKER "image.rootfs.diff.tar",
	DOCKER "image.rootfs.diff.tar.gzip",
	DOCKER "image.rootfs.diff.tar.zstd",
	NULL,
};

/* Go's names and Debian's, where they differ. */
static const struct {
	const char *go, *variant, *debian;
} architectures[] = {
	{ "386", NULL, "i386" },	{ "arm", "v7", "armhf" },
	{ "arm", "v6", "armel" },	{ "arm", "v5", "armel" },
	{ "ppc64le", NULL, "ppc64el" }, { "mips64le", NULL, "mips64el" },
	{ "mipsle", NULL, "mipsel" },
};

static const char *get_debian_architecture(const char *go, const char *variant)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(architectures); i++)
		if (strcmp(architectures[i].go, go) == 0 &&
		    (!architectures[i].variant ||
		     strcmp(architectures[i].variant,
			    variant ? variant : "v7") == 0))
			return architectures[i].debian;
	return go;
}

static bool is_listed_string(const char *const *list, const char *s)
{
	for (; *list; list++)
		if (strcmp(*list, s) == 0)
			return true;
	return false;
}

/* A descriptor: mediaType, digest, size. *ret_type is borrowed. */
static int parse_blob_descriptor(json_t *object, const char *what,
				 struct oci_blob *ret, const char **ret_type,
				 struct err *e)
{
	const char *type = NULL, *digest = NULL;
	uint8_t bytes[HASH_SIZE];
	int64_t size = 0;
	const struct json_member members[] = {
		{ "mediaType", JSON_STRING, false, &type },
		{ "digest", JSON_STRING, false, &digest },
		{ "size", JSON_INTEGER, false, &size },
		{ NULL },
	};
	int r;

	if (!json_is_object(object))
		return err_set(e, EINVAL, "%s: not an object", what);
	r = json_read_object(object, members, false, what, e);
	if (r < 0)
		return r;
	if (encoding_parse_digest(digest, bytes) < 0)
		return err_set(e, EINVAL, "%s: digest '%.80s' is not a sha256",
			       what, digest);
	if (size < 0)
		return err_set(e, EINVAL, "%s: size is negative", what);
	encoding_format_digest(bytes, ret->digest);
	ret->size = (uint64_t)size;
	*ret_type = type;
	return 0;
}

static int parse_json_object(const char *text, size_t len, const char *what,
			     json_t **ret, struct err *e)
{
	auto_json json_t *j = NULL;
	int r;

	if (len > OCI_FILE_MAX)
		return err_set(e, EFBIG, "%s: too large", what);
	r = json_parse(text, len, what, &j, e);
	if (r < 0)
		return r;
	if (!json_is_object(j))
		return err_set(e, EINVAL, "%s: not an object", what);
	*ret = steal(j);
	return 0;
}

static bool is_matching_image(json_t *entry, const char *architecture,
			      const char *tag)
{
	json_t *platform = json_object_get(entry, "platform");
	json_t *notes = json_object_get(entry, "annotations");
	const char *go =
		json_string_value(json_object_get(platform, "architecture"));
	const char *variant =
		json_string_value(json_object_get(platform, "variant"));
	const char *os = json_string_value(json_object_get(platform, "os"));
	const char *name =
		json_string_value(json_object_get(notes, TAG_ANNOTATION));

	if (os && strcmp(os, "linux") != 0)
		return false;
	if (go && architecture &&
	    strcmp(get_debian_architecture(go, variant), architecture) != 0)
		return false;
	return !tag || (name && strcmp(name, tag) == 0);
}

int oci_parse_index(const char *text, size_t len, const char *architecture,
		    const char *tag, struct oci_blob *ret, bool *ret_index,
		    struct err *e)
{
	auto_json json_t *index = NULL;
	struct oci_blob found;
	unsigned int n = 0;
	bool nested = false;
	json_t *list, *entry;
	size_t i;
	int r;

	r = parse_json_object(text, len, "index", &index, e);
	if (r < 0)
		return r;
	list = json_object_get(index, "manifests");
	if (!json_is_array(list) || json_object_get(index, "layers"))
		return err_set(e, EINVAL, "index: has no list of manifests");
	if (json_array_size(list) > ENTRIES_MAX)
		return err_set(e, EINVAL, "index: more than %d manifests",
			       ENTRIES_MAX);
	json_array_foreach (list, i, entry) {
		struct oci_blob blob;
		const char *type;

		r = parse_blob_descriptor(entry, "index", &blob, &type, e);
		if (r < 0)
			return r;
		if ((!is_listed_string(manifest_types, type) &&
		     !is_listed_string(index_types, type)) ||
		    !is_matching_image(entry, architecture, tag))
			continue;
		found = blob;
		nested = is_listed_string(index_types, type);
		n++;
	}
	if (n == 0)
		return err_set(e, ENOENT,
			       "index: no image%s%s of architecture %s",
			       tag ? " named " : "", tag ? tag : "",
			       architecture ? architecture : "any");
	if (n > 1)
		return err_set(e, EINVAL,
			       "index: %u images fit; say which (--tag, "
			       "--architecture)",
			       n);
	*ret = found;
	*ret_index = nested;
	return 0;
}

int oci_parse_manifest(const char *text, size_t len, struct oci_manifest *ret,
		       struct err *e)
{
	auto_json json_t *manifest = NULL;
	struct oci_manifest m = { 0 };
	json_t *layers, *layer;
	const char *type;
	size_t i;
	int r;

	r = parse_json_object(text, len, "manifest", &manifest, e);
	if (r < 0)
		return r;
	layers = json_object_get(manifest, "layers");
	if (!json_is_array(layers) || json_object_get(manifest, "manifests"))
		return err_set(e, EINVAL, "manifest: has no list of layers");
	if (json_array_size(layers) == 0 ||
	    json_array_size(layers) > OCI_LAYERS_MAX)
		return err_set(
			e, EINVAL,
			"manifest: %zu layers, where 1 to %d are possible",
			json_array_size(layers), OCI_LAYERS_MAX);
	r = parse_blob_descriptor(json_object_get(manifest, "config"),
				  "manifest: config", &m.config, &type, e);
	if (r < 0)
		return r;
	if (!is_listed_string(config_types, type))
		return err_set(e, EINVAL, "manifest: not an image but '%.80s'",
			       type);
	json_array_foreach (layers, i, layer) {
		r = parse_blob_descriptor(layer, "manifest: layer",
					  &m.layer[m.n_layers++], &type, e);
		if (r < 0)
			return r;
		if (!is_listed_string(layer_types, type))
			return err_set(e, EINVAL,
				       "manifest: a layer of type '%.80s'",
				       type);
	}
	*ret = m;
	return 0;
}

static bool has_repo_tag(json_t *image, const char *tag)
{
	json_t *list = json_object_get(image, "RepoTags"), *one;
	size_t i;

	json_array_foreach (list, i, one) {
		const char *s = json_string_value(one);
		const char *name = s ? strrchr(s, '/') : NULL;
		const char *colon = s ? strrchr(s, ':') : NULL;

		if (s && (strcmp(s, tag) == 0 ||
			  (name && strcmp(name + 1, tag) == 0) ||
			  (colon && strcmp(colon + 1, tag) == 0)))
			return true;
	}
	return false;
}

/* Where it leads to is for who opens it. */
static int parse_file_name(json_t *j, const char *what, char *ret,
			   struct err *e)
{
	const char *s = json_string_value(j);

	if (!s || !*s || strlen(s) >= OCI_NAME_SIZE)
		return err_set(e, EINVAL,
			       "manifest.json: %s is not a file name", what);
	strcpy(ret, s);
	return 0;
}

static int parse_archive_image(json_t *image, struct oci_archive *ret,
			       struct err *e)
{
	json_t *layers = json_object_get(image, "Layers"), *layer;
	size_t i, n = json_array_size(layers);
	int r = parse_file_name(json_object_get(image, "Config"), "Config",
				ret->config, e);

	if (r == 0 && (n == 0 || n > OCI_LAYERS_MAX))
		r = err_set(e, EINVAL,
			    "manifest.json: %zu layers, where 1 to %d are "
			    "possible",
			    n, OCI_LAYERS_MAX);
	if (r < 0)
		return r;
	json_array_foreach (layers, i, layer) {
		r = parse_file_name(layer, "a layer",
				    ret->layer[ret->n_layers++], e);
		if (r < 0)
			return r;
	}
	return 0;
}

int oci_parse_archive(const char *text, size_t len, const char *tag,
		      struct oci_archive *ret, struct err *e)
{
	auto_json json_t *file = NULL;
	json_t *image, *found = NULL;
	unsigned int n = 0;
	size_t i;
	int r;

	if (len > OCI_FILE_MAX)
		return err_set(e, EFBIG, "manifest.json: too large");
	r = json_parse(text, len, "manifest.json", &file, e);
	if (r < 0)
		return r;
	if (!json_is_array(file) || json_array_size(file) > ENTRIES_MAX)
		return err_set(e, EINVAL, "manifest.json: no list of images");
	json_array_foreach (file, i, image) {
		if (tag && !has_repo_tag(image, tag))
			continue;
		found = image;
		n++;
	}
	if (n == 0)
		return err_set(e, ENOENT, "manifest.json: no image%s%s",
			       tag ? " named " : "", tag ? tag : "");
	if (n > 1)
		return err_set(
			e, EINVAL,
			"manifest.json: %u images fit; say which (--tag)", n);
	ret->n_layers = 0;
	return parse_archive_image(found, ret, e);
}

__attribute__((format(printf, 2, 3))) static void
add_lost_setting(struct oci_config *c, const char *fmt, ...)
{
	va_list ap;

	if (c->n_lost == OCI_LOST_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(c->lost[c->n_lost++], sizeof(c->lost[0]), fmt, ap);
	va_end(ap);
}

/* What is run if it is one absolute path and nothing else. */
static void parse_init_command(json_t *config, struct oci_config *ret)
{
	json_t *entry = json_object_get(config, "Entrypoint");
	json_t *cmd = json_object_get(config, "Cmd");
	const char *path;

	if (json_array_size(entry) + json_array_size(cmd) == 0)
		return;
	path = json_string_value(
		json_array_get(json_array_size(entry) ? entry : cmd, 0));
	if (json_array_size(entry) + json_array_size(cmd) == 1 && path &&
	    *path == '/' && strlen(path) < sizeof(ret->init)) {
		strcpy(ret->init, path);
		return;
	}
	ret->lost_command = true;
	add_lost_setting(
		ret,
		"Entrypoint and Cmd: '%.60s' and %zu arguments, but a VP runs "
		"one program without any (see --init)",
		path ? path : "?",
		json_array_size(entry) + json_array_size(cmd) - 1);
}

/* Its init is root, in /, with an environment of its own. */
static void find_lost_settings(json_t *config, struct oci_config *ret)
{
	const char *user = json_string_value(json_object_get(config, "User"));
	const char *folder =
		json_string_value(json_object_get(config, "WorkingDir"));
	json_t *env = json_object_get(config, "Env"), *one;
	size_t i, other = 0;

	if (user && *user && strcmp(user, "root") != 0 &&
	    strcmp(user, "0") != 0 && strcmp(user, "0:0") != 0 &&
	    strcmp(user, "root:root") != 0)
		add_lost_setting(ret, "User: '%.60s', but a VP's init is root",
				 user);
	if (folder && *folder && strcmp(folder, "/") != 0)
		add_lost_setting(
			ret, "WorkingDir: '%.60s', but a VP's init starts in /",
			folder);
	json_array_foreach (env, i, one) {
		const char *s = json_string_value(one);

		if (s && strncmp(s, "PATH=", strlen("PATH=")) != 0)
			other++;
	}
	if (other)
		add_lost_setting(
			ret, "Env: %zu variables that a VP's init does not get",
			other);
	if (json_object_size(json_object_get(config, "Volumes")) > 0)
		add_lost_setting(
			ret,
			"Volumes: %zu folders, but all of a VP's data is kept",
			json_object_size(json_object_get(config, "Volumes")));
}

/* Those that an image document can name. */
static void parse_stop_signal(json_t *config, struct oci_config *ret)
{
	static const char *const known[] = { "HUP",  "INT",   "QUIT",
					     "USR1", "USR2",  "TERM",
					     "PWR",  "WINCH", NULL };
	const char *s =
		json_string_value(json_object_get(config, "StopSignal"));

	if (s && strncmp(s, "SIG", 3) == 0 &&
	    (is_listed_string(known, s + 3) ||
	     strncmp(s + 3, "RTMIN", strlen("RTMIN")) == 0) &&
	    strlen(s + 3) < sizeof(ret->stop_signal))
		strcpy(ret->stop_signal, s + 3);
	else if (s && *s)
		add_lost_setting(ret, "StopSignal: '%.60s' (see --stop-signal)",
				 s);
}

static int parse_diff_ids(json_t *rootfs, struct oci_config *ret, struct err *e)
{
	json_t *list = json_object_get(rootfs, "diff_ids"), *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0 ||
	    json_array_size(list) > OCI_LAYERS_MAX)
		return err_set(e, EINVAL, "config: bad list of diff_ids");
	json_array_foreach (list, i, item) {
		const char *s = json_string_value(item);
		uint8_t bytes[HASH_SIZE];

		if (!s || encoding_parse_digest(s, bytes) < 0)
			return err_set(e, EINVAL,
				       "config: a diff_id is not a sha256");
		encoding_format_digest(bytes, ret->diff_id[ret->n_layers++]);
	}
	return 0;
}

int oci_parse_config(const char *text, size_t len, struct oci_config *ret,
		     struct err *e)
{
	const char *go = NULL, *os = NULL, *variant = NULL, *name;
	json_t *rootfs = NULL, *config = NULL;
	auto_json json_t *file = NULL;
	struct oci_config c = { 0 };
	const struct json_member members[] = {
		{ "architecture", JSON_STRING, false, &go },
		{ "variant", JSON_STRING, true, &variant },
		{ "os", JSON_STRING, false, &os },
		{ "rootfs", JSON_OBJECT, false, &rootfs },
		{ NULL },
	};
	int r;

	r = parse_json_object(text, len, "config", &file, e);
	if (r == 0)
		r = json_read_object(file, members, false, "config", e);
	if (r < 0)
		return r;
	if (strcmp(os, "linux") != 0)
		return err_set(e, EINVAL, "config: made for '%.20s', not linux",
			       os);
	name = get_debian_architecture(go, variant);
	if (!architecture_is_known(name))
		return err_set(e, EINVAL,
			       "config: architecture '%.20s' is none that is "
			       "known",
			       name);
	strcpy(c.architecture, name);
	r = parse_diff_ids(rootfs, &c, e);
	if (r < 0)
		return r;
	config = json_object_get(file, "config");
	if (json_is_object(config)) {
		parse_init_command(config, &c);
		parse_stop_signal(config, &c);
		find_lost_settings(config, &c);
	}
	*ret = c;
	return 0;
}
