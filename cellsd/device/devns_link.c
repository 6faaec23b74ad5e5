/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/devns_link.h"

#include "cellsd/device/devns_attr.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <linux/netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_SECONDS 30
#define EVENTS_BUFFER (8 * 1024 * 1024)
#define DUMP_TRIES 8
/* A nest holds 64 KiB, and a right some 40 bytes. */
#define NEST_RIGHTS 1000
#define RIGHT_SIZE 48
#define WORDS_SIZE 200

struct devns_link {
	struct nl_sock *ask, *hear;
	int family;
	uint64_t seq; /* of the last event; 0: none yet */
	devns_link_event_fn *fn;
	void *arg;
};

/* ---- a request and its answer */

struct netlink_reply {
	void (*take)(void *arg, struct genlmsghdr *h);
	void *arg;
	bool done;
	int code; /* errno */
	char words[WORDS_SIZE];
};

static void nlmsg_freep(struct nl_msg **m)
{
	nlmsg_free(*m);
}

static void nl_cb_putp(struct nl_cb **cb)
{
	nl_cb_put(*cb);
}

/* The kernel's own words; behind the request that it gives back, or not. */
static void read_ext_ack_message(const struct nlmsgerr *err,
				 char ret[WORDS_SIZE])
{
	const struct nlmsghdr *h =
		(const struct nlmsghdr *)((const char *)err - NLMSG_HDRLEN);
	size_t skip = sizeof(*err);
	struct nlattr *nla, *head;
	int len, rem;

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		skip += err->msg.nlmsg_len - NLMSG_HDRLEN;
	skip = NLMSG_ALIGN(skip);
	if (h->nlmsg_len < NLMSG_HDRLEN + skip)
		return;
	head = (struct nlattr *)((const char *)err + skip);
	len = (int)(h->nlmsg_len - NLMSG_HDRLEN - skip);
	nla_for_each_attr(nla, head, len,
			  rem) if (nla_type(nla) == NLMSGERR_ATTR_MSG)
		nla_strlcpy(ret, nla, WORDS_SIZE);
}

static int on_netlink_error(struct sockaddr_nl *from, struct nlmsgerr *err,
			    void *arg)
{
	struct netlink_reply *a = arg;

	a->done = true;
	a->code = -err->error;
	read_ext_ack_message(err, a->words);
	return NL_STOP;
}

static int on_netlink_done(struct nl_msg *m, void *arg)
{
	((struct netlink_reply *)arg)->done = true;
	return NL_STOP;
}

static int on_netlink_message(struct nl_msg *m, void *arg)
{
	struct netlink_reply *a = arg;

	if (a->take && genlmsg_valid_hdr(nlmsg_hdr(m), 0))
		a->take(a->arg, nlmsg_data(nlmsg_hdr(m)));
	return NL_OK;
}

/* libnl's codes are not errno's; these are all that sockets give. */
static int convert_error(int r)
{
	switch (-r) {
	case NLE_NOMEM:
		return ENOMEM;
	case NLE_AGAIN:
		return ETIMEDOUT;
	case NLE_PERM:
		return EPERM;
	case NLE_OBJ_NOTFOUND:
		return ENOENT;
	case NLE_DUMP_INTR:
		return EAGAIN;
	default:
		return EIO;
	}
}

/* Hands the refusal on in the module's words. */
static int set_refusal_error(const struct netlink_reply *a, const char *what,
			     struct err *e)
{
	if (*a->words)
		return err_set(e, a->code, "%s: %s", what, a->words);
	return err_sys(e, a->code, "%s", what);
}

static int open_netlink_socket(struct nl_sock **ret, struct err *e)
{
	struct nl_sock *s = nl_socket_alloc();
	struct timeval most = { .tv_sec = ANSWER_SECONDS };
	int r, on = 1, fd;

	if (!s)
		return err_oom(e, "open netlink");
	*ret = s;
	r = genl_connect(s);
	if (r < 0)
		return err_sys(e, convert_error(r), "open netlink");
	fd = nl_socket_get_fd(s);
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
	return 0;
}

/* The next answer on that socket may be to a question before. */
static void reopen_request_socket(struct devns_link *l)
{
	struct nl_sock *s = NULL;
	struct err e;

	if (open_netlink_socket(&s, &e) < 0) {
		nl_socket_free(s);
		return;
	}
	nl_socket_free(l->ask);
	l->ask = s;
}

static int run_request(struct devns_link *l, struct nl_msg *m,
		       struct netlink_reply *a, const char *what, struct err *e)
{
	AUTO(nl_cb_putp) struct nl_cb *cb = nl_cb_alloc(NL_CB_CUSTOM);
	int r;

	if (!cb)
		return err_oom(e, what);
	nl_cb_err(cb, NL_CB_CUSTOM, on_netlink_error, a);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_netlink_done, a);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_netlink_done, a);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_netlink_message, a);
	r = nl_send_auto(l->ask, m);
	while (r >= 0 && !a->done)
		r = nl_recvmsgs(l->ask, cb);
	if (a->code)
		return set_refusal_error(a, what, e);
	if (r >= 0)
		return 0;
	reopen_request_socket(l);
	return err_sys(e, convert_error(r), "%s", what);
}

static struct nl_msg *create_request(const struct devns_link *l, uint8_t cmd,
				     int flags, size_t size)
{
	struct nl_msg *m =
		nlmsg_alloc_size(NLMSG_HDRLEN + GENL_HDRLEN + 256 + size);

	if (m && genlmsg_put(m, NL_AUTO_PORT, NL_AUTO_SEQ, l->family, 0, flags,
			     cmd, DEVNS_GENL_VERSION))
		return m;
	nlmsg_free(m);
	return NULL;
}

/* ---- open */

int devns_link_open(struct devns_link **ret, struct err *e)
{
	AUTO(devns_link_freep) struct devns_link *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return err_oom(e, "open devns");
	r = open_netlink_socket(&l->ask, e);
	if (r < 0)
		return r;
	l->family = genl_ctrl_resolve(l->ask, DEVNS_GENL_NAME);
	if (l->family == -NLE_OBJ_NOTFOUND)
		return err_set(e, ENOENT,
			       "open devns: the module is not there");
	if (l->family < 0)
		return err_sys(e, convert_error(l->family), "open devns");
	*ret = steal(l);
	return 0;
}

void devns_link_free(struct devns_link *l)
{
	if (!l)
		return;
	nl_socket_free(l->ask);
	nl_socket_free(l->hear);
	free(l);
}

/* ---- one answer, read by attributes */

struct reply_item {
	void (*read)(devns_attr_table a, void *item);
	void *item;
};

static void handle_item_reply(void *arg, struct genlmsghdr *h)
{
	struct reply_item *one = arg;
	devns_attr_table a;

	devns_attr_parse(genlmsg_attrdata(h, 0), genlmsg_attrlen(h, 0), a);
	one->read(a, one->item);
}

int devns_link_ns_add(struct devns_link *l, const char *name, uint32_t *ret_id,
		      struct err *e)
{
	AUTO(nlmsg_freep)
	struct nl_msg *m = create_request(l, DEVNS_CMD_NS_ADD, 0, 0);
	struct devns_link_ns ns = { 0 };
	struct reply_item one = { devns_attr_read_ns, &ns };
	struct netlink_reply a = { .take = handle_item_reply, .arg = &one };
	char what[DEVNS_NAME_MAX + 16];
	int r;

	snprintf(what, sizeof(what), "add devns %s", name);
	if (!m || nla_put_string(m, DEVNS_A_NAME, name) < 0)
		return err_oom(e, what);
	r = run_request(l, m, &a, what, e);
	if (r == 0 && ns.id == 0)
		r = err_set(e, EBADMSG, "%s: no id in the answer", what);
	if (r == 0)
		*ret_id = ns.id;
	return r;
}

/* Commands that name one object by a number and are only done. */
static int run_request_by_id(struct devns_link *l, uint8_t cmd, int attr,
			     uint32_t id, struct reply_item *one,
			     const char *what, struct err *e)
{
	AUTO(nlmsg_freep) struct nl_msg *m = create_request(l, cmd, 0, 0);
	struct netlink_reply a = { .take = one ? handle_item_reply : NULL,
				   .arg = one };
	char text[64];

	snprintf(text, sizeof(text), "%s %u", what, id);
	if (!m || nla_put_u32(m, attr, id) < 0)
		return err_oom(e, text);
	return run_request(l, m, &a, text, e);
}

int devns_link_ns_del(struct devns_link *l, uint32_t id, struct err *e)
{
	return run_request_by_id(l, DEVNS_CMD_NS_DEL, DEVNS_A_ID, id, NULL,
				 "delete devns", e);
}

int devns_link_ns_get(struct devns_link *l, uint32_t id,
		      struct devns_link_ns *ret, struct err *e)
{
	struct devns_link_ns ns = { 0 };
	struct reply_item one = { devns_attr_read_ns, &ns };
	int r = run_request_by_id(l, DEVNS_CMD_NS_GET, DEVNS_A_ID, id, &one,
				  "look at devns", e);

	if (r == 0)
		*ret = ns;
	return r;
}

int devns_link_source_add(struct devns_link *l,
			  const struct devns_link_source *s, uint32_t *ret_id,
			  struct err *e)
{
	AUTO(nlmsg_freep)
	struct nl_msg *m = create_request(l, DEVNS_CMD_DEVICE_ADD, 0, 0);
	struct devns_link_source got = { 0 };
	struct reply_item one = { devns_attr_read_source, &got };
	struct netlink_reply a = { .take = handle_item_reply, .arg = &one };
	char what[DEVNS_NODE_MAX + 32];
	int r;

	snprintf(what, sizeof(what), "give %s to devns", s->node);
	if (!m || nla_put_u32(m, DEVNS_A_CLASSES, s->classes) < 0 ||
	    nla_put_u32(m, DEVNS_A_KIND, s->kind) < 0 ||
	    nla_put_string(m, DEVNS_A_NODE, s->node) < 0)
		return err_oom(e, what);
	if ((s->major || s->minor) &&
	    (nla_put_u32(m, DEVNS_A_MAJOR, s->major) < 0 ||
	     nla_put_u32(m, DEVNS_A_MINOR, s->minor) < 0))
		return err_oom(e, what);
	r = run_request(l, m, &a, what, e);
	if (r == 0)
		*ret_id = got.id;
	return r;
}

int devns_link_source_del(struct devns_link *l, uint32_t id, struct err *e)
{
	return run_request_by_id(l, DEVNS_CMD_DEVICE_DEL, DEVNS_A_SOURCE, id,
				 NULL, "take back source", e);
}

/* ---- dumps */

struct item_list {
	void (*read)(devns_attr_table a, void *item);
	size_t size; /* of an item */
	char *items;
	size_t n, room;
	bool failed;
};

/* Room for one more, cleared; NULL: no memory. */
static void *append_list_item(struct item_list *l)
{
	char *item;

	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		char *items = reallocarray(l->items, room, l->size);

		l->failed |= !items;
		if (!items)
			return NULL;
		l->items = items;
		l->room = room;
	}
	item = l->items + l->n++ * l->size;
	return memset(item, 0, l->size);
}

static void handle_dump_item(void *arg, struct genlmsghdr *h)
{
	struct item_list *l = arg;
	void *item = append_list_item(l);
	devns_attr_table a;

	devns_attr_parse(genlmsg_attrdata(h, 0), genlmsg_attrlen(h, 0), a);
	if (item)
		l->read(a, item);
}

/* Until a dump ran through with nothing changed meanwhile. */
static int run_dump_request(struct devns_link *l, uint8_t cmd,
			    struct item_list *list, const char *what,
			    struct err *e)
{
	int r = 0;

	for (int i = 0; i < DUMP_TRIES; i++) {
		AUTO(nlmsg_freep)
		struct nl_msg *m = create_request(l, cmd, NLM_F_DUMP, 0);
		struct netlink_reply a = { .take = handle_dump_item,
					   .arg = list };

		list->n = 0;
		r = m ? run_request(l, m, &a, what, e) : err_oom(e, what);
		if (r == 0 && list->failed)
			r = err_oom(e, what);
		if (r != -EAGAIN)
			break;
	}
	return r;
}

int devns_link_each_ns(struct devns_link *l, devns_link_ns_fn *fn, void *arg,
		       struct err *e)
{
	struct item_list list = { .read = devns_attr_read_ns,
				  .size = sizeof(struct devns_link_ns) };
	int r = run_dump_request(l, DEVNS_CMD_NS_GET, &list, "list devns", e);
	auto_free struct devns_link_ns *ns = (void *)list.items;

	for (size_t i = 0; r == 0 && i < list.n; i++)
		fn(arg, &ns[i]);
	return r;
}

struct ns_name_search {
	const char *name;
	uint32_t id;
};

static void match_ns_name(void *arg, const struct devns_link_ns *ns)
{
	struct ns_name_search *s = arg;

	if (strcmp(ns->name, s->name) == 0)
		s->id = ns->id;
}

int devns_link_ns_find(struct devns_link *l, const char *name, uint32_t *ret_id,
		       struct err *e)
{
	struct ns_name_search s = { .name = name };
	int r = devns_link_each_ns(l, match_ns_name, &s, e);

	if (r == 0 && s.id == 0)
		r = err_set(e, ENOENT, "there is no devns '%s'", name);
	if (r == 0)
		*ret_id = s.id;
	return r;
}

int devns_link_each_source(struct devns_link *l, devns_link_source_fn *fn,
			   void *arg, struct err *e)
{
	struct item_list list = { .read = devns_attr_read_source,
				  .size = sizeof(struct devns_link_source) };
	int r = run_dump_request(l, DEVNS_CMD_DEVICE_GET, &list, "list sources",
				 e);
	auto_free struct devns_link_source *s = (void *)list.items;

	for (size_t i = 0; r == 0 && i < list.n; i++)
		fn(arg, &s[i]);
	return r;
}

static int dump_endpoints(struct devns_link *l, uint8_t cmd,
			  devns_link_endpoint_fn *fn, void *arg,
			  const char *what, struct err *e)
{
	struct item_list list = { .read = devns_attr_read_endpoint,
				  .size = sizeof(struct devns_link_endpoint) };
	int r = run_dump_request(l, cmd, &list, what, e);
	auto_free struct devns_link_endpoint *ep = (void *)list.items;

	for (size_t i = 0; r == 0 && i < list.n; i++)
		fn(arg, &ep[i]);
	return r;
}

int devns_link_each_endpoint(struct devns_link *l, devns_link_endpoint_fn *fn,
			     void *arg, struct err *e)
{
	return dump_endpoints(l, DEVNS_CMD_ENDPOINT_GET, fn, arg,
			      "list endpoints", e);
}

int devns_link_each_stat(struct devns_link *l, devns_link_endpoint_fn *fn,
			 void *arg, struct err *e)
{
	return dump_endpoints(l, DEVNS_CMD_STAT_GET, fn, arg, "read statistics",
			      e);
}

/* ---- changes */

void devns_link_change_fini(struct devns_link_change *c)
{
	free(c->cut);
	memset(c, 0, sizeof(*c));
}

static void parse_revocation(struct item_list *l, struct nlattr *nla)
{
	struct devns_link_revocation *cut = append_list_item(l);
	devns_attr_table a;

	devns_attr_parse(nla_data(nla), nla_len(nla), a);
	if (cut)
		devns_attr_read_revocation(a, cut);
}

struct change_reply {
	struct item_list cuts;
	uint64_t took_ns;
};

static void handle_change_reply(void *arg, struct genlmsghdr *h)
{
	struct change_reply *c = arg;
	struct nlattr *nla, *inner;
	int rem, inner_rem;

	nla_for_each_attr(nla, genlmsg_attrdata(h, 0), genlmsg_attrlen(h, 0),
			  rem)
	{
		if (nla_type(nla) == DEVNS_A_TOOK && nla_len(nla) >= 8)
			c->took_ns = nla_get_u64(nla);
		if (nla_type(nla) != DEVNS_A_CUTS)
			continue;
		nla_for_each_nested (inner, nla, inner_rem)
			if (nla_type(inner) == DEVNS_A_CUT)
				parse_revocation(&c->cuts, inner);
	}
}

static int run_change_request(struct devns_link *l, struct nl_msg *m,
			      const char *what, struct devns_link_change *ret,
			      struct err *e)
{
	struct change_reply c = {
		.cuts = { .size = sizeof(struct devns_link_revocation) }
	};
	struct netlink_reply a = { .take = handle_change_reply, .arg = &c };
	int r = run_request(l, m, &a, what, e);

	if (r == 0 && c.cuts.failed)
		r = err_oom(e, what);
	if (r < 0) {
		free(c.cuts.items);
		return r;
	}
	ret->took_ns = c.took_ns;
	ret->cut = (void *)c.cuts.items;
	ret->n = c.cuts.n;
	return 0;
}

static int put_right_attr(struct nl_msg *m,
			  const struct devns_link_right *right)
{
	struct nlattr *nest = nla_nest_start(m, DEVNS_A_RIGHT);

	if (!nest || nla_put_u32(m, DEVNS_A_ID, right->ns) < 0 ||
	    nla_put_u32(m, DEVNS_A_CLASS, right->cls) < 0 ||
	    nla_put_u8(m, DEVNS_A_USE, right->right.use) < 0 ||
	    nla_put_u8(m, DEVNS_A_BLOCK, right->right.block) < 0)
		return -ENOMEM;
	nla_nest_end(m, nest);
	return 0;
}

static int put_rights_nest(struct nl_msg *m,
			   const struct devns_link_right *rights, size_t n)
{
	struct nlattr *nest = nla_nest_start(m, DEVNS_A_RIGHTS);
	int r = nest ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = put_right_attr(m, &rights[i]);
	if (r == 0)
		nla_nest_end(m, nest);
	return r;
}

int devns_link_policy_set(struct devns_link *l, uint64_t generation,
			  const struct devns_link_right *rights, size_t n,
			  struct devns_link_change *ret, struct err *e)
{
	AUTO(nlmsg_freep)
	struct nl_msg *m =
		create_request(l, DEVNS_CMD_POLICY_SET, 0, n * RIGHT_SIZE);
	size_t at = 0;
	int r = m ? nla_put_u64(m, DEVNS_A_GENERATION, generation) : -ENOMEM;

	/* One nest at least: an empty table is a table. */
	do {
		size_t part = n - at < NEST_RIGHTS ? n - at : NEST_RIGHTS;

		if (r == 0)
			r = put_rights_nest(m, rights + at, part);
		at += part;
	} while (at < n);
	if (r < 0)
		return err_oom(e, "set the policy of devns");
	return run_change_request(l, m, "set the policy of devns", ret, e);
}

int devns_link_active_set(struct devns_link *l, uint32_t expected, uint32_t id,
			  struct devns_link_change *ret, struct err *e)
{
	AUTO(nlmsg_freep)
	struct nl_msg *m = create_request(l, DEVNS_CMD_ACTIVE_SET, 0, 0);
	char what[64];

	snprintf(what, sizeof(what), "bring devns %u to the front", id);
	if (!m || nla_put_u32(m, DEVNS_A_EXPECTED, expected) < 0 ||
	    nla_put_u32(m, DEVNS_A_ID, id) < 0)
		return err_oom(e, what);
	return run_change_request(l, m, what, ret, e);
}

/* ---- events */

int devns_link_listen(struct devns_link *l, struct err *e)
{
	int r = open_netlink_socket(&l->hear, e), group, size = EVENTS_BUFFER,
	    fd;

	if (r < 0)
		return r;
	group = genl_ctrl_resolve_grp(l->ask, DEVNS_GENL_NAME,
				      DEVNS_MCGRP_AUDIT);
	r = group < 0 ? group : nl_socket_add_membership(l->hear, group);
	if (r < 0)
		return err_sys(e, convert_error(r), "listen to devns");
	fd = nl_socket_get_fd(l->hear);
	/* Without the right to more, it is what the system allows. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	r = nl_socket_set_nonblocking(l->hear);
	return r < 0 ? err_sys(e, convert_error(r), "listen to devns") : 0;
}

int devns_link_fd(const struct devns_link *l)
{
	return nl_socket_get_fd(l->hear);
}

/* Numbers have no gaps: what is missing between two events is lost. */
static void deliver_audit_event(struct devns_link *l,
				const struct devns_link_event *ev)
{
	uint64_t missing =
		l->seq && ev->seq > l->seq ? ev->seq - l->seq - 1 : 0;
	struct devns_link_event lost = { .event = DEVNS_EVENT_LOST,
					 .boot_ns = ev->boot_ns,
					 .cls = CELLS_CLASS_COUNT };

	if (ev->event == DEVNS_EVENT_LOST && ev->count > missing)
		missing = ev->count;
	lost.count = missing > UINT32_MAX ? UINT32_MAX : (uint32_t)missing;
	if (missing)
		l->fn(l->arg, &lost);
	if (ev->event != DEVNS_EVENT_LOST)
		l->fn(l->arg, ev);
	l->seq = ev->seq;
}

static int on_audit_event(struct nl_msg *m, void *arg)
{
	struct devns_link *l = arg;
	struct nlmsghdr *h = nlmsg_hdr(m);
	struct devns_link_event ev;
	struct genlmsghdr *g;
	devns_attr_table a;

	if (h->nlmsg_type != l->family || !genlmsg_valid_hdr(h, 0))
		return NL_OK;
	g = nlmsg_data(h);
	if (g->cmd != DEVNS_CMD_AUDIT)
		return NL_OK;
	devns_attr_parse(genlmsg_attrdata(g, 0), genlmsg_attrlen(g, 0), a);
	devns_attr_read_event(a, &ev);
	deliver_audit_event(l, &ev);
	return NL_OK;
}

/* Events answer no request: what counts is the number inside. */
static int on_sequence_check(struct nl_msg *m, void *arg)
{
	return NL_OK;
}

int devns_link_drain_events(struct devns_link *l, devns_link_event_fn *fn,
			    void *arg, struct err *e)
{
	AUTO(nl_cb_putp) struct nl_cb *cb = nl_cb_alloc(NL_CB_CUSTOM);
	int r;

	if (!cb)
		return err_oom(e, "hear devns");
	l->fn = fn;
	l->arg = arg;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_audit_event, l);
	nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, on_sequence_check, NULL);
	/* A buffer that ran over (NLE_NOMEM) shows in the next number. */
	do {
		r = nl_recvmsgs(l->hear, cb);
	} while (r >= 0 || r == -NLE_NOMEM);
	l->fn = NULL;
	return r == -NLE_AGAIN ? 0 : err_sys(e, convert_error(r), "hear devns");
}
