/**
 * The guest's first and only process, in POSIX sh for busybox. The kernel's console is the first serial line; the
 * second one carries commands, so that no kernel message can fall into an answer (serial.ts has the other end):
 *
 *     to the guest     ID BASE64-OF-A-SCRIPT
 *     from the guest   ! ready BOOT RELEASE UPTIME
 *                      = ID STATUS BASE64-OF-OUTPUT
 */
export const GUEST_INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /var/lib /sbin /usr/bin
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
boot=0
for word in $(cat /proc/cmdline); do
  case $word in shootdown.boot=*) boot=\${word#*=} ;; esac
done
stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1 2>/dev/console
echo "! ready $boot $(uname -r) $(cut -d' ' -f1 /proc/uptime)"
while read -r id text; do
  printf %s "$text" | base64 -d >/tmp/command
  sh /tmp/command >/tmp/output 2>&1 </dev/null
  status=$?
  echo "= $id $status $(base64 /tmp/output | tr -d '\\n')"
done
echo "the command line has closed" >/dev/console
poweroff -f
`;
