import { expect, test } from 'vitest';
import { parseBattery, parseThermal } from './power-readings.ts';

// Public samples: https://gh0st.tistory.com/6 (Samsung), https://github.com/d4rken-org/amply/pull/52 (Redmi Note 14),
// https://android.stackexchange.com/questions/246774 (Samsung A52 5G).
const SAMSUNG = `Current Battery Service state:
  mBootCompleted: true
  AC powered: false
  USB powered: true
  Wireless powered: false
  Max charging current: 0
  Charge counter: 0
  status: 2
  health: 2
  present: true
  level: 84
  scale: 100
  voltage: 4063
  temperature: 326
  technology: Li-ion
  batteryMiscEvent: 0
  LED Low Battery: true
  current now: 321
USE_FAKE_BATTERY: false
BatteryInfoBackUp
  mSavedBatteryAsoc: 77
  level: 12
  temperature: 900
`;
const REDMI = `Current Battery Service state:
  AC powered: true
  USB powered: false
  Wireless powered: false
  Dock powered: false
  Max charging current: 12400000
 Time when the latest updated value of the Max charging current was sent via battery changed broadcast: +3h50m5s130ms
  status: 3
  level: 80
  scale: 100
  voltage: 4228
 The last voltage value sent via the battery changed broadcast: 4232
  temperature: 364
  Capacity level: 4
`;
const A52 = `Thermal Status: 0
Cached temperatures:
	Temperature{mValue=99.0, mType=3, mName=LRB, mStatus=0}
HAL Ready: true
Current temperatures from HAL:
	Temperature{mValue=25.6, mType=0, mName=AP, mStatus=0}
	Temperature{mValue=23.8, mType=2, mName=BAT, mStatus=0}
	Temperature{mValue=24.7, mType=3, mName=LRB, mStatus=0}
	Temperature{mValue=25.7, mType=5, mName=PA, mStatus=0}
	Temperature{mValue=0.0, mType=2, mName=SUBBAT, mStatus=0}
	Temperature{mValue=80.0, mType=6, mName=BCL_VOLTAGE_LEVEL, mStatus=0}
Current cooling devices from HAL:
	Temperature{mValue=71.0, mType=0, mName=NOT_A_TEMPERATURE, mStatus=0}
`;

test('a Samsung: the first of each key wins over the backup further down', () => {
  expect(parseBattery(SAMSUNG)).toEqual({
    percent: 84,
    status: 'Charging',
    temperatureC: 32.6,
    plugged: true,
  });
});

test('a Redmi: inserted lines are no keys', () => {
  expect(parseBattery(REDMI)).toEqual({
    percent: 80,
    status: 'Discharging',
    temperatureC: 36.4,
    plugged: true,
  });
});

test('what is not there is unknown', () => {
  expect(parseBattery('Error: Could not get service\n')).toEqual({});
  expect(parseBattery('  level: many\n  status: 1\n')).toEqual({});
  expect(parseThermal("Can't find service: thermalservice\n")).toEqual([]);
});

test('thermal: from the HAL, not the cache, not the cooling devices, not what is not fitted', () => {
  expect(parseThermal(A52)).toEqual([
    { name: 'AP', kind: 'cpu', celsius: 25.6 },
    { name: 'BAT', kind: 'battery', celsius: 23.8 },
    { name: 'LRB', kind: 'skin', celsius: 24.7 },
  ]);
});
