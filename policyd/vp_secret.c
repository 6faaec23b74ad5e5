/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/vp_secret.h"

#include "lib/auto.h"
#include "lib/crypto/key_recovery.h"
#include "lib/crypto/password_crypto.h"
#include "lib/crypto/secure_memory.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/bus/device_client.h"
#include "policyd/receipt/recorder.h"

#include <errno.h>
#include <string.h>

static int create_secret_memfd(const void *data, size_t len, const char *vp,
			       int *ret, struct err *e)
{
	int fd = secure_memory_create_memfd(data, len);

	if (fd < 0)
		return err_sys(e, -fd, "hand secrets of '%s' over", vp);
	*ret = fd;
	return 0;
}

int vp_secret_open_key(const struct identity *id, const char *vp,
		       const void *sealed, size_t len, int *ret, struct err *e)
{
	const struct key_recovery_device d = { id->device, id->epoch, vp };
	uint8_t key[KEY_RECOVERY_KEY_SIZE];
	int r = key_recovery_unseal(&d, id->key, sealed, len, key, e);

	if (r == -EACCES)
		return err_reason(e, REASON_PASSWORD,
				  "unlock '%s': the key is not sealed to this "
				  "device, or for another VP",
				  vp);
	if (r == 0)
		r = create_secret_memfd(key, sizeof(key), vp, ret, e);
	explicit_bzero(key, sizeof(key));
	return r;
}

static void on_secrets_answer(void *unused, const struct device_answer *a)
{
	if (a->result != DEVICE_DONE)
		log_warning("%s", a->why.text);
}

static int decrypt_config_secrets(const struct doc_vp_config *c,
				  const struct password_crypto_key *k, int *ret,
				  struct err *e)
{
	auto_free char *aad = NULL;
	auto_free void *plain = NULL;
	size_t len = 0;
	int r;

	if (asprintf(&aad, "vp-config\n%s\n%s\n%u", c->head.org, c->head.id,
		     c->head.version) < 0)
		return err_oom(e, "open secrets");
	r = password_crypto_decrypt(k->enc, c->secrets_nonce, aad, strlen(aad),
				    c->secrets, c->secrets_len, &plain, &len,
				    e);
	if (r == 0)
		r = create_secret_memfd(plain, len, c->head.id, ret, e);
	if (plain)
		explicit_bzero(plain, len);
	return r;
}

int vp_secret_send_secrets(struct device_client *device,
			   const struct doc_vp_config *c,
			   const struct password_crypto_key *k, struct err *e)
{
	const struct device_call call = { .what = "hand secrets over",
					  .done = on_secrets_answer };
	auto_close int fd = -1;
	int r;

	if (!c->secrets)
		return 0;
	r = decrypt_config_secrets(c, k, &fd, e);
	if (r < 0)
		return r;
	r = device_client_send_secrets(device, c->head.id, fd, &call);
	return r < 0 ? err_sys(e, -r, "hand secrets of '%s' over", c->head.id)
		     : 0;
}
