/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An audit batch as JSON, of a key whose private half made the corpus; and the
 * same bytes as a record.
 */
#include "lib/auto.h"
#include "lib/document/audit.h"
#include "lib/err.h"
#include "tests/fuzz/fuzz.h"

static const char pem[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6OF+Ka4zzxx1d+NVZzdvIuosGMEm\n"
	"ue5rwyViKbgK4MdDouo/HPnTzMdKzjy384p7InpC8+9vgH5Lc6QGLTfqzg==\n"
	"-----END PUBLIC KEY-----\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct key *key;
	struct audit_chain batch = { 0 }, record = { 0 };
	auto_json json_t *j = NULL;
	struct err e;

	if (!key && key_from_pem(pem, &key, &e) < 0)
		abort();
	audit_verify_record(&record, (const char *)data, len, &e);
	if (json_parse((const char *)data, len, "batch", &j, &e) == 0)
		audit_check_batch(j, "dev-0123456789ab",
				  "00112233445566778899aabbccddeeff", key,
				  &batch, &e);
	return 0;
}
