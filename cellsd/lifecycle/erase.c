/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/erase.h"

#include "cellsd/container/init_process.h"
#include "cellsd/lifecycle/host_callbacks.h"
#include "cellsd/storage/file_tree.h"
#include "cellsd/storage/vp_data.h"
#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define BLOCK 512

/* Descriptors of the child that deletes. */
enum { CHILD_DATA = 200, CHILD_MEASURED, CHILD_GO, CHILD_END };

struct erasure {
	const struct erase *of;
	char name[VP_NAME_SIZE];
	int pidfd, measured, go;
	sd_event_source *on_measured, *on_exit;
};

/* ---- in the child: system calls only, on what lies below one folder */

/* What a data image takes: it is sparse. */
static uint64_t get_data_image_usage(int data, const char *image)
{
	struct stat st;

	return fstatat(data, image, &st, AT_SYMLINK_NOFOLLOW) == 0
		       ? (uint64_t)st.st_blocks * BLOCK
		       : 0;
}

/* Its blocks are free at once, also if a mount that is going still has it. */
static int delete_data_image(int data, const char *image)
{
	const int how = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	auto_close int fd =
		openat(data, image, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* Not every file system has holes; unlinked it is all the same. */
	if (st.st_size > 0 && fallocate(fd, how, 0, st.st_size) == 0)
		fsync(fd);
	return unlinkat(data, image, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Measures, waits for the word, deletes, and makes sure that it is on disk. */
__attribute__((noreturn)) static void run_erase_child(int data,
						      const char *folder,
						      const char *image,
						      int measured, int go)
{
	uint64_t bytes;
	char byte;

	init_process_reset_inherited(3);
	/* The bus connection must not outlive the daemon in here. */
	if (dup3(data, CHILD_DATA, 0) < 0 ||
	    dup3(measured, CHILD_MEASURED, 0) < 0 || dup3(go, CHILD_GO, 0) < 0)
		_exit(1);
	data = CHILD_DATA;
	measured = CHILD_MEASURED;
	go = CHILD_GO;
	close_range(3, CHILD_DATA - 1, 0);
	close_range(CHILD_END, ~0U, 0);
	if (file_tree_measure(data, folder, &bytes) < 0)
		_exit(2);
	bytes += get_data_image_usage(data, image);
	if (write(measured, &bytes, sizeof(bytes)) < 0 ||
	    read(go, &byte, 1) != 1)
		_exit(2);
	if (delete_data_image(data, image) < 0)
		_exit(3);
	if (file_tree_remove(data, folder) < 0)
		_exit(4);
	_exit(fsync(data) < 0 || syncfs(data) < 0 ? 5 : 0);
}

/* ---- in the daemon */

static void erasure_free(struct erasure *x)
{
	sd_event_source_disable_unref(x->on_measured);
	sd_event_source_disable_unref(x->on_exit);
	auto_closep(&x->pidfd);
	auto_closep(&x->measured);
	auto_closep(&x->go);
	free(x);
}

/* A name, not a pointer: the VP may be gone when the child is done. */
static struct vp *find_erased_vp(const struct erasure *x)
{
	return vp_table_find_vp(x->of->vps, x->name);
}

static void fail_erasure(struct erasure *x, const struct err *e)
{
	struct vp *v = find_erased_vp(x);

	log_error("%s", e->text);
	erasure_free(x);
	if (!v)
		return;
	v->erasing = false;
	vp_notify_waiters(v, e);
}

static void get_data_medium(const struct erasure *x, char ret[64])
{
	const struct vp *v = find_erased_vp(x);
	struct vp_data_info info = { "none" };

	if (v)
		vp_data_get_info(x->of->vp_data, v, &info);
	snprintf(ret, 64, "%s", *info.medium ? info.medium : "none");
}

static int on_usage_measured(sd_event_source *s, int fd, uint32_t events,
			     void *arg)
{
	struct erasure *x = arg;
	struct vp_table *r = x->of->vps;
	char medium[64];
	uint64_t bytes;
	struct err e;

	sd_event_source_set_enabled(s, SD_EVENT_OFF);
	if (read(fd, &bytes, sizeof(bytes)) != sizeof(bytes))
		return 0; /* its exit says so */
	get_data_medium(x, medium);
	for (unsigned int i = 0; i < r->n_commands; i++) {
		struct vp_table_command *command = r->command[i];

		/* After a restart, the first measure is the true one. */
		if (strcmp(command->vp, x->name) != 0 || command->done ||
		    *command->medium)
			continue;
		if (vp_table_record_wipe_bytes(r, command, bytes, medium, &e) <
		    0) {
			log_error("%s", e.text);
			auto_closep(&x->go); /* the child gives up */
			x->go = -1;
			return 0;
		}
	}
	if (write(x->go, "g", 1) < 0)
		log_warning("delete the data of VP %s: %s", x->name,
			    strerror(errno));
	return 0;
}

static int on_erase_child_exit(sd_event_source *s, int fd, uint32_t events,
			       void *arg)
{
	struct erasure *x = arg;
	const struct erase *c = x->of;
	struct vp *v = find_erased_vp(x);
	struct vp_waiter *waiters;
	char name[VP_NAME_SIZE];
	siginfo_t info = { 0 };
	struct err e;
	int r;

	waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG);
	if (info.si_code != CLD_EXITED || info.si_status != 0) {
		err_reason(&e, REASON_KERNEL,
			   "delete the data of VP %s: step %d failed", x->name,
			   info.si_status);
		fail_erasure(x, &e);
		return 0;
	}
	if (!v)
		return 0;
	waiters = steal(v->waiters);
	r = vp_table_complete_erase(c->vps, v, &e);
	if (r < 0) {
		v->waiters = waiters;
		fail_erasure(x, &e);
		return 0;
	}
	memcpy(name, x->name, sizeof(name));
	erasure_free(x);
	v = vp_table_find_vp(c->vps, name);
	if (v)
		v->erasing = false;
	c->callbacks->changed(c->callbacks->arg, name, VP_STATE_ABSENT,
			      "command");
	while (waiters) {
		struct vp_waiter *w = waiters;

		waiters = w->next;
		w->fn(w->arg, NULL);
		free(w);
	}
	return 0;
}

static int spawn_erase_child(struct erasure *x, const char *folder,
			     struct err *e)
{
	char image[VP_KEYS_NAME_SIZE + sizeof(VP_DATA_IMAGE_SUFFIX)];
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&x->pidfd,
		.exit_signal = SIGCHLD,
	};
	auto_close int measured = -1, go = -1;
	int up[2], down[2];
	long pid;

	if (pipe2(up, O_CLOEXEC) < 0)
		return err_sys(e, errno, "delete the data of VP %s", x->name);
	x->measured = up[0];
	measured = up[1];
	if (pipe2(down, O_CLOEXEC) < 0)
		return err_sys(e, errno, "delete the data of VP %s", x->name);
	x->go = down[1];
	go = down[0];
	snprintf(image, sizeof(image), "%s" VP_DATA_IMAGE_SUFFIX, folder);
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		close(x->go);
		close(x->measured);
		run_erase_child(vp_data_get_folder(x->of->vp_data), folder,
				image, measured, go);
	}
	if (pid < 0)
		return err_sys(e, errno, "delete the data of VP %s", x->name);
	return 0;
}

void erase_begin(const struct erase *c, struct vp *v)
{
	struct erasure *x;
	char folder[VP_KEYS_NAME_SIZE];
	struct err e;
	int r;

	if (v->erasing)
		return;
	x = calloc(1, sizeof(*x));
	if (!x) {
		err_oom(&e, "delete a VP's data");
		vp_notify_waiters(v, &e);
		return;
	}
	v->erasing = true;
	x->of = c;
	x->pidfd = x->measured = x->go = -1;
	memcpy(x->name, v->name, sizeof(x->name));
	vp_keys_format_name(v, folder);
	r = spawn_erase_child(x, folder, &e);
	if (r == 0)
		r = sd_event_add_io(c->loop, &x->on_measured, x->measured,
				    EPOLLIN, on_usage_measured, x);
	if (r >= 0)
		r = sd_event_add_io(c->loop, &x->on_exit, x->pidfd, EPOLLIN,
				    on_erase_child_exit, x);
	if (r < 0)
		fail_erasure(x, &e);
}
