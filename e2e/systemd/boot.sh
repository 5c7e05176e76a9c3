#!/bin/sh
# boot.sh ROOT: becomes systemd as the first process of ROOT. Run in namespaces
# of its own (pid, mount, uts, ipc, cgroup, net), so that everything it does
# ends with it. The network has a loopback interface and nothing else.
set -eu
root=$1
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
# Another boot, as far as anybody in there can tell.
mount -t tmpfs -o mode=755 tmpfs "$root/run"
cat /proc/sys/kernel/random/uuid >"$root/run/boot_id"
mount --bind "$root/run/boot_id" "$root/proc/sys/kernel/random/boot_id"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
hostname systemd-test
mkdir -p "$root/mnt/old"
cd "$root"
pivot_root . mnt/old
exec chroot . /bin/sh -c 'umount -l /mnt/old; exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --log-target=console --log-level=notice --show-status=0' </dev/null
