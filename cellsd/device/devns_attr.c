/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/devns_attr.h"

#include <stddef.h>
#include <string.h>

void devns_attr_parse(struct nlattr *head, int len, devns_attr_table a)
{
	struct nlattr *nla;
	int rem;

	memset(a, 0, sizeof(devns_attr_table));
	nla_for_each_attr(nla, head, len, rem) if (nla_type(nla) <= DEVNS_A_MAX)
		a[nla_type(nla)] = nla;
}

static uint64_t get_attr_u64(devns_attr_table a, int type)
{
	return a[type] && nla_len(a[type]) >= 8 ? nla_get_u64(a[type]) : 0;
}

static uint32_t get_attr_u32(devns_attr_table a, int type)
{
	return a[type] && nla_len(a[type]) >= 4 ? nla_get_u32(a[type]) : 0;
}

static uint8_t get_attr_u8(devns_attr_table a, int type)
{
	return a[type] && nla_len(a[type]) >= 1 ? nla_get_u8(a[type]) : 0;
}

static void get_attr_string(devns_attr_table a, int type, char *ret,
			    size_t size)
{
	if (a[type])
		nla_strlcpy(ret, a[type], size);
}

static void parse_rights_nest(struct nlattr *nest, struct cells_right *ret)
{
	struct nlattr *nla;
	uint32_t cls;
	int rem;
	devns_attr_table a;

	nla_for_each_nested (nla, nest, rem) {
		devns_attr_parse(nla_data(nla), nla_len(nla), a);
		cls = get_attr_u32(a, DEVNS_A_CLASS);
		if (nla_type(nla) != DEVNS_A_RIGHT || cls >= CELLS_CLASS_COUNT)
			continue;
		ret[cls].use = get_attr_u8(a, DEVNS_A_USE);
		ret[cls].block = get_attr_u8(a, DEVNS_A_BLOCK);
	}
}

void devns_attr_read_ns(devns_attr_table a, void *item)
{
	struct devns_link_ns *ns = item;

	ns->id = get_attr_u32(a, DEVNS_A_ID);
	get_attr_string(a, DEVNS_A_NAME, ns->name, sizeof(ns->name));
	ns->active = a[DEVNS_A_ACTIVE] != NULL;
	ns->handles = get_attr_u32(a, DEVNS_A_HANDLES);
	ns->mappings = get_attr_u32(a, DEVNS_A_MAPPINGS);
	ns->generation = get_attr_u64(a, DEVNS_A_GENERATION);
	if (a[DEVNS_A_RIGHTS])
		parse_rights_nest(a[DEVNS_A_RIGHTS], ns->right);
}

void devns_attr_read_source(devns_attr_table a, void *item)
{
	struct devns_link_source *s = item;

	s->id = get_attr_u32(a, DEVNS_A_SOURCE);
	s->classes = get_attr_u32(a, DEVNS_A_CLASSES);
	s->kind = get_attr_u32(a, DEVNS_A_KIND);
	s->major = get_attr_u32(a, DEVNS_A_MAJOR);
	s->minor = get_attr_u32(a, DEVNS_A_MINOR);
	get_attr_string(a, DEVNS_A_NODE, s->node, sizeof(s->node));
	s->holder_pid = get_attr_u32(a, DEVNS_A_PID);
	get_attr_string(a, DEVNS_A_COMM, s->holder, sizeof(s->holder));
}

void devns_attr_read_endpoint(devns_attr_table a, void *item)
{
	struct devns_link_endpoint *ep = item;

	ep->ns = get_attr_u32(a, DEVNS_A_ID);
	ep->source = get_attr_u32(a, DEVNS_A_SOURCE);
	ep->classes = get_attr_u32(a, DEVNS_A_CLASSES);
	ep->major = get_attr_u32(a, DEVNS_A_MAJOR);
	ep->minor = get_attr_u32(a, DEVNS_A_MINOR);
	ep->allowed = get_attr_u8(a, DEVNS_A_ALLOWED) != 0;
	ep->handles = get_attr_u32(a, DEVNS_A_HANDLES);
	ep->mappings = get_attr_u32(a, DEVNS_A_MAPPINGS);
	ep->opens = get_attr_u64(a, DEVNS_A_OPENS);
	ep->denials = get_attr_u64(a, DEVNS_A_DENIALS);
	ep->calls = get_attr_u64(a, DEVNS_A_CALLS);
	ep->revokes = get_attr_u64(a, DEVNS_A_REVOKES);
	get_attr_string(a, DEVNS_A_NODE, ep->node, sizeof(ep->node));
}

void devns_attr_read_revocation(devns_attr_table a,
				struct devns_link_revocation *c)
{
	c->ns = get_attr_u32(a, DEVNS_A_ID);
	c->cls = get_attr_u32(a, DEVNS_A_CLASS);
	c->handles = get_attr_u32(a, DEVNS_A_HANDLES);
	c->mappings = get_attr_u32(a, DEVNS_A_MAPPINGS);
	c->killed = get_attr_u32(a, DEVNS_A_KILLED);
}

void devns_attr_read_event(devns_attr_table a, struct devns_link_event *ev)
{
	memset(ev, 0, sizeof(*ev));
	ev->event = get_attr_u32(a, DEVNS_A_EVENT);
	ev->seq = get_attr_u64(a, DEVNS_A_SEQ);
	ev->boot_ns = get_attr_u64(a, DEVNS_A_TIME);
	ev->generation = get_attr_u64(a, DEVNS_A_GENERATION);
	ev->took_ns = get_attr_u64(a, DEVNS_A_TOOK);
	ev->ns = get_attr_u32(a, DEVNS_A_ID);
	ev->previous = get_attr_u32(a, DEVNS_A_PREVIOUS);
	ev->cls = a[DEVNS_A_CLASS] ? get_attr_u32(a, DEVNS_A_CLASS)
				   : CELLS_CLASS_COUNT;
	ev->pid = get_attr_u32(a, DEVNS_A_PID);
	ev->uid = get_attr_u32(a, DEVNS_A_UID);
	ev->count = a[DEVNS_A_COUNT] ? get_attr_u32(a, DEVNS_A_COUNT) : 1;
	ev->handles = get_attr_u32(a, DEVNS_A_HANDLES);
	ev->mappings = get_attr_u32(a, DEVNS_A_MAPPINGS);
	ev->killed = get_attr_u32(a, DEVNS_A_KILLED);
	ev->combo = get_attr_u32(a, DEVNS_A_COMBO);
	ev->use = get_attr_u8(a, DEVNS_A_USE);
	ev->block = get_attr_u8(a, DEVNS_A_BLOCK);
	get_attr_string(a, DEVNS_A_COMM, ev->comm, sizeof(ev->comm));
	get_attr_string(a, DEVNS_A_NODE, ev->node, sizeof(ev->node));
}
