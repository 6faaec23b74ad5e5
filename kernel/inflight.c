// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls in flight, and how a denial ends them. A sleeping task is made to
 * believe in a signal, as live patching does: the flag that asks for work on
 * the way to user space ends every interruptible sleep, and the program sees no
 * signal. What sleeps otherwise gets a fifth of a second, then SIGKILL.
 */
#include "passthrough.h"

#include <linux/file.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

/* How long a killed task may take to leave the driver. */
#define DYING_MS 200
/* Of how many killed tasks an event names. */
#define VICTIMS 8

static int check_call_allowed(const struct devns_passthrough *p,
			      const struct devns_handle *h)
{
	if (p->gone)
		return -ENODEV;
	/* The old real file is not closed yet: the denial still goes on. */
	if (p->denied || h->closing)
		return -EACCES;
	return 0;
}

/* Two calls may find the device cut at once; one of them opens it. */
static int reopen_real_device(struct devns_handle *h, struct devns_call *call)
{
	struct devns_passthrough *p = h->pass;
	struct file *real;
	int err;

	err = mutex_lock_interruptible(&h->opening);
	if (err)
		return err;
	if (!h->real) {
		real = devns_real_device_open_as(p->real, p->path, h->file);
		if (IS_ERR(real)) {
			mutex_unlock(&h->opening);
			return PTR_ERR(real);
		}
		if (!h->ops)
			h->ops = devns_real_device_get_ops(real);
		/* Another driver has taken the number since. */
		if (h->ops != devns_real_device_get_ops(real)) {
			mutex_unlock(&h->opening);
			fput(real);
			return -ENODEV;
		}
		/* Even if a denial came: this call's end is what it awaits. */
		spin_lock(&p->lock);
		h->real = real;
		list_move(&h->link, &p->open);
		spin_unlock(&p->lock);
		/* Readers of signals get them from the new file's queue. */
		if (READ_ONCE(h->fasync) && h->ops & BIT(REAL_DEVICE_OP_POLL))
			devns_poll_forward(h, real, ~(__force __poll_t)0);
	}
	mutex_unlock(&h->opening);
	call->real = h->real;
	return READ_ONCE(call->interrupted) ? -EACCES : 0;
}

int devns_inflight_begin(struct devns_handle *h, struct devns_call *call,
			 bool may_open)
{
	struct devns_passthrough *p = h->pass;
	struct devns_endpoint *ep = p->ep;
	int err;

	call->handle = h;
	call->task = current;
	call->interrupted = false;
	call->killed = false;
	spin_lock(&p->lock);
	err = check_call_allowed(p, h);
	if (unlikely(err)) {
		spin_unlock(&p->lock);
		if (err == -EACCES)
			devns_audit_deny(ep);
		return err;
	}
	call->real = h->real;
	list_add(&call->link, &p->calls);
	h->calls++;
	/* The lock makes it one step. */
	atomic64_set(&ep->calls, atomic64_read(&ep->calls) + 1);
	spin_unlock(&p->lock);
	if (likely(call->real))
		return 0;
	err = may_open ? reopen_real_device(h, call) : -ENODEV;
	return err ? devns_inflight_end(call, err) : 0;
}

long devns_inflight_end(struct devns_call *call, long ret)
{
	struct devns_handle *h = call->handle;
	struct devns_passthrough *p = h->pass;
	bool drained;

	spin_lock(&p->lock);
	list_del(&call->link);
	h->calls--;
	drained = p->denied && list_empty(&p->calls);
	/* A denial gave up on us: what it would have closed, now. */
	if (unlikely(h->closing && !h->calls)) {
		list_move_tail(&h->link, &p->closing);
		queue_work(devns_wq, &p->close_work);
	}
	spin_unlock(&p->lock);
	if (unlikely(drained))
		wake_up_all(&p->drained);
	return unlikely(call->interrupted) && ret < 0 ? -EACCES : ret;
}

static void interrupt_task(struct task_struct *task)
{
	set_tsk_thread_flag(task, TIF_NOTIFY_SIGNAL);
	/* Against the task's own: state first, then flags. */
	smp_mb__after_atomic();
	if (READ_ONCE(task->__state) & TASK_INTERRUPTIBLE)
		wake_up_process(task);
	else
		kick_process(task);
}

void devns_inflight_interrupt(struct devns_passthrough *p)
{
	struct devns_call *call;

	/* Its record is on its stack: the task is there while we look. */
	list_for_each_entry (call, &p->calls, link) {
		call->interrupted = true;
		interrupt_task(call->task);
	}
}

static bool has_no_calls(struct devns_passthrough *p)
{
	bool yes;

	spin_lock(&p->lock);
	yes = list_empty(&p->calls);
	spin_unlock(&p->lock);
	return yes;
}

static void wait_for_drain(struct devns_passthrough *p, unsigned long end)
{
	long left = end - jiffies;

	if (left > 0)
		wait_event_timeout(p->drained, has_no_calls(p), left);
}

u32 devns_inflight_drain(struct devns_passthrough *p, unsigned long end)
{
	const struct devns_revoked killed_one = { .killed = 1 };
	struct task_struct *victims[VICTIMS];
	struct devns_call *call;
	u32 n = 0, i;

	if (has_no_calls(p))
		return 0;
	wait_for_drain(p, end);
	spin_lock(&p->lock);
	list_for_each_entry (call, &p->calls, link) {
		/* A kernel thread holds no handle of its own. */
		if (call->task->flags & PF_KTHREAD)
			continue;
		send_sig(SIGKILL, call->task, 1);
		if (n < VICTIMS)
			victims[n] = get_task_struct(call->task);
		n++;
	}
	spin_unlock(&p->lock);
	for (i = 0; i < min_t(u32, n, VICTIMS); i++) {
		devns_audit_revoke(p->ep, &killed_one, victims[i]);
		put_task_struct(victims[i]);
	}
	if (n)
		wait_for_drain(p, jiffies + msecs_to_jiffies(DYING_MS));
	return n;
}
