// SPDX-License-Identifier: GPL-2.0-only
#include "scanout.h"

#include "compat.h"

#include <drm/drm_auth.h>
#include <drm/drm_client.h>
#include <drm/drm_crtc.h>
#include <drm/drm_device.h>
#include <drm/drm_fb_helper.h>
#include <drm/drm_file.h>
#include <drm/drm_modeset_lock.h>
#include <drm/drm_plane.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

static struct drm_framebuffer *get_plane_framebuffer(struct drm_plane *plane)
{
	struct drm_framebuffer *fb;

	drm_modeset_lock(&plane->mutex, NULL);
	fb = plane->state ? plane->state->fb : plane->fb;
	drm_modeset_unlock(&plane->mutex);
	/* Only compared: it may be gone. */
	return fb;
}

bool devns_scanout_is_ours(struct drm_fb_helper *helper)
{
	struct drm_client_dev *client = &helper->client;
	struct drm_mode_set *set;
	bool ours = true;

	mutex_lock(&client->modeset_mutex);
	drm_client_for_each_modeset(set, client) if (set->num_connectors &&
						     set->crtc->primary) ours &=
		get_plane_framebuffer(set->crtc->primary) == helper->fb;
	mutex_unlock(&client->modeset_mutex);
	return ours;
}

bool devns_scanout_get_master(struct drm_fb_helper *helper,
			      struct devns_drm_master *ret)
{
	struct drm_device *dev = helper->dev;
	struct task_struct *task;
	struct drm_file *file;
	bool found = false;

	memset(ret, 0, sizeof(*ret));
	mutex_lock(&dev->filelist_mutex);
	mutex_lock(&dev->master_mutex);
	list_for_each_entry (file, &dev->filelist, lhead) {
		if (!file->is_master || file->master != dev->master)
			continue;
		found = true;
		rcu_read_lock();
		ret->pid = pid_nr(compat_drm_pid(file));
		task = pid_task(compat_drm_pid(file), PIDTYPE_TGID);
		if (task)
			strscpy(ret->comm, task->comm, sizeof(ret->comm));
		rcu_read_unlock();
		break;
	}
	mutex_unlock(&dev->master_mutex);
	mutex_unlock(&dev->filelist_mutex);
	return found;
}
