/** What a phone is and how it is: profile, device store, the runtime's commands, checks. */
export { doctor } from './doctor.ts';
export { DEVICE_TMP, deviceProfile, RUNTIME_ABIS } from './profile.ts';
export { type EventPosition, hashFile, Runtime } from './runtime.ts';
export { runtimeBinary } from './runtime-binary.ts';
export { DEVICE_ROOT, DeviceStore } from './store.ts';
export type * from './types.ts';
