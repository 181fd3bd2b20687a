import { Flags } from '@oclif/core';
import { ExitCode, MftError } from '../../base/errors.ts';
import { RunStore } from '../../runs/index.ts';
import { mayRun } from '../../session/index.ts';
import { BaseCommand } from '../base.ts';
import { phoneOf } from '../shared/context.ts';
import { deviceFlag, runArg } from '../shared/flags.ts';

export default class RunsRm extends BaseCommand {
  static override summary = 'Forget a run: its record and its files on this computer.';
  static override description =
    `The result that was pulled goes, too. What is on the phone stays, unless --phone is given (mft gc frees what no run needs).`;
  static override examples = [
    '<%= config.bin %> runs rm gpt2-20261122-1a2b',
    '<%= config.bin %> runs rm gpt2-20261122-1a2b --phone',
  ];
  static override args = { run: runArg };
  static override flags = {
    device: deviceFlag,
    phone: Flags.boolean({ summary: "Delete the run's folder on the phone, too." }),
    force: Flags.boolean({ char: 'f', summary: 'Even if the run may still be going on.' }),
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(RunsRm);
    using store = RunStore.open();
    const run = store.find(args.run);
    if (mayRun(run.state) && !flags.force)
      throw new MftError(`${run.id} may still be going on on ${run.deviceName} (it is ${run.state})`, {
        code: 'run.may-be-running',
        exit: ExitCode.usage,
        suggestions: [`mft stop ${run.id}`, `mft attach ${run.id}`, `mft runs rm ${run.id} --force`],
      });
    if (flags.phone) await (await phoneOf(run, flags)).forget(run);
    store.remove(run.id);
    this.log(`${run.id} is forgotten.`);
    return { run: run.id, removed: true };
  }
}
