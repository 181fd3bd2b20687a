import { type PhysicalState, thermalStatus } from './physics.ts';
import type { Profile, ThermalSensor } from './profile.ts';

function celsius(sensor: ThermalSensor, state: PhysicalState): number {
  if (sensor.node === 'none') return 0;
  return (sensor.node === 'chip' ? state.chip : state.body) + sensor.offset;
}

/** Java prints a float with at least one decimal. */
function float(value: number): string {
  const text = String(Math.fround(Math.round(value * 1000) / 1000).toFixed(3)).replace(/0+$/, '');
  return text.endsWith('.') ? `${text}0` : text;
}

function line(sensor: ThermalSensor, value: number, status: number): string {
  return `\tTemperature{mValue=${float(value)}, mType=${sensor.type}, mName=${sensor.name}, mStatus=${status}}\n`;
}

/**
 * `dumpsys thermalservice`, after ThermalManagerService.
 * @param cached the state some seconds ago: what the service has in its cache is old
 */
export function thermalDump(profile: Profile, state: PhysicalState, cached: PhysicalState): string {
  const { sensors, skinThresholds } = profile.thermal;
  const status = (sensor: ThermalSensor, at: PhysicalState) =>
    sensor.type === 3 ? thermalStatus(profile, at) : 0;
  const list = (at: PhysicalState) =>
    sensors.map((sensor) => line(sensor, celsius(sensor, at), status(sensor, at))).join('');
  const skin = sensors.find((sensor) => sensor.type === 3);
  const hot = ['NaN', ...skinThresholds.map((threshold) => threshold.toFixed(1))].join(', ');
  const cold = Array(7).fill('NaN').join(', ');
  return [
    'IsStatusOverride: false\n',
    'ThermalEventListeners:\n\tcallbacks: 1\n\tkilled: false\n\tbroadcasts count: -1\n',
    'ThermalStatusListeners:\n\tcallbacks: 4\n\tkilled: false\n\tbroadcasts count: -1\n',
    `Thermal Status: ${thermalStatus(profile, state)}\n`,
    'Cached temperatures:\n',
    list(cached),
    'HAL Ready: true\n',
    'HAL connection:\n\tThermalHAL 2.0 connected: yes\n',
    'Current temperatures from HAL:\n',
    list(state),
    'Current cooling devices from HAL:\n',
    profile.battery.dialect === 'aosp' ? '\tCoolingDevice{mValue=0, mType=5, mName=tpu_cooling}\n' : '',
    'Temperature static thresholds from HAL:\n',
    `\tTemperatureThreshold{mType=3, mName=${skin?.name}, mHotThrottlingThresholds=[${hot}], mColdThrottlingThresholds=[${cold}]}\n`,
  ].join('');
}

/** The files of /sys/class/thermal, millidegrees. */
export function thermalFiles(profile: Profile, state: PhysicalState): Map<string, string> {
  const files = new Map<string, string>();
  const zones = profile.thermal.sensors.filter((sensor) => sensor.zone !== undefined);
  for (const [index, sensor] of zones.entries()) {
    const folder = `/sys/class/thermal/thermal_zone${index}`;
    files.set(`${folder}/type`, `${sensor.zone}\n`);
    files.set(`${folder}/temp`, `${Math.round(celsius(sensor, state) * 1000)}\n`);
    files.set(`${folder}/mode`, 'enabled\n');
  }
  return files;
}
