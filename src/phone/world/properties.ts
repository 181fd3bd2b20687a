import type { Abi } from '../types.ts';
import type { Profile } from './profile.ts';

/** What `getprop` answers. */
export function propertiesOf(profile: Profile, abi: Abi, serial: string): Map<string, string> {
  const { brand, product, device, androidRelease, buildId, incremental } = profile;
  const fingerprint = `${brand}/${product}/${device}:${androidRelease}/${buildId}/${incremental}:user/release-keys`;
  return new Map([
    ['dalvik.vm.heapsize', '512m'],
    ['gsm.version.ril-impl', 'none'],
    ['persist.sys.timezone', 'GMT'],
    ['ro.adb.secure', '0'],
    ['ro.board.platform', profile.platform],
    ['ro.boot.qemu', '0'],
    ['ro.boot.serialno', serial],
    ['ro.build.characteristics', 'nosdcard'],
    ['ro.build.display.id', `${buildId}.${incremental}`],
    ['ro.build.fingerprint', fingerprint],
    ['ro.build.id', buildId],
    ['ro.build.tags', 'release-keys'],
    ['ro.build.type', 'user'],
    ['ro.build.version.incremental', incremental],
    ['ro.build.version.release', androidRelease],
    ['ro.build.version.sdk', String(profile.sdk)],
    ['ro.build.version.security_patch', profile.securityPatch],
    ['ro.debuggable', '0'],
    ['ro.hardware', profile.hardware],
    ['ro.product.board', device],
    ['ro.product.brand', brand],
    ['ro.product.build.fingerprint', fingerprint],
    ['ro.product.cpu.abi', abi],
    ['ro.product.cpu.abilist', abi],
    ['ro.product.cpu.abilist64', abi],
    ['ro.product.device', device],
    ['ro.product.manufacturer', profile.manufacturer],
    ['ro.product.model', profile.model],
    ['ro.product.name', product],
    ['ro.secure', '1'],
    ['ro.serialno', serial],
    ['ro.soc.manufacturer', profile.manufacturer],
    ['ro.soc.model', profile.socModel],
    ['service.adb.root', '0'],
    ['sys.boot_completed', '1'],
    ['dev.bootcomplete', '1'],
    // Says that this is no physical phone, for whoever wants to know.
    ['ro.mft.virtual_phone', profile.name],
  ]);
}
