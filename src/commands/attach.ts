import { RunStore } from '../runs/index.ts';
import { BaseCommand } from './base.ts';
import { phoneOf } from './shared/context.ts';
import { deviceFlag, plainFlag, runArg, waitFlag } from './shared/flags.ts';
import { endingLines, endRecord, exitCodeOf, followRun } from './shared/follow.ts';
import { prose } from './shared/prose.ts';
import { viewMode } from './shared/view-mode.ts';

export default class Attach extends BaseCommand {
  static override summary = 'Come back to a run.';
  static override description =
    prose(`Takes a run up from wherever it stands: what happened meanwhile is replayed, exactly once; what a crash of this
computer left undone (pushing, starting, collecting the result) is done; a training whose process died is started again
from its last checkpoint. With a run that has ended it says how.

Exit codes: 0 finished, 5 failed, 6 contact lost, 7 stopped on request, 130 left with ^C (docs/errors.md).`);
  static override examples = [
    '<%= config.bin %> attach gpt2-20261122-1a2b',
    '<%= config.bin %> attach gpt2 --json',
  ];
  static override args = { run: runArg };
  static override flags = { device: deviceFlag, wait: waitFlag, plain: plainFlag };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(Attach);
    using store = RunStore.open();
    const run = store.find(args.run);
    const json = this.jsonEnabled();
    const followed = await followRun({
      store,
      phone: await phoneOf(run, flags),
      id: run.id,
      mode: viewMode({ json, plain: flags.plain }),
      session: { contactMs: flags.wait * 1000 },
    });
    if (json) this.printJsonLine(endRecord(run.id, followed));
    else for (const line of endingLines(run.id, followed)) this.log(line);
    process.exitCode = exitCodeOf(followed);
    return undefined;
  }
}
