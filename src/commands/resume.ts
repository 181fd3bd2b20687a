import { Flags } from '@oclif/core';
import { ExitCode, MftError } from '../base/errors.ts';
import { RunStore } from '../runs/index.ts';
import { steerRun } from '../session/index.ts';
import { BaseCommand } from './base.ts';
import { phoneOf } from './shared/context.ts';
import { deviceFlag, plainFlag, runArg, waitFlag } from './shared/flags.ts';
import { endingLines, endRecord, exitCodeOf, followRun } from './shared/follow.ts';
import { prose } from './shared/prose.ts';
import { viewMode } from './shared/view-mode.ts';

export default class Resume extends BaseCommand {
  static override summary = 'Let a paused run go on, or start an ended one again from its last checkpoint.';
  static override description =
    prose(`A run that is paused goes on. A run whose process is gone, that failed or that was stopped is started again: it goes on
from its newest checkpoint, with the same numbers as if nothing had happened.

Exit codes: as mft attach; 2 when the run is finished (docs/errors.md).`);
  static override examples = [
    '<%= config.bin %> resume gpt2-20261122-1a2b',
    '<%= config.bin %> resume gpt2-20261122-1a2b --detach',
  ];
  static override args = { run: runArg };
  static override flags = {
    device: deviceFlag,
    wait: waitFlag,
    plain: plainFlag,
    detach: Flags.boolean({ summary: 'Leave as soon as it goes on.' }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Resume);
    using store = RunStore.open();
    const run = store.find(args.run);
    if (run.state === 'finished')
      throw new MftError(`${run.id} is finished: there is nothing to go on with`, {
        code: 'run.finished',
        exit: ExitCode.usage,
        suggestions: [`mft runs show ${run.id}`],
      });
    const phone = await phoneOf(run, flags);
    const { alive } = await phone.status(run);
    if (alive) {
      const { step = 0, accepted, message } = await steerRun(store, phone, run.id, 'resume');
      if (!this.jsonEnabled())
        this.log(
          accepted ? `${run.id} goes on after step ${step}.` : `${run.id}: ${message || 'it was not paused'}`,
        );
      return {
        run: run.id,
        action: 'resume',
        step: step ?? 0,
        accepted: accepted ?? false,
        message: message ?? '',
      };
    }
    const json = this.jsonEnabled();
    const followed = await followRun({
      store,
      phone,
      id: run.id,
      mode: viewMode({ json, plain: flags.plain || flags.detach }),
      session: { contactMs: flags.wait * 1000, again: true, detachAfterStart: flags.detach },
    });
    if (json) this.printJsonLine(endRecord(run.id, followed));
    else for (const line of endingLines(run.id, followed)) this.log(line);
    process.exitCode = exitCodeOf(followed);
    return undefined;
  }
}
