/** What the checks of a pretrained model share: a virtual phone with mft's command line, the oracle, and the table of results. */
import { join } from 'node:path';
import { execa } from 'execa';
import { startRig } from '../../test/support/rig.ts';

const ROOT = join(import.meta.dirname, '../..');

export interface Bench {
  /** Runs `mft ARGS` (a command of two words as `model/import`) and gives the lines of its stdout. */
  mft(...args: string[]): Promise<string[]>;
  /** Runs scripts/oracle/SCRIPT and gives what it printed. */
  oracle(script: string, ...args: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** An emulated phone of its own, connected to an adb server of its own. `home`: MFT_HOME. */
export async function startBench(home: string, python: string): Promise<Bench> {
  const rig = await startRig({ make: 'emulated' });
  const env = { ...rig.adb.env, MFT_HOME: home, MFT_ADB_SERVER: `127.0.0.1:${rig.adb.port}` };
  const cli = join(ROOT, 'test/support/cli.ts');
  return {
    async mft(...args) {
      const options = { env, extendEnv: false, stdin: 'ignore', reject: false } as const;
      const { stdout, stderr, exitCode } = await execa(process.execPath, [cli, ...args], options);
      if (exitCode !== 0)
        throw new Error(`mft ${args.join(' ')}: exit code ${exitCode}\n${stdout.slice(-2000)}\n${stderr}`);
      return stdout.trim().split('\n');
    },
    async oracle(script, ...args) {
      const { stdout } = await execa(python, [join(ROOT, 'scripts/oracle', script), ...args]);
      return stdout;
    },
    stop: () => rig.stop(),
  };
}

/** Results as they come, one line each, and whether all of them were good. */
export class Verdict {
  #failed = 0;

  row(what: string, good: boolean | undefined, found: string): void {
    if (good === false) this.#failed += 1;
    const mark = good === undefined ? '    ' : good ? 'ok  ' : 'FAIL';
    console.log(`${mark} ${what.padEnd(46)} ${found}`);
  }

  get failed(): number {
    return this.#failed;
  }
}
