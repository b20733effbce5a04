import { createServer } from 'node:net';
import { hasCommand } from '../support/cli.js';
import { kdumpRecipe, type Recipe } from './recipe.js';

/** Besides the NIC that frames come in through: QEMU's own network, which leads from this machine to sshd alone. */
const SSH_MAC = '52:54:00:5d:00:22';
/** As QEMU's network expects it. */
const SSH_ADDRESS = '10.0.2.15/24';

const SSH_AND_PYTHON = ['openssh-server', 'python3.11-minimal', 'python3-minimal', 'python3', 'python3-apt'];

const NETWORK = `[Match]
MACAddress=${SSH_MAC}

[Network]
Address=${SSH_ADDRESS}
LinkLocalAddressing=no
`;

/** A Debian with kdump that Ansible can manage. */
export async function managedRecipe(): Promise<Recipe> {
  const kdump = await kdumpRecipe('initramfs-tools');
  return {
    ...kdump,
    name: 'kdump-managed',
    // Python's packages have to be set up one before the next is unpacked.
    groups: [...kdump.groups, ...SSH_AND_PYTHON.map((name) => [name])],
    files: { ...kdump.files, '/etc/systemd/network/ssh.network': NETWORK },
    firstBoot: `${kdump.firstBoot}
systemctl mask systemd-networkd-wait-online.service
systemctl enable systemd-networkd.service ssh.service
`,
  };
}

/** Arguments for QEMU: a port of this machine, on the loopback only, that is the guest's sshd. */
export function sshForward(port: number): readonly string[] {
  return [
    '-netdev',
    `user,id=ssh,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:22`,
    '-device',
    `virtio-net-pci,netdev=ssh,mac=${SSH_MAC}`,
  ];
}

/** A port of the loopback that nobody uses now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

/** False only where missing ones were allowed by SHOOTDOWN_ALLOW_MISSING; throws where they were not. */
export const haveAnsible = () =>
  hasCommand('ansible-playbook', 'ansible-core') && hasCommand('ssh', 'openssh-client');
