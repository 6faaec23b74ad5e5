/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/launch.h"

#include "cellsd/attention.h"
#include "cellsd/birth.h"
#include "cellsd/front.h"
#include "cellsd/handover.h"
#include "cellsd/host.h"
#include "cellsd/hotplug.h"
#include "cellsd/label.h"
#include "cellsd/layer.h"
#include "cellsd/leaf.h"
#include "cellsd/net.h"
#include "cellsd/resource.h"
#include "cellsd/rootfs.h"
#include "cellsd/vpdata.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int launch_check(struct host *h, const struct vp *v, struct err *e)
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

static int make_leaf(struct host *h, struct vp *v, struct err *e)
{
	struct vp_run *run = v->run;
	int r;

	assert(run); /* roster_start() made it */
	r = leaf_new(h->cgroup, run->leaf_name, vp_base(v), &run->leaf, e);
	if (r < 0)
		return r;
	run->disk = vpdata_disk(h->vpdata, v);
	resource_settle(v, false);
	return front_hold(h, v, e);
}

static int build(struct host *h, const struct vp *v, const struct birth *b,
		 int data, struct rootfs *ret, struct err *e)
{
	char label[LABEL_SIZE];
	size_t n = v->run->n_nodes;
	const struct backend_node *found = v->run->nodes;
	auto_free struct rootfs_node *nodes = calloc(n + 1, sizeof(*nodes));
	struct rootfs_plan plan = {
		.layers = h->layers,
		.digests = (const char *const *)v->conf.layer,
		.n_digests = v->conf.n_layers,
		.nodes = nodes,
		.n_nodes = n,
		.label = label,
		.data = data,
		.userns = b->userns,
		.pidfd = b->pidfd,
		.base = vp_base(v),
	};

	if (!nodes)
		return err_oom(e, "start a VP");
	for (size_t i = 0; i < n; i++)
		nodes[i] =
			(struct rootfs_node){ found[i].name, found[i].block,
					      found[i].major, found[i].minor };
	label_file(v->number, label);
	return rootfs_build(h->stage, &plan, ret, e);
}

int launch_begin(struct host *h, struct vp *v, int data, struct err *e)
{
	AUTO(birth_fini) struct birth b = BIRTH_NONE;
	struct rootfs tree = { -1, -1, -1, -1 };
	char label[LABEL_SIZE];
	struct birth_plan plan = {
		.name = v->name,
		.init = v->conf.init,
		.label = label,
		.jail = h->jail,
		.base = vp_base(v),
		.no_new_privs = v->conf.no_new_privs,
	};
	int r = make_leaf(h, v, e);

	if (r < 0)
		return r;
	net_choose(h, v);
	plan.leaf = v->run->leaf;
	plan.address = v->run->address;
	plan.merge = h->merge != NULL;
	label_process(v->number, label);
	r = birth_begin(&plan, &b, e);
	if (r < 0)
		return r;
	r = net_attach(h, v, b.pid, e);
	if (r == 0)
		r = hotplug_nodes(h, v, &v->run->nodes, &v->run->n_nodes, e);
	if (r == 0)
		r = build(h, v, &b, data, &tree, e);
	v->run->dev = tree.dev;
	v->run->dir = tree.run;
	v->run->console = tree.console;
	v->run->tty = tree.tty;
	if (r == 0)
		r = handover_give(data, tree.run, vp_base(v), e);
	/* Its gateway, where the firewall turns all DNS to the resolver. */
	if (r == 0 && v->run->address)
		r = handover_dns(tree.run, vp_base(v), v->run->address - 1, e);
	if (r == 0)
		r = attention_open(h, v, tree.run, e);
	if (r == 0)
		r = birth_finish(&b, e);
	rootfs_sweep(h->stage);
	if (r < 0)
		return r;
	v->run->pid = b.pid;
	v->run->pidfd = steal_fd(b.pidfd);
	v->run->since_ns = clock_boot_ns();
	v->run->no_new_privs = plan.no_new_privs;
	return 0;
}

void launch_undo(struct host *h, struct vp *v)
{
	char name[VP_LEAF_SIZE];
	struct err e;

	assert(v->run);
	memcpy(name, v->run->leaf_name, sizeof(name));
	if (v->run->leaf >= 0)
		leaf_kill(v->run->leaf);
	front_release(h, v);
	net_detach(h, v);
	vp_run_free(steal(v->run));
	if (leaf_remove(h->cgroup, name, &e) < 0)
		log_warning("%s", e.text);
	if (roster_move(h->roster, v, VPEVENT_END, &e) < 0)
		log_error("%s", e.text);
}
