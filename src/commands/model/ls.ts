import { Flags } from '@oclif/core';
import { formatBytes } from '../../base/units.ts';
import { listModels } from '../../model/index.ts';
import { table } from '../../ui/table.ts';
import { BaseCommand } from '../base.ts';
import { formatCount } from '../shared/model.ts';

export default class ModelLs extends BaseCommand {
  static override summary = 'List the models in the library.';
  static override description =
    `Models that were used by the path of a Hugging Face folder are kept as cache-...; --all lists them too. \`mft model rm\` frees any.`;
  static override examples = ['<%= config.bin %> model ls', '<%= config.bin %> model ls --all --json'];
  static override flags = { all: Flags.boolean({ char: 'a', summary: 'Also what was imported by path.' }) };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(ModelLs);
    const models = (await listModels()).filter((model) => flags.all || !model.cached);
    if (models.length === 0) this.log('No models yet. mft model import DIR');
    else {
      const rows = models.map((model) => [
        model.name,
        model.problem === undefined ? model.family : 'damaged',
        model.problem === undefined ? formatCount(model.parameters) : '-',
        formatBytes(model.bytes),
        model.hasTokenizer ? 'yes' : 'no',
        model.problem ?? model.source,
      ]);
      for (const line of table(['NAME', 'FAMILY', 'PARAMETERS', 'SIZE', 'TOKENIZER', 'SOURCE'], rows))
        this.log(line);
    }
    return { models };
  }
}
