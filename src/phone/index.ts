/** The virtual phone. `startPhone` runs one inside this process; `launchPhone` as a process of its own. */

export { connectAdb, disconnectAdb } from './adb.ts';
export { faultPhone, findPhone, launchPhone, listPhones, stopPhone } from './fleet.ts';
export { startPhone } from './start.ts';
export type { Abi, FaultKind, FaultOptions, Make, Phone, PhoneOptions, PhoneRecord } from './types.ts';
export { abis, faultKinds, makes } from './types.ts';
export { profileNames } from './world/profiles/index.ts';
