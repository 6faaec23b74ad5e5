// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events for the audit group. One mutex gives them one order and numbers
 * without gaps; what cannot be sent is counted, and reported by the next
 * message that can: nothing is dropped silently. Denied operations come in
 * bursts, so the first of a second is reported at once and the rest as a count.
 */
#include "devns.h"

#include <linux/cred.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/uidgid.h>
#include <net/genetlink.h>

/* Far more than the attributes of one event. */
#define EVENT_SIZE 512

struct devns_audit_subject {
	u32 pid;
	u32 uid;
	char comm[DEVNS_COMM_MAX];
};

struct devns_audit_event {
	u32 event;
	u32 ns;
	u32 count;
	const struct devns_endpoint *ep;
	const struct devns_audit_subject *who;
	const struct devns_revoked *revoked;
	const struct cells_right *right;
	u32 cls;
	u32 previous;
	u32 combo;
	u64 took;
};

static DEFINE_MUTEX(audit_mutex);
static u64 seq;
static u32 lost;

static void get_current_subject(struct devns_audit_subject *w)
{
	w->pid = task_tgid_nr(current);
	w->uid = from_kuid_munged(&init_user_ns, current_uid());
	get_task_comm(w->comm, current->group_leader);
}

static int put_subject_attrs(struct sk_buff *skb,
			     const struct devns_audit_subject *w)
{
	return nla_put_u32(skb, DEVNS_A_PID, w->pid) ?:
	       nla_put_u32(skb, DEVNS_A_UID, w->uid) ?:
	       nla_put_string(skb, DEVNS_A_COMM, w->comm);
}

static int put_revoked_attrs(struct sk_buff *skb,
			     const struct devns_revoked *revoked)
{
	return nla_put_u32(skb, DEVNS_A_HANDLES, revoked->handles) ?:
	       nla_put_u32(skb, DEVNS_A_MAPPINGS, revoked->mappings) ?:
	       nla_put_u32(skb, DEVNS_A_KILLED, revoked->killed);
}

static int put_event_attrs(struct sk_buff *skb,
			   const struct devns_audit_event *e)
{
	int err;

	err = nla_put_u32(skb, DEVNS_A_EVENT, e->event) ?:
	      nla_put_u64_64bit(skb, DEVNS_A_SEQ, seq, DEVNS_A_PAD) ?:
	      nla_put_u64_64bit(skb, DEVNS_A_TIME, ktime_get_boottime_ns(),
				DEVNS_A_PAD) ?:
	      nla_put_u64_64bit(skb, DEVNS_A_GENERATION,
				READ_ONCE(devns_generation), DEVNS_A_PAD) ?:
	      nla_put_u32(skb, DEVNS_A_ID, e->ns) ?:
	      nla_put_u32(skb, DEVNS_A_COUNT, e->count);
	if (!err && e->ep)
		err = nla_put_u32(skb, DEVNS_A_CLASS, __ffs(e->ep->classes))
			      ?: nla_put_string(skb, DEVNS_A_NODE, e->ep->node);
	if (!err && e->who)
		err = put_subject_attrs(skb, e->who);
	if (!err && e->revoked)
		err = put_revoked_attrs(skb, e->revoked);
	if (!err && e->right)
		err = nla_put_u32(skb, DEVNS_A_CLASS, e->cls) ?:
		      nla_put_u8(skb, DEVNS_A_USE, e->right->use) ?:
		      nla_put_u8(skb, DEVNS_A_BLOCK, e->right->block);
	if (!err && e->event == DEVNS_EVENT_SWITCH)
		err = nla_put_u32(skb, DEVNS_A_PREVIOUS, e->previous)
			      ?: nla_put_u64_64bit(skb, DEVNS_A_TOOK, e->took,
						   DEVNS_A_PAD);
	if (!err && e->event == DEVNS_EVENT_COMBO)
		err = nla_put_u32(skb, DEVNS_A_COMBO, e->combo);
	return err;
}

static bool send_event_message(const struct devns_audit_event *e)
{
	struct sk_buff *skb = genlmsg_new(EVENT_SIZE, GFP_KERNEL);
	void *head;

	seq++;
	if (!skb)
		return false;
	head = genlmsg_put(skb, 0, 0, &devns_family, 0, DEVNS_CMD_AUDIT);
	if (!head || put_event_attrs(skb, e)) {
		nlmsg_free(skb);
		return false;
	}
	genlmsg_end(skb, head);
	return !genlmsg_multicast(&devns_family, skb, 0, 0, GFP_KERNEL);
}

static void send_audit_event(const struct devns_audit_event *e)
{
	mutex_lock(&audit_mutex);
	if (lost) {
		const struct devns_audit_event notice = {
			.event = DEVNS_EVENT_LOST, .count = lost
		};

		if (send_event_message(&notice))
			lost = 0;
		else
			seq--;
	}
	if (!send_event_message(e) && lost != U32_MAX)
		lost++;
	mutex_unlock(&audit_mutex);
}

static void audit_current_task(struct devns_endpoint *ep, u32 event)
{
	struct devns_audit_subject who;

	get_current_subject(&who);
	send_audit_event(&(const struct devns_audit_event){ .event = event,
							    .ns = ep->ns_id,
							    .count = 1,
							    .ep = ep,
							    .who = &who });
}

void devns_audit_open(struct devns_endpoint *ep)
{
	atomic64_inc(&ep->opens);
	audit_current_task(ep, DEVNS_EVENT_OPEN);
}

void devns_audit_close(struct devns_endpoint *ep)
{
	audit_current_task(ep, DEVNS_EVENT_CLOSE);
}

void devns_audit_deny(struct devns_endpoint *ep)
{
	struct devns_audit_subject who;
	bool first;

	atomic64_inc(&ep->denials);
	get_current_subject(&who);
	spin_lock(&ep->deny_lock);
	first = !ep->deny_burst && !ep->deny_ended;
	if (first) {
		ep->deny_burst = true;
	} else {
		ep->deny_count++;
		ep->deny_pid = who.pid;
		ep->deny_uid = who.uid;
		strscpy(ep->deny_comm, who.comm, sizeof(ep->deny_comm));
	}
	/* Before the end is asked for, so that the end waits for it. */
	if (first)
		schedule_delayed_work(&ep->deny_work, HZ);
	spin_unlock(&ep->deny_lock);
	if (first)
		audit_current_task(ep, DEVNS_EVENT_DENY);
}

void devns_audit_deny_work(struct work_struct *work)
{
	struct devns_endpoint *ep = container_of(
		to_delayed_work(work), struct devns_endpoint, deny_work);
	struct devns_audit_subject who;
	u32 count;

	spin_lock(&ep->deny_lock);
	count = ep->deny_count;
	who.pid = ep->deny_pid;
	who.uid = ep->deny_uid;
	strscpy(who.comm, ep->deny_comm, sizeof(who.comm));
	ep->deny_count = 0;
	ep->deny_burst = count && !ep->deny_ended;
	if (ep->deny_burst)
		schedule_delayed_work(&ep->deny_work, HZ);
	spin_unlock(&ep->deny_lock);
	if (count)
		send_audit_event(&(const struct devns_audit_event){
			.event = DEVNS_EVENT_DENY,
			.ns = ep->ns_id,
			.count = count,
			.ep = ep,
			.who = &who });
}

void devns_audit_end_denials(struct devns_endpoint *ep)
{
	spin_lock(&ep->deny_lock);
	ep->deny_ended = true;
	spin_unlock(&ep->deny_lock);
	flush_delayed_work(&ep->deny_work);
}

void devns_audit_revoke(struct devns_endpoint *ep,
			const struct devns_revoked *revoked,
			struct task_struct *task)
{
	struct devns_audit_subject who;

	if (task) {
		who.pid = task_tgid_nr(task);
		who.uid = from_kuid_munged(&init_user_ns, task_uid(task));
		get_task_comm(who.comm, task);
	}
	send_audit_event(
		&(const struct devns_audit_event){ .event = DEVNS_EVENT_REVOKE,
						   .ns = ep->ns_id,
						   .count = 1,
						   .ep = ep,
						   .who = task ? &who : NULL,
						   .revoked = revoked });
}

void devns_audit_switch(u32 from, u32 to, u64 took)
{
	send_audit_event(
		&(const struct devns_audit_event){ .event = DEVNS_EVENT_SWITCH,
						   .ns = to,
						   .count = 1,
						   .previous = from,
						   .took = took });
}

void devns_audit_mode(u32 ns, u32 cls, struct cells_right right)
{
	send_audit_event(
		&(const struct devns_audit_event){ .event = DEVNS_EVENT_MODE,
						   .ns = ns,
						   .count = 1,
						   .cls = cls,
						   .right = &right });
}

void devns_audit_hotkey(u32 ns, u32 combo)
{
	send_audit_event(
		&(const struct devns_audit_event){ .event = DEVNS_EVENT_COMBO,
						   .ns = ns,
						   .count = 1,
						   .combo = combo });
}
