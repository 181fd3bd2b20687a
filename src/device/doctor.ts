import { type AdbDevice, stateHints, type WaitOptions } from '../adb/index.ts';
import { MftError, messageOf } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import { parseBattery, parseThermal } from './power-readings.ts';
import { DEVICE_TMP, deviceProfile } from './profile.ts';
import { Runtime } from './runtime.ts';
import { script } from './shell-tools.ts';
import { DeviceStore } from './store.ts';
import type { Check, CheckStatus, DeviceProfile } from './types.ts';

const MIN_SDK = 29;
const DISK_WARN_BYTES = 2e9;
const DISK_FAIL_BYTES = 2e8;
const MEMORY_WARN_BYTES = 1e9;
/** Nothing a check asks for takes longer on a phone that is well; a dumpsys gives up after 10 s itself. */
const CHECK_TIMEOUT_MS = 20_000;

/** A file made executable and run by its name, as the runtime will be. $1 its path. */
const EXEC_PROBE =
  'printf "#!/system/bin/sh\\nexit 7\\n" > "$1" && chmod 755 "$1" && "$1"; code=$?; rm -f "$1"; exit $code';

/**
 * What a person should know before training on this phone. Never throws for what it finds; later checks are left out
 * when the phone can't be talked to at all.
 */
export async function doctor(device: AdbDevice, options: WaitOptions = {}): Promise<Check[]> {
  const wait = { timeoutMs: CHECK_TIMEOUT_MS, ...options };
  const checks = [await checkServer(device, wait), await checkState(device, wait)];
  if (checks.some(({ status }) => status === 'fail')) return checks;
  checks.push(await checkShell(device, wait));
  if (checks.at(-1)?.status === 'fail') return checks;
  checks.push(...(await checkProfile(device, wait)));
  checks.push(await checkExec(device, wait));
  checks.push(await checkPageSize(device, wait));
  checks.push(await checkBattery(device, wait));
  checks.push(await checkThermal(device, wait));
  checks.push(await checkStayAwake(device, wait));
  checks.push(await checkRuntime(device, options));
  return checks;
}

function check(name: string, status: CheckStatus, detail: string, hint = ''): Check {
  return { name, status, detail, hint };
}

/** A check that can't be made is a finding itself. */
async function attempt(name: string, status: CheckStatus, work: () => Promise<Check>): Promise<Check> {
  try {
    return await work();
  } catch (error) {
    const hint = error instanceof MftError ? (error.suggestions[0] ?? '') : '';
    return check(name, status, messageOf(error), hint);
  }
}

function checkServer(device: AdbDevice, wait: WaitOptions): Promise<Check> {
  return attempt('adb server', 'fail', async () => {
    const { host, port } = device.server.address;
    return check(
      'adb server',
      'ok',
      `protocol version ${await device.server.version(wait)} at ${host}:${port}`,
    );
  });
}

function checkState(device: AdbDevice, wait: WaitOptions): Promise<Check> {
  return attempt('connection', 'fail', async () => {
    const info = await device.info(wait);
    if (info === undefined) return check('connection', 'fail', `${device} is not connected`, 'mft devices');
    if (info.state !== 'device')
      return check('connection', 'fail', info.stateText, stateHints(info.state).join(' '));
    const way = device.isTcp ? 'network' : 'USB';
    return check('connection', 'ok', `${info.state}, ${way}`);
  });
}

function checkShell(device: AdbDevice, wait: WaitOptions): Promise<Check> {
  return attempt('shell', 'fail', async () => {
    const { exitCode, stdout, stderr } = await device.exec(
      script('printf out; printf err >&2; exit 7'),
      wait,
    );
    if (exitCode === 7 && stdout.toString() === 'out' && stderr.toString() === 'err')
      return check('shell', 'ok', 'exit codes and separate stderr (shell v2)');
    return check('shell', 'fail', `a test program gave exit code ${exitCode} instead of 7`);
  });
}

async function checkProfile(device: AdbDevice, wait: WaitOptions): Promise<Check[]> {
  let profile: DeviceProfile;
  try {
    profile = await deviceProfile(device, wait);
  } catch (error) {
    return [await attempt('phone', 'fail', () => Promise.reject(error))];
  }
  const { sdk, diskFreeBytes: disk, memAvailableBytes: memory } = profile;
  const diskStatus = disk < DISK_FAIL_BYTES ? 'fail' : disk < DISK_WARN_BYTES ? 'warn' : 'ok';
  return [
    check('phone', 'ok', `${profile.manufacturer} ${profile.model}`),
    sdk >= MIN_SDK
      ? check('android', 'ok', `${profile.androidVersion} (API ${sdk})`)
      : check(
          'android',
          'warn',
          `${profile.androidVersion} (API ${sdk})`,
          'mft is made for Android 10 or newer.',
        ),
    check('abi', 'ok', `${profile.abi} (of ${profile.abis.join(', ')})`),
    check(
      'disk',
      diskStatus,
      `${formatBytes(disk)} free on ${DEVICE_TMP}`,
      diskStatus === 'ok' ? '' : 'Free space on the phone; mft gc removes what no run needs.',
    ),
    check(
      'memory',
      memory < MEMORY_WARN_BYTES ? 'warn' : 'ok',
      `${formatBytes(memory)} available of ${formatBytes(profile.memTotalBytes)}`,
      memory < MEMORY_WARN_BYTES ? 'Close apps on the phone; it may not have room for a larger model.' : '',
    ),
  ];
}

function checkExec(device: AdbDevice, wait: WaitOptions): Promise<Check> {
  return attempt('exec', 'fail', async () => {
    const probe = `${DEVICE_TMP}/.mft-probe-${Math.random().toString(36).slice(2)}`;
    const { exitCode, stderr } = await device.exec(script(EXEC_PROBE, probe), wait);
    if (exitCode === 7) return check('exec', 'ok', `programs run from ${DEVICE_TMP}`);
    const said = stderr.toString().trim() || `exit code ${exitCode}`;
    return check('exec', 'fail', said, `A policy of this phone forbids programs in ${DEVICE_TMP}.`);
  });
}

function checkPageSize(device: AdbDevice, wait: WaitOptions): Promise<Check> {
  return attempt('page size', 'warn', async () => {
    const { exitCode, stdout } = await device.exec(['getconf', 'PAGE_SIZE'], wait);
    const bytes = Number(stdout.toString().trim());
    if (exitCode !== 0 || !(bytes > 0))
      return check('page size', 'ok', 'unknown (no getconf on the phone); the runtime asks itself');
    if (bytes <= 16384) return check('page size', 'ok', `${bytes / 1024} KiB`);
    return check('page size', 'warn', `${bytes / 1024} KiB`, 'The runtime is built for pages up to 16 KiB.');
  });
}

function checkBattery(device: AdbDevice, wait: WaitOptions): Promise<Check> {
  return attempt('battery', 'warn', async () => {
    const { stdout } = await device.exec(['dumpsys', 'battery'], wait);
    const { percent, status, temperatureC, plugged } = parseBattery(stdout.toString());
    if (percent === undefined)
      return check(
        'battery',
        'warn',
        'unknown: dumpsys battery gives no level',
        'Power limits will not work.',
      );
    const parts = [`${Math.round(percent)} %`, status ?? 'status unknown'];
    if (temperatureC !== undefined) parts.push(`${temperatureC} °C`);
    const hot = temperatureC !== undefined && temperatureC >= 45;
    const low = percent < 20 && plugged !== true;
    const hint = hot ? 'Let the phone cool down first.' : low ? 'Connect a charger.' : '';
    return check('battery', hot || low ? 'warn' : 'ok', parts.join(', '), hint);
  });
}

function checkThermal(device: AdbDevice, wait: WaitOptions): Promise<Check> {
  return attempt('thermal', 'warn', async () => {
    const { stdout } = await device.exec(['dumpsys', 'thermalservice'], wait);
    const sensors = parseThermal(stdout.toString());
    if (sensors.length === 0)
      return check(
        'thermal',
        'warn',
        'no temperatures from the HAL',
        'Temperature limits use the battery only.',
      );
    const said = sensors.map(({ name, kind, celsius }) => `${kind} ${celsius.toFixed(1)} °C (${name})`);
    return check('thermal', 'ok', said.join(', '));
  });
}

/** Developer options > "Stay awake": asleep, a phone runs no training. */
function checkStayAwake(device: AdbDevice, wait: WaitOptions): Promise<Check> {
  return attempt('stay awake', 'warn', async () => {
    const argv = ['settings', 'get', 'global', 'stay_on_while_plugged_in'];
    const { exitCode, stdout } = await device.exec(argv, wait);
    const value = stdout.toString().trim();
    if (exitCode !== 0 || !/^\d+$/.test(value)) return check('stay awake', 'ok', 'unknown');
    if (value !== '0') return check('stay awake', 'ok', 'the screen stays on while charging');
    return check(
      'stay awake',
      'warn',
      'the phone may sleep while it trains',
      'Developer options > "Stay awake" keeps it awake on a charger.',
    );
  });
}

/** The real thing: the runtime is put on the phone and asked. */
function checkRuntime(device: AdbDevice, wait: WaitOptions): Promise<Check> {
  return attempt('runtime', 'fail', async () => {
    const { abi } = await deviceProfile(device, wait);
    const runtime = await Runtime.deploy(
      new DeviceStore(device),
      abi,
      wait.signal ? { signal: wait.signal } : {},
    );
    const facts = await runtime.facts(wait);
    const cpus = `${facts.usableCpus} CPUs, ${facts.isa}, pages of ${facts.pageSize / 1024} KiB`;
    return check('runtime', 'ok', `${facts.runtimeVersion} runs (${cpus})`);
  });
}
