/** The transport: adb servers, phones, programs, files and sockets on them. adbkit stays inside. */
export { AdbDevice } from './device.ts';
export { findAdb } from './endpoint.ts';
export { formatDevice, formatServer, isContactLoss, stateHints } from './errors.ts';
export { quote } from './quote.ts';
export { selectDevice } from './select.ts';
export { AdbServer } from './server.ts';
export type * from './types.ts';
