/** `mft` from its sources, without a build: loads the command's class by its name. `node cli.ts runs ls --json` */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const words = process.argv.slice(2).flatMap((word, at) => (at === 0 ? word.split('/') : [word]));
const count = existsSync(join(root, 'src/commands', words[0] ?? '', `${words[1]}.ts`)) ? 2 : 1;
const path = join(root, 'src/commands', ...words.slice(0, count));
const { default: command } = (await import(`${path}.ts`)) as {
  default: { run(argv: string[], root: string): Promise<unknown> };
};
await command.run(words.slice(count), root);
