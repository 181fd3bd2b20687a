import type { Profile } from '../profile.ts';

/**
 * Samsung Galaxy A52: `Charge counter` is 0, lines that repeat key words (`current now`, `charge counter`) follow it, current_now is in
 * milliamperes, a battery sensor that is not fitted reads 0.0.
 */
export const galaxyA52: Profile = {
  name: 'galaxy-a52',
  manufacturer: 'samsung',
  brand: 'samsung',
  model: 'SM-A525F',
  device: 'a52q',
  product: 'a52qnsxx',
  socModel: 'SM7125',
  platform: 'atoll',
  hardware: 'qcom',
  androidRelease: '14',
  sdk: 34,
  buildId: 'UP1A.231005.007',
  incremental: 'A525FXXS6FXD1',
  securityPatch: '2024-04-01',
  kernel: '4.14.190-27204190-abA525FXXS6FXD1',
  armFeatures:
    'fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp',
  cores: [
    {
      count: 6,
      maxKhz: 1804800,
      minKhz: 300000,
      capacity: 382,
      implementer: '0x51',
      part: '0x805',
      variant: '0xd',
      revision: '14',
    },
    {
      count: 2,
      maxKhz: 2323200,
      minKhz: 652800,
      capacity: 1024,
      implementer: '0x51',
      part: '0x804',
      variant: '0xd',
      revision: '15',
    },
  ],
  memory: { totalKb: 5_559_328, availableKb: 2_304_512, swapKb: 6_291_456 },
  storage: { totalKb: 112_640_000, usedKb: 42_991_616 },
  battery: {
    capacityMah: 4500,
    technology: 'Li-ion',
    resistance: 0.11,
    counterUnit: 'zero',
    currentUnit: 'mA',
    chargingSign: 1,
    dialect: 'samsung',
    chargerWatts: 9,
  },
  thermal: {
    sensors: [
      { name: 'AP', type: 0, node: 'chip', offset: 0, zone: 'cpu-1-0-usr' },
      { name: 'BAT', type: 2, node: 'battery', offset: 0, zone: 'battery' },
      { name: 'LRB', type: 3, node: 'skin', offset: 0, zone: 'xo-therm-adc' },
      { name: 'PA', type: 5, node: 'skin', offset: 1, zone: 'pa-therm0' },
      { name: 'SUBBAT', type: 2, node: 'none', offset: 0 },
      { name: 'USB', type: 4, node: 'none', offset: 0 },
    ],
    skinThresholds: [40, 43, 46, 49, 53, 58],
    chipHeatCapacity: 8,
    bodyHeatCapacity: 105,
    chipToBody: 5.5,
    bodyToRoom: 5.6,
  },
  power: { idleWatts: 0.32, coreWatts: 0.85 },
};
