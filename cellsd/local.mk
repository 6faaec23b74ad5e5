# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libcellsd.a
%C%_libcellsd_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS) $(UDEV_CFLAGS) \
	$(BPF_CFLAGS) $(SECCOMP_CFLAGS) $(SELINUX_CFLAGS) $(NL_CFLAGS) $(NFT_CFLAGS) \
	-DPROFILES='"$(pkgdatadir)/hardware.d"'
%C%_libcellsd_a_SOURCES = \
	%D%/limits.h \
	%D%/settings.c %D%/settings.h \
	%D%/bus/bus_keys.c %D%/bus/bus_keys.h \
	%D%/bus/bus_query.c %D%/bus/bus_query.h \
	%D%/bus/bus_service.c %D%/bus/bus_service.h \
	%D%/bus/bus_signal.c %D%/bus/bus_signal.h \
	%D%/bus/desired_state.c %D%/bus/desired_state.h \
	%D%/bus/exec_session.c %D%/bus/exec_session.h \
	%D%/bus/signal_queue.c %D%/bus/signal_queue.h \
	%D%/container/cgroup.c %D%/container/cgroup.h \
	%D%/container/cloned_binary.c %D%/container/cloned_binary.h \
	%D%/container/confinement.c %D%/container/confinement.h \
	%D%/container/exec.c %D%/container/exec.h \
	%D%/container/init_process.c %D%/container/init_process.h \
	%D%/container/ksm.c %D%/container/ksm.h \
	%D%/container/layer.c %D%/container/layer.h \
	%D%/container/loop_device.c %D%/container/loop_device.h \
	%D%/container/machine_id.c %D%/container/machine_id.h \
	%D%/container/masked_paths.c %D%/container/masked_paths.h \
	%D%/container/mount.c %D%/container/mount.h \
	%D%/container/pidns.c %D%/container/pidns.h \
	%D%/container/rootfs.c %D%/container/rootfs.h \
	%D%/container/seccomp.c %D%/container/seccomp.h \
	%D%/container/selinux.c %D%/container/selinux.h \
	%D%/container/syscall_groups.c %D%/container/syscall_groups.h \
	%D%/container/system_tool.c %D%/container/system_tool.h \
	%D%/device/backend.h \
	%D%/device/backend_cgroup.c %D%/device/backend_cgroup.h \
	%D%/device/backend_devns.c \
	%D%/device/bpf_maps.h \
	%D%/device/bpf_program.c %D%/device/bpf_program.h \
	%D%/device/device_facts.h \
	%D%/device/device_list.c %D%/device/device_list.h \
	%D%/device/devns_attr.c %D%/device/devns_attr.h \
	%D%/device/devns_display.c %D%/device/devns_display.h \
	%D%/device/devns_link.c %D%/device/devns_link.h \
	%D%/device/devns_types.c %D%/device/devns_types.h \
	%D%/device/disk.c %D%/device/disk.h \
	%D%/device/event_coalesce.c %D%/device/event_coalesce.h \
	%D%/device/hardware.c %D%/device/hardware.h \
	%D%/device/open_handles.c %D%/device/open_handles.h \
	%D%/device/suppressed_intervals.c %D%/device/suppressed_intervals.h \
	%D%/device/profile.c %D%/device/profile.h \
	%D%/device/reserved_nodes.c %D%/device/reserved_nodes.h \
	%D%/device/source_plan.c %D%/device/source_plan.h \
	%D%/device/udev_class.c %D%/device/udev_class.h \
	%D%/lifecycle/daemon.c %D%/lifecycle/daemon.h \
	%D%/lifecycle/device_state.h \
	%D%/lifecycle/disk_headroom.c %D%/lifecycle/disk_headroom.h \
	%D%/lifecycle/erase.c %D%/lifecycle/erase.h \
	%D%/lifecycle/foreground.c %D%/lifecycle/foreground.h \
	%D%/lifecycle/host.h \
	%D%/lifecycle/host_callbacks.h %D%/lifecycle/host_options.h \
	%D%/lifecycle/hotplug.c %D%/lifecycle/hotplug.h \
	%D%/lifecycle/idle.c %D%/lifecycle/idle.h \
	%D%/lifecycle/launch.c %D%/lifecycle/launch.h \
	%D%/lifecycle/key_eviction.c %D%/lifecycle/key_eviction.h \
	%D%/lifecycle/module_autoload.c %D%/lifecycle/module_autoload.h \
	%D%/lifecycle/foreground_socket.c %D%/lifecycle/foreground_socket.h \
	%D%/lifecycle/operations.c %D%/lifecycle/operations.h \
	%D%/lifecycle/prestart.c %D%/lifecycle/prestart.h \
	%D%/lifecycle/psi.c %D%/lifecycle/psi.h \
	%D%/lifecycle/running.c %D%/lifecycle/running.h \
	%D%/lifecycle/unsupported.c %D%/lifecycle/unsupported.h \
	%D%/lifecycle/unsupported_vp.c %D%/lifecycle/unsupported_vp.h \
	%D%/net/conntrack.c %D%/net/conntrack.h \
	%D%/net/firewall.c %D%/net/firewall.h \
	%D%/net/resolver.c %D%/net/resolver.h \
	%D%/net/veth.c %D%/net/veth.h \
	%D%/storage/data_image.c %D%/storage/data_image.h \
	%D%/storage/file_tree.c %D%/storage/file_tree.h \
	%D%/storage/fscrypt.c %D%/storage/fscrypt.h \
	%D%/storage/keyslot_file.c %D%/storage/keyslot_file.h \
	%D%/storage/keyslots.c %D%/storage/keyslots.h \
	%D%/storage/vp_data.c %D%/storage/vp_data.h \
	%D%/storage/vp_keys.c %D%/storage/vp_keys.h \
	%D%/storage/vp_secrets.c %D%/storage/vp_secrets.h \
	%D%/vp/journal.c %D%/vp/journal.h \
	%D%/vp/net.c %D%/vp/net.h \
	%D%/vp/resource.c %D%/vp/resource.h \
	%D%/vp/vp_table.c %D%/vp/vp_table.h \
	%D%/vp/vp_table_change.c \
	%D%/vp/vp_table_log.c %D%/vp/vp_table_log.h \
	%D%/vp/vp.c %D%/vp/vp.h \
	%D%/vp/vp_state.c %D%/vp/vp_state.h

# What the root daemon may link; tests/lint/test_cellsd_links.sh holds it to that.
CELLSD_LIBS = $(SYSTEMD_LIBS) $(UDEV_LIBS) $(BPF_LIBS) $(SECCOMP_LIBS) \
	$(SELINUX_LIBS) $(NL_LIBS) $(NFT_LIBS) $(CRYPTO_LIBS)

sbin_PROGRAMS += %D%/cellsd
%C%_cellsd_SOURCES = %D%/main.c
%C%_cellsd_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
%C%_cellsd_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed
%C%_cellsd_LDADD = %D%/libcellsd.a $(LIBCELLS) $(CELLSD_LIBS)

# The device program: compiled for the kernel's virtual machine, then embedded.
EXTRA_DIST += %D%/device/device.bpf.c
CLEANFILES += %D%/device/device.bpf.o
%D%/device/device.bpf.o: %D%/device/device.bpf.c %D%/device/bpf_maps.h
	$(AM_V_GEN)$(MKDIR_P) %D%/device && $(CLANG) -O2 -g -Wall -target bpf \
		-I$$($(CC) -print-sysroot 2>/dev/null)/usr/include/$$($(CC) -print-multiarch) \
		-c $(srcdir)/%D%/device/device.bpf.c -o $@
	$(AM_V_at)llvm-strip -g $@ 2>/dev/null || true
%D%/device/libcellsd_a-bpf_program.$(OBJEXT): %D%/device/device.bpf.o
