import { execa } from 'execa';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';

const CONNECT_TIMEOUT_MS = 20_000;

/** Runs `adb -P PORT ARGS` and returns its output. */
export async function runAdb(serverPort: number, args: string[]): Promise<string> {
  try {
    const { all } = await execa('adb', ['-P', String(serverPort), ...args], {
      all: true,
      timeout: CONNECT_TIMEOUT_MS,
      // The first call starts the server, which must not keep our pipes.
      env: { ANDROID_ADB_SERVER_PORT: String(serverPort), ADB_MDNS_AUTO_CONNECT: '' },
      stdin: 'ignore',
    });
    return all;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new MftError('adb is not on PATH.', {
        code: 'adb.not-installed',
        exit: ExitCode.device,
        suggestions: [
          'Install it: apt-get install adb, brew install android-platform-tools, or from developer.android.com.',
        ],
        cause: error,
      });
    }
    throw new MftError(`adb ${args.join(' ')} failed: ${messageOf(error)}`, {
      code: 'phone.adb-failed',
      exit: ExitCode.device,
      cause: error,
    });
  }
}

/** Connects an adb server to a phone and waits until it is a `device`. Does nothing if it is one. */
export async function connectAdb(serial: string, serverPort: number): Promise<void> {
  const answer = await runAdb(serverPort, ['connect', serial]);
  await execaWait(serial, serverPort, answer);
}

export async function disconnectAdb(serial: string, serverPort: number): Promise<void> {
  await execa('adb', ['-P', String(serverPort), 'disconnect', serial], {
    reject: false,
    stdin: 'ignore',
    timeout: 5000,
  });
}

async function execaWait(serial: string, serverPort: number, answer: string): Promise<void> {
  const { exitCode } = await execa('adb', ['-P', String(serverPort), '-s', serial, 'wait-for-device'], {
    reject: false,
    stdin: 'ignore',
    timeout: CONNECT_TIMEOUT_MS,
  });
  if (exitCode === 0) return;
  throw new MftError(`adb could not connect to the virtual phone at ${serial}: ${answer.trim()}`, {
    code: 'phone.connect-failed',
    exit: ExitCode.device,
    suggestions: ['See its log: mft phone list names the folder.'],
  });
}
