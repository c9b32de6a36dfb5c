# Turns the calling shell into the PID 1 of a disposable node. It runs as root
# in new pid, mount, net, uts, ipc and cgroup namespaces; $1 is the mount
# namespace of the machine, which must not be the one in force here; $2 says
# which capabilities nothing in the node may have.
set -eu

[ "$(readlink /proc/self/ns/mnt)" != "$1" ] || {
	echo "refusing to build a node in the mount namespace of the machine" >&2
	exit 1
}
# mount is told to keep no table (-n): at first /run is still the machine's.
mount -n --make-rprivate /

# /proc is still the machine's, so this is the PID that nsenter needs.
read -r pid rest </proc/self/stat
echo "node-init $pid"

# Whatever the node writes lands in a tmpfs that only this namespace knows.
mount -n -t tmpfs -o mode=0755,size=1g tmpfs /tmp
mkdir /tmp/upper /tmp/work /tmp/root
mount -n -t overlay -o lowerdir=/,upperdir=/tmp/upper,workdir=/tmp/work overlay /tmp/root
cd /tmp/root

mount -n -t proc -o nosuid,nodev,noexec proc proc
mount -n -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -n -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
for path in proc/sys proc/sysrq-trigger; do
	[ ! -e "$path" ] || {
		mount -n --bind "$path" "$path"
		mount -n -o remount,bind,ro "$path"
	}
done

mount -n -t tmpfs -o mode=0755,nosuid,size=1m tmpfs dev
mknod -m 0666 dev/null c 1 3
mknod -m 0666 dev/zero c 1 5
mknod -m 0666 dev/full c 1 7
mknod -m 0666 dev/random c 1 8
mknod -m 0666 dev/urandom c 1 9
mknod -m 0666 dev/tty c 5 0
mkdir dev/pts dev/shm
mount -n -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd

mount -n -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
mount -n -t tmpfs -o mode=0755,nosuid,nodev tmpfs run
mount -n -t tmpfs -o mode=1777,nosuid,nodev tmpfs tmp
mount -n -t tmpfs -o mode=1777,nosuid,nodev tmpfs var/tmp

# Nothing of the machine's own set of services is started: no generators, no
# enabled units, no vendor wants. Only the bus and the journal are wanted back.
rm -rf etc/systemd/system etc/systemd/*.conf.d usr/local/lib/systemd
rm -rf lib/systemd/system-generators lib/systemd/system/*.wants lib/systemd/system/*.requires
mkdir -p etc/systemd/system lib/systemd/system/sockets.target.wants
for socket in dbus.socket systemd-journald.socket systemd-journald-dev-log.socket; do
	ln -s "../$socket" lib/systemd/system/sockets.target.wants/
done
printf '[Journal]\nStorage=volatile\nRateLimitBurst=0\n' >etc/systemd/journald.conf
: >etc/fstab
echo node >etc/hostname
hostname node
tr -d - <proc/sys/kernel/random/uuid >etc/machine-id
ip link set lo up

mkdir .machine
pivot_root . .machine
umount -n -l /.machine
rmdir /.machine

exec setpriv --inh-caps -all --bounding-set "$2" \
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=unitstamp \
	/lib/systemd/systemd --system --unit=multi-user.target --show-status=false --log-target=console
