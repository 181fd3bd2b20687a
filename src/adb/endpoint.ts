import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ExitCode, MftError } from '../base/errors.ts';
import type { ServerAddress, ServerOptions } from './types.ts';

const DEFAULT: ServerAddress = { host: '127.0.0.1', port: 5037 };

/** Where the server is, by the rules of adb itself (`adb help`, "environment variables"). */
export function serverAddress(options: Pick<ServerOptions, 'host' | 'port' | 'env'>): ServerAddress {
  const env = options.env ?? process.env;
  const fromEnv = env.ADB_SERVER_SOCKET ? parseSocketSpec(env.ADB_SERVER_SOCKET) : classic(env);
  return { host: options.host ?? fromEnv.host, port: options.port ?? fromEnv.port };
}

function classic(env: NodeJS.ProcessEnv): ServerAddress {
  const host = env.ANDROID_ADB_SERVER_ADDRESS || DEFAULT.host;
  const text = env.ANDROID_ADB_SERVER_PORT;
  if (!text) return { host, port: DEFAULT.port };
  return { host, port: parsePort(text, 'ANDROID_ADB_SERVER_PORT') };
}

/** `tcp:PORT` or `tcp:HOST:PORT`, an IPv6 host in brackets. */
function parseSocketSpec(spec: string): ServerAddress {
  const match = /^tcp:(?:(\[[^\]]+\]|[^:]+):)?(\d+)$/.exec(spec);
  if (!match) throw badSetting('ADB_SERVER_SOCKET', spec, 'tcp:PORT or tcp:HOST:PORT');
  const host = match[1]?.replace(/^\[|\]$/g, '') ?? DEFAULT.host;
  return {
    host: host === 'localhost' ? DEFAULT.host : host,
    port: parsePort(match[2] ?? '', 'ADB_SERVER_SOCKET'),
  };
}

function parsePort(text: string, variable: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw badSetting(variable, text, 'a port (1-65535)');
  return port;
}

function badSetting(variable: string, value: string, wanted: string): MftError {
  return new MftError(`${variable}=${value} is not ${wanted}`, {
    code: 'adb.bad-address',
    exit: ExitCode.usage,
  });
}

/** Only a server on this machine can be started from here. */
export function isLocal(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}

/** The adb binary: the one named, ADB, the first on PATH, the SDK's. `undefined` when there is none. */
export function findAdb(options: Pick<ServerOptions, 'adbPath' | 'env'> = {}): string | undefined {
  const env = options.env ?? process.env;
  const named = options.adbPath ?? env.ADB;
  if (named) return isExecutable(named) ? named : undefined;
  const name = process.platform === 'win32' ? 'adb.exe' : 'adb';
  const folders = (env.PATH ?? env.Path ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const sdk of [env.ANDROID_HOME, env.ANDROID_SDK_ROOT])
    if (sdk) folders.push(join(sdk, 'platform-tools'));
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
