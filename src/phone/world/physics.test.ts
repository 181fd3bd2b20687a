import { describe, expect, test } from 'vitest';
import {
  advance,
  initialState,
  openCircuitVolts,
  percentOf,
  ROOM_CELSIUS,
  statusOf,
  thermalStatus,
} from './physics.ts';
import { pixel8 } from './profiles/pixel-8.ts';

const HOUR = 3600;

describe('physics', () => {
  test('an idle phone lasts for days, a busy one for hours', () => {
    const start = initialState(pixel8, 100, false);
    const idle = advance(pixel8, start, 24 * HOUR, 0);
    expect(percentOf(pixel8, idle)).toBeGreaterThan(30);
    const busy = advance(pixel8, start, 3 * HOUR, 4);
    expect(percentOf(pixel8, busy)).toBeLessThan(50);
    expect(busy.voltage).toBeLessThan(idle.voltage + 0.5);
  });

  test('the energy taken is the power times the time', () => {
    const start = initialState(pixel8, 60, false);
    const end = advance(pixel8, start, HOUR, 2);
    const watts = pixel8.power.idleWatts + 2 * pixel8.power.coreWatts;
    const meanVolts = (openCircuitVolts(0.6) + openCircuitVolts(percentOf(pixel8, end) / 100)) / 2;
    expect(((start.charge - end.charge) / 1000) * meanVolts).toBeCloseTo(watts, 1);
  });

  test('work heats, rest cools, both towards their equilibrium', () => {
    const start = initialState(pixel8, 80, false);
    const hot = advance(pixel8, start, HOUR, 6);
    expect(hot.chip).toBeGreaterThan(hot.body + 20);
    expect(thermalStatus(pixel8, hot)).toBeGreaterThanOrEqual(1);
    const cold = advance(pixel8, hot, 4 * HOUR, 0);
    expect(cold.body).toBeGreaterThan(ROOM_CELSIUS);
    expect(cold.body).toBeLessThan(ROOM_CELSIUS + 4);
    expect(thermalStatus(pixel8, cold)).toBe(0);
  });

  test('the step does not matter much', () => {
    let small = initialState(pixel8, 80, false);
    for (let second = 0; second < 600; second += 1) small = advance(pixel8, small, 1, 3);
    const large = advance(pixel8, initialState(pixel8, 80, false), 600, 3);
    expect(small.chip).toBeCloseTo(large.chip, 0);
    expect(small.charge).toBeCloseTo(large.charge, 0);
  });

  test('a charger fills the battery and stops', () => {
    const start = initialState(pixel8, 90, true);
    expect(statusOf(pixel8, start)).toEqual({ number: 2, word: 'Charging' });
    const full = advance(pixel8, start, 20 * HOUR, 0);
    expect(percentOf(pixel8, full)).toBeLessThanOrEqual(100);
    expect(statusOf(pixel8, full)).toEqual({ number: 5, word: 'Full' });
    expect(Math.abs(full.current)).toBeLessThan(50);
    expect(statusOf(pixel8, { ...full, plugged: false }).word).toBe('Discharging');
  });

  test('a phone that needs more than its charger gives does not charge', () => {
    const state = advance(pixel8, initialState(pixel8, 50, true), 10, 12);
    expect(state.current).toBeLessThan(0);
    expect(statusOf(pixel8, state).word).toBe('Not charging');
  });
});
