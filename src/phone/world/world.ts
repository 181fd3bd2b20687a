import { randomUUID } from 'node:crypto';
import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessTable } from '../processes.ts';
import type { Abi } from '../types.ts';
import { batteryDump, batteryFiles } from './battery-text.ts';
import { cpuFiles, cpuinfo, kernelVersion, machineOf, meminfo, procVersion } from './kernel-text.ts';
import { advance, initialState, type PhysicalState } from './physics.ts';
import type { Profile } from './profile.ts';
import { propertiesOf } from './properties.ts';
import { Settings } from './settings.ts';
import { thermalDump, thermalFiles } from './thermal-text.ts';
import { TextTree } from './tree.ts';

export interface WorldOptions {
  profile: Profile;
  abi: Abi;
  /** The folder that is `/` to the phone. */
  root: string;
  /** Folder for what the world itself keeps. */
  home: string;
  serialNumber: string;
  processes: { usage: ProcessTable['usage'] };
  timeScale: number;
  battery: number;
  charging: boolean;
  /** Where a file of the phone's is kept, if not under its own path. */
  place?: (path: string) => string;
  inPlace?: ReadonlySet<string>;
  /** What else a make wants to write at each tick. */
  extraFiles?: (world: World) => ReadonlyMap<string, string>;
}

const TICK_MS = 1000;

/**
 * What a phone says of itself: properties, battery, heat, memory, processors. Battery and heat follow the CPU time that the phone's
 * processes really use.
 */
export class World {
  readonly profile: Profile;
  readonly settings: Settings;
  readonly #options: WorldOptions;
  readonly #tree: TextTree;
  readonly #properties: Map<string, string>;
  readonly #overrides = new Map<string, string>();
  #state: PhysicalState;
  /** What thermalservice has in its cache: the state before the last. */
  #cached: PhysicalState;
  #usedKb = 0;
  #busyCores = 0;
  #lastTick = performance.now();
  #bootedAt = Date.now() - 90_000;
  #bootId = randomUUID();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.profile = options.profile;
    this.settings = new Settings(join(options.home, 'settings.json'));
    this.#tree = new TextTree(options.root, options.inPlace);
    this.#properties = propertiesOf(options.profile, options.abi, options.serialNumber);
    this.#state = initialState(options.profile, options.battery, options.charging);
    this.#cached = this.#state;
  }

  /** Writes all files and keeps them up to date until `stop`. */
  start(): void {
    const place = this.#options.place ?? ((path) => path);
    this.#tree.write(place('/proc/version'), procVersion(this.profile));
    this.#tree.write(place('/proc/cpuinfo'), cpuinfo(this.profile, this.#options.abi));
    this.#tree.write(place('/proc/sys/kernel/osrelease'), `${this.profile.kernel}\n`);
    this.#lastTick = performance.now();
    this.tick();
    this.#timer = setInterval(() => this.tick(), TICK_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Lets the time since the last tick pass. */
  tick(): void {
    const now = performance.now();
    const seconds = (now - this.#lastTick) / 1000;
    this.#lastTick = now;
    const { cpuSeconds, rssKb } = this.#options.processes.usage();
    this.#usedKb = rssKb;
    this.#busyCores = seconds > 0.05 ? cpuSeconds / seconds : 0;
    this.#cached = this.#state;
    this.#state = advance(this.profile, this.#state, seconds * this.#options.timeScale, this.#busyCores);
    this.refresh();
  }

  /** Writes the files anew. */
  refresh(): void {
    const place = this.#options.place ?? ((path) => path);
    const { profile } = this;
    this.#tree.write(place('/proc/meminfo'), meminfo(profile, this.#usedKb).text);
    this.#tree.write(place('/proc/sys/kernel/random/boot_id'), `${this.#bootId}\n`);
    const uptime = this.uptimeSeconds();
    this.#tree.write(place('/proc/uptime'), `${uptime.toFixed(2)} ${(uptime * 6.1).toFixed(2)}\n`);
    this.#tree.write(
      place('/proc/loadavg'),
      `${this.#busyCores.toFixed(2)} ${this.#busyCores.toFixed(2)} 0.40 1/3021 9000\n`,
    );
    this.#tree.writeAll(batteryFiles(profile, this.#state));
    this.#tree.writeAll(thermalFiles(profile, this.#state));
    this.#tree.writeAll(cpuFiles(profile, this.#busyCores));
    const extra = this.#options.extraFiles?.(this);
    if (extra !== undefined) this.#tree.writeAll(extra);
  }

  properties(): Map<string, string> {
    return this.#properties;
  }

  setProperty(name: string, value: string): void {
    this.#properties.set(name, value);
  }

  uptimeSeconds(): number {
    return (Date.now() - this.#bootedAt) / 1000;
  }

  kernel(): { kernel: string; kernelVersion: string; machine: string } {
    return {
      kernel: this.profile.kernel,
      kernelVersion: kernelVersion(),
      machine: machineOf(this.#options.abi),
    };
  }

  memory(): { totalKb: number; availableKb: number } {
    return meminfo(this.profile, this.#usedKb);
  }

  /** The phone's storage; never more free than the host has. @param limit bytes that may still be written */
  storage(limit: number | undefined): { totalKb: number; usedKb: number; freeKb: number } {
    const { totalKb, usedKb } = this.profile.storage;
    const host = statfsSync(this.#options.root);
    const hostKb = Math.floor((host.bavail * host.bsize) / 1024);
    const freeKb = Math.min(
      totalKb - usedKb,
      hostKb,
      limit === undefined ? Number.POSITIVE_INFINITY : Math.floor(limit / 1024),
    );
    return { totalKb, usedKb: totalKb - freeKb, freeKb };
  }

  services(): string[] {
    return ['battery', 'power', 'thermalservice'];
  }

  /** Undefined if there is no such service. */
  dumpsys(service: string, args: string[]): string | undefined {
    switch (service) {
      case 'battery':
        return this.#battery(args);
      case 'thermalservice':
        return thermalDump(this.profile, this.#state, this.#cached);
      case 'power':
        return [
          'POWER MANAGER (dumpsys power)\n\nPower Manager State:\n',
          `  mWakefulness=${this.settings.get('global', 'stay_on_while_plugged_in') === '0' ? 'Asleep' : 'Awake'}\n`,
          `  mIsPowered=${this.#state.plugged}\n`,
          `  mPlugType=${this.#state.plugged ? 2 : 0}\n`,
          `  mBatteryLevel=${Math.round((this.#state.charge / this.profile.battery.capacityMah) * 100)}\n`,
          `  mStayOn=${this.settings.get('global', 'stay_on_while_plugged_in') !== '0' && this.#state.plugged}\n`,
        ].join('');
      default:
        return undefined;
    }
  }

  /** `unplug`, `set KEY VALUE` and `reset` change what the service says, not what the battery does, as on a phone. */
  #battery(args: string[]): string {
    const [action, key = '', value = ''] = args.filter((argument) => argument !== '-f');
    if (action === undefined) return batteryDump(this.profile, this.#state, this.#overrides);
    if (action === 'reset') this.#overrides.clear();
    else if (action === 'unplug')
      for (const name of ['AC', 'USB', 'Wireless']) this.#overrides.set(`${name} powered`, 'false');
    else if (action === 'set') {
      const names: Record<string, string> = {
        ac: 'AC powered',
        usb: 'USB powered',
        wireless: 'Wireless powered',
        status: 'status',
        level: 'level',
        temp: 'temperature',
        counter: 'Charge counter',
        present: 'present',
      };
      const name = names[key];
      if (name === undefined || !/^[0-9]+$/.test(value)) return `Unknown set option: ${key}\n`;
      this.#overrides.set(name, name.endsWith('powered') ? String(value !== '0') : value);
    } else return `Unknown command: ${action}\n`;
    return '';
  }

  plug(plugged: boolean): void {
    this.#state = advance(this.profile, { ...this.#state, plugged }, 0, this.#busyCores);
    this.refresh();
  }

  setBattery(percent: number): void {
    const charge = (this.profile.battery.capacityMah * Math.min(100, Math.max(0, percent))) / 100;
    this.#state = advance(this.profile, { ...this.#state, charge }, 0, this.#busyCores);
    this.refresh();
  }

  setTemperature(celsius: number): void {
    this.#state = { ...this.#state, chip: celsius, body: celsius };
    this.#cached = this.#state;
    this.refresh();
  }

  reboot(): void {
    this.#bootId = randomUUID();
    this.#bootedAt = Date.now();
    this.#overrides.clear();
    this.refresh();
  }
}
