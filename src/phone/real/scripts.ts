/** Shell scripts of the real make. None has anything of a user's in its text: what varies comes as arguments. */

/**
 * Run by the host's /bin/sh as the first process of new mount, pid, network, host name and IPC namespaces. Makes the phone's tree `/`,
 * with nothing of the host's left in sight, says `ready PID`, and stays until its standard input ends: it ends with the process that
 * started it, and everything in the namespaces with it.
 *
 * Arguments: ROOT, IMAGE (an ext4 file system: /data), SOCKET (the world's), FOREIGN (`yes`: mount binfmt_misc), UID.
 */
export const holderScript = `set -eu
root=$1 image=$2 socket=$3 foreign=$4 uid=$5
# Still the host's procfs: the pid is the host's.
read -r pid rest </proc/self/stat

mount --bind "$root" "$root"
cd "$root"
mount -t tmpfs -o nosuid,mode=755,size=1m tmpfs dev
mkdir dev/pts dev/socket
mount -t devpts -o nosuid,noexec,newinstance,ptmxmode=0666,mode=0600 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for device in null zero full random urandom tty; do
  : >"dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
: >dev/socket/world
mount --bind "$socket" dev/socket/world
mount -t proc -o nosuid,nodev,noexec proc proc
if [ "$foreign" = yes ]; then
  [ -d proc/sys/fs/binfmt_misc ] || modprobe -q binfmt_misc
  mount -t binfmt_misc -o nosuid,nodev,noexec binfmt_misc proc/sys/fs/binfmt_misc
fi

# Others take loop devices at the same moment.
tries=0
until mount -t ext4 -o loop,nosuid,nodev,noatime,discard,noinit_itable "$image" data; do
  tries=$((tries + 1))
  [ "$tries" -lt 5 ]
  sleep 0.2
done
mkdir -p data/local/tmp data/local/tests data/media/0/Android data/media/0/Documents data/media/0/Download
chmod 771 data data/local/tmp data/local/tests data/media data/media/0
chmod 751 data/local
chown "$uid:$uid" data/local/tmp data/local/tests data/media/0 data/media/0/*
mount --bind data/media/0 storage/emulated/0
mount -o remount,bind,nosuid,nodev,noexec,noatime storage/emulated/0
mount -o remount,bind,ro,nosuid,nodev .

system/bin/busybox ip link set lo up
# adbd listens below 1024, which it may in TCP by this, and may not in vsock, which has no namespaces.
echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
system/bin/busybox hostname localhost

pivot_root . mnt/host
cd /
exec /system/bin/busybox sh -c '
  /system/bin/busybox umount -l /mnt/host && echo "ready $1" && exec /system/bin/busybox cat' sh "$pid"
`;

/**
 * /system/bin/init: first process of a pid namespace, in a mount namespace of its own. Ends when adbd ends, and whatever adbd ever
 * started ends with it. Until then it waits for orphans, as Android's init does.
 */
export function initScript(procFiles: readonly string[], worldFolder: string, adbd: string): string {
  const binds = procFiles.map((path) => `busybox mount -o bind ${worldFolder}${path} ${path}\n`).join('');
  return `#!/system/bin/sh
set -e
busybox mount -t proc -o nosuid,nodev,noexec proc /proc
${binds}cd /
busybox start-stop-daemon -S -c shell -x ${adbd} </dev/null &
wait $!
`;
}

/**
 * Stands under the name of each command that the world answers. Sends how many strings follow, its own name and its arguments, each
 * ended by a NUL; gets a line with the exit code and the stream, then the output.
 */
export function worldScript(): string {
  return `#!/system/bin/sh
printf '%s\\0' $(($# + 1)) "\${0##*/}" "$@" | toybox nc -U /dev/socket/world | {
  read -r code stream || { echo "\${0##*/}: the phone's world does not answer" >&2; exit 1; }
  [ "$stream" = stderr ] && exec >&2
  cat
  exit "$code"
}
`;
}
