/**
 * A receive ring for QEMU's e1000 (82540EM) that no driver knows of, as a user of the device that has ended (firmware,
 * a packet framework, a guest) leaves it. Registers: Intel 8254x software developer's manual, chapter 13.
 */
const E1000_STATUS = 0x0008;
const E1000_STATUS_LU = 1 << 1;
const E1000_MDIC = 0x0020;
/** Write to the PHY's control register: restart autonegotiation, which brings the link up. */
const RESTART_LINK = 0x0420_1200;
const E1000_IMC = 0x00d8;
const E1000_RCTL = 0x0100;
const E1000_RDBAL = 0x2800;
const E1000_RDBAH = 0x2804;
const E1000_RDLEN = 0x2808;
const E1000_RDH = 0x2810;
const E1000_RDT = 0x2818;
const E1000_RCTL_EN = 1 << 1;
const E1000_RCTL_UPE = 1 << 3;
const E1000_RCTL_BAM = 1 << 15;

/** The descriptors: in memory that neither kernel uses, or the next one would wipe them. */
const RING_AT = 0x1c00_0000;
/** The buffers (512 KiB): the first kernel leaves them alone, and to the next one they are memory like any other. */
const BUFFERS_AT = 0x1c10_0000;
const DESCRIPTORS = 256;
/** Frames that it can take: the card keeps one descriptor back. */
export const RING_DESCRIPTORS = DESCRIPTORS - 1;
const DESCRIPTOR_BYTES = 16;
const BUFFER_BYTES = 2048;

/** Words on the kernels' command lines. */
export const RING_CMDLINE = {
  first: `memmap=2M$0x${RING_AT.toString(16)}`,
  next: `memmap=64K$0x${RING_AT.toString(16)}`,
};

/** A guest's script that sets up the ring; `bar` is the address of BAR 0, in the shell's words. */
export function ringScript(bar: string): string {
  const writes: readonly (readonly [register: number, value: number])[] = [
    [E1000_RCTL, 0],
    [E1000_IMC, 0xffff_ffff],
    [E1000_RDBAL, RING_AT],
    [E1000_RDBAH, 0],
    [E1000_RDLEN, DESCRIPTORS * DESCRIPTOR_BYTES],
    [E1000_RDH, 0],
    [E1000_RDT, DESCRIPTORS - 1],
    [E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_BAM],
  ];
  return [
    // /dev/mem gives what is not System RAM, which the reserved range is not.
    `echo ${ringBytes().toString('base64')} | base64 -d | dd of=/dev/mem bs=4096 seek=${RING_AT / 4096} conv=notrunc 2>/dev/null`,
    `devmem $(( ${bar} + ${E1000_MDIC} )) 32 ${RESTART_LINK}`,
    `for i in $(seq 100); do [ $(( $(devmem $(( ${bar} + ${E1000_STATUS} )) 32) & ${E1000_STATUS_LU} )) != 0 ] && break; sleep 0.1; done`,
    ...writes.map(([register, value]) => `devmem $(( ${bar} + ${register} )) 32 ${value}`),
  ].join('\n');
}

/** Succeeds once the card has filled a few descriptors. */
export function ringAliveScript(bar: string): string {
  return `for i in $(seq 100); do
  [ $(( $(devmem $(( ${bar} + ${E1000_RDH} )) 32) )) -ge 5 ] && exit 0
  sleep 0.1
done
echo the card fills no descriptor; exit 1`;
}

function ringBytes(): Buffer {
  const ring = Buffer.alloc(DESCRIPTORS * DESCRIPTOR_BYTES);
  for (let i = 0; i < DESCRIPTORS; i++) {
    ring.writeBigUInt64LE(BigInt(BUFFERS_AT + i * BUFFER_BYTES), i * DESCRIPTOR_BYTES);
  }
  return ring;
}
