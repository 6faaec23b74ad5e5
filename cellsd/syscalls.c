/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/syscalls.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	int call, code;
} denied[] = {
	/* The kernel itself, which all VPs share. */
	{ SCMP_SYS(init_module), EPERM },
	{ SCMP_SYS(finit_module), EPERM },
	{ SCMP_SYS(delete_module), EPERM },
	{ SCMP_SYS(kexec_load), EPERM },
	{ SCMP_SYS(kexec_file_load), EPERM },
	{ SCMP_SYS(bpf), EPERM },
	{ SCMP_SYS(perf_event_open), EPERM },
	{ SCMP_SYS(lookup_dcookie), EPERM },
	{ SCMP_SYS(kcmp), EPERM },
	{ SCMP_SYS(syslog), EPERM },
	/* Hardware, swap, clocks, accounting. */
	{ SCMP_SYS(iopl), EPERM },
	{ SCMP_SYS(ioperm), EPERM },
	{ SCMP_SYS(swapon), EPERM },
	{ SCMP_SYS(swapoff), EPERM },
	{ SCMP_SYS(acct), EPERM },
	{ SCMP_SYS(settimeofday), EPERM },
	{ SCMP_SYS(clock_settime), EPERM },
	{ SCMP_SYS(stime), EPERM },
	{ SCMP_SYS(quotactl), EPERM },
	{ SCMP_SYS(quotactl_fd), ENOSYS },
	/* Around the mount tree, and key rings, which have no namespace. */
	{ SCMP_SYS(open_by_handle_at), EPERM },
	{ SCMP_SYS(add_key), EPERM },
	{ SCMP_SYS(request_key), EPERM },
	{ SCMP_SYS(keyctl), EPERM },
	{ SCMP_SYS(nfsservctl), EPERM },
	/* Large, and programs do without them. */
	{ SCMP_SYS(userfaultfd), EPERM },
	{ SCMP_SYS(io_uring_setup), ENOSYS },
	{ SCMP_SYS(io_uring_enter), ENOSYS },
	{ SCMP_SYS(io_uring_register), ENOSYS },
	{ SCMP_SYS(uselib), EPERM },
	{ SCMP_SYS(vm86), EPERM },
	{ SCMP_SYS(vm86old), EPERM },
};

static void filter_freep(scmp_filter_ctx *f)
{
	if (*f)
		seccomp_release(*f);
}

static int add_rules(scmp_filter_ctx f)
{
	int r = 0;

#ifdef __x86_64__
	r = seccomp_arch_add(f, SCMP_ARCH_X86);
#elif defined(__aarch64__)
	r = seccomp_arch_add(f, SCMP_ARCH_ARM);
#endif
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(denied); i++) {
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(denied[i].code),
				     denied[i].call, 0);
		/* A call that this architecture does not have is not there. */
		if (r == -EDOM || r == -EACCES)
			r = 0;
	}
	/* Typing into somebody's terminal. The kernel looks at 32 bits only. */
	if (r == 0)
		r = seccomp_rule_add(
			f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffU, TIOCSTI));
	return r;
}

static int export(scmp_filter_ctx f, struct sock_fprog *p, struct err *e)
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

int syscalls_filter(struct sock_fprog *ret, struct err *e)
{
	AUTO(filter_freep) scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!f)
		return err_oom(e, "make the system call filter");
	/* Programs keep the right to gain privileges by su and sudo in a VP. */
	r = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0);
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = add_rules(f);
	if (r < 0)
		return err_sys(e, -r, "make the system call filter");
	return export(f, ret, e);
}
