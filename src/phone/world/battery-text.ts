import { type PhysicalState, percentOf, statusOf } from './physics.ts';
import type { Profile } from './profile.ts';

/** Values that `dumpsys battery set` has replaced, by the key of the output. */
export type BatteryOverrides = ReadonlyMap<string, string>;

/** `dumpsys battery`, in the words of AOSP's BatteryService with what the vendors add to them. */
export function batteryDump(profile: Profile, state: PhysicalState, overrides: BatteryOverrides): string {
  const { dialect } = profile.battery;
  const status = statusOf(profile, state);
  const percent = percentOf(profile, state);
  const aosp: [string, string | number][] = [
    ['AC powered', dialect === 'xiaomi' && state.plugged],
    ['USB powered', dialect !== 'xiaomi' && state.plugged],
    ['Wireless powered', false],
    ...(profile.sdk >= 33 ? [['Dock powered', false] as [string, boolean]] : []),
    ['Max charging current', state.plugged ? (dialect === 'xiaomi' ? 12_400_000 : 3_000_000) : 0],
    ['Max charging voltage', state.plugged ? (dialect === 'xiaomi' ? 11_000_000 : 5_000_000) : 0],
    ['Charge counter', chargeCounter(profile, state)],
    ['status', status.number],
    ['health', 2],
    ['present', true],
    ['level', Math.round(percent)],
    ['scale', 100],
    ['voltage', Math.round(state.voltage * 1000)],
    ['temperature', Math.round(state.body * 10)],
    ['technology', profile.battery.technology],
  ].map(([key, value]): [string, string] => [String(key), overrides.get(String(key)) ?? String(value)]);
  const text = new Map(aosp.map(([key, value]) => [key, `  ${key}: ${value}\n`]));
  const head = 'Current Battery Service state:\n';
  const suspended = overrides.size > 0 ? "  (UPDATES STOPPED -- use 'reset' to restart)\n" : '';
  const lines = [...text.values()].join('');
  if (dialect === 'samsung') return head + suspended + samsung(profile, state, lines);
  if (dialect === 'xiaomi') return head + suspended + xiaomi(text, state, profile);
  return `${head}${suspended}${lines}  Charging state: ${state.plugged ? 1 : 0}\n  Charging policy: 1\n  Capacity level: ${percent >= 99.95 ? 4 : 3}\n`;
}

function chargeCounter(profile: Profile, state: PhysicalState): number {
  if (profile.battery.counterUnit === 'zero') return 0;
  return Math.round(profile.battery.counterUnit === 'mAh' ? state.charge : state.charge * 1000);
}

/** Lower-case `current now` (mA) and a second `charge counter`, then the record of the battery's life. */
function samsung(profile: Profile, state: PhysicalState, lines: string): string {
  return [
    lines,
    '  batterySWSelfDischarging: false\n',
    '  batteryMiscEvent: 0\n',
    '  batteryCurrentEvent: 0\n',
    `  mSecPlugTypeSummary: ${state.plugged ? 2 : 0}\n`,
    '  LED Charging: true\n',
    '  LED Low Battery: true\n',
    `  current now: ${Math.round(state.current)}\n`,
    '  charge counter: 0\n',
    '  Adaptive Fast Charging Settings: true\n',
    'USE_FAKE_BATTERY: false\n',
    'BatteryInfoBackUp\n',
    '  mSavedBatteryAsoc: 94\n',
    '  mSavedBatteryMaxTemp: 441\n',
    `  mSavedBatteryMaxCurrent: ${Math.round(profile.battery.chargerWatts * 190)}\n`,
  ].join('');
}

/** Sentences between the keys that hold the keys' words, and an event log. */
function xiaomi(text: Map<string, string>, state: PhysicalState, profile: Profile): string {
  const extra: Record<string, string> = {
    'Max charging current':
      ' Time when the latest updated value of the Max charging current was sent via battery changed broadcast: +3h50m5s130ms\n',
    voltage:
      ' Time when the latest updated value of the voltage was sent via battery changed broadcast: +4h6m8s668ms\n' +
      ` The last voltage value sent via the battery changed broadcast: ${Math.round(state.voltage * 1000) + 4}\n`,
  };
  const lines = [...text].map(([key, line]) => line + (extra[key] ?? ''));
  const level = Math.round(percentOf(profile, state));
  return [
    ...lines,
    '  Charging state: 0\n',
    '  Charging policy: 0\n',
    '  Capacity level: 4\n',
    'MiuiBatteryService first usage time:\n',
    '  mSetBatteryUsageTimeCount=56\n',
    'Battery event log:\n',
    `  10-02 08:14:22.531 level: ${Math.min(100, level + 3)} status: 3 temperature: 302\n`,
    `  10-02 09:01:47.118 level: ${Math.min(100, level + 1)} status: 3 temperature: 311\n`,
  ].join('');
}

/** The files of /sys/class/power_supply, by path. */
export function batteryFiles(profile: Profile, state: PhysicalState): Map<string, string> {
  const { battery } = profile;
  const status = statusOf(profile, state).word;
  const milliamperes = state.current * battery.chargingSign;
  const current = Math.round(battery.currentUnit === 'mA' ? milliamperes : milliamperes * 1000);
  const values: [string, string | number][] = [
    ['status', status],
    ['health', 'Good'],
    ['present', 1],
    ['technology', battery.technology],
    ['cycle_count', 112],
    ['voltage_now', Math.round(state.voltage * 1_000_000)],
    ['current_now', current],
    ['charge_full_design', battery.capacityMah * 1000],
    ['charge_full', Math.round(battery.capacityMah * 965)],
    ['charge_counter', Math.round(state.charge * 1000)],
    ['capacity', Math.round(percentOf(profile, state))],
    ['temp', Math.round(state.body * 10)],
    ['type', 'Battery'],
  ];
  const folder = '/sys/class/power_supply';
  const files = new Map(values.map(([name, value]) => [`${folder}/battery/${name}`, `${value}\n`]));
  const events = values.map(([name, value]) => `POWER_SUPPLY_${name.toUpperCase()}=${value}\n`);
  files.set(`${folder}/battery/uevent`, `POWER_SUPPLY_NAME=battery\n${events.join('')}`);
  files.set(`${folder}/usb/online`, `${state.plugged ? 1 : 0}\n`);
  files.set(`${folder}/usb/type`, 'USB\n');
  return files;
}
