/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords that are typed at the device: the config password (IT's) and a VP's
 * passcode (the user's). Each try is counted on disk before it is tested, for
 * each of the two and each VP separately, and waits grow; power cuts and
 * restarts give nothing back.
 */
#ifndef POLICYD_PASSWORD_H
#define POLICYD_PASSWORD_H

#include <stddef.h>
#include <stdint.h>

#include "lib/json.h"
#include "policyd/store/store.h"

#define PASSWORD_MAX 1024
#define PASSWORD_WINDOW 600	/* seconds */
#define PASSWORD_PASSCODE_MIN 4 /* of a new passcode */

struct err;
struct policyd;
struct reply;

/* How long after so many wrong tries, in seconds. */
uint64_t password_get_delay(uint32_t wrong);
/* Nanoseconds to wait still; a boot clock that restarted waits all again. */
uint64_t password_get_wait(const struct store_counter *c, uint64_t boot_ns);

/* Opens the window for a config. err.password, err.locked-out. */
int password_unlock_config(struct policyd *p, const char *id,
			   const void *password, size_t len, struct err *e);

struct password_text {
	const void *data;
	size_t len;
};

/* Tries a passcode with cellsd. Takes *reply, by which cellsd's answer is
 * handed on. */
int password_unlock(struct policyd *p, struct reply **reply, const char *vp,
		    const struct password_text *passcode, struct err *e);

/* Sets a VP's passcode with cellsd; `old` is empty where there was none, and
 * `fresh` where there is to be none. Takes *reply as well. */
int password_set_passcode(struct policyd *p, struct reply **reply,
			  const char *vp, const struct password_text *old,
			  const struct password_text *fresh, struct err *e);

/* {"config": {id: seconds}, "passcode": {vp: seconds}} of waits; NULL: no
 * memory. */
json_t *password_list_waits(struct policyd *p);

#endif
