import type { DeviceInfo, DeviceState } from './types.ts';

const STATES: readonly DeviceState[] = [
  'device',
  'offline',
  'unauthorized',
  'authorizing',
  'connecting',
  'recovery',
  'rescue',
  'sideload',
  'bootloader',
];

/**
 * The answer to `host:devices-l`: columns parted by blanks, a state that may contain blanks itself
 * (`no permissions (user in plugdev group; ...); see [http://...]`), and attributes that are absent for a phone that
 * is offline. (append_transport in AOSP's transport.cpp)
 */
export function parseDeviceList(text: string): DeviceInfo[] {
  return text.split('\n').flatMap((line) => {
    const match = /^(\(no serial number\)|\S+)\s+(\S.*)$/.exec(line.trimEnd());
    if (!match) return [];
    const [, serial = '', rest = ''] = match;
    const attributesAt = rest.search(/\s(?:usb|product|model|device|transport_id):\S/);
    const stateText = (attributesAt < 0 ? rest : rest.slice(0, attributesAt)).trim();
    const attributes = new Map<string, string>();
    if (attributesAt >= 0)
      for (const [, key, value] of rest.slice(attributesAt).matchAll(/(\w+):(\S+)/g))
        attributes.set(key ?? '', value ?? '');
    return [describe(serial, stateText, attributes)];
  });
}

function describe(serial: string, stateText: string, attributes: Map<string, string>): DeviceInfo {
  const known = STATES.find((state) => state === stateText);
  const state = known ?? (stateText.startsWith('no permissions') ? 'no-permissions' : 'unknown');
  const id = Number(attributes.get('transport_id') ?? Number.NaN);
  const named = (['model', 'product', 'device', 'usb'] as const).flatMap((key) => {
    const value = attributes.get(key);
    return value === undefined ? [] : [[key, value]];
  });
  return {
    serial,
    state,
    stateText,
    ...(Number.isInteger(id) ? { transportId: id } : {}),
    ...Object.fromEntries(named),
  };
}
