import { BaseCommand } from './base.ts';
import { type ControlAnswer, controlRun } from './shared/control.ts';
import { runArg } from './shared/flags.ts';
import { prose } from './shared/prose.ts';

export default class Stop extends BaseCommand {
  static override summary = 'End a run early, with a result.';
  static override description =
    prose(`The step that is being computed is finished, a checkpoint and the result so far are written, and the run ends as stopped. mft attach collects the result, mft resume goes on from there.

Exit codes: 0 the run acknowledged it, 2 it is not running, 3 or 6 the phone can't be reached (docs/errors.md).`);
  static override examples = ['<%= config.bin %> stop gpt2-20261122-1a2b'];
  static override args = { run: runArg };

  async run(): Promise<ControlAnswer> {
    const { args, flags } = await this.parse(Stop);
    const answer = await controlRun('stop', args.run, flags);
    this.log(`${answer.run} stops after step ${answer.step}. Its result: mft attach ${answer.run}`);
    return answer;
  }
}
