#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The emulated phone's init, after the initramfs: what a small system has, then
# the jobs that the host sends. $1: the folder for /lib/modules.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=linux
modules=$1
here=$(dirname "$0")
top=$(cd "$here/../.." && pwd)
mount -t proc proc /proc
mount -t sysfs sys /sys
# The kernel's modules are in the host's cache, which 9p shows as well.
mkdir -p /lib/modules
mount --bind "$modules" /lib/modules
# The tree itself may be below /tmp.
mount -t tmpfs -o mode=755 run /run
mkdir /run/tree
mount --bind "$top" /run/tree
mount -t tmpfs tmp /tmp
[ -e "$0" ] || { mkdir -p "$top" && mount --bind /run/tree "$top"; }
umount /run/tree
rmdir /run/tree
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup /sys/fs/cgroup
echo "+cpu +memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
mount -t debugfs debug /sys/kernel/debug 2>/dev/null
hostname phone

ip link set lo up
ip link set eth0 up 2>/dev/null && ip addr add 10.0.2.15/24 dev eth0 && ip route add default via 10.0.2.2

if grep -q cells.shell /proc/cmdline; then
	cd "$here/../.." || exit 1
	setsid -c sh -l </dev/ttyS0 >/dev/ttyS0 2>&1
else
	/usr/bin/python3 "$here/job.py"
fi
echo o >/proc/sysrq-trigger
sleep 60
