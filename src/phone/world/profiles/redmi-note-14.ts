import type { Profile } from '../profile.ts';

/**
 * Xiaomi Redmi Note 14: `Charge counter` in mAh, sentences between the keys that repeat key words, an event log at the end,
 * current_now negative while charging.
 */
export const redmiNote14: Profile = {
  name: 'redmi-note-14',
  manufacturer: 'Xiaomi',
  brand: 'Redmi',
  model: '24117RN76G',
  device: 'tanzanite',
  product: 'tanzanite_global',
  socModel: 'MT6789V/CD',
  platform: 'mt6789',
  hardware: 'mt6789',
  androidRelease: '15',
  sdk: 35,
  buildId: 'AP3A.240905.015.A2',
  incremental: 'OS3.0.2.0.VOGMIXM',
  securityPatch: '2025-10-01',
  kernel: '6.6.50-android15-8-gd6e0d7b8ef0a-ab12736514-4k',
  armFeatures:
    'fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs',
  cores: [
    {
      count: 6,
      maxKhz: 2000000,
      minKhz: 500000,
      capacity: 435,
      implementer: '0x41',
      part: '0xd05',
      variant: '0x2',
      revision: '0',
    },
    {
      count: 2,
      maxKhz: 2200000,
      minKhz: 725000,
      capacity: 1024,
      implementer: '0x41',
      part: '0xd0b',
      variant: '0x4',
      revision: '1',
    },
  ],
  memory: { totalKb: 7_843_108, availableKb: 3_217_408, swapKb: 4_194_300 },
  storage: { totalKb: 231_997_440, usedKb: 38_797_312 },
  battery: {
    capacityMah: 5500,
    technology: 'Li-poly',
    resistance: 0.1,
    counterUnit: 'mAh',
    currentUnit: 'uA',
    chargingSign: -1,
    dialect: 'xiaomi',
    chargerWatts: 18,
  },
  thermal: {
    sensors: [
      { name: 'CPU0', type: 0, node: 'chip', offset: 0, zone: 'soc_max' },
      { name: 'CPU6', type: 0, node: 'chip', offset: 1.5, zone: 'cpu-big-core6-1' },
      { name: 'GPU', type: 1, node: 'chip', offset: -1, zone: 'gpu1' },
      { name: 'battery', type: 2, node: 'battery', offset: 0, zone: 'battery' },
      { name: 'skin', type: 3, node: 'skin', offset: 0, zone: 'quiet_therm' },
    ],
    skinThresholds: [41, 44, 46, 48, 52, 56],
    chipHeatCapacity: 8,
    bodyHeatCapacity: 118,
    chipToBody: 5.8,
    bodyToRoom: 5,
  },
  power: { idleWatts: 0.3, coreWatts: 0.8 },
};
