/**
 * `dumpsys battery` and `dumpsys thermalservice`, as they are in the wild: vendors append event logs, insert lines that
 * repeat key words, and print what is not fitted as 0.0. What is not certain is left out.
 */
export interface BatteryReading {
  readonly percent?: number;
  /** Android's BatteryManager: 2 charging, 3 discharging, 4 not charging, 5 full. */
  readonly status?: 'Charging' | 'Discharging' | 'Not charging' | 'Full';
  readonly temperatureC?: number;
  readonly plugged?: boolean;
}

const STATUS = { 2: 'Charging', 3: 'Discharging', 4: 'Not charging', 5: 'Full' } as const;

/** Keys count only at the start of a line and with nothing but their value; the first of each wins. */
export function parseBattery(text: string): BatteryReading {
  const value = (key: string) => new RegExp(`^ {2}${key}: (\\S+)\\s*$`, 'm').exec(text)?.[1];
  const number = (key: string) => {
    const digits = value(key);
    return digits !== undefined && /^-?\d+$/.test(digits) ? Number(digits) : undefined;
  };
  const level = number('level');
  const scale = number('scale') ?? 100;
  const status = Object.entries(STATUS).find(([code]) => Number(code) === number('status'))?.[1];
  const temperature = number('temperature');
  const sources = ['AC', 'USB', 'Wireless', 'Dock'].map((source) => value(`${source} powered`));
  return {
    ...(level !== undefined && scale > 0 ? { percent: (level * 100) / scale } : {}),
    ...(status === undefined ? {} : { status }),
    ...(temperature === undefined ? {} : { temperatureC: temperature / 10 }),
    ...(sources.every((said) => said === undefined) ? {} : { plugged: sources.includes('true') }),
  };
}

export interface Temperature {
  readonly name: string;
  readonly kind: 'cpu' | 'gpu' | 'battery' | 'skin';
  readonly celsius: number;
}

const KINDS = ['cpu', 'gpu', 'battery', 'skin'] as const;

/** The HAL's current values: what is cached may be hours old, and cooling devices are no temperatures. */
export function parseThermal(text: string): Temperature[] {
  const from = text.indexOf('Current temperatures from HAL:');
  if (from < 0) return [];
  const to = text.indexOf('Current cooling devices', from);
  const section = text.slice(from, to < 0 ? undefined : to);
  const entries = section.matchAll(/Temperature\{mValue=(-?[\d.]+), mType=(\d+), mName=([^,}]*)/g);
  return [...entries].flatMap(([, value, type, name = '']) => {
    const kind = KINDS[Number(type)];
    const celsius = Number(value);
    return kind === undefined || !Number.isFinite(celsius) || celsius === 0 ? [] : [{ name, kind, celsius }];
  });
}
