import type { Profile } from './profile.ts';

/** Battery and heat of a phone. Pure: a state and what happened give the next state. */
export interface PhysicalState {
  /** mAh in the battery. */
  charge: number;
  /** degC of the chip, and of body and battery together. */
  chip: number;
  body: number;
  plugged: boolean;
  /** mA into the battery; negative while it is discharged. */
  current: number;
  /** At the terminals. */
  voltage: number;
}

export const ROOM_CELSIUS = 23;
/** Explicit Euler is stable far below the smallest time constant (chip: about 40 s). */
const MAX_STEP_SECONDS = 2;

/** Open-circuit voltage of a lithium-ion cell at tenths of its charge. */
const openCircuit = [3.3, 3.68, 3.74, 3.78, 3.81, 3.85, 3.91, 3.98, 4.06, 4.17, 4.35];

export function openCircuitVolts(share: number): number {
  const place = Math.min(Math.max(share, 0), 1) * 10;
  const low = Math.min(Math.floor(place), 9);
  const [a = 0, b = 0] = openCircuit.slice(low, low + 2);
  return a + (b - a) * (place - low);
}

export function initialState(profile: Profile, percent: number, plugged: boolean): PhysicalState {
  const charge = (profile.battery.capacityMah * percent) / 100;
  const state = { charge, chip: ROOM_CELSIUS + 4, body: ROOM_CELSIUS + 3, plugged, current: 0, voltage: 0 };
  return advance(profile, state, 0, 0);
}

export function percentOf(profile: Profile, state: PhysicalState): number {
  return Math.min(100, Math.max(0, (state.charge / profile.battery.capacityMah) * 100));
}

/**
 * @param seconds that pass
 * @param busyCores mean number of cores at work in that time
 */
export function advance(
  profile: Profile,
  state: PhysicalState,
  seconds: number,
  busyCores: number,
): PhysicalState {
  let next = state;
  for (let left = seconds; left > 0; left -= MAX_STEP_SECONDS) {
    next = stepOnce(profile, next, Math.min(left, MAX_STEP_SECONDS), busyCores);
  }
  return seconds > 0 ? next : stepOnce(profile, next, 0, busyCores);
}

function stepOnce(profile: Profile, state: PhysicalState, seconds: number, busyCores: number): PhysicalState {
  const { battery, thermal, power } = profile;
  const share = state.charge / battery.capacityMah;
  const volts = openCircuitVolts(share);
  const computing = power.coreWatts * busyCores;
  const load = power.idleWatts + computing;
  // What the charger leaves over goes into the battery, up to half of its capacity an hour, tapering off from 80 %.
  const taper = share < 0.8 ? 1 : Math.max(0, (1.0 - share) / 0.2);
  const limit = 0.5 * battery.capacityMah * taper;
  const current = state.plugged
    ? Math.min(limit, ((battery.chargerWatts - load) / volts) * 1000)
    : (-load / volts) * 1000;
  const voltage = volts + (current / 1000) * battery.resistance;
  const losses =
    (current / 1000) ** 2 * battery.resistance + (current > 0 ? 0.06 * (current / 1000) * volts : 0);
  const across = (state.chip - state.body) / thermal.chipToBody;
  const out = (state.body - ROOM_CELSIUS) / thermal.bodyToRoom;
  return {
    charge: Math.min(battery.capacityMah, Math.max(0, state.charge + (current * seconds) / 3600)),
    chip: state.chip + ((computing + power.idleWatts / 2 - across) * seconds) / thermal.chipHeatCapacity,
    body: state.body + ((power.idleWatts / 2 + losses + across - out) * seconds) / thermal.bodyHeatCapacity,
    plugged: state.plugged,
    current,
    voltage,
  };
}

/** Android's BatteryManager numbers and the kernel's words for them. */
export function statusOf(profile: Profile, state: PhysicalState): { number: number; word: string } {
  if (!state.plugged) return { number: 3, word: 'Discharging' };
  if (percentOf(profile, state) >= 99.95) return { number: 5, word: 'Full' };
  return state.current > 0 ? { number: 2, word: 'Charging' } : { number: 4, word: 'Not charging' };
}

/** 0 none, 1 light, 2 moderate, 3 severe, 4 critical, 5 emergency, 6 shutdown. */
export function thermalStatus(profile: Profile, state: PhysicalState): number {
  return profile.thermal.skinThresholds.filter((threshold) => state.body >= threshold).length;
}
