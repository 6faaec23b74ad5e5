#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The emulated phone's init, after the initramfs. Waits for one job after the
# other on a port of its own and tells how each ended. $1: the folder for /lib/modules.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=linux
modules=$1
here=$(dirname "$0")
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs tmp /tmp
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t debugfs debug /sys/kernel/debug 2>/dev/null
hostname phone

# The kernel's modules stand in the host's cache, which 9p shows as well.
mkdir -p /lib/modules
mount --bind "$modules" /lib/modules
ip link set lo up
ip link set eth0 up 2>/dev/null && ip addr add 10.0.2.15/24 dev eth0 && ip route add default via 10.0.2.2

port() {
	for p in /sys/class/virtio-ports/*; do
		[ "$(cat "$p/name")" = "cells.$1" ] && echo "/dev/${p##*/}" && return
	done
}

if grep -q cells.shell /proc/cmdline; then
	setsid -c sh -l </dev/ttyS0 >/dev/ttyS0 2>&1
	echo o >/proc/sysrq-trigger
fi
i=0
while [ -z "$(port result)" ] && [ $i -lt 100 ]; do
	i=$((i + 1))
	sleep 0.05
done
exec 3<>"$(port job)" 4>"$(port out)" 5>"$(port result)"
cd "$here/../.." || exit 1
while :; do
	job=$(/usr/bin/python3 "$here/job.py" <&3) || break
	setsid sh -c "$job" </dev/null >&4 2>&4
	code=$?
	echo $code >&5
done
echo o >/proc/sysrq-trigger
sleep 60
