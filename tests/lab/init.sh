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
# share TAG FOLDER CACHE
share() {
	mkdir -p "$2"
	mount -t 9p -o "trans=virtio,version=9p2000.L,cache=$3,msize=512000,ro" "$1" "$2" || exec sh
}
share host /host loose
mkdir -p /memory /root
mount -t tmpfs -o mode=755 memory /memory
mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work root /root
mount -t devtmpfs dev /root/dev
# What the host may make while the phone runs is asked for each time: an
# overlay remembers for ever that a file was not there. And a root that is not
# the host's has not its folders.
for more in $(word shares | tr , ' '); do
	share "${more%%:*}" "/root${more#*:}" mmap
done
guest=$(word guest)
modules=$(word modules)
init=$(word init)
umount /proc /dev
exec switch_root /root "${init:-$guest}" "$modules"
