/**
 * The guest's end of the lab's command line (src/lab/serial.ts), as a service of systemd. Only in the system as it
 * normally runs: kdump's capture system starts one unit and what that needs.
 */
const SHELL = `#!/bin/sh
export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /root
stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1 2>/dev/console
echo "! ready 0 $(uname -r) $(cut -d' ' -f1 /proc/uptime)"
while read -r id text; do
  printf %s "$text" | base64 -d >/run/lab-command
  sh /run/lab-command >/run/lab-output 2>&1 </dev/null
  status=$?
  echo "= $id $status $(base64 /run/lab-output | tr -d '\\n')"
done
`;

const UNIT = `[Unit]
Description=Commands from the lab
After=multi-user.target

[Service]
ExecStart=/bin/sh /usr/local/lib/lab-shell
IgnoreSIGPIPE=no
KillMode=process

[Install]
WantedBy=graphical.target
`;

/** Files of every image, by path. */
export const SHELL_FILES: Readonly<Record<string, string>> = {
  '/usr/local/lib/lab-shell': SHELL,
  '/etc/systemd/system/lab-shell.service': UNIT,
};

export const SHELL_SERVICE = 'lab-shell.service';
