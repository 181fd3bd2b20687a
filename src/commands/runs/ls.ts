import { Flags } from '@oclif/core';
import { isFollowed, type RunRecord, RunStore } from '../../runs/index.ts';
import { leftState } from '../../session/index.ts';
import { table } from '../../ui/table.ts';
import { BaseCommand } from '../base.ts';

export default class RunsLs extends BaseCommand {
  static override summary = 'List the runs that this computer knows, newest first.';
  static override description =
    'The state is what this computer knows; a run that it left (detached) may have gone on: mft attach RUN.';
  static override examples = ['<%= config.bin %> runs ls', '<%= config.bin %> runs ls --limit 5 --json'];
  static override flags = {
    limit: Flags.integer({ char: 'n', min: 1, default: 50, summary: 'At most this many.' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(RunsLs);
    using store = RunStore.open();
    const runs = store.list(flags.limit).map((run) => describe(store, run));
    if (runs.length === 0) this.log('No runs yet. mft train --help');
    else {
      const rows = runs.map((r) => [
        r.run,
        r.state,
        r.task === 'train' ? r.method : r.task,
        r.model,
        r.step === undefined ? '-' : String(r.step),
        r.loss === undefined ? '-' : r.loss.toFixed(4),
        r.device,
        r.created.slice(0, 16).replace('T', ' '),
      ]);
      for (const line of table(
        ['RUN', 'STATE', 'METHOD', 'MODEL', 'STEP', 'LOSS', 'DEVICE', 'CREATED'],
        rows,
      ))
        this.log(line);
    }
    return { runs };
  }
}

function describe(store: RunStore, run: RunRecord) {
  const last = store.lastStep(run.id);
  return {
    run: run.id,
    state: isFollowed(store.folder(run.id)) ? run.state : leftState(run.state),
    task: run.task,
    method: run.method,
    model: run.model,
    device: run.deviceName,
    serial: run.serial,
    created: new Date(run.createdMs).toISOString(),
    ...(last === undefined ? {} : { step: last.step, loss: last.loss }),
  };
}
