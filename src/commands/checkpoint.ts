import { BaseCommand } from './base.ts';
import { type ControlAnswer, controlRun } from './shared/control.ts';
import { runArg } from './shared/flags.ts';
import { prose } from './shared/prose.ts';

export default class Checkpoint extends BaseCommand {
  static override summary = 'Save a checkpoint now.';
  static override description = prose(`Beside the checkpoints that train.checkpoint_every asks for.

Exit codes: 0 the run acknowledged it, 2 it is not running, 3 or 6 the phone can't be reached (docs/errors.md).`);
  static override examples = ['<%= config.bin %> checkpoint gpt2-2026'];
  static override args = { run: runArg };

  async run(): Promise<ControlAnswer> {
    const { args, flags } = await this.parse(Checkpoint);
    const answer = await controlRun('checkpoint', args.run, flags);
    this.log(`${answer.run} saves a checkpoint after step ${answer.step}.`);
    return answer;
  }
}
