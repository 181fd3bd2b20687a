import { serverOptions } from './context.ts';

const here: readonly (string | undefined)[] = [undefined, 'localhost', '127.0.0.1', '::1'];

/**
 * The port of the adb server on this machine: of `--adb-server`, else of ANDROID_ADB_SERVER_PORT, else 5037. Undefined if the
 * server is on another machine, which can't reach a virtual phone on this one's loopback address.
 */
export function localAdbPort(
  address: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): number | undefined {
  const { host, port } = serverOptions(address);
  return here.includes(host) ? (port ?? Number(env.ANDROID_ADB_SERVER_PORT ?? 5037)) : undefined;
}
