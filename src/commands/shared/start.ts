import { Config, flush, run, settings } from '@oclif/core';
import { ExitCode, MftError } from '../../base/errors.ts';
import { nearest } from '../../base/nearest.ts';
import { errorRecord, renderError, toMftError } from '../base.ts';

/** An unknown command, named, with the nearest known one. */
function unknownCommand(words: string[], config: Config): MftError {
  const typed = words.slice(0, 2).join(' ');
  const known = config.commandIDs.map((id) => id.replaceAll(':', ' '));
  const meant = nearest(typed, known) ?? nearest(words[0] ?? '', known);
  return new MftError(`there is no command "${typed}"`, {
    code: 'usage.unknown-command',
    exit: ExitCode.usage,
    suggestions: [...(meant === undefined ? [] : [`mft ${meant}`]), 'mft --help lists the commands.'],
  });
}

/** The process from here on: runs the command named by argv; every failure ends as a rendered MftError. */
export async function start(argv: string[], root: string): Promise<void> {
  // oclif would look for TypeScript sources and a transpiler when NODE_ENV says "test" or "development".
  settings.enableAutoTranspile = false;
  try {
    const config = await Config.load({ root });
    const words = argv.filter((word) => !word.startsWith('-'));
    const [first, second] = words;
    const isHelp = first === undefined || first === 'help' || argv.includes('--help');
    if (!isHelp) {
      const command = [first, `${first}:${second}`].some((id) => config.findCommand(id) !== undefined);
      const bareTopic = second === undefined && config.findTopic(first) !== undefined;
      if (!command && !bareTopic && !/^[\w-]+:[\w:-]+$/.test(first)) throw unknownCommand(words, config);
    }
    await run(argv, { root });
    await flush();
  } catch (thrown) {
    const error = toMftError(thrown);
    if (argv.includes('--json')) process.stdout.write(`${JSON.stringify(errorRecord(error))}\n`);
    else process.stderr.write(renderError(error));
    process.exitCode = error.exit;
  }
}
