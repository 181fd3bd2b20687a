import type { Applet } from '../context.ts';
import { android } from './android.ts';
import { changeFiles } from './change-files.ts';
import { hashes } from './hashes.ts';
import { listFiles } from './list-files.ts';
import { processes } from './processes.ts';
import { system } from './system.ts';
import { tests } from './test.ts';
import { text } from './text.ts';
import { wrappers } from './wrappers.ts';

/** Every command under /system/bin. What is not here is `inaccessible or not found`. */
export const applets: Record<string, Applet | undefined> = {
  ...text,
  ...hashes,
  ...listFiles,
  ...changeFiles,
  ...processes,
  ...system,
  ...tests,
  ...wrappers,
  ...android,
};
// A command called `constructor` is not one.
Object.setPrototypeOf(applets, null);

// `toybox NAME ARGS` is `NAME ARGS`.
applets.toybox = async (context) => {
  const applet = applets[context.args[0] ?? ''];
  if (applet !== undefined) return await context.run(context.args);
  await context.out(`${Object.keys(applets).sort().join(' ')}\n`);
  return context.args.length === 0 ? 0 : 127;
};

applets.which = async (context) => {
  let status = 0;
  for (const name of context.args) {
    if (applets[name] !== undefined) await context.out(`/system/bin/${name}\n`);
    else status = 1;
  }
  return status;
};
