# SPDX-License-Identifier: Apache-2.0
"""crun, as a user would have it instead of a VP: user namespace, allow-list of system calls, a root as it is."""
import json
import pathlib
import re
import subprocess

from bench import Skip

# crun refuses machines with both versions of cgroups: it is to see version 2 only.
UNIFIED = ["unshare", "--mount", "sh", "-c", "mount --make-rslave / && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec \"$@\"", "sh"]


def syscalls():
    """All names but those that no container gets: an allow-list as long as real ones."""
    denied = {"reboot", "kexec_load", "init_module", "finit_module", "delete_module", "swapon", "swapoff", "bpf"}
    for path in pathlib.Path("/usr/include").rglob("asm/unistd_64.h"):
        return sorted(set(re.findall(r"#define __NR_(\w+)", path.read_text())) - denied)
    raise Skip("no list of system calls (package linux-libc-dev)")


def overlay(folder, root):
    """The root with a layer on it that a container may write; the caller unmounts it."""
    for d in ("upper", "work", "merged"):
        (folder / d).mkdir(parents=True)
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={root},upperdir={folder}/upper,workdir={folder}/work",
                    folder / "merged"], check=True)
    return folder / "merged"


def bundle(folder, root, args):
    folder.mkdir()
    subprocess.run(["crun", "spec"], cwd=folder, check=True)
    spec = json.loads((folder / "config.json").read_text())
    spec["process"].update(terminal=False, args=args)
    spec["root"] = {"path": str(root), "readonly": True}
    spec["mounts"] = [m for m in spec["mounts"] if m["type"] != "cgroup"]
    spec["linux"]["namespaces"] = [{"type": t} for t in ("pid", "ipc", "uts", "mount", "user")]
    ids = [{"containerID": 0, "hostID": 700000, "size": 65536}]
    spec["linux"].update(uidMappings=ids, gidMappings=ids, resources={})
    spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ERRNO",
                                "syscalls": [{"names": syscalls(), "action": "SCMP_ACT_ALLOW"}]}
    (folder / "config.json").write_text(json.dumps(spec))
    return folder
