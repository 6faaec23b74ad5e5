/* SPDX-License-Identifier: Apache-2.0 */
#include "images/oci.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#define D1                                                                     \
	"sha256:"                                                              \
	"1111111111111111111111111111111111111111111111111111111111111111"
#define D2                                                                     \
	"sha256:"                                                              \
	"2222222222222222222222222222222222222222222222222222222222222222"
#define MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define INDEX "application/vnd.oci.image.index.v1+json"
#define ENTRY(type, digest, more)                                              \
	"{\"mediaType\":\"" type "\",\"digest\":\"" digest                     \
	"\",\"size\":7" more "}"
#define PLATFORM(arch)                                                         \
	",\"platform\":{\"os\":\"linux\",\"architecture\":\"" arch "\"}"
#define TAG(name)                                                              \
	",\"annotations\":{\"org.opencontainers.image.ref.name\":\"" name "\"" \
	"}"

static struct err e;

static int find(const char *text, const char *arch, const char *tag,
		struct oci_blob *ret, bool *ret_index)
{
	return oci_parse_index(text, strlen(text), arch, tag, ret, ret_index,
			       &e);
}

START_TEST(image_is_chosen_by_architecture_and_tag)
{
	static const char text[] = "{\"manifests\":[" ENTRY(
		MANIFEST, D1,
		PLATFORM("amd64")
			TAG("one")) "," ENTRY(INDEX, D2,
					      PLATFORM("arm64")
						      TAG("two")) "]}";
	struct oci_blob b;
	bool index;

	ck_assert_int_eq(find(text, "amd64", NULL, &b, &index), 0);
	ck_assert_str_eq(b.digest, D1);
	ck_assert_uint_eq(b.size, 7);
	ck_assert(!index);
	ck_assert_int_eq(find(text, NULL, "two", &b, &index), 0);
	ck_assert_str_eq(b.digest, D2);
	ck_assert(index);
	ck_assert_int_eq(find(text, NULL, NULL, &b, &index), -EINVAL);
	ck_assert_int_eq(find(text, "amd64", "two", &b, &index), -ENOENT);
	ck_assert_int_eq(find(text, "i386", NULL, &b, &index), -ENOENT);
}
END_TEST

START_TEST(architectures_have_debian_names)
{
	static const char text[] = "{\"manifests\":[" ENTRY(
		MANIFEST, D1,
		",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\","
		"\"variant\":\"v7\"}") "]}";
	struct oci_blob b;
	bool index;

	ck_assert_int_eq(find(text, "armhf", NULL, &b, &index), 0);
	ck_assert_int_eq(find(text, "armel", NULL, &b, &index), -ENOENT);
}
END_TEST

#define LAYER(digest)                                                          \
	ENTRY("application/vnd.oci.image.layer.v1.tar+gzip", digest, "")
#define CONFIG ENTRY("application/vnd.oci.image.config.v1+json", D1, "")

START_TEST(manifest_lists_layers_lowest_first)
{
	static const char text[] = "{\"config\":" CONFIG
				   ",\"layers\":[" LAYER(D1) "," LAYER(D2) "]}";
	struct oci_manifest m;

	ck_assert_msg(oci_parse_manifest(text, strlen(text), &m, &e) == 0, "%s",
		      e.text);
	ck_assert_uint_eq(m.n_layers, 2);
	ck_assert_str_eq(m.layer[0].digest, D1);
	ck_assert_str_eq(m.layer[1].digest, D2);
}
END_TEST

static const char *const bad_manifests[] = {
	"",
	"[]",
	"{}",
	"{\"layers\":[]}",
	"{\"config\":" CONFIG ",\"layers\":[]}",
	"{\"config\":" CONFIG ",\"layers\":{}}",
	"{\"config\":" CONFIG ",\"layers\":[7]}",
	"{\"config\":7,\"layers\":[" LAYER(D1) "]}",
	"{\"config\":" LAYER(D1) ",\"layers\":[" LAYER(D1) "]}",
	"{\"config\":" CONFIG ",\"layers\":[" LAYER(D1) "],\"manifests\":[]}",
	"{\"config\":" CONFIG ",\"layers\":[" CONFIG "]}",
	"{\"config\":" CONFIG ",\"layers\":[" LAYER("sha256:11") "]}",
	"{\"config\":" CONFIG ",\"layers\":[" LAYER("sha512:" D1) "]}",
	"{\"config\":" CONFIG ",\"layers\":[{\"digest\":\"" D1 "\"}]}",
	"{\"config\":" CONFIG ",\"config\":" CONFIG
	",\"layers\":[" LAYER(D1) "]}",
};

START_TEST(bad_manifest_is_refused)
{
	const char *text = bad_manifests[_i];
	struct oci_manifest m;

	ck_assert_int_eq(oci_parse_manifest(text, strlen(text), &m, &e),
			 -EINVAL);
}
END_TEST

#define CONFIG_FILE(more)                                                      \
	"{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":"             \
	"{\"type\":\"layers\",\"diff_ids\":[\"" D1 "\",\"" D2 "\"]}"           \
	",\"config\":{" more "}}"

static const struct {
	const char *text, *init, *stop_signal;
} configs[] = {
	{ CONFIG_FILE(""), "", "" },
	{ CONFIG_FILE("\"Cmd\":[\"/sbin/init\"]"), "/sbin/init", "" },
	{ CONFIG_FILE("\"Entrypoint\":[\"/i\"],\"Cmd\":null"), "/i", "" },
	{ CONFIG_FILE("\"Entrypoint\":[\"/i\"],\"Cmd\":[\"x\"]"), "", "" },
	{ CONFIG_FILE("\"Cmd\":[\"init\"],\"StopSignal\":\"SIGQUIT\""), "",
	  "QUIT" },
	{ CONFIG_FILE("\"Cmd\":[7],\"StopSignal\":\"9\""), "", "" },
	{ CONFIG_FILE("\"Cmd\":\"/x\",\"StopSignal\":[]"), "", "" },
};

START_TEST(config_gives_init_and_signal_if_it_has_them)
{
	struct oci_config c;

	ck_assert_msg(oci_parse_config(configs[_i].text,
				       strlen(configs[_i].text), &c, &e) == 0,
		      "%s", e.text);
	ck_assert_str_eq(c.architecture, "amd64");
	ck_assert_uint_eq(c.n_layers, 2);
	ck_assert_str_eq(c.diff_id[1], D2);
	ck_assert_str_eq(c.init, configs[_i].init);
	ck_assert_str_eq(c.stop_signal, configs[_i].stop_signal);
}
END_TEST

static const char *const bad_configs[] = {
	"{}",
	"{\"architecture\":\"amd64\",\"os\":\"linux\"}",
	"{\"architecture\":\"amd64\",\"os\":\"windows\",\"rootfs\":"
	"{\"diff_ids\":[\"" D1 "\"]}}",
	"{\"architecture\":\"a b\",\"os\":\"linux\",\"rootfs\":{\"diff_ids\":"
	"[\"" D1 "\"]}}",
	"{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"diff_ids\":"
	"[]}}",
	"{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"diff_ids\":"
	"[7]}}",
	"{\"architecture\":7,\"os\":\"linux\",\"rootfs\":{\"diff_ids\":[\"" D1
	"\"]}}",
};

START_TEST(bad_config_is_refused)
{
	const char *text = bad_configs[_i];
	struct oci_config c;

	ck_assert_int_eq(oci_parse_config(text, strlen(text), &c, &e), -EINVAL);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, image_is_chosen_by_architecture_and_tag);
	tcase_add_test(tc, architectures_have_debian_names);
	tcase_add_test(tc, manifest_lists_layers_lowest_first);
	tcase_add_loop_test(tc, bad_manifest_is_refused, 0,
			    ARRAY_SIZE(bad_manifests));
	tcase_add_loop_test(tc, config_gives_init_and_signal_if_it_has_them, 0,
			    ARRAY_SIZE(configs));
	tcase_add_loop_test(tc, bad_config_is_refused, 0,
			    ARRAY_SIZE(bad_configs));
}

UNIT_MAIN("oci", add)
