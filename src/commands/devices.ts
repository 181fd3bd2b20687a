import { type AdbServer, type DeviceInfo, stateHints } from '../adb/index.ts';
import { messageOf } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import { type DeviceProfile, deviceProfile } from '../device/index.ts';
import { table } from '../ui/table.ts';
import { BaseCommand } from './base.ts';
import { openServer } from './shared/context.ts';

/** A phone that is connected but says nothing must not hold the list up. */
const ANSWER_MS = 10_000;

interface Line {
  serial: string;
  state: string;
  profile?: DeviceProfile;
  problem?: string;
  hints: string[];
}

export default class Devices extends BaseCommand {
  static override summary = 'List the phones that are connected.';
  static override description =
    `With what each is and how much memory and space it has; for one that can't be used, what to do.`;
  static override examples = [
    '<%= config.bin %> devices',
    '<%= config.bin %> devices --adb-server 192.168.1.5:5037 --json',
  ];

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Devices);
    const server = await openServer(flags);
    const devices = await Promise.all((await server.devices()).map((info) => look(server, info)));
    if (devices.length === 0) {
      this.log(`No phone is connected (adb server ${server}).`);
      this.log(
        'By USB: switch on USB debugging. By network: adb connect HOST:PORT. Without one: mft phone start',
      );
    } else {
      const rows = devices.map(({ serial, state, profile: p }) => [
        serial,
        state,
        p ? `${p.manufacturer} ${p.model}` : '-',
        p ? `${p.androidVersion} (SDK ${p.sdk})` : '-',
        p?.abi ?? '-',
        p ? `${formatBytes(p.memAvailableBytes)} of ${formatBytes(p.memTotalBytes)}` : '-',
        p ? formatBytes(p.diskFreeBytes) : '-',
      ]);
      for (const line of table(
        ['SERIAL', 'STATE', 'MODEL', 'ANDROID', 'ABI', 'FREE MEMORY', 'FREE SPACE'],
        rows,
      ))
        this.log(line);
      for (const { serial, problem, hints } of devices) {
        if (problem) this.log(`${serial}: ${problem}`);
        for (const hint of hints) this.log(`${serial}: ${hint}`);
      }
    }
    return { server: String(server), devices };
  }
}

async function look(server: AdbServer, info: DeviceInfo): Promise<Line> {
  const { serial, state, stateText } = info;
  if (state !== 'device') return { serial, state: stateText, hints: [...stateHints(state)] };
  try {
    return {
      serial,
      state,
      profile: await deviceProfile(server.device(serial), { timeoutMs: ANSWER_MS }),
      hints: [],
    };
  } catch (error) {
    return { serial, state, problem: messageOf(error), hints: [] };
  }
}
