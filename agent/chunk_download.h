/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads chunks and chunk lists by digest. Several downloads run at once,
 * each into an anonymous file. An interrupted download is resumed. A file is
 * passed on only if its digest matches. Nothing is kept on disk, because
 * cells-policyd stores what it accepts.
 */
#ifndef AGENT_CHUNK_DOWNLOAD_H
#define AGENT_CHUNK_DOWNLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct err;
struct chunk_download;
struct http_multi;

#define CHUNK_DOWNLOAD_MAX 256 /* wanted at a time */

struct chunk_download_ops {
	/*
	 * Passes on the bytes with that digest, in fd from offset 0 (borrowed).
	 * The answer is chunk_download_acknowledge(), at once or later.
	 */
	void (*have)(void *user, const char *digest, int fd);
	/*
	 * The remaining downloads failed and are tried later. Is there more to
	 * download?
	 */
	void (*more)(void *user);
	/*
	 * Nothing is left to do. If not `complete`, some downloads are not
	 * possible now.
	 */
	void (*idle)(void *user, bool complete);
};

struct chunk_download_limits {
	unsigned int lanes; /* GETs at once */
	uint64_t speed;	    /* bytes a second, all together; 0: no limit */
	uint64_t list_max;  /* bytes of a chunk list */
};

int chunk_download_new(sd_event *event,
		       const struct chunk_download_limits *limits,
		       const struct chunk_download_ops *ops, void *user,
		       struct chunk_download **ret, struct err *e);
void chunk_download_free(struct chunk_download *f);

/*
 * Sets the server to download from. Pass NULL before the server is freed.
 * Partial downloads are kept.
 */
void chunk_download_set_server(struct chunk_download *f,
			       struct http_multi *server);

/*
 * Adds a download; a duplicate is ignored. -ENOBUFS: there are
 * CHUNK_DOWNLOAD_MAX already.
 */
int chunk_download_add_wanted(struct chunk_download *f, const char *digest,
			      bool is_list);

/*
 * The file that was passed on was accepted or, with !ok, must be downloaded
 * again.
 */
void chunk_download_acknowledge(struct chunk_download *f, const char *digest,
				bool ok);

/* Removes all downloads. */
void chunk_download_clear(struct chunk_download *f);

/* Pauses all downloads for this time. */
void chunk_download_hold_off(struct chunk_download *f, unsigned int seconds);

struct chunk_download_progress {
	uint64_t done, total; /* bytes since it was idle; total 0: not known */
	char image[72];	      /* digest of the last chunk list; "" */
};
void chunk_download_get_progress(const struct chunk_download *f,
				 struct chunk_download_progress *ret);

static inline void chunk_download_freep(struct chunk_download **f)
{
	chunk_download_free(*f);
}

#endif
