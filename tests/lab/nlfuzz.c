/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends the devns family messages that are nearly right: known commands with
 * attributes of right and wrong types, lengths, nestings and numbers, whole and
 * cut short. Whatever comes back is read; nothing but an error may happen.
 *   nlfuzz MESSAGES SEED
 * Prints how many were sent, and how many of each errno came back.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include <cells/class.h>
#include <cells/devns.h>

#define SIZE 8192

static uint64_t state;
static unsigned int errors[256];

static uint32_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static uint32_t below(uint32_t n)
{
	return draw() % n;
}

static int one_in(uint32_t n)
{
	return below(n) == 0;
}

/* Small numbers, edges, and anything. */
static uint32_t number(void)
{
	static const uint32_t edges[] = { 0,	   1,	     255,	 256,
					  4095,	   4096,     4097,	 65535,
					  1 << 20, 1U << 31, UINT32_MAX, 20 };

	switch (below(4)) {
	case 0:
		return edges[below(sizeof(edges) / sizeof(edges[0]))];
	case 1:
		return draw();
	default:
		return below(8);
	}
}

struct message {
	char data[SIZE];
	size_t len;
};

static void put(struct message *m, const void *data, size_t len)
{
	if (m->len + len > SIZE)
		return;
	memcpy(m->data + m->len, data, len);
	m->len += len;
}

static void put_attr(struct message *m, int depth);

static void put_text(struct message *m)
{
	static const char *const texts[] = { "a",     "work", "video0", "null",
					     "snd/x", "..",   "a/../b", "",
					     "full",  "zero", "leds/x", "A b" };
	char text[200];

	if (one_in(4)) {
		memset(text, 'a' + (int)below(26), sizeof(text));
		put(m, text, below(sizeof(text)));
		return;
	}
	snprintf(text, sizeof(text), "%s",
		 texts[below(sizeof(texts) / sizeof(texts[0]))]);
	put(m, text, strlen(text) + !one_in(8));
}

static void put_value(struct message *m, unsigned int type, int depth)
{
	uint64_t big = one_in(2) ? number() : below(3);
	uint32_t value = number();
	uint8_t small = (uint8_t)value;

	switch (type) {
	case DEVNS_A_NAME:
	case DEVNS_A_NODE:
	case DEVNS_A_COMM:
		put_text(m);
		break;
	case DEVNS_A_GENERATION:
		put(m, &big, sizeof(big));
		break;
	case DEVNS_A_USE:
	case DEVNS_A_BLOCK:
		put(m, &small, 1);
		break;
	case DEVNS_A_RIGHTS:
	case DEVNS_A_RIGHT:
		for (uint32_t n = below(6); n && depth < 5; n--)
			put_attr(m, depth + 1);
		break;
	default:
		put(m, &value, sizeof(value));
	}
}

static void put_attr(struct message *m, int depth)
{
	static const char zeros[4];
	size_t start = m->len;
	struct nlattr head;
	unsigned int type;

	if (depth)
		type = one_in(3) ? DEVNS_A_RIGHT
				 : DEVNS_A_CLASS + below(3) * one_in(2);
	else
		type = 1 + below(DEVNS_A_MAX);
	if (one_in(30))
		type = draw() & 0x3fff;
	head.nla_type = (uint16_t)type;
	if (type == DEVNS_A_RIGHTS || type == DEVNS_A_RIGHT)
		head.nla_type |= one_in(10) ? 0 : NLA_F_NESTED;
	put(m, &head, sizeof(head));
	if (!one_in(25))
		put_value(m, one_in(25) ? 1 + below(DEVNS_A_MAX) : type, depth);
	head.nla_len = (uint16_t)(m->len - start);
	if (one_in(50))
		head.nla_len = (uint16_t)draw();
	memcpy(m->data + start, &head, sizeof(head));
	put(m, zeros, -(m->len - start) & 3);
}

/* What the commands want, so that many get past the first checks. */
static const unsigned char wanted[][6] = {
	[DEVNS_CMD_NS_ADD] = { DEVNS_A_NAME },
	[DEVNS_CMD_NS_DEL] = { DEVNS_A_ID },
	[DEVNS_CMD_NS_GET] = { DEVNS_A_ID },
	[DEVNS_CMD_DEVICE_ADD] = { DEVNS_A_CLASSES, DEVNS_A_KIND, DEVNS_A_MAJOR,
				   DEVNS_A_MINOR, DEVNS_A_NODE },
	[DEVNS_CMD_DEVICE_DEL] = { DEVNS_A_SOURCE },
	[DEVNS_CMD_DEVICE_GET] = { DEVNS_A_SOURCE },
	[DEVNS_CMD_ENDPOINT_GET] = { DEVNS_A_ID },
	[DEVNS_CMD_POLICY_SET] = { DEVNS_A_GENERATION, DEVNS_A_RIGHTS },
	[DEVNS_CMD_ACTIVE_SET] = { DEVNS_A_ID, DEVNS_A_EXPECTED },
	[DEVNS_CMD_STAT_GET] = { DEVNS_A_SOURCE },
};

static void put_wanted(struct message *m, unsigned int cmd, unsigned int type)
{
	size_t start = m->len;
	struct nlattr head = { .nla_type = (uint16_t)type };

	(void)cmd;
	if (type == DEVNS_A_RIGHTS)
		head.nla_type |= NLA_F_NESTED;
	put(m, &head, sizeof(head));
	put_value(m, type, 0);
	head.nla_len = (uint16_t)(m->len - start);
	memcpy(m->data + start, &head, sizeof(head));
	put(m, "\0\0\0", -(m->len - start) & 3);
}

static void make(struct message *m, int family)
{
	unsigned int cmd =
		one_in(20) ? draw() & 255 : 1 + below(DEVNS_CMD_COUNT_);
	struct nlmsghdr head = {
		.nlmsg_type = (uint16_t)family,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		.nlmsg_seq = draw(),
	};
	struct genlmsghdr genl = { .cmd = (uint8_t)cmd, .version = 1 };

	if (one_in(6))
		head.nlmsg_flags |= NLM_F_DUMP;
	m->len = 0;
	put(m, &head, sizeof(head));
	put(m, &genl, sizeof(genl));
	for (size_t i = 0; i < 5 && cmd < sizeof(wanted) / sizeof(wanted[0]) &&
			   wanted[cmd][i];
	     i++)
		if (!one_in(20))
			put_wanted(m, cmd, wanted[cmd][i]);
	for (uint32_t n = one_in(3) ? below(4) : 0; n; n--)
		put_attr(m, 0);
	if (one_in(40) && m->len > 20)
		m->len -= below(8);
	head.nlmsg_len = (uint32_t)m->len;
	memcpy(m->data, &head, sizeof(head));
}

static void read_answers(int fd)
{
	static char data[1 << 18];
	ssize_t n;

	while ((n = recv(fd, data, sizeof(data), MSG_DONTWAIT)) > 0) {
		int left = (int)n;

		for (struct nlmsghdr *h = (void *)data; nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left)) {
			const struct nlmsgerr *e = nlmsg_data(h);

			if (h->nlmsg_type == NLMSG_ERROR)
				errors[-e->error & 255]++;
		}
	}
}

int main(int argc, char **argv)
{
	static struct message m;
	struct nl_sock *sock = nl_socket_alloc();
	unsigned long n, i;
	int family, fd;

	if (argc != 3 || !sock)
		return 64;
	n = strtoul(argv[1], NULL, 0);
	state = strtoull(argv[2], NULL, 0) | 1;
	if (genl_connect(sock) < 0)
		return 1;
	family = genl_ctrl_resolve(sock, DEVNS_GENL_NAME);
	if (family < 0) {
		fprintf(stderr, "no family: %s\n", nl_geterror(family));
		return 1;
	}
	fd = nl_socket_get_fd(sock);
	for (i = 0; i < n; i++) {
		make(&m, family);
		if (send(fd, m.data, m.len, 0) < 0 && errno != ENOBUFS) {
			perror("send");
			return 1;
		}
		read_answers(fd);
	}
	printf("%lu sent", n);
	for (i = 0; i < 256; i++)
		if (errors[i])
			printf(", %s %u", i ? strerrorname_np((int)i) : "ok",
			       errors[i]);
	puts("");
	nl_socket_free(sock);
	return 0;
}
