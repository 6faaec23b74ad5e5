# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libcellsd.a
%C%_libcellsd_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS) $(UDEV_CFLAGS) \
	$(BPF_CFLAGS) $(SECCOMP_CFLAGS) $(SELINUX_CFLAGS) $(NL_CFLAGS) $(NFT_CFLAGS) \
	-DPROFILES='"$(pkgdatadir)/hardware.d"'
%C%_libcellsd_a_SOURCES = \
	%D%/signal_queue.c %D%/signal_queue.h \
	%D%/notifications.c %D%/notifications.h \
	%D%/module_autoload.c %D%/module_autoload.h \
	%D%/backend.h \
	%D%/init_process.c %D%/init_process.h \
	%D%/event_coalesce.c %D%/event_coalesce.h \
	%D%/syscall_groups.c %D%/syscall_groups.h \
	%D%/conntrack.c %D%/conntrack.h \
	%D%/operations.c %D%/operations.h \
	%D%/desired_state.c %D%/desired_state.h \
	%D%/bus_service.c %D%/bus_service.h \
	%D%/devns_attr.c %D%/devns_attr.h \
	%D%/backend_devns.c \
	%D%/devns_link.c %D%/devns_link.h \
	%D%/devns_display.c %D%/devns_display.h \
	%D%/bus_keys.c %D%/bus_keys.h \
	%D%/device_list.c %D%/device_list.h \
	%D%/bus_query.c %D%/bus_query.h \
	%D%/bus_signal.c %D%/bus_signal.h \
	%D%/disk.c %D%/disk.h \
	%D%/erase.c %D%/erase.h \
	%D%/firewall.c %D%/firewall.h \
	%D%/foreground.c %D%/foreground.h \
	%D%/backend_cgroup.c %D%/backend_cgroup.h \
	%D%/fscrypt.c %D%/fscrypt.h \
	%D%/exec_session.c %D%/exec_session.h \
	%D%/open_handles.c %D%/open_handles.h \
	%D%/disk_headroom.c %D%/disk_headroom.h \
	%D%/vp_secrets.c %D%/vp_secrets.h \
	%D%/context.c %D%/context.h \
	%D%/hardware.c %D%/hardware.h \
	%D%/hotplug.c %D%/hotplug.h \
	%D%/idle.c %D%/idle.h \
	%D%/confinement.c %D%/confinement.h \
	%D%/journal.c %D%/journal.h \
	%D%/selinux.c %D%/selinux.h \
	%D%/unsupported_vp.c %D%/unsupported_vp.h \
	%D%/launch.c %D%/launch.h \
	%D%/layer.c %D%/layer.h \
	%D%/cgroup.c %D%/cgroup.h \
	%D%/lock.c %D%/lock.h \
	%D%/loop_device.c %D%/loop_device.h \
	%D%/daemon.c %D%/daemon.h \
	%D%/machine_id.c %D%/machine_id.h \
	%D%/masked_paths.c %D%/masked_paths.h \
	%D%/ksm.c %D%/ksm.h \
	%D%/mount.c %D%/mount.h \
	%D%/net.c %D%/net.h \
	%D%/prestart.c %D%/prestart.h \
	%D%/psi.c %D%/psi.h \
	%D%/pidns.c %D%/pidns.h \
	%D%/profile.c %D%/profile.h \
	%D%/bpf_program.c %D%/bpf_program.h \
	%D%/reserved_nodes.c %D%/reserved_nodes.h \
	%D%/resolver.c %D%/resolver.h \
	%D%/resource.c %D%/resource.h \
	%D%/roster.c %D%/roster.h \
	%D%/roster_change.c \
	%D%/roster_log.c %D%/roster_log.h \
	%D%/running.c %D%/running.h \
	%D%/unsupported.c %D%/unsupported.h \
	%D%/cloned_binary.c %D%/cloned_binary.h \
	%D%/settings.c %D%/settings.h \
	%D%/rootfs.c %D%/rootfs.h \
	%D%/source_plan.c %D%/source_plan.h \
	%D%/keyslot_file.c %D%/keyslot_file.h \
	%D%/keyslots.c %D%/keyslots.h \
	%D%/remove_tree.c %D%/remove_tree.h \
	%D%/system_tool.c %D%/system_tool.h \
	%D%/seccomp.c %D%/seccomp.h \
	%D%/data_image.c %D%/data_image.h \
	%D%/bpf_maps.h \
	%D%/veth.c %D%/veth.h \
	%D%/exec.c %D%/exec.h \
	%D%/vp.c %D%/vp.h \
	%D%/vp_data.c %D%/vp_data.h \
	%D%/vp_keys.c %D%/vp_keys.h \
	%D%/vp_state.c %D%/vp_state.h \
	%D%/own_changes.c %D%/own_changes.h

# What the root daemon may link; tests/lint/test_cellsd_links.sh holds it to that.
CELLSD_LIBS = $(SYSTEMD_LIBS) $(UDEV_LIBS) $(BPF_LIBS) $(SECCOMP_LIBS) \
	$(SELINUX_LIBS) $(NL_LIBS) $(NFT_LIBS) $(CRYPTO_LIBS)

sbin_PROGRAMS += %D%/cellsd
%C%_cellsd_SOURCES = %D%/main.c
%C%_cellsd_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
%C%_cellsd_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed
%C%_cellsd_LDADD = %D%/libcellsd.a $(LIBCELLS) $(CELLSD_LIBS)

# The device program: compiled for the kernel's virtual machine, then embedded.
EXTRA_DIST += %D%/device.bpf.c
CLEANFILES += %D%/device.bpf.o
%D%/device.bpf.o: %D%/device.bpf.c %D%/bpf_maps.h
	$(AM_V_GEN)$(MKDIR_P) %D% && $(CLANG) -O2 -g -Wall -target bpf \
		-I$$($(CC) -print-sysroot 2>/dev/null)/usr/include/$$($(CC) -print-multiarch) \
		-c $(srcdir)/%D%/device.bpf.c -o $@
	$(AM_V_at)llvm-strip -g $@ 2>/dev/null || true
%D%/libcellsd_a-bpf_program.$(OBJEXT): %D%/device.bpf.o

noinst_LIBRARIES += %D%/libcellsctl.a
%C%_libcellsctl_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS) $(JANSSON_CFLAGS)
%C%_libcellsctl_a_SOURCES = \
	%D%/ctl/ctl.c %D%/ctl/ctl.h \
	%D%/ctl/device_verbs.c \
	%D%/ctl/policy_verbs.c \
	%D%/ctl/relay.c %D%/ctl/relay.h \
	%D%/ctl/prompt.c %D%/ctl/prompt.h \
	%D%/ctl/output.c %D%/ctl/output.h \
	%D%/ctl/terminal.c %D%/ctl/terminal.h

bin_PROGRAMS += %D%/cellsctl
%C%_cellsctl_SOURCES = %D%/ctl/main.c
%C%_cellsctl_LDADD = %D%/libcellsctl.a $(BASE_LIBS) $(SYSTEMD_LIBS)

noinst_LIBRARIES += %D%/libdevnsctl.a
%C%_libdevnsctl_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_libdevnsctl_a_SOURCES = \
	%D%/devnsctl/devnsctl.c %D%/devnsctl/devnsctl.h \
	%D%/devnsctl/follow.c \
	%D%/devnsctl/holders.c \
	%D%/devnsctl/devns_name.c %D%/devnsctl/devns_name.h \
	%D%/devnsctl/show.c

# It has cellsd's own way to the module, and cellsctl's tables.
sbin_PROGRAMS += %D%/devnsctl/devnsctl
%C%_devnsctl_devnsctl_SOURCES = %D%/devnsctl/main.c
%C%_devnsctl_devnsctl_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed
%C%_devnsctl_devnsctl_LDADD = %D%/libdevnsctl.a %D%/libcellsctl.a \
	%D%/libcellsd.a $(BASE_LIBS) $(NL_LIBS)
