import { Args } from '@oclif/core';
import { formatBytes } from '../../base/units.ts';
import { checkModelName, removeModel } from '../../model/index.ts';
import { BaseCommand } from '../base.ts';

export default class ModelRm extends BaseCommand {
  static override summary = 'Remove models from the library.';
  static override description =
    'Runs that used a model keep their results; exporting them again needs the model. Nothing on a phone is touched.';
  static override examples = [
    '<%= config.bin %> model rm gpt2-random',
    '<%= config.bin %> model rm old older',
  ];
  static override strict = false;
  static override args = {
    model: Args.string({ required: true, description: 'name in the library; several may follow' }),
  };

  async run(): Promise<unknown> {
    const { argv } = await this.parse(ModelRm);
    const names = argv.map((name) => checkModelName(String(name)));
    const removed: { name: string; bytes: number }[] = [];
    for (const name of names) {
      const bytes = await removeModel(name);
      removed.push({ name, bytes });
      this.log(`removed ${name} (${formatBytes(bytes)})`);
    }
    return { removed };
  }
}
