import { Flags } from '@oclif/core';
import { formatBytes } from '../base/units.ts';
import { RunStore } from '../runs/index.ts';
import { collectGarbage, DevicePhone } from '../session/index.ts';
import { BaseCommand } from './base.ts';
import { openDevice } from './shared/context.ts';
import { deviceFlag } from './shared/flags.ts';
import { prose } from './shared/prose.ts';

export default class Gc extends BaseCommand {
  static override summary = 'Free what no run needs on a phone.';
  static override description =
    prose(`Deletes pushed files (models, data, runtimes) that no run needs which can still go on. What is needed again is pushed
again. With --runs the folders of ended runs go, too, if their result is on this computer.`);
  static override examples = [
    '<%= config.bin %> gc',
    '<%= config.bin %> gc --device R58M12ABCDE --runs --json',
  ];
  static override flags = {
    device: deviceFlag,
    runs: Flags.boolean({ summary: 'Ended runs whose result is on this computer, too.' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Gc);
    using store = RunStore.open();
    const device = await openDevice(flags);
    const report = await collectGarbage(store, new DevicePhone(device), { endedRuns: flags.runs });
    this.log(`${report.files} files deleted, ${formatBytes(report.bytes)} freed on ${device}.`);
    for (const id of report.runs) this.log(`The folder of ${id} is deleted.`);
    for (const { run, why } of report.kept) this.log(`Kept what ${run} needs: ${why}.`);
    return { device: device.serial, ...report };
  }
}
