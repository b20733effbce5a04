import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from '../../src/lab/command.js';
import type { Store } from '../../src/lab/store.js';
import { SNAKEOIL } from '../support/ovmf.js';
import { FILES_FOLDER } from './machine.js';
import { closures } from './packages.js';
import { preparedImage, withFolder } from './prepared.js';
import { kdumpRecipe } from './recipe.js';
import { shootdownImage } from './shootdown.js';

/** In the guest: what signs kernels for this machine's firmware. */
export const SIGNING = { key: '/root/signing/key.pem', cert: '/root/signing/cert.pem' } as const;

/** In place of Debian's signature: Linux does not kexec an image that has two (crypto/asymmetric_keys/verify_pefile.c). */
const SIGN = `cd ${FILES_FOLDER}
set -- *.deb
[ ! -e "$1" ] || dpkg -i "$@" || exit 1
mkdir -m 700 /root/signing
cp key.pem cert.pem /root/signing
for kernel in /boot/vmlinuz-*; do
  sbattach --remove "$kernel" || exit 1
  sbsign --key ${SIGNING.key} --cert ${SIGNING.cert} --output "$kernel" "$kernel" || exit 1
done`;

/** A guest with our packages whose administrator has signed its kernel with a key that its firmware trusts. */
export async function signedImage(store: Store): Promise<string> {
  const image = await shootdownImage(store);
  const recipe = await kdumpRecipe('initramfs-tools');
  const [, more = []] = await closures(store, [[...recipe.base, ...recipe.groups.flat()], ['sbsigntool']]);
  await store.packages(more);
  return withFolder(async (files) => {
    for (const one of more) await cp(store.debPath(one), join(files, `${one.name}.deb`));
    await cp(SNAKEOIL.certificate, join(files, 'cert.pem'));
    const key = ['rsa', '-in', SNAKEOIL.key, '-passin', `pass:${SNAKEOIL.passphrase}`];
    await writeFile(join(files, 'key.pem'), await command('openssl', key));
    return preparedImage(store, { name: 'signed', image, files, script: SIGN });
  });
}
