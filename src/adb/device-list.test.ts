import { expect, test } from 'vitest';
import { parseDeviceList } from './device-list.ts';

test('a phone with all its attributes', () => {
  const line =
    '8A2X0KXYZ              device usb:1-4.2 product:shiba model:Pixel_8 device:shiba transport_id:7\n';
  expect(parseDeviceList(line)).toEqual([
    {
      serial: '8A2X0KXYZ',
      state: 'device',
      stateText: 'device',
      transportId: 7,
      model: 'Pixel_8',
      product: 'shiba',
      device: 'shiba',
      usb: '1-4.2',
    },
  ]);
});

test('phones that are not usable have fewer columns', () => {
  const text = [
    'R58M12345AB            unauthorized usb:1-1 transport_id:2',
    '192.168.1.7:5555       offline transport_id:3',
    '[fe80::1]:5555         device product:x model:y device:z transport_id:4',
    'emulator-5554          authorizing transport_id:5',
    'OLD                    offline',
    'X1                     quarantined transport_id:6',
    '',
  ].join('\n');
  expect(parseDeviceList(text).map(({ serial, state, transportId }) => [serial, state, transportId])).toEqual(
    [
      ['R58M12345AB', 'unauthorized', 2],
      ['192.168.1.7:5555', 'offline', 3],
      ['[fe80::1]:5555', 'device', 4],
      ['emulator-5554', 'authorizing', 5],
      ['OLD', 'offline', undefined],
      ['X1', 'unknown', 6],
    ],
  );
});

test('a state of several words', () => {
  const text =
    '(no serial number)     no permissions (user in plugdev group; are your udev rules wrong?); see [http://developer.android.com/tools/device.html] usb:1-4 transport_id:1';
  const [info] = parseDeviceList(text);
  expect(info?.serial).toBe('(no serial number)');
  expect(info?.state).toBe('no-permissions');
  expect(info?.stateText).toContain('plugdev');
  expect(info?.stateText).not.toContain('transport_id');
  expect(info?.usb).toBe('1-4');
});

test('no devices', () => {
  expect(parseDeviceList('')).toEqual([]);
  expect(parseDeviceList('\n')).toEqual([]);
});
