// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rights become verdicts. The decision is cells_allowed(), the same that user
 * space compiles. Every change goes the same way: first it takes from all who
 * lose (deny, then one common wait for what was under way), then the foreground
 * moves, then it gives. So at no moment do two hold what only one may hold.
 */
#include "devns.h"

#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/string.h>

/* What does not end in this time is killed. */
#define DRAIN_MS 200

u64 devns_generation;

static const struct cells_right nothing;

static bool is_virtual_class(u32 cls)
{
#define VIRTUAL_BIT(sym, name, parent, shared, virt)                           \
	| ((u32)(virt) << CELLS_CLASS_##sym)
	return (0 CELLS_CLASSES(VIRTUAL_BIT)) & BIT(cls);
#undef VIRTUAL_BIT
}

static bool is_class_allowed(const struct devns_endpoint *ep, u32 cls,
			     const struct devns *front)
{
	struct cells_right own = ep->ns->rights[cls];

	/* In the background it acts on the namespace's own state. */
	if (ep->ops->is_virtual && is_virtual_class(cls))
		return own.use != CELLS_USE_NONE;
	return cells_allowed(own, ep->ns == front,
			     front ? front->rights[cls] : nothing);
}

static u32 get_granted_classes(const struct devns_endpoint *ep,
			       const struct devns *front)
{
	u32 ret = 0, cls;

	for (cls = 0; cls < CELLS_CLASS_COUNT; cls++)
		if (ep->classes & BIT(cls) && is_class_allowed(ep, cls, front))
			ret |= BIT(cls);
	return ret;
}

/*
 * The class that denies a node, or CELLS_CLASS_COUNT: it needs all of them, or
 * of some kinds one.
 */
static u32 find_denying_class(const struct devns_endpoint *ep,
			      const struct devns *front)
{
	u32 has = get_granted_classes(ep, front);

	if (has == ep->classes || (has && ep->ops->any_class))
		return CELLS_CLASS_COUNT;
	return __ffs(ep->classes & ~has);
}

static bool is_endpoint_allowed(const struct devns_endpoint *ep,
				const struct devns *front)
{
	return find_denying_class(ep, front) == CELLS_CLASS_COUNT;
}

static void clear_revoked(void)
{
	struct devns *ns;

	list_for_each_entry (ns, &devns_list, link)
		memset(ns->revoked, 0, sizeof(ns->revoked));
}

static void deny_endpoint(struct devns_endpoint *ep, struct list_head *denied)
{
	ep->allowed = false;
	if (ep->ops->deny)
		ep->ops->deny(ep);
	list_add_tail(&ep->changing, denied);
}

static void report_revoked(struct devns_endpoint *ep, const struct devns *front,
			   const struct devns_revoked *revoked)
{
	u32 cls = find_denying_class(ep, front);

	if (!revoked->handles && !revoked->mappings)
		return;
	/* One that is revoked whatever its rights: of its first class. */
	if (cls == CELLS_CLASS_COUNT)
		cls = __ffs(ep->classes);
	ep->ns->revoked[cls].handles += revoked->handles;
	ep->ns->revoked[cls].mappings += revoked->mappings;
	ep->ns->revoked[cls].killed += revoked->killed;
	atomic64_inc(&ep->revokes);
	devns_audit_revoke(ep, revoked, NULL);
}

static void drain_denied_endpoints(struct list_head *denied,
				   const struct devns *front)
{
	unsigned long end = jiffies + msecs_to_jiffies(DRAIN_MS);
	struct devns_endpoint *ep, *tmp;

	list_for_each_entry (ep, denied, changing) {
		struct devns_revoked revoked = {};

		if (ep->ops->drain)
			ep->ops->drain(ep, end, &revoked);
		report_revoked(ep, front, &revoked);
	}
	list_for_each_entry_safe (ep, tmp, denied, changing) {
		list_del(&ep->changing);
		if (ep->ops->finish)
			ep->ops->finish(ep);
	}
}

static void move_foreground(struct devns *front)
{
	struct devns *old = devns_active;
	struct devns_source_device *s;

	if (front == old)
		return;
	list_for_each_entry (s, &devns_source_devices, link)
		if (s->ops->leave)
			s->ops->leave(s, devns_endpoint_find(s, old));
	devns_active = front;
	list_for_each_entry (s, &devns_source_devices, link)
		if (s->ops->enter)
			s->ops->enter(s, devns_endpoint_find(s, front));
}

static void apply_foreground_rights(struct devns *front)
{
	struct devns_endpoint *ep;
	LIST_HEAD(denied);
	struct devns *ns;

	clear_revoked();
	list_for_each_entry (ns, &devns_list, link)
		list_for_each_entry (ep, &ns->endpoints, in_ns) {
			WRITE_ONCE(ep->granted,
				   ep->granted &
					   get_granted_classes(ep, front));
			if (ep->allowed && !is_endpoint_allowed(ep, front))
				deny_endpoint(ep, &denied);
		}
	drain_denied_endpoints(&denied, front);
	move_foreground(front);
	list_for_each_entry (ns, &devns_list, link)
		list_for_each_entry (ep, &ns->endpoints, in_ns) {
			WRITE_ONCE(ep->granted, get_granted_classes(ep, front));
			if (ep->allowed || !is_endpoint_allowed(ep, front))
				continue;
			ep->allowed = true;
			if (ep->ops->allow)
				ep->ops->allow(ep);
		}
}

void devns_policy_apply(void)
{
	apply_foreground_rights(devns_active);
}

void devns_policy_set(u64 generation)
{
	struct devns *ns;
	u32 cls;

	devns_generation = generation;
	list_for_each_entry (ns, &devns_list, link) {
		for (cls = 0; cls < CELLS_CLASS_COUNT; cls++) {
			if (ns->rights[cls].use ==
				    ns->pending_rights[cls].use &&
			    ns->rights[cls].block ==
				    ns->pending_rights[cls].block)
				continue;
			ns->rights[cls] = ns->pending_rights[cls];
			devns_audit_mode(ns->id, cls, ns->rights[cls]);
		}
	}
	apply_foreground_rights(devns_active);
}

static int show_foreground_display(const struct devns *ns)
{
	struct devns_source_device *s;
	int err = 0;

	if (!ns || ns->rights[CELLS_CLASS_DISPLAY].use == CELLS_USE_NONE)
		return 0;
	list_for_each_entry (s, &devns_source_devices, link)
		if (!err && s->ops->claim_scanout)
			err = s->ops->claim_scanout(s);
	return err;
}

int devns_policy_set_foreground(struct devns *ns)
{
	struct devns *old = devns_active;
	u64 start = ktime_get_ns();
	int err = show_foreground_display(ns);

	if (err)
		return err;
	apply_foreground_rights(ns);
	/* Somebody may have taken the display in between. */
	err = show_foreground_display(ns);
	if (err)
		apply_foreground_rights(old);
	else if (old != ns)
		devns_audit_switch(old ? old->id : 0, ns ? ns->id : 0,
				   ktime_get_ns() - start);
	return err;
}

void devns_policy_revoke_ns(struct devns *ns)
{
	struct devns_endpoint *ep;
	LIST_HEAD(denied);

	list_for_each_entry (ep, &ns->endpoints, in_ns)
		if (ep->allowed)
			deny_endpoint(ep, &denied);
	drain_denied_endpoints(&denied, devns_active);
}

void devns_policy_revoke_source(struct devns_source_device *s)
{
	struct devns_endpoint *ep;
	LIST_HEAD(denied);

	list_for_each_entry (ep, &s->endpoints, in_source)
		if (ep->allowed)
			deny_endpoint(ep, &denied);
	drain_denied_endpoints(&denied, devns_active);
}
