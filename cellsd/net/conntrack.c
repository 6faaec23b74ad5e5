/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/net/conntrack.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>

#define MAX_FILE "/proc/sys/net/netfilter/nf_conntrack_max"
#define ANSWER_SECONDS 5
/* Of one VP. */
#define FLOWS_MAX 4096
#define FLOWS_MIN 64

/* How many flows the kernel remembers at most; 0: it remembers none. */
static uint32_t read_conntrack_max(void)
{
	auto_fclose FILE *f = fopen(MAX_FILE, "re");
	uint32_t max = 0;

	return f && fscanf(f, "%" SCNu32, &max) == 1 ? max : 0;
}

uint32_t conntrack_get_flow_limit(unsigned int vps)
{
	uint32_t share = read_conntrack_max() / 4 * 3 / vps;

	if (share == 0 || share > FLOWS_MAX)
		return FLOWS_MAX;
	return share < FLOWS_MIN ? FLOWS_MIN : share;
}

static void nl_socket_freep(struct nl_sock **s)
{
	if (*s)
		nl_socket_free(*s);
}

static void nlmsg_freep(struct nl_msg **m)
{
	if (*m)
		nlmsg_free(*m);
}

static int build_delete_request(struct nl_msg *m, uint32_t mark)
{
	const struct nfgenmsg all = { .nfgen_family = AF_UNSPEC,
				      .version = NFNETLINK_V0 };
	int r;

	if (!nlmsg_put(m, NL_AUTO_PORT, NL_AUTO_SEQ,
		       NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, 0,
		       NLM_F_REQUEST | NLM_F_ACK))
		return -NLE_NOMEM;
	r = nlmsg_append(m, (void *)&all, sizeof(all), NLMSG_ALIGNTO);
	if (r == 0)
		r = nla_put_u32(m, CTA_MARK, htonl(mark));
	if (r == 0)
		r = nla_put_u32(m, CTA_MARK_MASK, UINT32_MAX);
	return r;
}

int conntrack_flush_mark(uint32_t mark, struct err *e)
{
	AUTO(nl_socket_freep) struct nl_sock *sock = nl_socket_alloc();
	AUTO(nlmsg_freep) struct nl_msg *m = nlmsg_alloc();
	const struct timeval most = { .tv_sec = ANSWER_SECONDS };
	int r;

	if (!sock || !m)
		return err_oom(e, "forget the VP's flows");
	r = nl_connect(sock, NETLINK_NETFILTER);
	if (r == 0)
		r = build_delete_request(m, mark);
	if (r == 0) {
		setsockopt(nl_socket_get_fd(sock), SOL_SOCKET, SO_RCVTIMEO,
			   &most, sizeof(most));
		r = nl_send_auto(sock, m);
	}
	if (r >= 0)
		r = nl_wait_for_ack(sock);
	return r < 0 ? err_reason(e, REASON_KERNEL, "forget the VP's flows: %s",
				  nl_geterror(r))
		     : 0;
}
