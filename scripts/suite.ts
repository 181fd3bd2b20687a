/**
 * Runs the parts of a test suite one after the other and adds up what they counted:
 * steps (a command, one count each), GoogleTest programs, vitest. The last line is `N passed, N failed[, N skipped]`.
 * A part that ran no test at all, or ended with an error without a failed test, counts as one failure.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { Command } from 'commander';
import { execa, parseCommandString } from 'execa';

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

interface Options {
  results: string;
  step?: string[];
  gtest?: string[];
  vitest?: string[];
  emulator?: string;
}

const options = new Command('suite')
  .requiredOption('--results <folder>', 'where machine-readable results go')
  .option('--step <words...>', 'NAME COMMAND: a command that must exit 0; may be given again', gather)
  .option('--gtest <folder...>', 'build folder: every *_tests program below it', gather)
  .option('--emulator <command>', 'run the GoogleTest programs through this command')
  .option('--vitest <configs...>', 'a vitest configuration', gather)
  .parse()
  .opts<Options>();

function gather(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

const results = resolve(options.results);
mkdirSync(results, { recursive: true });
const total: Count = { passed: 0, failed: 0, skipped: 0 };
const failures: string[] = [];

function add(name: string, count: Count, exitCode: number | undefined, seconds: number): void {
  const nothing = count.passed + count.failed === 0;
  const failed = count.failed === 0 && (nothing || exitCode !== 0) ? 1 : count.failed;
  total.passed += count.passed;
  total.failed += failed;
  total.skipped += count.skipped;
  const why = nothing ? ' (ran no test)' : exitCode === 0 ? '' : ` (exit code ${exitCode})`;
  if (failed > 0) failures.push(`${name}${why}`);
  const skips = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
  console.log(`--- ${name}: ${count.passed} passed, ${failed} failed${skips}, ${seconds.toFixed(0)} s${why}`);
}

async function run(command: string[], env: Record<string, string> = {}) {
  const started = performance.now();
  const [file, ...args] = command;
  const { exitCode } = await execa(file ?? '', args, { stdio: 'inherit', reject: false, env });
  return { exitCode, seconds: (performance.now() - started) / 1000 };
}

const steps = options.step ?? [];
for (let i = 0; i + 1 < steps.length; i += 2) {
  const { exitCode, seconds } = await run(parseCommandString(steps[i + 1] ?? ''));
  const ok = exitCode === 0;
  add(steps[i] ?? '', { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 }, exitCode, seconds);
}

for (const folder of options.gtest ?? []) {
  const programs = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((f) =>
    f.endsWith('_tests'),
  );
  for (const program of programs.sort()) {
    const report = join(results, `${basename(program)}.json`);
    const emulator = options.emulator ? parseCommandString(options.emulator) : [];
    const command = [
      ...emulator,
      resolve(folder, program),
      '--gtest_brief=1',
      `--gtest_output=json:${report}`,
    ];
    const { exitCode, seconds } = await run(command);
    const counts = readCounts(report, { tests: 0, failures: 0, disabled: 0 });
    const skipped = skippedTests(report) + counts.disabled;
    const count = { passed: counts.tests - counts.failures - skipped, failed: counts.failures, skipped };
    add(basename(program), count, exitCode, seconds);
  }
  if (programs.length === 0) add(folder, { passed: 0, failed: 0, skipped: 0 }, 0, 0);
}

for (const config of options.vitest ?? []) {
  const report = join(results, `${basename(config)}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const { exitCode, seconds } = await run(['vitest', 'run', '--config', config, ...reporters], {
    NO_COLOR: '1',
  });
  const zero = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
  const count = readCounts(report, zero);
  add(
    config,
    {
      passed: count.numPassedTests,
      failed: count.numFailedTests,
      skipped: count.numPendingTests + count.numTodoTests,
    },
    exitCode,
    seconds,
  );
}

/** The numeric fields of `zero` from a JSON report; all zero when there is no readable report. */
function readCounts<T extends Record<string, number>>(file: string, zero: T): T {
  try {
    const report: Record<string, unknown> = JSON.parse(readFileSync(file, 'utf8'));
    const read = Object.keys(zero).map((key) => [key, typeof report[key] === 'number' ? report[key] : 0]);
    return Object.fromEntries(read) as T;
  } catch {
    return zero;
  }
}

/** Tests that skipped themselves (GTEST_SKIP): GoogleTest's totals count them as run. */
function skippedTests(file: string): number {
  try {
    return readFileSync(file, 'utf8').match(/"result": "SKIPPED"/g)?.length ?? 0;
  } catch {
    return 0;
  }
}

for (const failure of failures) console.log(`failed: ${failure}`);
console.log(
  `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`,
);
process.exit(total.failed > 0 ? 1 : 0);
