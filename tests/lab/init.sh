#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# The emulated phone's first program, in its initramfs: mounts the host's tree
# under an overlay in memory, then gives way to guest.sh there.
# shellcheck shell=dash
export PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
# shellcheck disable=SC2043 # a list, once it is filled in
for m in @MODULES@; do insmod /modules/$m || echo "lab: no module $m"; done
word() { sed -n "s|.*cells\.$1=\([^ ]*\).*|\1|p" /proc/cmdline; }
share() {
	mkdir -p "$2"
	mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=512000,ro "$1" "$2" || exec sh
}
share host /host
mkdir -p /memory /root
mount -t tmpfs -o mode=755 memory /memory
mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work root /root
mount -t devtmpfs dev /root/dev
# A root that is not the host's has not its folders either.
for more in $(word shares | tr , ' '); do
	share "${more%%:*}" "/root${more#*:}"
done
guest=$(word guest)
modules=$(word modules)
init=$(word init)
umount /proc /dev
exec switch_root /root "${init:-$guest}" "$modules"
