import { BaseCommand } from './base.ts';
import { type ControlAnswer, controlRun } from './shared/control.ts';
import { runArg } from './shared/flags.ts';
import { prose } from './shared/prose.ts';

export default class Pause extends BaseCommand {
  static override summary = 'Pause a run.';
  static override description =
    prose(`The step that is being computed is finished first. A pause never changes the result.

Exit codes: 0 the run acknowledged it, 2 it is not running, 3 or 6 the phone can't be reached (docs/errors.md).`);
  static override examples = ['<%= config.bin %> pause gpt2-20261122-1a2b'];
  static override args = { run: runArg };

  async run(): Promise<ControlAnswer> {
    const { args, flags } = await this.parse(Pause);
    const answer = await controlRun('pause', args.run, flags);
    this.log(`${answer.run} pauses after step ${answer.step}. Go on: mft resume ${answer.run}`);
    return answer;
  }
}
