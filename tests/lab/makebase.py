# SPDX-License-Identifier: Apache-2.0
"""A base policy for the lab, as small as it can be: everything of the host is one type that may do everything. So what
is denied is denied by data/selinux/cells.cil alone. Classes and permissions are the running kernel's; ours are added."""
import pathlib

SELINUXFS = pathlib.Path("/sys/fs/selinux")
CATEGORIES = 1024
HOST = "system_u:system_r:kernel_t:s0-s0:c0.c1023"
# Of the first contexts that the kernel itself needs, in its order.
INITIAL = ("kernel security unlabeled fs file file_labels init any_socket port netif netmsg node igmp_packet icmp_socket "
           "tcp_socket sysctl_modprobe sysctl sysctl_fs sysctl_kernel sysctl_net sysctl_net_unix sysctl_vm sysctl_dev kmod "
           "policy scmp_packet devnull").split()
GENFS = {"rootfs": "file_t", "9p": "file_t", "ext4": "file_t", "erofs": "file_t", "fuse": "file_t", "debugfs": "file_t",
         "sysfs": "sysfs_t", "proc": "proc_t", "cgroup": "cgroup_t", "cgroup2": "cgroup_t", "selinuxfs": "file_t",
         "bpf": "file_t", "binfmt_misc": "file_t", "nsfs": "nsfs_t", "securityfs": "file_t", "tracefs": "file_t",
         "pstore": "file_t"}
TRANS = {"tmpfs": "tmpfs_t", "ramfs": "tmpfs_t", "devtmpfs": "null_device_t", "devpts": "devpts_t", "mqueue": "tmpfs_t",
         "hugetlbfs": "tmpfs_t", "overlay": "file_t"}
TASK = {"pipefs": "kernel_t", "sockfs": "kernel_t"}
COMMON = {"file": "ioctl read write create getattr setattr lock relabelfrom relabelto append map unlink link rename execute "
                  "quotaon mounton audit_access open execmod watch watch_mount watch_sb watch_with_perm watch_reads",
          "socket": "ioctl read write create getattr setattr lock relabelfrom relabelto append map bind connect listen accept "
                    "getopt setopt shutdown recvfrom sendto name_bind",
          "ipc": "create destroy getattr setattr read write associate unix_read unix_write",
          "cap": "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service "
                 "net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct "
                 "sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap"}
SOCKETS = ("tcp_socket udp_socket rawip_socket packet_socket unix_stream_socket unix_dgram_socket netlink_route_socket "
           "netlink_kobject_uevent_socket netlink_generic_socket netlink_netfilter_socket netlink_audit_socket alg_socket "
           "vsock_socket bluetooth_socket key_socket").split()
CLASSES = {"process": "fork transition sigchld sigkill sigstop signull signal ptrace getsched setsched getsession getpgid "
                      "setpgid getcap setcap share getattr setexec setfscreate noatsecure siginh setrlimit rlimitinh "
                      "dyntransition setcurrent execmem execstack execheap setkeycreate setsockcreate getrlimit",
           "process2": "nnp_transition nosuid_transition",
           "filesystem": "mount remount unmount getattr relabelfrom relabelto associate quotamod quotaget watch",
           "file": COMMON["file"] + " execute_no_trans entrypoint",
           "dir": COMMON["file"] + " add_name remove_name reparent search rmdir",
           "fd": "use", "lnk_file": COMMON["file"], "chr_file": COMMON["file"], "blk_file": COMMON["file"],
           "sock_file": COMMON["file"], "fifo_file": COMMON["file"], "sem": COMMON["ipc"], "msg": "send receive",
           "msgq": COMMON["ipc"] + " enqueue", "shm": COMMON["ipc"] + " lock", "ipc": COMMON["ipc"],
           "capability": COMMON["cap"], "cap_userns": COMMON["cap"], "capability2": "mac_override mac_admin syslog wake_alarm "
           "block_suspend audit_read perfmon bpf checkpoint_restore", "cap2_userns": "mac_override mac_admin syslog "
           "wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore", "key": "view read write search link setattr "
           "create", "bpf": "map_create map_read map_write prog_load prog_run", "perf_event": "open cpu kernel tracepoint read "
           "write", "user_namespace": "create", "dbus": "acquire_svc send_msg", "io_uring": "override_creds sqpoll cmd", "system": "ipc_info syslog_read "
           "syslog_mod syslog_console module_request module_load", "security": "compute_av compute_create compute_member "
           "check_context load_policy compute_relabel compute_user setenforce setbool setsecparam setcheckreqprot read_policy "
           "validate_trans"}


def classes():
    found = {name: perms.split() for name, perms in CLASSES.items()}
    for name in SOCKETS:
        more = {"unix_stream_socket": " connectto", "tcp_socket": " node_bind name_connect", "udp_socket": " node_bind",
                "rawip_socket": " node_bind"}.get(name, "")
        found[name] = (COMMON["socket"] + more).split()
    return found


def base():
    out = ["(handleunknown allow)", "(mls true)", "(policycap nnp_nosuid_transition)"]
    known = classes()
    out += [f"(class {name} ({' '.join(perms)}))" for name, perms in known.items()]
    out.append(f"(classorder (unordered {' '.join(known)}))")
    out += [f"(sid {name})" for name in INITIAL] + [f"(sidorder ({' '.join(INITIAL)}))"]
    out += ["(sensitivity s0)", "(sensitivityorder (s0))"] + [f"(category c{i})" for i in range(CATEGORIES)]
    out.append("(categoryorder (" + " ".join(f"c{i}" for i in range(CATEGORIES)) + "))")
    out += ["(sensitivitycategory s0 (range c0 c1023))", "(level low (s0))", "(level high (s0 (range c0 c1023)))",
            "(levelrange all (low high))", "(levelrange lowest (low low))", "(user system_u)", "(role system_r)",
            "(role object_r)", "(userrole system_u system_r)", "(userrole system_u object_r)", "(userlevel system_u low)",
            "(userrange system_u all)"]
    types = ["kernel_t", "file_t", "proc_t", "sysfs_t", "cgroup_t", "tmpfs_t", "nsfs_t", "devpts_t", "null_device_t"]
    for name in types:
        out += [f"(type {name})", f"(roletype {'system_r' if name == 'kernel_t' else 'object_r'} {name})"]
    out += ["(roletype object_r kernel_t)", "(context host (system_u system_r kernel_t all))"]
    out += [f"(context {name}_context (system_u object_r {name} lowest))" for name in types[1:]]
    out += [f"(sidcontext {name} {'host' if name in ('kernel', 'init', 'kmod') else 'file_t_context'})" for name in INITIAL]
    out += [f"(genfscon {fs} / {t}_context)" for fs, t in GENFS.items()]
    out += [f"(fsuse trans {fs} {t}_context)" for fs, t in TRANS.items()]
    out += [f"(fsuse task {fs} host)" for fs in TASK]
    for t in (*types, "self"):
        if t == "kernel_t":
            continue
        out += [f"(allow kernel_t {t} ({c} (all)))" for c in known]
    out += [f"(allow {t} {fs} (filesystem (associate)))" for t in types for fs in types[1:]]
    out.append("(typeattributeset cells_host_domain (kernel_t))")
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    print(base(), end="")
