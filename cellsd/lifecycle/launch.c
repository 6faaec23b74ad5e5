/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/launch.h"

#include "cellsd/container/cgroup.h"
#include "cellsd/container/init_process.h"
#include "cellsd/container/layer.h"
#include "cellsd/container/rootfs.h"
#include "cellsd/container/selinux.h"
#include "cellsd/lifecycle/foreground.h"
#include "cellsd/lifecycle/foreground_socket.h"
#include "cellsd/lifecycle/hotplug.h"
#include "cellsd/storage/vp_data.h"
#include "cellsd/storage/vp_secrets.h"
#include "cellsd/vp/net.h"
#include "cellsd/vp/resource.h"
#include "cellsd/vp/vp_table.h"
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

int launch_check_config(const struct launch *l, const struct vp *v,
			struct err *e)
{
	if (!v->is_desired)
		return err_reason(e, REASON_VP_STATE,
				  "start VP %s: it is no longer wanted",
				  v->name);
	for (uint32_t i = 0; i < v->conf.n_layers; i++)
		if (!layer_set_has(l->layers, v->conf.layer[i]))
			return err_reason(e, REASON_VP_STATE,
					  "start VP %s: layer %s is not here",
					  v->name, v->conf.layer[i]);
	return 0;
}

static int create_vp_cgroup(const struct launch *l, const struct vp *v,
			    struct err *e)
{
	struct vp_run *run = v->prepared;
	int r = cgroup_new(l->cgroup, run->cgroup_name, vp_get_id_base(v),
			   &run->cgroup, e);

	if (r < 0)
		return r;
	run->disk = vp_data_get_disk(l->vp_data, v);
	resource_apply_limits(v, false);
	return foreground_attach_vp(l->foreground, v, e);
}

static int build_vp_rootfs(const struct launch *l, const struct vp *v, int data,
			   struct rootfs *ret, struct err *e)
{
	const struct vp_run *run = v->prepared;
	char label[SELINUX_CONTEXT_SIZE];
	auto_free struct rootfs_node *nodes =
		calloc(run->n_nodes + 1, sizeof(*nodes));
	struct rootfs_plan plan = {
		.layers = l->layers,
		.digests = (const char *const *)v->conf.layer,
		.n_digests = v->conf.n_layers,
		.nodes = nodes,
		.n_nodes = run->n_nodes,
		.label = label,
		.data = data,
		.userns = run->init_process.userns,
		.pidfd = run->init_process.pidfd,
		.base = vp_get_id_base(v),
	};

	if (!nodes)
		return err_oom(e, "start a VP");
	for (size_t i = 0; i < run->n_nodes; i++)
		nodes[i] = (struct rootfs_node){ run->nodes[i].name,
						 run->nodes[i].block,
						 run->nodes[i].major,
						 run->nodes[i].minor };
	selinux_format_file_context(v->number, label);
	return rootfs_build(l->stage, &plan, ret, e);
}

static int prepare_vp_rootfs(const struct launch *l, struct vp *v, int data,
			     struct err *e)
{
	struct rootfs tree = { -1, -1, -1, -1 };
	struct vp_run *run = v->prepared;
	int r = hotplug_list_vp_nodes(l->device, v, &run->nodes, &run->n_nodes,
				      e);

	if (r == 0)
		r = build_vp_rootfs(l, v, data, &tree, e);
	run->dev = tree.dev;
	run->dir = tree.run;
	run->console = tree.console;
	run->tty = tree.tty;
	return r;
}

/* What is put into a tree that is ready. */
static int populate_vp_tree(const struct launch *l, struct vp *v, int data,
			    struct err *e)
{
	const struct vp_run *run = v->prepared;
	int r = vp_secrets_copy_to_run(data, run->dir, vp_get_id_base(v), e);

	/* Its gateway, where the firewall turns all DNS to the resolver. */
	if (r == 0 && run->address)
		r = vp_secrets_write_resolv_conf(run->dir, vp_get_id_base(v),
						 run->address - 1, e);
	return r == 0 ? foreground_offer_socket(l->foreground, v, run->dir, e)
		      : r;
}

/* While the first process does its part, we do ours. */
static int create_first_process(const struct launch *l, struct vp *v, int data,
				struct err *e)
{
	struct vp_run *run = v->prepared;
	char label[SELINUX_CONTEXT_SIZE];
	struct init_process_plan plan = {
		.name = v->name,
		.init = v->conf.init,
		.label = label,
		.confinement = l->confinement,
		.base = vp_get_id_base(v),
		.no_new_privs = v->conf.no_new_privs,
	};
	int r;

	assert(run); /* vp_table_record_prepare() made it */
	r = create_vp_cgroup(l, v, e);
	if (r < 0)
		return r;
	net_assign_address(l->net, v);
	plan.cgroup = run->cgroup;
	plan.address = run->address;
	plan.merge = l->has_ksm;
	run->no_new_privs = plan.no_new_privs;
	selinux_format_process_context(v->number, label);
	r = init_process_clone(&plan, &run->init_process, e);
	if (r == 0)
		r = net_attach_vp(l->net, v, run->init_process.pid, e);
	if (r < 0)
		return r;
	init_process_continue(&run->init_process);
	r = prepare_vp_rootfs(l, v, data, e);
	if (r < 0)
		return init_process_explain_failure(&run->init_process, r, e);
	init_process_continue(&run->init_process);
	r = populate_vp_tree(l, v, data, e);
	return r == 0 ? init_process_wait_ready(&run->init_process, e)
		      : init_process_explain_failure(&run->init_process, r, e);
}

/* All but clearing the stage. */
static int prepare_vp_start(const struct launch *l, struct vp *v, struct err *e)
{
	auto_close int data = -1;
	int r = launch_check_config(l, v, e);

	if (r < 0)
		return r;
	/* First: of a locked VP not even the key is taken out. */
	r = vp_table_record_prepare(l->vps, v, e);
	if (r < 0)
		return r;
	r = vp_data_open(l->vp_data, v, &data, e);
	if (r == 0)
		r = create_first_process(l, v, data, e);
	if (r < 0)
		launch_undo(l, v);
	return r;
}

int launch_prepare(const struct launch *l, struct vp *v, struct err *e)
{
	int r = prepare_vp_start(l, v, e);

	rootfs_clear_stage(l->stage);
	return r;
}

bool launch_is_current(const struct vp *v)
{
	return v->prepared && v->is_desired && !v->prepared->is_outdated &&
	       v->prepared->edition == v->edition &&
	       init_process_is_waiting(&v->prepared->init_process);
}

static int start_prepared_vp(const struct launch *l, struct vp *v,
			     struct err *e)
{
	struct vp_run *run;
	int r = vp_table_record_start(l->vps, v, e);

	if (r < 0) {
		launch_undo(l, v);
		return r;
	}
	run = v->run;
	sd_event_source_disable_unref(steal(run->on_exit));
	r = foreground_grant_access(l->foreground, v, e);
	if (r == 0)
		r = init_process_run_init(&run->init_process, e);
	if (r < 0) {
		launch_undo(l, v);
		return r;
	}
	run->pid = run->init_process.pid;
	run->pidfd = steal_fd(run->init_process.pidfd);
	run->since_ns = clock_boot_ns();
	return 0;
}

int launch_start(const struct launch *l, struct vp *v, struct err *e)
{
	int r = -EAGAIN;

	if (v->prepared && !launch_is_current(v))
		launch_undo(l, v);
	if (v->prepared)
		r = start_prepared_vp(l, v, e);
	if (r == 0)
		return 0;
	/* Also when what was prepared was dying just then. */
	r = prepare_vp_start(l, v, e);
	if (r == 0)
		r = start_prepared_vp(l, v, e);
	/* It has its tree; nobody waits for this. */
	rootfs_clear_stage(l->stage);
	return r;
}

void launch_kill_prepared(struct vp *v)
{
	sd_event_source_disable_unref(steal(v->prepared->on_exit));
	init_process_fini(&v->prepared->init_process);
}

/* One that had been let go is waited for: its leaf must be empty. */
static void kill_vp_processes(const struct vp_run *run)
{
	siginfo_t info;

	if (run->cgroup < 0)
		return;
	if (run->pidfd < 0) {
		cgroup_kill(run->cgroup);
		return;
	}
	cgroup_kill_and_wait(run->cgroup, EMPTY_MS);
	waitid(P_PIDFD, (id_t)run->pidfd, &info, WEXITED | WNOHANG);
}

/* Nothing of the VP's own runs, or it is to end at once. */
void launch_undo(const struct launch *l, struct vp *v)
{
	struct vp_run *run = vp_get_run(v);
	bool started = v->run;
	char name[VP_CGROUP_SIZE];
	struct err e;

	memcpy(name, run->cgroup_name, sizeof(name));
	kill_vp_processes(run);
	foreground_detach_vp(l->foreground, v);
	net_detach_vp(l->net, v);
	foreground_socket_close(steal(run->foreground_socket));
	v->run = v->prepared = NULL;
	vp_run_free(run);
	if (cgroup_remove(l->cgroup, name, &e) < 0)
		log_warning("%s", e.text);
	if (started && vp_table_apply_event(l->vps, v, VP_EVENT_END, &e) < 0)
		log_error("%s", e.text);
}

void launch_remove_stale(const struct launch *l, struct vp *v)
{
	struct err e;

	/* Its first process sees the end of its pipe; it must be gone. */
	if (cgroup_open(l->cgroup, v->prepared->cgroup_name,
			&v->prepared->cgroup, &e) == 0 &&
	    cgroup_kill_and_wait(v->prepared->cgroup, EMPTY_MS) < 0)
		log_warning("VP %s: what was prepared does not end", v->name);
	launch_undo(l, v);
}
