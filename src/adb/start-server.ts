import { execa } from 'execa';
import { findAdb } from './endpoint.ts';
import { adbNotFound, serverUnreachable } from './errors.ts';
import type { ServerAddress, ServerOptions } from './types.ts';

const START_TIMEOUT_MS = 20_000;

/**
 * Starts the local server with the adb binary. Only called when nothing listens: the binary would end a running server
 * of another version, and with it the work of whoever uses that.
 * @throws `adb.not-found`, `adb.server-unreachable`
 */
export async function startServer(address: ServerAddress, options: ServerOptions): Promise<void> {
  const env = { ...(options.env ?? process.env) };
  const adb = findAdb(options);
  if (adb === undefined) throw adbNotFound(process.platform, options.adbPath ?? env.ADB);
  // The port is said once: adb refuses to combine -P with ADB_SERVER_SOCKET.
  for (const name of ['ADB_SERVER_SOCKET', 'ANDROID_ADB_SERVER_ADDRESS', 'ANDROID_ADB_SERVER_PORT'])
    delete env[name];
  const result = await execa(adb, ['-P', String(address.port), 'start-server'], {
    env,
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
    timeout: START_TIMEOUT_MS,
    ...(options.signal ? { cancelSignal: options.signal } : {}),
  });
  options.signal?.throwIfAborted();
  if (result.failed) {
    const said = result.stderr.trim() || result.shortMessage || 'adb start-server failed';
    throw serverUnreachable(address, new Error(said, { cause: result.cause }));
  }
}
