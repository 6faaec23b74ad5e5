/* SPDX-License-Identifier: Apache-2.0 */
/* Who has endpoints open or mapped, found through /proc. */
#include "cellsd/ctl/output.h"
#include "cellsd/devnsctl/devns_name.h"
#include "cellsd/devnsctl/devnsctl.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

struct search {
	const struct nsctl *c;
	struct devnslink_endpoint *ep;
	uint32_t *handles, *mappings; /* of each endpoint, by one process */
	size_t n;
	json_t *rows;
	bool failed;
};

static void take_endpoint(void *arg, const struct devnslink_endpoint *ep)
{
	struct search *s = arg;
	struct devnslink_endpoint *list;

	if (!nsname_wants(s->c, ep->ns) || (!ep->major && !ep->minor))
		return;
	list = reallocarray(s->ep, s->n + 1, sizeof(*list));
	s->failed |= !list;
	if (!list)
		return;
	s->ep = list;
	s->ep[s->n++] = *ep;
}

static void count(struct search *s, const struct stat *st, bool mapping)
{
	for (size_t i = 0; S_ISCHR(st->st_mode) && i < s->n; i++)
		if (st->st_rdev == makedev(s->ep[i].major, s->ep[i].minor))
			(mapping ? s->mappings : s->handles)[i]++;
}

/* Each entry is a link to what is open or mapped. */
static void look(struct search *s, int proc, const char *folder, bool mapping)
{
	int fd = openat(proc, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	struct stat st;

	if (!d && fd >= 0)
		close(fd);
	while (d && (entry = readdir(d)))
		if (entry->d_name[0] != '.' &&
		    fstatat(dirfd(d), entry->d_name, &st, 0) == 0)
			count(s, &st, mapping);
}

static void read_comm(int proc, char *ret, size_t size)
{
	auto_close int fd = openat(proc, "comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

	ret[n > 0 ? n : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
}

static void visit(struct search *s, const char *pid)
{
	char path[64], comm[64];
	auto_close int proc = -1;
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%.16s", pid);
	proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0 || fstat(proc, &st) < 0)
		return;
	memset(s->handles, 0, s->n * sizeof(*s->handles));
	memset(s->mappings, 0, s->n * sizeof(*s->mappings));
	look(s, proc, "fd", false);
	look(s, proc, "map_files", true);
	read_comm(proc, comm, sizeof(comm));
	for (size_t i = 0; i < s->n; i++)
		if (s->handles[i] || s->mappings[i])
			json_array_append_new(
				s->rows,
				json_pack("{ss ss sI sI ss sI sI}", "devns",
					  nsname_get(s->c, s->ep[i].ns), "node",
					  s->ep[i].node, "pid",
					  (json_int_t)atoi(pid), "uid",
					  (json_int_t)st.st_uid, "command",
					  comm, "descriptors",
					  (json_int_t)s->handles[i], "mappings",
					  (json_int_t)s->mappings[i]));
}

static void search_fini(struct search *s)
{
	free(s->ep);
	free(s->handles);
	free(s->mappings);
}

int nsctl_holders(struct nsctl *c, char **argv, struct err *e)
{
	static const struct ctlshow_column columns[] = {
		{ "DEVNS", "devns" },
		{ "NODE", "node" },
		{ "PID", "pid" },
		{ "UID", "uid" },
		{ "DESCRIPTORS", "descriptors" },
		{ "MAPPINGS", "mappings" },
		{ "COMMAND", "command" },
		{},
	};
	auto_json json_t *rows = json_array();
	AUTO(search_fini) struct search s = { .c = c, .rows = rows };
	auto_closedir DIR *d = opendir("/proc");
	const struct dirent *entry;
	int r = devnslink_each_endpoint(c->link, take_endpoint, &s, e);

	if (r < 0)
		return r;
	s.handles = calloc(s.n + 1, sizeof(*s.handles));
	s.mappings = calloc(s.n + 1, sizeof(*s.mappings));
	if (s.failed || !s.handles || !s.mappings)
		return err_oom(e, "look for holders");
	if (!d)
		return err_sys(e, errno, "list /proc");
	while ((entry = readdir(d)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			visit(&s, entry->d_name);
	return c->json ? ctlshow_json(rows, e) : ctlshow_rows(columns, rows, e);
}
