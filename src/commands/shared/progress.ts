import { ExitCode, MftError } from '../../base/errors.ts';
import type { Operation, ProgressReport } from '../../base/progress.ts';
import { formatBytes } from '../../base/units.ts';

const REDRAW_MS = 100;

/**
 * Runs a long operation on this computer: on a terminal with one line on stderr that says how far it is; ^C cancels it
 * (what it has written so far is removed) and is an error with exit code 130.
 */
export async function withProgress<T>(
  options: { quiet: boolean },
  work: (operation: Operation) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const interrupt = () => {
    abort.abort(new MftError('cancelled', { code: 'cancelled', exit: ExitCode.interrupted }));
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const name of signals) process.on(name, interrupt);
  const line = process.stderr.isTTY && !options.quiet ? new ProgressLine() : undefined;
  try {
    const onProgress =
      line === undefined ? {} : { onProgress: (report: ProgressReport) => line.show(report) };
    return await work({ signal: abort.signal, ...onProgress });
  } finally {
    line?.clear();
    for (const name of signals) process.off(name, interrupt);
  }
}

class ProgressLine {
  private drawn = 0;

  show(report: ProgressReport): void {
    const now = performance.now();
    if (now - this.drawn < REDRAW_MS) return;
    this.drawn = now;
    process.stderr.write(`\r\u001b[K${progressText(report)}`);
  }

  clear(): void {
    if (this.drawn > 0) process.stderr.write('\r\u001b[K');
  }
}

/** "importing 61 % (305.1 MB of 497.8 MB)" */
export function progressText({ phase, done, total, unit }: ProgressReport): string {
  const count = (n: number) => (unit === 'bytes' ? formatBytes(n) : `${n}`);
  if (total === 0) return `${phase} ${count(done)}`;
  const of = unit === 'bytes' ? '' : ` ${unit}`;
  return `${phase} ${Math.floor((100 * done) / total)} % (${count(done)} of ${count(total)}${of})`;
}
