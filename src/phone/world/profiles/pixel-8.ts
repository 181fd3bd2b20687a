import type { Profile } from '../profile.ts';

/** Google Pixel 8: plain AOSP formats, microamperes, positive while charging. */
export const pixel8: Profile = {
  name: 'pixel-8',
  manufacturer: 'Google',
  brand: 'google',
  model: 'Pixel 8',
  device: 'shiba',
  product: 'shiba',
  socModel: 'Tensor G3',
  platform: 'zuma',
  hardware: 'shiba',
  androidRelease: '15',
  sdk: 35,
  buildId: 'AP4A.250105.002',
  incremental: '12701944',
  securityPatch: '2025-01-05',
  kernel: '5.15.149-android14-11-g8b6c4f2ce0b8-ab12461198',
  armFeatures:
    'fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma lrcpc dcpop sha3 asimddp ' +
    'sha512 asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg dcpodp flagm2 frint i8mm bf16 bti',
  cores: [
    { count: 4, maxKhz: 1704000, minKhz: 324000, capacity: 170, implementer: '0x41', part: '0xd46', variant: '0x1', revision: '1' },
    { count: 4, maxKhz: 2367000, minKhz: 402000, capacity: 620, implementer: '0x41', part: '0xd4d', variant: '0x1', revision: '0' },
    { count: 1, maxKhz: 2914000, minKhz: 500000, capacity: 1024, implementer: '0x41', part: '0xd4e', variant: '0x1', revision: '1' },
  ],
  memory: { totalKb: 7_721_636, availableKb: 3_612_480, swapKb: 3_860_816 },
  storage: { totalKb: 115_249_236, usedKb: 31_457_280 },
  battery: {
    capacityMah: 4575,
    technology: 'Li-ion',
    resistance: 0.09,
    counterUnit: 'uAh',
    currentUnit: 'uA',
    chargingSign: 1,
    dialect: 'aosp',
    chargerWatts: 12,
  },
  thermal: {
    sensors: [
      { name: 'VIRTUAL-SKIN', type: 3, node: 'skin', offset: 0, zone: 'VIRTUAL-SKIN' },
      { name: 'BIG', type: 0, node: 'chip', offset: 2, zone: 'BIG' },
      { name: 'MID', type: 0, node: 'chip', offset: 1, zone: 'MID' },
      { name: 'LITTLE', type: 0, node: 'chip', offset: 0, zone: 'LITTLE' },
      { name: 'G3D', type: 1, node: 'chip', offset: -2, zone: 'G3D' },
      { name: 'battery', type: 2, node: 'battery', offset: 0, zone: 'battery' },
      { name: 'VIRTUAL-USB-UI', type: 4, node: 'skin', offset: -1.4 },
    ],
    skinThresholds: [39, 43, 45, 47, 52, 55],
    chipHeatCapacity: 9,
    bodyHeatCapacity: 110,
    chipToBody: 5,
    bodyToRoom: 5.2,
  },
  power: { idleWatts: 0.35, coreWatts: 1.1 },
};
