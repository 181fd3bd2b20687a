import { ExitCode } from '../base/errors.ts';
import { type Check, doctor } from '../device/index.ts';
import { BaseCommand } from './base.ts';
import { openDevice } from './shared/context.ts';
import { deviceFlag } from './shared/flags.ts';

const MARKS: Record<Check['status'], string> = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' };

export default class Doctor extends BaseCommand {
  static override summary = 'Check whether a phone can train, and say what to do if not.';
  static override description =
    `Exit codes: 0 all is well or there are warnings only, 3 no usable phone, 4 a check failed (docs/errors.md).`;
  static override examples = [
    '<%= config.bin %> doctor',
    '<%= config.bin %> doctor --device R58M12ABCDE --json',
  ];
  static override flags = { device: deviceFlag };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Doctor);
    const device = await openDevice(flags);
    const checks = await doctor(device);
    this.log(`${device}`);
    for (const { name, status, detail, hint } of checks) {
      this.log(`  ${MARKS[status]}  ${name}: ${detail}`);
      if (hint !== '') this.log(`        ${hint}`);
    }
    if (checks.some(({ status }) => status === 'fail')) process.exitCode = ExitCode.incapable;
    return { device: device.serial, checks };
  }
}
