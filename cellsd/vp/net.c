/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp/net.h"

#include "cellsd/net/conntrack.h"
#include "cellsd/net/firewall.h"
#include "cellsd/net/resolver.h"
#include "cellsd/net/veth.h"
#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#define SYSCTL "/proc/sys/net/"
#define FORWARD SYSCTL "ipv4/ip_forward"
#define FORWARD_MARK "forwarding" /* in the run dir: cellsd turned it on */
#define RESOLV_FOLDER "/etc"
#define RESOLV_FILE "/etc/resolv.conf"
#define LOOPBACK 127

struct net {
	struct net_options options;
	const struct vp_table *vp_table;
	struct veth *veth;
	struct firewall *firewall;
	char *mark;	 /* file that says that forwarding is ours to end */
	bool is_loaded;	 /* the table is there */
	uint32_t loaded; /* the resolver in it */
	bool is_barred;	 /* nftables refused the last that it was given */
	bool has_stray;	 /* there may be a link of no VP */
	sd_event_source *on_resolv, *on_target;
};

/* ---- options */

static int parse_ipv4_address(const char *text, uint32_t *ret)
{
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) != 1)
		return -EINVAL;
	*ret = ntohl(in.s_addr);
	return 0;
}

int net_parse_range(const char *text, struct net_options *ret, struct err *e)
{
	char address[INET_ADDRSTRLEN];
	size_t len = strcspn(text, "/");
	uint64_t prefix;

	if (len < sizeof(address) && text[len] == '/' &&
	    encoding_parse_number(text + len + 1, 30, &prefix) == 0 &&
	    prefix >= 8) {
		memcpy(address, text, len);
		address[len] = '\0';
		ret->prefix = (unsigned int)prefix;
		if (parse_ipv4_address(address, &ret->range) == 0 &&
		    (ret->range & (~0U >> prefix)) == 0)
			return 0;
	}
	return err_set(e, EINVAL,
		       "network-range '%.40s': not a network like " NET_RANGE
		       " with a prefix of 8 to 30",
		       text);
}

int net_parse_resolver(const char *text, struct net_options *ret, struct err *e)
{
	ret->resolver = 0;
	if (strcmp(text, "host") == 0 ||
	    parse_ipv4_address(text, &ret->resolver) == 0)
		return 0;
	return err_set(e, EINVAL, "dns '%.40s': not an IPv4 address or 'host'",
		       text);
}

/* ---- the host's switches */

static int write_sysctl(const char *path, const char *value)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

static bool is_forwarding_enabled(void)
{
	auto_close int fd = open(FORWARD, O_RDONLY | O_CLOEXEC);
	char value = '0';

	return fd >= 0 && read(fd, &value, 1) == 1 && value != '0';
}

static bool is_forwarding_ours(const struct net *n)
{
	return access(n->mark, F_OK) == 0;
}

static int enable_ip_forwarding(struct err *e)
{
	int r = is_forwarding_enabled() ? -EALREADY
					: write_sysctl(FORWARD, "1");

	if (r == -EALREADY)
		return 0;
	if (r < 0)
		return err_sys(e, -r, "turn on " FORWARD);
	log_info("turned on net.ipv4.ip_forward: VPs have a network");
	return 0;
}

static void disable_ip_forwarding(const struct net *n)
{
	int r;

	if (!is_forwarding_ours(n))
		return;
	r = write_sysctl(FORWARD, "0");
	if (r < 0)
		log_warning("turn off " FORWARD ": %s", strerror(-r));
	else
		log_info("turned off net.ipv4.ip_forward: no VP has a network");
	unlink(n->mark);
}

/* The host's own end speaks no IPv6; with a resolver on the host's loopback,
 * what is turned to it may come in, and input lets nothing else. */
static void set_link_sysctls(const struct net *n, const char *link)
{
	char path[128];

	snprintf(path, sizeof(path), SYSCTL "ipv6/conf/%s/disable_ipv6", link);
	write_sysctl(path, "1");
	snprintf(path, sizeof(path), SYSCTL "ipv4/conf/%s/route_localnet",
		 link);
	write_sysctl(path, n->loaded >> 24 == LOOPBACK ? "1" : "0");
}

/* ---- the table */

static uint32_t get_resolver_address(const struct net *n)
{
	return n->options.resolver ? n->options.resolver
				   : resolver_read_file(RESOLV_FILE);
}

static struct firewall_vp get_firewall_vp(const struct vp *v)
{
	return (struct firewall_vp){
		.number = v->number,
		.address = vp_get_run(v)->address,
		.rules = { v->conf.net_rate, v->conf.allow, v->conf.n_allow },
	};
}

static unsigned int list_connected_vps(const struct net *n,
				       struct firewall_vp vps[VPS_MAX])
{
	unsigned int found = 0;

	for (unsigned int i = 0; i < n->vp_table->n; i++) {
		const struct vp *v = n->vp_table->vp[i];

		if (vp_get_run(v) && vp_get_run(v)->address)
			vps[found++] = get_firewall_vp(v);
	}
	return found;
}

static void format_link_name(const struct vp *v, char name[VETH_NAME_SIZE])
{
	snprintf(name, VETH_NAME_SIZE, FIREWALL_LINK "%u", v->number);
}

static int load_firewall_table(struct net *n, struct err *e)
{
	struct firewall_vp vps[VPS_MAX];
	struct firewall_plan plan = {
		.resolver = get_resolver_address(n),
		.close = is_forwarding_ours(n),
		.vp = vps,
		.n = list_connected_vps(n, vps),
		.flows_max = conntrack_get_flow_limit(VPS_MAX),
	};
	int r = firewall_load(n->firewall, &plan, e);

	n->is_barred = r < 0;
	if (r < 0)
		return r;
	if (plan.resolver == 0)
		log_warning("VPs have no DNS: " RESOLV_FILE
			    " names no IPv4 server");
	n->is_loaded = true;
	n->loaded = plan.resolver;
	for (unsigned int i = 0; i < plan.n; i++) {
		char name[VETH_NAME_SIZE];

		snprintf(name, sizeof(name), FIREWALL_LINK "%u", vps[i].number);
		set_link_sysctls(n, name);
	}
	return 0;
}

/*
 * VPs are behind a router: the host. If it was none before, it is none for
 * others now (firewall_plan.close), and none again when the last VP has gone.
 * So the table is there before it forwards, and after.
 */
static int allow_vp_traffic(struct net *n, const struct vp *v, struct err *e)
{
	const struct firewall_vp vp = get_firewall_vp(v);
	int r = 0;

	if (!is_forwarding_enabled() && !is_forwarding_ours(n)) {
		r = io_create_empty(n->mark, 0600, e);
		n->is_loaded = false;
	}
	if (r == 0)
		r = n->is_loaded && firewall_is_plain(&vp)
			    ? firewall_add_vp(n->firewall, &vp, e)
			    : load_firewall_table(n, e);
	return r < 0 ? r : enable_ip_forwarding(e);
}

static void clear_firewall_table(struct net *n)
{
	struct err e;

	disable_ip_forwarding(n);
	if (firewall_clear(n->firewall, &e) < 0)
		log_warning("%s", e.text);
	n->is_loaded = false;
}

static int on_resolv_conf_change(sd_event_source *s,
				 const struct inotify_event *ev, void *arg)
{
	struct net *n = arg;
	struct err e;

	if (n->is_loaded && get_resolver_address(n) != n->loaded &&
	    load_firewall_table(n, &e) < 0)
		log_error("%s", e.text);
	return 0;
}

/* The file is often a link to another folder, in which it is replaced. */
static int watch_resolv_conf(struct net *n, sd_event *loop, struct err *e)
{
	const uint32_t mask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE;
	auto_free char *target = realpath(RESOLV_FILE, NULL);
	int r;

	r = sd_event_add_inotify(loop, &n->on_resolv, RESOLV_FOLDER, mask,
				 on_resolv_conf_change, n);
	if (r < 0)
		return err_sys(e, -r, "watch " RESOLV_FOLDER);
	if (!target)
		return 0;
	*strrchr(target, '/') = '\0';
	if (strcmp(target, RESOLV_FOLDER) != 0)
		sd_event_add_inotify(loop, &n->on_target, target, mask,
				     on_resolv_conf_change, n);
	return 0;
}

/* ---- open */

int net_new(const struct net_options *o, const char *run_dir,
	    const struct vp_table *vp_table, sd_event *loop, struct net **ret,
	    struct err *e)
{
	AUTO(net_freep) struct net *n = calloc(1, sizeof(*n));
	int r = 0;

	if (!n)
		return err_oom(e, "open the network");
	n->options = *o;
	n->vp_table = vp_table;
	n->mark = io_join(run_dir, FORWARD_MARK);
	if (!n->mark)
		return err_oom(e, "open the network");
	if (!n->options.off) {
		r = veth_open(&n->veth, e);
		if (r == 0)
			r = firewall_new(&n->firewall, e);
	}
	if (r == 0 && !n->options.off && !n->options.resolver)
		r = watch_resolv_conf(n, loop, e);
	if (r < 0)
		return r;
	*ret = steal(n);
	return 0;
}

void net_free(struct net *n)
{
	if (!n)
		return;
	sd_event_source_disable_unref(n->on_resolv);
	sd_event_source_disable_unref(n->on_target);
	veth_close(n->veth);
	firewall_free(n->firewall);
	free(n->mark);
	free(n);
}

/* ---- links */

static void remove_vp_link(struct net *n, const char *name)
{
	struct err e;

	if (veth_remove_pair(n->veth, name, &e) == 0)
		return;
	log_warning("%s", e.text);
	n->has_stray = true;
}

/* A link with our name and of no running VP was left by a daemon that died. */
static void remove_stray_link(void *arg, const char *name)
{
	struct net *n = arg;
	size_t len = strlen(FIREWALL_LINK);
	uint64_t number;

	if (strncmp(name, FIREWALL_LINK, len) != 0 ||
	    encoding_parse_number(name + len, UINT32_MAX, &number) < 0)
		return;
	for (unsigned int i = 0; i < n->vp_table->n; i++) {
		const struct vp_run *run = vp_get_run(n->vp_table->vp[i]);

		if (n->vp_table->vp[i]->number == number && run && run->address)
			return;
	}
	log_info("remove link %s: it is of no running VP", name);
	remove_vp_link(n, name);
}

static void remove_stray_links(struct net *n)
{
	struct err e;

	n->has_stray = false;
	if (veth_each_link(n->veth, remove_stray_link, n, &e) == 0)
		return;
	log_warning("%s", e.text);
	n->has_stray = true;
}

/* A link that stays is held by the table, which has no such VP. */
static bool is_network_unused(struct net *n)
{
	struct firewall_vp vps[VPS_MAX];

	return list_connected_vps(n, vps) == 0 && !n->has_stray;
}

/* ---- one VP */

bool net_is_firewall_rejected(const struct net *n)
{
	return n->is_barred;
}

bool net_is_missing(const struct vp *v)
{
	return v->conf.nat && v->run && !v->run->address;
}

void net_assign_address(struct net *n, struct vp *v)
{
	struct vp_run *run = vp_get_run(v);
	struct err e;
	int r;

	run->address = 0;
	if (!v->conf.nat)
		return;
	if (n->options.off) {
		log_info("VP %s has no network: cellsd.conf says network = no",
			 v->name);
		return;
	}
	r = veth_find_free_address(n->veth, n->options.range, n->options.prefix,
				   v->number - VP_RANGE_FIRST, &run->address,
				   &e);
	if (r == 0)
		r = allow_vp_traffic(n, v, &e);
	if (r == 0)
		return;
	run->is_outdated = true;
	log_error("VP %s has no network: %s", v->name, e.text);
	net_detach_vp(n, v);
}

int net_attach_vp(struct net *n, const struct vp *v, pid_t pid, struct err *e)
{
	const struct vp_run *run = vp_get_run(v);
	char name[VETH_NAME_SIZE];
	int r;

	if (!run->address)
		return 0;
	format_link_name(v, name);
	/* One that a start was killed over. */
	r = veth_remove_pair(n->veth, name, e);
	if (r == 0)
		r = veth_add_pair(n->veth, name, run->address, pid, e);
	if (r == 0)
		set_link_sysctls(n, name);
	return r;
}

void net_detach_vp(struct net *n, struct vp *v)
{
	struct vp_run *run = vp_get_run(v);
	const struct firewall_vp vp = get_firewall_vp(v);
	char name[VETH_NAME_SIZE];
	struct err e;
	int r;

	if (!run->address)
		return;
	format_link_name(v, name);
	remove_vp_link(n, name);
	/* Nobody of it is left to send more. */
	if (conntrack_flush_mark(FIREWALL_MARK | v->number, &e) < 0)
		log_warning("VP %s: %s", v->name, e.text);
	run->address = 0;
	if (n->has_stray)
		remove_stray_links(n);
	if (is_network_unused(n)) {
		clear_firewall_table(n);
		return;
	}
	/* A start that failed may not be in the set yet. */
	r = firewall_is_plain(&vp) ? firewall_remove_vp(n->firewall, &vp, &e)
				   : -EAGAIN;
	if (r < 0)
		r = load_firewall_table(n, &e);
	if (r < 0)
		log_warning("%s", e.text);
}

void net_adopt_vp(struct net *n, struct vp *v)
{
	char name[VETH_NAME_SIZE];
	struct err e;

	if (n->options.off)
		return;
	format_link_name(v, name);
	if (veth_get_vp_address(n->veth, name, &v->run->address, &e) < 0)
		log_error("VP %s has no network: %s", v->name, e.text);
}

/* ---- all */

/* What cannot be held to its rules has no network at all. */
static void disconnect_all_vps(struct net *n)
{
	for (unsigned int i = 0; i < n->vp_table->n; i++) {
		struct vp *v = n->vp_table->vp[i];

		if (!vp_get_run(v) || !vp_get_run(v)->address)
			continue;
		log_error("VP %s has no network until it starts again",
			  v->name);
		vp_get_run(v)->is_outdated = true;
		net_detach_vp(n, v);
	}
}

void net_remove_stale(struct net *n)
{
	struct err e;

	if (n->options.off)
		return;
	remove_stray_links(n);
	if (is_network_unused(n)) {
		/* No table is normal; no nftables is logged when it is needed.
		 */
		disable_ip_forwarding(n);
		n->is_barred = firewall_clear(n->firewall, &e) < 0;
	} else if (load_firewall_table(n, &e) < 0) {
		log_error("%s", e.text);
		disconnect_all_vps(n);
	}
}

void net_update_rules(struct net *n)
{
	struct firewall_vp vps[VPS_MAX];
	struct err e;

	for (unsigned int i = 0; i < n->vp_table->n; i++)
		if (!n->vp_table->vp[i]->conf.nat &&
		    vp_get_run(n->vp_table->vp[i]))
			net_detach_vp(n, n->vp_table->vp[i]);
	if (list_connected_vps(n, vps) > 0 && load_firewall_table(n, &e) < 0) {
		log_error("%s", e.text);
		disconnect_all_vps(n);
	}
}
