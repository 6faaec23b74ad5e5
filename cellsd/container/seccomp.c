/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/seccomp.h"

#include "cellsd/container/syscall_groups.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Arguments that are refused. They are a filter of their own: libseccomp takes
 * no exception from a call that is allowed as a whole. The kernel looks at 32
 * bits of an ioctl's number and of a family only; GT also catches what is set
 * above.
 */
#define TYPING(number)                                                         \
	{                                                                      \
		SCMP_SYS(ioctl), EPERM,                                        \
		{                                                              \
			1, SCMP_CMP_MASKED_EQ, UINT32_MAX, number              \
		}                                                              \
	}
#define FAMILY(op, family)                                                     \
	{ SCMP_SYS(socket), EAFNOSUPPORT, { 0, op, family, 0 } },              \
	{                                                                      \
		SCMP_SYS(socketpair), EAFNOSUPPORT,                            \
		{                                                              \
			0, op, family, 0                                       \
		}                                                              \
	}
#define NOWAIT 0x8 /* RWF_NOWAIT of linux/fs.h */
static const struct {
	int call, code;
	struct scmp_arg_cmp arg;
} refused[] = {
	/* Typing into somebody's terminal. */
	TYPING(TIOCSTI),
	TYPING(TIOCLINUX),
	/* The kernel loads a module for each line discipline. The number is
	 * behind a pointer, which no filter can follow. */
	TYPING(TIOCSETD),
	/* It shows what other VPs have read of the shared base. */
	{ SCMP_SYS(preadv2),
	  EOPNOTSUPP,
	  { 5, SCMP_CMP_MASKED_EQ, NOWAIT, NOWAIT } },
	/*
	 * Left are unix, inet, inet6, netlink, packet. Of the others some have
	 * no namespace (vsock reaches the hypervisor), and most nobody needs.
	 */
	FAMILY(SCMP_CMP_GT, AF_PACKET),
	FAMILY(SCMP_CMP_EQ, AF_AX25),
	FAMILY(SCMP_CMP_EQ, AF_IPX),
	FAMILY(SCMP_CMP_EQ, AF_APPLETALK),
	FAMILY(SCMP_CMP_EQ, AF_NETROM),
	FAMILY(SCMP_CMP_EQ, AF_BRIDGE),
	FAMILY(SCMP_CMP_EQ, AF_ATMPVC),
	FAMILY(SCMP_CMP_EQ, AF_X25),
	FAMILY(SCMP_CMP_EQ, AF_ROSE),
	FAMILY(SCMP_CMP_EQ, AF_DECnet),
	FAMILY(SCMP_CMP_EQ, AF_NETBEUI),
	FAMILY(SCMP_CMP_EQ, AF_SECURITY),
	FAMILY(SCMP_CMP_EQ, AF_KEY),
};

/*
 * Sockets that there are: for any other protocol the kernel would load a
 * module. Raw sockets load none. The audit protocol answers inside a VP that
 * there is nobody, which login programs expect.
 */
#define ANY (-1)
#define TYPE_MASK 0xf /* below SOCK_NONBLOCK and SOCK_CLOEXEC */
#define INTERNET(family)                                                       \
	{ family, SOCK_STREAM, 0 }, { family, SOCK_STREAM, IPPROTO_TCP },      \
		{ family, SOCK_STREAM, IPPROTO_MPTCP },                        \
		{ family, SOCK_DGRAM, 0 },                                     \
		{ family, SOCK_DGRAM, IPPROTO_UDP },                           \
		{ family, SOCK_DGRAM, IPPROTO_UDPLITE },                       \
		{ family, SOCK_DGRAM, IPPROTO_ICMP },                          \
		{ family, SOCK_DGRAM, IPPROTO_ICMPV6 },                        \
	{                                                                      \
		family, SOCK_RAW, ANY                                          \
	}
static const struct {
	int family, type, protocol;
} sockets[] = {
	{ AF_UNIX, ANY, ANY },
	{ AF_PACKET, ANY, ANY },
	INTERNET(AF_INET),
	INTERNET(AF_INET6),
	{ AF_NETLINK, ANY, NETLINK_ROUTE },
	{ AF_NETLINK, ANY, NETLINK_USERSOCK },
	{ AF_NETLINK, ANY, NETLINK_SOCK_DIAG },
	{ AF_NETLINK, ANY, NETLINK_XFRM },
	{ AF_NETLINK, ANY, NETLINK_AUDIT },
	{ AF_NETLINK, ANY, NETLINK_NETFILTER },
	{ AF_NETLINK, ANY, NETLINK_KOBJECT_UEVENT },
	{ AF_NETLINK, ANY, NETLINK_GENERIC },
};

static void scmp_filter_freep(scmp_filter_ctx *f)
{
	if (*f)
		seccomp_release(*f);
}

static int add_syscall_rules(scmp_filter_ctx f)
{
	int r = 0;

	for (size_t i = 0; i < syscall_groups_n; i++) {
		const struct syscall_group *g = &syscall_groups[i];
		uint32_t action =
			g->code ? SCMP_ACT_ERRNO(g->code) : SCMP_ACT_ALLOW;

		for (size_t k = 0; r == 0 && k < g->n; k++) {
			r = seccomp_rule_add(f, action, g->call[k], 0);
			/* One that this architecture does not have. */
			if (r == -EDOM)
				r = 0;
		}
	}
	return r;
}

static int add_argument_rules(scmp_filter_ctx f)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(refused); i++)
		r = seccomp_rule_add_array(f, SCMP_ACT_ERRNO(refused[i].code),
					   refused[i].call, 1, &refused[i].arg);
	return r;
}

/* Every other call is left to the other two filters. */
static int add_socket_rules(scmp_filter_ctx f)
{
	const int call = SCMP_SYS(socket);
	int r = 0;

	for (size_t i = 0; i < syscall_groups_n; i++)
		for (size_t k = 0; r == 0 && k < syscall_groups[i].n; k++) {
			if (syscall_groups[i].call[k] == call)
				continue;
			r = seccomp_rule_add(f, SCMP_ACT_ALLOW,
					     syscall_groups[i].call[k], 0);
			if (r == -EDOM)
				r = 0;
		}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sockets); i++) {
		struct scmp_arg_cmp arg[3];
		unsigned int n = 0;

		arg[n++] = SCMP_A0_32(SCMP_CMP_EQ, sockets[i].family);
		if (sockets[i].type != ANY)
			arg[n++] = SCMP_A1_32(SCMP_CMP_MASKED_EQ, TYPE_MASK,
					      sockets[i].type);
		if (sockets[i].protocol != ANY)
			arg[n++] = SCMP_A2_32(SCMP_CMP_EQ, sockets[i].protocol);
		r = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, call, n, arg);
	}
	return r;
}

static int export_bpf_filter(scmp_filter_ctx f, struct sock_fprog *p,
			     struct err *e)
{
	auto_close int fd = memfd_create("filter", MFD_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0)
		return err_sys(e, errno, "make the system call filter");
	r = seccomp_export_bpf(f, fd);
	if (r < 0 || fstat(fd, &st) < 0)
		return err_sys(e, r < 0 ? -r : errno,
			       "make the system call filter");
	p->filter = malloc((size_t)st.st_size);
	p->len = (unsigned short)((size_t)st.st_size /
				  sizeof(struct sock_filter));
	if (!p->filter ||
	    pread(fd, p->filter, (size_t)st.st_size, 0) != st.st_size)
		return err_oom(e, "make the system call filter");
	return 0;
}

static int build_bpf_filter(uint32_t otherwise, int (*add)(scmp_filter_ctx),
			    struct sock_fprog *ret, struct err *e)
{
	AUTO(scmp_filter_freep) scmp_filter_ctx f = seccomp_init(otherwise);
	int r;

	if (!f)
		return err_oom(e, "make the system call filter");
	/* Programs keep the right to gain privileges by su and sudo in a VP. */
	r = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0);
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/*
	 * Another architecture's numbers mean other calls. x86 has a second
	 * door for 32-bit programs, where socketcall(2) hides what it does:
	 * that one stays shut.
	 */
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH,
				     SCMP_ACT_KILL_PROCESS);
#ifdef __aarch64__
	if (r == 0)
		r = seccomp_arch_add(f, SCMP_ARCH_ARM);
#endif
	if (r == 0)
		r = add(f);
	if (r < 0)
		return err_sys(e, -r, "make the system call filter");
	return export_bpf_filter(f, ret, e);
}

int seccomp_filters_new(struct seccomp_filters *ret, struct err *e)
{
	struct seccomp_filters s = { 0 };
	int r = build_bpf_filter(SCMP_ACT_ERRNO(ENOSYS), add_syscall_rules,
				 &s.calls, e);

	if (r == 0)
		r = build_bpf_filter(SCMP_ACT_ALLOW, add_argument_rules,
				     &s.arguments, e);
	if (r == 0)
		r = build_bpf_filter(SCMP_ACT_ERRNO(EPROTONOSUPPORT),
				     add_socket_rules, &s.sockets, e);
	if (r == 0)
		*ret = s;
	else
		seccomp_filters_fini(&s);
	return r;
}

void seccomp_filters_fini(struct seccomp_filters *s)
{
	free(s->calls.filter);
	free(s->arguments.filter);
	free(s->sockets.filter);
}
