import { Args, Flags } from '@oclif/core';
import { openModel, verifyFiles } from '../../model/index.ts';
import { BaseCommand } from '../base.ts';
import { describeModel, modelLines } from '../shared/model.ts';
import { withProgress } from '../shared/progress.ts';

export default class ModelInspect extends BaseCommand {
  static override summary = 'Show what a model is.';
  static override examples = [
    '<%= config.bin %> model inspect gpt2',
    '<%= config.bin %> model inspect gpt2 --verify',
    '<%= config.bin %> model inspect ./my-gpt2 --json',
  ];
  static override args = {
    model: Args.string({ required: true, description: 'name in the library, or a folder' }),
  };
  static override flags = { verify: Flags.boolean({ summary: 'Read every file and compare its hash.' }) };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(ModelInspect);
    const pack = await withProgress({ quiet: this.jsonEnabled() }, async (operation) => {
      const opened = await openModel(args.model, operation);
      if (flags.verify) await verifyFiles(opened.files, operation);
      return opened;
    });
    const model = { ...describeModel(pack), ...(flags.verify ? { verified: true } : {}) };
    for (const line of modelLines(model)) this.log(line);
    if (flags.verify) this.log(`verified     ${pack.files.length} files`);
    return model;
  }
}
