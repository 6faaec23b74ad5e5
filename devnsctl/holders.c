/* SPDX-License-Identifier: Apache-2.0 */
/* Who has endpoints open or mapped, found through /proc. */
#include "devnsctl/devns_name.h"
#include "devnsctl/devnsctl.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/process_comm.h"
#include "lib/table.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

struct holder_search {
	const struct devnsctl *c;
	struct devns_link_endpoint *ep;
	uint32_t *handles, *mappings; /* of each endpoint, by one process */
	size_t n;
	json_t *rows;
	bool failed;
};

static void add_searched_endpoint(void *arg,
				  const struct devns_link_endpoint *ep)
{
	struct holder_search *s = arg;
	struct devns_link_endpoint *list;

	if (!devns_name_is_requested(s->c, ep->ns) ||
	    (!ep->major && !ep->minor))
		return;
	list = reallocarray(s->ep, s->n + 1, sizeof(*list));
	s->failed |= !list;
	if (!list)
		return;
	s->ep = list;
	s->ep[s->n++] = *ep;
}

static void count_endpoint_use(struct holder_search *s, const struct stat *st,
			       bool mapping)
{
	for (size_t i = 0; S_ISCHR(st->st_mode) && i < s->n; i++)
		if (st->st_rdev == makedev(s->ep[i].major, s->ep[i].minor))
			(mapping ? s->mappings : s->handles)[i]++;
}

/* Each entry is a link to what is open or mapped. */
static void scan_link_folder(struct holder_search *s, int proc,
			     const char *folder, bool mapping)
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
			count_endpoint_use(s, &st, mapping);
}

static void scan_process_holder(struct holder_search *s, const char *pid)
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
	scan_link_folder(s, proc, "fd", false);
	scan_link_folder(s, proc, "map_files", true);
	process_comm_read(proc, comm, sizeof(comm));
	for (size_t i = 0; i < s->n; i++)
		if (s->handles[i] || s->mappings[i])
			json_array_append_new(
				s->rows,
				json_pack("{ss ss sI sI ss sI sI}", "devns",
					  devns_name_get(s->c, s->ep[i].ns),
					  "node", s->ep[i].node, "pid",
					  (json_int_t)atoi(pid), "uid",
					  (json_int_t)st.st_uid, "command",
					  comm, "descriptors",
					  (json_int_t)s->handles[i], "mappings",
					  (json_int_t)s->mappings[i]));
}

static void holder_search_fini(struct holder_search *s)
{
	free(s->ep);
	free(s->handles);
	free(s->mappings);
}

int devnsctl_list_holders(void *context, const void *opts, char **argv,
			  struct err *e)
{
	struct devnsctl *c = context;
	static const struct table_column columns[] = {
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
	AUTO(holder_search_fini)
	struct holder_search s = { .c = c, .rows = rows };
	auto_closedir DIR *d = opendir("/proc");
	const struct dirent *entry;
	int r = devns_name_select(c, argv[0], e);

	if (r == 0)
		r = devns_link_each_endpoint(c->link, add_searched_endpoint, &s,
					     e);
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
			scan_process_holder(&s, entry->d_name);
	return c->json ? table_print_json(rows, e)
		       : table_print_rows(columns, rows, e);
}
