/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads from a device through io_uring in the ways that could outlive a denial:
 * at once, by a worker, by an armed poll, and through a registered file. Each
 * line of input, "read", "async", "poll" or "fixed", submits one; "wait" prints
 * the next end of one: its word and its result.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/io_uring.h>

#define BUFFER (4 << 20)

static struct io_uring_params params;
static int ring, fd;
static char *sq, *cq;
static struct io_uring_sqe *sqes;
static const char *const words[] = { "read", "async", "poll", "fixed" };

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static unsigned int *at(char *area, unsigned int offset)
{
	return (unsigned int *)(area + offset);
}

static void setup(void)
{
	size_t sq_len, cq_len;

	ring = (int)syscall(SYS_io_uring_setup, 8, &params);
	if (ring < 0)
		die("io_uring_setup");
	sq_len = params.sq_off.array + params.sq_entries * sizeof(unsigned int);
	cq_len = params.cq_off.cqes +
		 params.cq_entries * sizeof(struct io_uring_cqe);
	sq = mmap(NULL, sq_len, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
	cq = mmap(NULL, cq_len, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_CQ_RING);
	sqes = mmap(NULL, params.sq_entries * sizeof(*sqes),
		    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
		    IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED)
		die("mmap ring");
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, &fd, 1))
		die("register file");
}

static void submit(unsigned int which, void *buffer)
{
	unsigned int tail = *at(sq, params.sq_off.tail);
	unsigned int i = tail & *at(sq, params.sq_off.ring_mask);
	struct io_uring_sqe *e = &sqes[i];

	memset(e, 0, sizeof(*e));
	e->opcode = which == 2 ? IORING_OP_POLL_ADD : IORING_OP_READ;
	e->fd = which == 3 ? 0 : fd;
	e->flags = which == 1 ? IOSQE_ASYNC : which == 3 ? IOSQE_FIXED_FILE : 0;
	if (which == 2) {
		e->poll32_events = POLLPRI;
	} else {
		e->addr = (unsigned long)buffer;
		e->len = BUFFER;
		e->off = (__u64)-1;
	}
	e->user_data = which;
	at(sq, params.sq_off.array)[i] = i;
	__atomic_store_n(at(sq, params.sq_off.tail), tail + 1,
			 __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 0, 0, NULL, 0) != 1)
		die("submit");
}

static void next_end(void)
{
	struct io_uring_cqe *e;
	unsigned int head = *at(cq, params.cq_off.head);

	while (head ==
	       __atomic_load_n(at(cq, params.cq_off.tail), __ATOMIC_ACQUIRE))
		if (syscall(SYS_io_uring_enter, ring, 0, 1,
			    IORING_ENTER_GETEVENTS, NULL, 0) < 0)
			die("wait");
	e = (struct io_uring_cqe *)(cq + params.cq_off.cqes);
	e += head & *at(cq, params.cq_off.ring_mask);
	printf("%s %s\n", words[e->user_data],
	       e->res < 0 ? strerrorname_np(-e->res)
	       : e->user_data == 2 && e->res & POLLERR ? "ERR"
						       : "ok");
	__atomic_store_n(at(cq, params.cq_off.head), head + 1,
			 __ATOMIC_RELEASE);
}

int main(int argc, char **argv)
{
	char line[64];
	void *buffer = malloc(BUFFER);

	if (argc != 2 || !buffer)
		return 64;
	fd = open(argv[1], O_RDWR);
	if (fd < 0)
		die("open");
	setup();
	puts("open");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (!strcmp(line, "wait"))
			next_end();
		for (unsigned int i = 0; i < 4; i++)
			if (!strcmp(line, words[i]))
				submit(i, buffer);
		fflush(stdout);
	}
	return 0;
}
