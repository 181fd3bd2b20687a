import type { Abi } from '../types.ts';
import type { CoreGroup, Profile } from './profile.ts';

export function machineOf(abi: Abi): string {
  return abi === 'x86_64' ? 'x86_64' : 'aarch64';
}

/** /proc/meminfo of an Android kernel. All figures kB. */
export function meminfo(
  profile: Profile,
  usedKb: number,
): { text: string; totalKb: number; availableKb: number } {
  const { totalKb, swapKb } = profile.memory;
  const availableKb = Math.max(64 * 1024, profile.memory.availableKb - usedKb);
  const freeKb = Math.max(32 * 1024, Math.round(availableKb * 0.12));
  const cachedKb = availableKb - freeKb;
  const rows: [string, number][] = [
    ['MemTotal', totalKb],
    ['MemFree', freeKb],
    ['MemAvailable', availableKb],
    ['Buffers', 5480],
    ['Cached', cachedKb],
    ['SwapCached', 16324],
    ['Active', Math.round(totalKb * 0.21) + Math.round(usedKb / 2)],
    ['Inactive', Math.round(totalKb * 0.29)],
    ['Unevictable', 181_204],
    ['Mlocked', 179_900],
    ['SwapTotal', swapKb],
    ['SwapFree', Math.round(swapKb * 0.62)],
    ['Dirty', 1264],
    ['Writeback', 0],
    ['AnonPages', Math.round(totalKb * 0.19) + usedKb],
    ['Mapped', Math.round(totalKb * 0.11)],
    ['Shmem', 26_112],
    ['KReclaimable', 204_800],
    ['Slab', 486_412],
    ['KernelStack', 74_336],
    ['PageTables', 151_244],
    ['CommitLimit', swapKb + Math.round(totalKb / 2)],
    ['Committed_AS', Math.round(totalKb * 11)],
    ['VmallocTotal', 263_061_440],
    ['CmaTotal', 851_968],
    ['CmaFree', 63_408],
  ];
  const text = rows
    .map(([name, value]) => `${`${name}:`.padEnd(16)}${String(value).padStart(8)} kB\n`)
    .join('');
  return { text, totalKb, availableKb };
}

interface Core {
  index: number;
  group: CoreGroup;
  /** First and last core of its group. */
  first: number;
  last: number;
}

export function coresOf(profile: Profile): Core[] {
  let first = 0;
  const cores: Core[] = [];
  for (const group of profile.cores) {
    const last = first + group.count - 1;
    for (let index = first; index <= last; index += 1) cores.push({ index, group, first, last });
    first = last + 1;
  }
  return cores;
}

export function cpuinfo(profile: Profile, abi: Abi): string {
  const blocks = coresOf(profile).map(({ index, group }) =>
    abi === 'arm64-v8a'
      ? [
          `processor\t: ${index}`,
          'BogoMIPS\t: 49.15',
          `Features\t: ${profile.armFeatures}`,
          `CPU implementer\t: ${group.implementer}`,
          'CPU architecture: 8',
          `CPU variant\t: ${group.variant}`,
          `CPU part\t: ${group.part}`,
          `CPU revision\t: ${group.revision}`,
        ]
      : [
          `processor\t: ${index}`,
          'vendor_id\t: GenuineIntel',
          'cpu family\t: 6',
          'model\t\t: 85',
          'model name\t: Android virtual processor',
          `cpu MHz\t\t: ${(group.maxKhz / 1000).toFixed(3)}`,
          'flags\t\t: fpu sse sse2 ssse3 fma cx16 sse4_1 sse4_2 movbe popcnt aes avx f16c avx2 bmi1 bmi2',
        ],
  );
  const tail = abi === 'arm64-v8a' ? `Hardware\t: ${profile.hardware}\n` : '';
  return `${blocks.map((block) => `${block.join('\n')}\n\n`).join('')}${tail}`;
}

export function kernelVersion(): string {
  return '#1 SMP PREEMPT Thu Jan 2 19:47:03 UTC 2025';
}

export function procVersion(profile: Profile): string {
  const compiler = 'Android clang version 17.0.2, LLD 17.0.2';
  return `Linux version ${profile.kernel} (build-user@build-host) (${compiler}) ${kernelVersion()}\n`;
}

/** /sys/devices/system/cpu. @param busyCores decides which frequency is shown as the current one */
export function cpuFiles(profile: Profile, busyCores: number): Map<string, string> {
  const cores = coresOf(profile);
  const range = `0-${cores.length - 1}\n`;
  const base = '/sys/devices/system/cpu';
  const files = new Map([
    [`${base}/possible`, range],
    [`${base}/present`, range],
    [`${base}/online`, range],
  ]);
  // The fastest cores are taken first.
  const order = [...cores].sort((a, b) => b.group.capacity - a.group.capacity);
  const busy = new Set(order.slice(0, Math.round(busyCores)).map((core) => core.first));
  for (const { index, group, first, last } of cores) {
    const folder = `${base}/cpu${index}`;
    const related = Array.from({ length: last - first + 1 }, (_, place) => first + place).join(' ');
    files.set(`${folder}/online`, '1\n');
    files.set(`${folder}/cpu_capacity`, `${group.capacity}\n`);
    files.set(`${folder}/topology/core_id`, `${index}\n`);
    files.set(`${folder}/topology/physical_package_id`, '0\n');
    const frequency = `${folder}/cpufreq`;
    files.set(`${frequency}/cpuinfo_max_freq`, `${group.maxKhz}\n`);
    files.set(`${frequency}/cpuinfo_min_freq`, `${group.minKhz}\n`);
    files.set(`${frequency}/scaling_max_freq`, `${group.maxKhz}\n`);
    files.set(`${frequency}/scaling_min_freq`, `${group.minKhz}\n`);
    files.set(`${frequency}/scaling_cur_freq`, `${busy.has(first) ? group.maxKhz : group.minKhz}\n`);
    files.set(`${frequency}/scaling_governor`, 'schedutil\n');
    files.set(`${frequency}/related_cpus`, `${related}\n`);
  }
  return files;
}
