/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/net/firewall.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLE "inet cells"
#define FLOWS "inet cells_flows"
#define BURST_MIN 262144 /* uncut packets on a link have up to 64 KiB */
#define BURST_PART 4	 /* of a second's bytes */

struct firewall {
	struct nft_ctx *ctx;
	bool counts; /* flows, in the table that is loaded */
};

struct address_text {
	char s[INET_ADDRSTRLEN];
};

static struct address_text format_address(uint32_t address)
{
	const struct in_addr in = { htonl(address) };
	struct address_text t;

	inet_ntop(AF_INET, &in, t.s, sizeof(t.s));
	return t;
}

bool firewall_is_plain(const struct firewall_vp *v)
{
	return v->rules.n_allow == 0 && v->rules.rate == 0;
}

static void write_link_address(FILE *f, const struct firewall_vp *v)
{
	fprintf(f, "\"" FIREWALL_LINK "%u\" . %s", v->number,
		format_address(v->address).s);
}

/* ---- the rules of one VP */

static void write_rate_limit(FILE *f, uint64_t rate)
{
	uint64_t burst = rate / BURST_PART;

	if (rate == 0)
		return;
	if (burst < BURST_MIN)
		burst = BURST_MIN;
	fprintf(f,
		"  limit rate over %" PRIu64 " bytes/second burst %" PRIu64
		" bytes drop\n",
		rate, burst);
}

static void write_allow_rule(FILE *f, const struct firewall_allow *a)
{
	const char *protocol = a->protocol == IPPROTO_TCP ? "tcp" : "udp";

	fprintf(f, "  ip daddr %s/%u", format_address(a->address).s, a->prefix);
	if (a->protocol && a->port)
		fprintf(f, " %s dport %u", protocol, a->port);
	else if (a->protocol)
		fprintf(f, " meta l4proto %s", protocol);
	else if (a->port)
		fprintf(f, " meta l4proto { tcp, udp } th dport %u", a->port);
	fprintf(f, " accept\n");
}

static void write_vp_chains(FILE *f, const struct firewall_vp *v)
{
	const struct firewall_rules *c = &v->rules;

	fprintf(f, " chain out%u {\n", v->number);
	write_rate_limit(f, c->rate);
	if (c->n_allow > 0)
		fprintf(f, "  ct status dnat meta l4proto { tcp, udp } "
			   "th dport 53 accept\n");
	for (uint32_t i = 0; i < c->n_allow; i++)
		write_allow_rule(f, &c->allow[i]);
	if (c->n_allow > 0)
		fprintf(f, "  reject with icmpx type admin-prohibited\n");
	fprintf(f, " }\n chain in%u {\n", v->number);
	write_rate_limit(f, c->rate);
	fprintf(f, " }\n");
}

/* ---- the table */

static void write_vp_set(FILE *f, const struct firewall_plan *p)
{
	fprintf(f, " set vps {\n  type ifname . ipv4_addr\n");
	for (unsigned int i = 0; i < p->n; i++) {
		fprintf(f, "%s", i == 0 ? "  elements = { " : ", ");
		write_link_address(f, &p->vp[i]);
	}
	fprintf(f, "%s }\n", p->n > 0 ? " }\n" : "");
}

static void write_verdict_map(FILE *f, const struct firewall_plan *p,
			      const char *way)
{
	bool first = true;

	fprintf(f, " map own_%s {\n  type ipv4_addr : verdict\n", way);
	for (unsigned int i = 0; i < p->n; i++) {
		if (firewall_is_plain(&p->vp[i]))
			continue;
		fprintf(f, "%s%s : goto %s%u", first ? "  elements = { " : ", ",
			format_address(p->vp[i].address).s, way,
			p->vp[i].number);
		first = false;
	}
	fprintf(f, "%s }\n", first ? "" : " }\n");
}

/* DNS of VPs, wherever it is sent, goes to the host's resolver. */
static void write_nat_chains(FILE *f, const struct firewall_plan *p)
{
	fprintf(f, " chain prerouting {\n"
		   "  type nat hook prerouting priority dstnat\n");
	if (p->resolver)
		fprintf(f,
			"  iifname . ip saddr @vps meta l4proto { tcp, udp } "
			"th dport 53 dnat ip to %s\n",
			format_address(p->resolver).s);
	fprintf(f, " }\n chain postrouting {\n"
		   "  type nat hook postrouting priority srcnat\n"
		   "  iifname . ip saddr @vps masquerade\n }\n");
}

/*
 * The host itself: DNS that prerouting turned to it, and answers to what it
 * asked. IPv6 is in no set: it goes nowhere.
 */
static const char filters[] =
	" chain input {\n"
	"  type filter hook input priority filter\n"
	"  iifname \"" FIREWALL_LINK "*\" goto host\n }\n"
	" chain host {\n"
	"  ct state established,related accept\n"
	"  iifname . ip saddr @vps ct status dnat meta l4proto { tcp, udp } "
	"th dport 53 accept\n"
	"  drop\n }\n"
	" chain outward {\n"
	"  meta nfproto != ipv4 drop\n"
	"  iifname . ip saddr != @vps drop\n"
	"  ip saddr vmap @own_out\n"
	"  accept\n }\n"
	" chain inward {\n"
	"  ct state != { established, related } drop\n"
	"  ip daddr vmap @own_in\n"
	"  accept\n }\n"
	" chain forward {\n"
	"  type filter hook forward priority filter\n"
	"  iifname \"" FIREWALL_LINK "*\" oifname \"" FIREWALL_LINK "*\" drop\n"
	"  iifname \"" FIREWALL_LINK "*\" goto outward\n"
	"  oifname \"" FIREWALL_LINK "*\" goto inward\n";

/* ---- flows */

static void write_flow_mark(FILE *f, const struct firewall_vp *v)
{
	fprintf(f, "\"" FIREWALL_LINK "%u\" : 0x%08x", v->number,
		FIREWALL_MARK | v->number);
}

/*
 * Counted by the link: addresses can be made up. A flow that is one too many is
 * dropped before it is remembered.
 */
static void write_flow_table(FILE *f, const struct firewall_plan *p)
{
	fprintf(f, "table " FLOWS " {\n"
		   " set flows {\n  type ifname\n  size 1024\n"
		   "  flags dynamic\n }\n"
		   " map marks {\n  type ifname : mark\n }\n"
		   " chain count {\n"
		   "  type filter hook prerouting priority mangle\n }\n"
		   "}\n"
		   "flush chain " FLOWS " count\n"
		   "flush map " FLOWS " marks\n");
	for (unsigned int i = 0; i < p->n; i++) {
		fprintf(f, "add element " FLOWS " marks { ");
		write_flow_mark(f, &p->vp[i]);
		fprintf(f, " }\n");
	}
	fprintf(f,
		"add rule " FLOWS " count ct state new "
		"ct mark set iifname map @marks "
		"add @flows { iifname ct count over %u } drop\n",
		p->flows_max);
}

char *firewall_build_ruleset(const struct firewall_plan *p)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	/* The first line so that the second has something to delete. */
	fprintf(f, "table " TABLE "\ndelete table " TABLE "\n"
		   "table " TABLE " {\n");
	write_vp_set(f, p);
	for (unsigned int i = 0; i < p->n; i++)
		if (!firewall_is_plain(&p->vp[i]))
			write_vp_chains(f, &p->vp[i]);
	write_verdict_map(f, p, "out");
	write_verdict_map(f, p, "in");
	write_nat_chains(f, p);
	fprintf(f, "%s%s }\n}\n", filters, p->close ? "  drop\n" : "");
	if (p->flows_max > 0)
		write_flow_table(f, p);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* ---- libnftables */

int firewall_new(struct firewall **ret, struct err *e)
{
	AUTO(firewall_freep) struct firewall *f = calloc(1, sizeof(*f));

	if (!f)
		return err_oom(e, "open the firewall");
	f->ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!f->ctx || nft_ctx_buffer_error(f->ctx) != 0 ||
	    nft_ctx_buffer_output(f->ctx) != 0)
		return err_oom(e, "open the firewall");
	*ret = steal(f);
	return 0;
}

void firewall_free(struct firewall *f)
{
	if (!f)
		return;
	if (f->ctx)
		nft_ctx_free(f->ctx);
	free(f);
}

static int run_nft_commands(struct firewall *f, const char *text,
			    const char *what, struct err *e)
{
	const char *why;

	if (!text)
		return err_oom(e, what);
	if (nft_run_cmd_from_buffer(f->ctx, text) == 0)
		return 0;
	why = nft_ctx_get_error_buffer(f->ctx);
	return err_reason(e, REASON_KERNEL, "%s: %.*s", what,
			  (int)strcspn(why, "\n"), why);
}

int firewall_load(struct firewall *f, const struct firewall_plan *p,
		  struct err *e)
{
	auto_free char *text = firewall_build_ruleset(p);
	int r = run_nft_commands(f, text, "load table " TABLE, e);

	if (r == 0)
		f->counts = p->flows_max > 0;
	return r;
}

static int change_vp_element(struct firewall *f, const char *verb,
			     const struct firewall_vp *v, struct err *e)
{
	auto_free char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	char what[64];

	if (!out)
		return err_oom(e, "change the firewall");
	fprintf(out, "%s element " TABLE " vps { ", verb);
	write_link_address(out, v);
	fprintf(out, " }\n");
	if (f->counts) {
		fprintf(out, "%s element " FLOWS " marks { ", verb);
		write_flow_mark(out, v);
		fprintf(out, " }\n");
	}
	if (fclose(out) != 0)
		return err_oom(e, "change the firewall");
	snprintf(what, sizeof(what), "%s VP in table " TABLE, verb);
	return run_nft_commands(f, text, what, e);
}

int firewall_add_vp(struct firewall *f, const struct firewall_vp *v,
		    struct err *e)
{
	return change_vp_element(f, "add", v, e);
}

int firewall_remove_vp(struct firewall *f, const struct firewall_vp *v,
		       struct err *e)
{
	return change_vp_element(f, "delete", v, e);
}

int firewall_clear(struct firewall *f, struct err *e)
{
	return run_nft_commands(f,
				"table " TABLE "\ndelete table " TABLE "\n"
				"table " FLOWS "\ndelete table " FLOWS "\n",
				"delete table " TABLE, e);
}
