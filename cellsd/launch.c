/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/launch.h"

#include "cellsd/cgroup.h"
#include "cellsd/context.h"
#include "cellsd/foreground.h"
#include "cellsd/hotplug.h"
#include "cellsd/init_process.h"
#include "cellsd/layer.h"
#include "cellsd/net.h"
#include "cellsd/notifications.h"
#include "cellsd/resource.h"
#include "cellsd/rootfs.h"
#include "cellsd/selinux.h"
#include "cellsd/vp_data.h"
#include "cellsd/vp_secrets.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define EMPTY_MS 1000

int launch_check(const struct host *h, const struct vp *v, struct err *e)
{
	if (!v->named)
		return err_reason(e, REASON_VP_STATE,
				  "start VP %s: it is no longer wanted",
				  v->name);
	for (uint32_t i = 0; i < v->conf.n_layers; i++)
		if (!layers_have(h->layers, v->conf.layer[i]))
			return err_reason(e, REASON_VP_STATE,
					  "start VP %s: layer %s is not here",
					  v->name, v->conf.layer[i]);
	return 0;
}

static int make_leaf(struct host *h, const struct vp *v, struct err *e)
{
	struct vp_run *run = v->ready;
	int r = leaf_new(h->cgroup, run->leaf_name, vp_base(v), &run->leaf, e);

	if (r < 0)
		return r;
	run->disk = vpdata_disk(h->vpdata, v);
	resource_settle(v, false);
	return front_hold(h, v, e);
}

static int build(struct host *h, const struct vp *v, int data,
		 struct rootfs *ret, struct err *e)
{
	const struct vp_run *run = v->ready;
	char label[LABEL_SIZE];
	auto_free struct rootfs_node *nodes =
		calloc(run->n_nodes + 1, sizeof(*nodes));
	struct rootfs_plan plan = {
		.layers = h->layers,
		.digests = (const char *const *)v->conf.layer,
		.n_digests = v->conf.n_layers,
		.nodes = nodes,
		.n_nodes = run->n_nodes,
		.label = label,
		.data = data,
		.userns = run->birth.userns,
		.pidfd = run->birth.pidfd,
		.base = vp_base(v),
	};

	if (!nodes)
		return err_oom(e, "start a VP");
	for (size_t i = 0; i < run->n_nodes; i++)
		nodes[i] = (struct rootfs_node){ run->nodes[i].name,
						 run->nodes[i].block,
						 run->nodes[i].major,
						 run->nodes[i].minor };
	label_file(v->number, label);
	return rootfs_build(h->stage, &plan, ret, e);
}

static int lay_out(struct host *h, struct vp *v, int data, struct err *e)
{
	struct rootfs tree = { -1, -1, -1, -1 };
	struct vp_run *run = v->ready;
	int r = hotplug_nodes(h, v, &run->nodes, &run->n_nodes, e);

	if (r == 0)
		r = build(h, v, data, &tree, e);
	run->dev = tree.dev;
	run->dir = tree.run;
	run->console = tree.console;
	run->tty = tree.tty;
	return r;
}

/* What is put into a tree that stands. */
static int furnish(struct host *h, struct vp *v, int data, struct err *e)
{
	const struct vp_run *run = v->ready;
	int r = handover_give(data, run->dir, vp_base(v), e);

	/* Its gateway, where the firewall turns all DNS to the resolver. */
	if (r == 0 && run->address)
		r = handover_dns(run->dir, vp_base(v), run->address - 1, e);
	return r == 0 ? attention_open(h, v, run->dir, front_switch, e) : r;
}

/* While the first process does its part, we do ours. */
static int make(struct host *h, struct vp *v, int data, struct err *e)
{
	struct vp_run *run = v->ready;
	char label[LABEL_SIZE];
	struct birth_plan plan = {
		.name = v->name,
		.init = v->conf.init,
		.label = label,
		.jail = h->jail,
		.base = vp_base(v),
		.no_new_privs = v->conf.no_new_privs,
	};
	int r;

	assert(run); /* roster_prepare() made it */
	r = make_leaf(h, v, e);
	if (r < 0)
		return r;
	net_choose(h, v);
	plan.leaf = run->leaf;
	plan.address = run->address;
	plan.merge = h->merge != NULL;
	run->no_new_privs = plan.no_new_privs;
	label_process(v->number, label);
	r = birth_begin(&plan, &run->birth, e);
	if (r == 0)
		r = net_attach(h, v, run->birth.pid, e);
	if (r < 0)
		return r;
	birth_go_on(&run->birth);
	r = lay_out(h, v, data, e);
	if (r < 0)
		return birth_blame(&run->birth, r, e);
	birth_go_on(&run->birth);
	r = furnish(h, v, data, e);
	return r == 0 ? birth_arrive(&run->birth, e)
		      : birth_blame(&run->birth, r, e);
}

/* All but that the stage is not swept yet. */
static int prepare(struct host *h, struct vp *v, struct err *e)
{
	auto_close int data = -1;
	int r = launch_check(h, v, e);

	if (r < 0)
		return r;
	/* First: of a locked VP not even the key is taken out. */
	r = roster_prepare(h->roster, v, e);
	if (r < 0)
		return r;
	r = vpdata_open(h->vpdata, v, &data, e);
	if (r == 0)
		r = make(h, v, data, e);
	if (r < 0)
		launch_undo(h, v);
	return r;
}

int launch_prepare(struct host *h, struct vp *v, struct err *e)
{
	int r = prepare(h, v, e);

	rootfs_sweep(h->stage);
	return r;
}

bool launch_is_fit(const struct vp *v)
{
	return v->ready && v->named && !v->ready->unfit &&
	       v->ready->edition == v->edition && birth_waits(&v->ready->birth);
}

static int let_go(struct host *h, struct vp *v, struct err *e)
{
	struct vp_run *run;
	int r = roster_start(h->roster, v, e);

	if (r < 0) {
		launch_undo(h, v);
		return r;
	}
	run = v->run;
	sd_event_source_disable_unref(steal(run->on_exit));
	r = front_admit(h, v, e);
	if (r == 0)
		r = birth_finish(&run->birth, e);
	if (r < 0) {
		launch_undo(h, v);
		return r;
	}
	run->pid = run->birth.pid;
	run->pidfd = steal_fd(run->birth.pidfd);
	run->since_ns = clock_boot_ns();
	return 0;
}

int launch_start(struct host *h, struct vp *v, struct err *e)
{
	int r = -EAGAIN;

	if (v->ready && !launch_is_fit(v))
		launch_undo(h, v);
	if (v->ready)
		r = let_go(h, v, e);
	if (r == 0)
		return 0;
	/* Also when what was prepared was dying just then. */
	r = prepare(h, v, e);
	if (r == 0)
		r = let_go(h, v, e);
	/* It has its tree; nobody waits for this. */
	rootfs_sweep(h->stage);
	return r;
}

void launch_end(struct vp *v)
{
	sd_event_source_disable_unref(steal(v->ready->on_exit));
	birth_fini(&v->ready->birth);
}

/* One that had been let go is waited for: its leaf must be empty. */
static void end_at_once(const struct vp_run *run)
{
	siginfo_t info;

	if (run->leaf < 0)
		return;
	if (run->pidfd < 0) {
		leaf_kill(run->leaf);
		return;
	}
	leaf_empty(run->leaf, EMPTY_MS);
	waitid(P_PIDFD, (id_t)run->pidfd, &info, WEXITED | WNOHANG);
}

/* Nothing of the VP's own runs, or it is to end at once. */
void launch_undo(struct host *h, struct vp *v)
{
	struct vp_run *run = vp_made(v);
	bool started = v->run;
	char name[VP_LEAF_SIZE];
	struct err e;

	memcpy(name, run->leaf_name, sizeof(name));
	end_at_once(run);
	front_release(h, v);
	net_detach(h, v);
	attention_close(steal(run->attention));
	v->run = v->ready = NULL;
	vp_run_free(run);
	if (leaf_remove(h->cgroup, name, &e) < 0)
		log_warning("%s", e.text);
	if (started && roster_move(h->roster, v, VPEVENT_END, &e) < 0)
		log_error("%s", e.text);
}

void launch_sweep(struct host *h, struct vp *v)
{
	struct err e;

	/* Its first process sees the end of its pipe; it must be gone. */
	if (leaf_open(h->cgroup, v->ready->leaf_name, &v->ready->leaf, &e) ==
		    0 &&
	    leaf_empty(v->ready->leaf, EMPTY_MS) < 0)
		log_warning("VP %s: what was prepared does not end", v->name);
	launch_undo(h, v);
}
