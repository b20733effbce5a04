/** What scenarios do in a guest: POSIX sh for busybox. */

export const NIC_UP = 'ip link set eth0 up';

/** The counter rises once the link is up and the driver takes frames. */
export const NIC_ALIVE = `for i in $(seq 150); do
  [ "$(cat /sys/class/net/eth0/statistics/rx_packets)" -ge 10 ] && exit 0
  sleep 0.1
done
echo no frame has come in through eth0; exit 1`;

/** Its folder as $d, its BAR 0 as $bar; `device` is its device ID as /sys has it. */
export function findDevice(device: string): string {
  return `d=$(grep -l ${device} /sys/bus/pci/devices/*/device) && d=\${d%/device} || exit 1
set -- $(cat $d/resource)
bar=$1`;
}

/** Decoding and mastering, as its last user left it. The kernel does not know, and holds its power state unknown. */
export const LEAVE_MASTERING = "printf '\\007\\001' | dd of=$d/config bs=1 seek=4 conv=notrunc 2>/dev/null";

/** Reads and writes bytes of $d's configuration space; finds its MSI capability (PCI Local Bus 3.0, 6.8.1) as $msi. */
const MSI = `byte() { echo $(( 0x$(od -An -tx1 -j $1 -N 1 $d/config | tr -d ' ') )); }
put() { at=$1; shift; for one; do printf "\\\\$(printf %o $one)"; done | dd of=$d/config bs=1 seek=$at conv=notrunc 2>/dev/null; }
msi=$(byte 52)
for i in $(seq 48); do [ $msi = 0 ] || [ $(byte $msi) = 5 ] || msi=$(byte $(( msi + 1 ))); done
[ $msi != 0 ] || { echo $d has no MSI; exit 1; }`;

/** Turns $d's MSI on, with messages of 16 bits to an address below 4 GiB, and INTx-disable left clear. */
export function msiOnScript(address: number, message: number): string {
  const bytes = (value: number, count: number) =>
    Array.from({ length: count }, (_, i) => (value >>> (8 * i)) & 0xff).join(' ');
  return `${MSI}
[ $(( $(byte $(( msi + 2 ))) & 128 )) = 0 ] && data=8 || data=12
put $(( msi + 4 )) ${bytes(address, 4)}
[ $data = 8 ] || put $(( msi + 8 )) 0 0 0 0
put $(( msi + data )) ${bytes(message, 2)}
put $(( msi + 2 )) $(( $(byte $(( msi + 2 ))) | 1 ))
[ $(( $(byte $(( msi + 2 ))) & 1 )) = 1 ] || { echo MSI cannot be turned on in $d; exit 1; }
[ $(( $(byte 5) & 4 )) = 0 ] || { echo INTx is disabled in $d; exit 1; }`;
}

/** Fails unless $d's MSI is off and it has an interrupt pending for its pin. */
export const INTX_WITHOUT_MSI = `${MSI}
[ $(( $(byte $(( msi + 2 ))) & 1 )) = 0 ] || { echo MSI is still on in $d; exit 1; }
[ $(( $(byte 6) & 8 )) = 8 ] || { echo no interrupt is pending in $d; exit 1; }`;

/**
 * Brings eth0 up, which takes its interrupt line, and waits until the kernel has given the line up or nothing has come
 * in on it for a while but what eth0 was there for. The bound is in the guest's time.
 */
export const LINE_IN_USE = `${NIC_UP}
line=/proc/irq/$(cat /sys/class/net/eth0/device/irq)/spurious
served() { [ "$(awk '/eth0/ { print $2 }' /proc/interrupts)" -gt 0 ]; }
uptime() { cut -d. -f1 /proc/uptime; }
end=$(( $(uptime) + 40 ))
quiet=0
while [ $(uptime) -lt $end ]; do
  dmesg | grep -q 'nobody cared' && exit 0
  if served && grep -q '^unhandled 0$' $line; then quiet=$(( quiet + 1 )); else quiet=0; fi
  [ $quiet -ge 3 ] && exit 0
  sleep 1
done
echo neither quiet nor given up: $(cat $line); exit 1`;

/** Succeeds once a disk has answered requests and others are on their way (Documentation/block/stat.rst). */
export function requestsScript(stat: string): string {
  return `set -- $(cat ${stat}); first=$1
for i in $(seq 150); do
  set -- $(cat ${stat})
  [ $1 -gt $first ] && [ $9 -gt 0 ] && exit 0
  sleep 0.1
done
echo no request is on its way: $(cat ${stat}); exit 1`;
}
