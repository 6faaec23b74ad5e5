/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON files of OCI layouts: each input as index, manifest and config. */
#include "images/oci.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;
	struct oci_manifest manifest;
	static struct oci_archive archive;
	struct oci_config config;
	struct oci_blob blob;
	struct err e;
	bool index;

	oci_parse_index(text, len, "amd64", NULL, &blob, &index, &e);
	oci_parse_index(text, len, NULL, "latest", &blob, &index, &e);
	oci_parse_manifest(text, len, &manifest, &e);
	oci_parse_config(text, len, &config, &e);
	oci_parse_archive(text, len, NULL, &archive, &e);
	oci_parse_archive(text, len, "latest", &archive, &e);
	return 0;
}
