/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp/journal.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_MAX (64 * 1024 * 1024)
#define LONG_LOG (1024 * 1024) /* and twice what it was when rewritten */
#define BATCH_MAX (4 * 1024 * 1024)
/* Kept behind the end, for what is to be written on a full disk: twenty
 * thousand records. */
#define RESERVE (1024 * 1024)

struct journal {
	char *path;
	int fd;
	off_t end;	 /* of the last whole batch */
	off_t rewritten; /* its length when it was last rewritten */
	off_t reserved;	 /* up to there the disk has room for it */
	char *batch;
	size_t len, room;
	bool overflow;
	/* To be mended before the next batch is written. */
	bool torn;    /* something follows `end` */
	bool renamed; /* its folder is not synced */
};

/* CRC-32 (ISO 3309), bit by bit: batches are small. */
static uint32_t compute_crc32(const char *data, size_t len)
{
	uint32_t crc = ~0U;

	for (size_t i = 0; i < len; i++) {
		crc ^= (unsigned char)data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
	}
	return ~crc;
}

/* ---- words: what is not plain is %XX; an empty word is "%" */

static bool is_plain_char(unsigned char c)
{
	return c > ' ' && c < 127 && c != '%';
}

static void append_batch_bytes(struct journal *j, const char *s, size_t n)
{
	if (j->overflow || j->len + n > BATCH_MAX) {
		j->overflow = true;
		return;
	}
	if (j->len + n > j->room) {
		size_t room = (j->len + n) * 2;
		char *bigger = realloc(j->batch, room);

		if (!bigger) {
			j->overflow = true;
			return;
		}
		j->batch = bigger;
		j->room = room;
	}
	if (n > 0)
		memcpy(j->batch + j->len, s, n);
	j->len += n;
}

static void append_escaped_word(struct journal *j, const char *word)
{
	char hex[4];

	if (!*word)
		append_batch_bytes(j, "%", 1);
	for (; *word; word++) {
		if (is_plain_char((unsigned char)*word)) {
			append_batch_bytes(j, word, 1);
			continue;
		}
		snprintf(hex, sizeof(hex), "%%%02x", (unsigned char)*word);
		append_batch_bytes(j, hex, 3);
	}
}

void journal_add_record(struct journal *j, ...)
{
	const char *word, *space = "";
	va_list ap;

	va_start(ap, j);
	while ((word = va_arg(ap, const char *))) {
		append_batch_bytes(j, space, strlen(space));
		append_escaped_word(j, word);
		space = " ";
	}
	va_end(ap);
	append_batch_bytes(j, "\n", 1);
}

static int unescape_record_word(char *word)
{
	char *to = word;

	if (strcmp(word, "%") == 0)
		word[0] = '\0';
	for (; *word; word++) {
		unsigned int c;

		if (*word != '%') {
			*to++ = *word;
			continue;
		}
		if (sscanf(word + 1, "%2x", &c) != 1 || c == 0)
			return -EBADMSG;
		*to++ = (char)c;
		word += 2;
	}
	*to = '\0';
	return 0;
}

/* ---- reading */

static int replay_record(char *line, journal_record_fn *fn, void *arg,
			 struct err *e)
{
	const char *word[JOURNAL_FIELDS_MAX];
	unsigned int n = 0;
	char *w;

	while ((w = strsep(&line, " "))) {
		if (n == JOURNAL_FIELDS_MAX || unescape_record_word(w) < 0)
			return err_set(e, EBADMSG, "bad record");
		word[n++] = w;
	}
	return fn(arg, word, n, e);
}

static int replay_batch(char *batch, size_t len, journal_record_fn *fn,
			void *arg, struct err *e)
{
	char *line, *rest = batch;
	int r = 0;

	batch[len - 1] = '\0'; /* the last newline */
	while (r == 0 && (line = strsep(&rest, "\n")))
		r = replay_record(line, fn, arg, e);
	return r;
}

/* The end of the batch that starts at text, or NULL: none is whole. */
static char *find_batch_end(char *text, size_t *ret_len)
{
	char *at = text, *newline;
	unsigned int crc;

	for (; (newline = strchr(at, '\n')); at = newline + 1) {
		if (at[0] != '=' || at == text)
			continue;
		if (sscanf(at, "=%8x\n", &crc) != 1 ||
		    crc != compute_crc32(text, (size_t)(at - text)))
			return NULL;
		*ret_len = (size_t)(at - text);
		return newline + 1;
	}
	return NULL;
}

static int replay_all_batches(struct journal *j, char *text, size_t len,
			      journal_record_fn *fn, void *arg, struct err *e)
{
	char *at = text, *next;
	size_t n;
	int r;

	while ((next = find_batch_end(at, &n))) {
		r = replay_batch(at, n, fn, arg, e);
		if (r < 0)
			return r;
		at = next;
	}
	j->end = at - text;
	/* Only the last write can be torn; a whole batch behind it is damage.
	 */
	for (next = at; (next = strchr(next, '\n')); next++)
		if (next[1] == '=' && strchr(next + 1, '\n') &&
		    strchr(next + 1, '\n') + 1 < text + len)
			return err_set(e, EBADMSG, "%s: damaged at byte %lld",
				       j->path, (long long)j->end);
	return 0;
}

/* Where the file system has no such thing, or no room, there is none. */
static void reserve_disk_space(struct journal *j)
{
	if (j->reserved - j->end < RESERVE / 2 &&
	    fallocate(j->fd, FALLOC_FL_KEEP_SIZE, j->end, RESERVE) == 0)
		j->reserved = j->end + RESERVE;
}

/* Only where there is one: cutting gives the room behind the end back. */
static int truncate_torn_tail(struct journal *j, struct err *e)
{
	struct stat st;

	j->torn = fstat(j->fd, &st) < 0 ||
		  (st.st_size > j->end && ftruncate(j->fd, j->end) < 0) ||
		  lseek(j->fd, j->end, SEEK_SET) < 0;
	if (!j->torn && st.st_size > j->end)
		j->reserved = j->end;
	return j->torn ? err_sys(e, errno, "cut the tail of %s", j->path) : 0;
}

static int replay_journal_file(struct journal *j, journal_record_fn *fn,
			       void *arg, struct err *e)
{
	auto_free char *text = NULL;
	size_t len;
	int r = io_read_fd(j->fd, j->path, LOG_MAX, &text, &len, e);

	if (r < 0)
		return r;
	r = replay_all_batches(j, text, strlen(text), fn, arg, e);
	return r < 0 ? r : truncate_torn_tail(j, e);
}

int journal_open(const char *path, journal_record_fn *fn, void *arg,
		 struct journal **ret, struct err *e)
{
	AUTO(journal_closep) struct journal *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return err_oom(e, path);
	j->fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (j->fd < 0)
		return err_sys(e, errno, "open %s", path);
	j->path = strdup(path);
	if (!j->path)
		return err_oom(e, path);
	r = replay_journal_file(j, fn, arg, e);
	if (r < 0)
		return r;
	reserve_disk_space(j);
	*ret = steal(j);
	return 0;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		close(j->fd);
	free(j->path);
	free(j->batch);
	free(j);
}

/* ---- writing */

void journal_discard_batch(struct journal *j)
{
	j->len = 0;
	j->overflow = false;
}

static int append_batch_checksum(struct journal *j, struct err *e)
{
	char line[16];

	snprintf(line, sizeof(line), "=%08x\n",
		 compute_crc32(j->batch, j->len));
	append_batch_bytes(j, line, strlen(line));
	if (!j->overflow)
		return 0;
	journal_discard_batch(j);
	return err_oom(e, j->path);
}

static int repair_before_write(struct journal *j, struct err *e)
{
	int r = j->torn ? truncate_torn_tail(j, e) : 0;

	if (r == 0 && j->renamed)
		r = io_sync_folder(j->path, e);
	if (r == 0)
		j->renamed = false;
	return r;
}

static int write_journal_batch(struct journal *j, bool sync, struct err *e)
{
	struct err ignored;
	size_t len;
	int r;

	if (j->len == 0 && !j->overflow)
		return 0;
	r = repair_before_write(j, e);
	if (r < 0) {
		journal_discard_batch(j);
		return r;
	}
	r = append_batch_checksum(j, e);
	if (r < 0)
		return r;
	len = j->len;
	r = io_write_all(j->fd, j->batch, len);
	if (r == 0 && sync && fsync(j->fd) < 0)
		r = -errno;
	journal_discard_batch(j);
	if (r == 0) {
		j->end += (off_t)len;
		reserve_disk_space(j);
		return 0;
	}
	/* What a failed write left must not precede the next batch. */
	truncate_torn_tail(j, &ignored);
	return err_sys(e, -r, "write %s", j->path);
}

int journal_commit_batch(struct journal *j, struct err *e)
{
	return write_journal_batch(j, true, e);
}

int journal_commit_unsynced(struct journal *j, struct err *e)
{
	return write_journal_batch(j, false, e);
}

int journal_rewrite(struct journal *j, struct err *e)
{
	size_t len;
	int fd, r;

	r = append_batch_checksum(j, e);
	if (r < 0)
		return r;
	len = j->len;
	r = io_replace_fd(j->path, j->batch, len, 0600, &fd, e);
	journal_discard_batch(j);
	if (r < 0)
		return r;
	close(j->fd);
	j->fd = fd;
	j->end = j->rewritten = (off_t)len;
	j->torn = false;
	j->renamed = true;
	j->reserved = 0;
	reserve_disk_space(j);
	return repair_before_write(j, e);
}

bool journal_needs_rewrite(const struct journal *j)
{
	return j->end > LONG_LOG && j->end > 2 * j->rewritten;
}
