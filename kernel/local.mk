# SPDX-License-Identifier: Apache-2.0
# What kernel and user space share, and the module, which Kbuild builds.
cellsuapidir = $(includedir)/cells
cellsuapi_HEADERS = \
	%D%/uapi/cells/class.h \
	%D%/uapi/cells/devns.h \
	%D%/uapi/cells/mode.h

EXTRA_DIST += \
	%D%/Kbuild %D%/Makefile %D%/dkms.conf %D%/compat.h %D%/devns.h \
	%D%/netlink_reply.h %D%/passthrough.h %D%/passthrough.c %D%/handle.c %D%/poll.c \
	%D%/netlink_reply.c %D%/audit_events.c %D%/endpoint.c %D%/ioctls.c %D%/passthrough_fops.c \
	%D%/main.c %D%/mapping.c %D%/mixer.c %D%/netlink.c %D%/cdev.c %D%/ns.c \
	%D%/policy.c %D%/real_device.c %D%/source_device.c %D%/inflight.c \
	%D%/real_device.h %D%/real_fb.c %D%/real_fb.h \
	%D%/hotkey.c %D%/real_input.c %D%/real_input.h %D%/virtual_input.c %D%/virtual_input.h \
	%D%/force_feedback.c %D%/force_feedback.h %D%/light.c %D%/power.c %D%/attr_node.c %D%/attr_node.h \
	%D%/scanout.c %D%/scanout.h %D%/virtual_fb.c %D%/virtual_fb.h \
	%D%/virtual_fb_fops.c

# make module [KDIR=headers of a kernel]: leaves kernel/module/devns.ko. Not
# part of `all`: the machine that builds need not have a kernel's headers.
KDIR = $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	$(lastword $(sort $(wildcard /usr/src/linux-headers-*-amd64))))
module:
	$(MAKE) -C $(abs_srcdir)/%D% KDIR=$(KDIR) MO=$(abs_builddir)/%D%/module W=1
.PHONY: module

clean-local:
	rm -rf %D%/module

# Where DKMS looks for the sources of modules: `dkms install devns/VERSION`.
dkmsdir = $(prefix)/src/devns-$(VERSION)
install-data-local: install-configuration
	$(MKDIR_P) "$(DESTDIR)$(dkmsdir)/uapi/cells"
	cd $(srcdir)/kernel && for f in *.c *.h Kbuild Makefile dkms.conf \
		uapi/cells/*.h; do \
		$(INSTALL_DATA) $$f "$(DESTDIR)$(dkmsdir)/$$f" || exit; \
	done
uninstall-local: uninstall-configuration
	rm -rf "$(DESTDIR)$(dkmsdir)"
