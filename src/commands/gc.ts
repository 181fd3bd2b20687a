import { Flags } from '@oclif/core';
import { printable } from '../base/printable.ts';
import { formatBytes } from '../base/units.ts';
import { type Leftover, listDownloads, removeDownloads } from '../model/index.ts';
import { RunStore } from '../runs/index.ts';
import { collectGarbage, DevicePhone } from '../session/index.ts';
import { BaseCommand } from './base.ts';
import { openDevice } from './shared/context.ts';
import { deviceFlag } from './shared/flags.ts';
import { prose } from './shared/prose.ts';

export default class Gc extends BaseCommand {
  static override summary = 'Free what no run needs on a phone, or what pulls left on this computer.';
  static override description =
    prose(`Deletes pushed files (models, data, runtimes) that no run needs which can still go on. What is needed again is pushed
again. With --runs the folders of ended runs go, too, if their result is on this computer.

With --downloads it is about this computer alone: what broken-off pulls of models have left is removed, unless one is going on.
To go on with such a pull instead, run the same mft model pull again.`);
  static override examples = [
    '<%= config.bin %> gc',
    '<%= config.bin %> gc --device R58M12ABCDE --runs --json',
    '<%= config.bin %> gc --downloads',
  ];
  static override flags = {
    device: deviceFlag,
    runs: Flags.boolean({ summary: 'Ended runs whose result is on this computer, too.' }),
    downloads: Flags.boolean({
      summary: 'What broken-off pulls left on this computer; no phone is touched.',
      exclusive: ['device', 'runs'],
    }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Gc);
    if (flags.downloads) return await this.removeDownloads();
    using store = RunStore.open();
    const device = await openDevice(flags);
    const report = await collectGarbage(store, new DevicePhone(device), { endedRuns: flags.runs });
    this.log(`${report.files} files deleted, ${formatBytes(report.bytes)} freed on ${device}.`);
    for (const id of report.runs) this.log(`The folder of ${id} is deleted.`);
    for (const { run, why } of report.kept) this.log(`Kept what ${run} needs: ${why}.`);
    const downloads = await listDownloads();
    for (const line of downloads.map(downloadLine)) this.log(`On this computer: ${line}`);
    if (downloads.some(({ inUse }) => !inUse)) this.log('mft gc --downloads removes what is not in use.');
    return { device: device.serial, ...report, downloads };
  }

  private async removeDownloads(): Promise<unknown> {
    const removed = await removeDownloads();
    const kept = await listDownloads();
    for (const leftover of removed) this.log(`Removed: ${downloadLine(leftover)}`);
    for (const leftover of kept) this.log(`Kept: ${downloadLine(leftover)}`);
    if (removed.length + kept.length === 0) this.log('No pull has left anything.');
    return { removed, kept };
  }
}

/** "Qwen/Qwen2.5-0.5B, 312.4 MB, 3 days old" */
function downloadLine({ repository, bytes, modified, inUse }: Leftover): string {
  const hours = Math.floor((Date.now() - modified.getTime()) / 3_600_000);
  const age = hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
  return `${printable(repository)}, ${formatBytes(bytes)}, ${inUse ? 'being pulled' : `${age} old`}`;
}
