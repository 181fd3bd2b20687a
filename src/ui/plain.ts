/** A run as plain lines, for logs and pipes: one a step, one for each thing worth knowing. */
import { printable } from '../base/printable.ts';
import { formatBytes, formatDuration } from '../base/units.ts';
import { initialView, type RunSignal, type RunView, reduce } from '../session/index.ts';
import type { RunRenderer } from './renderer.ts';

/** Transfers say something this often. */
const TRANSFER_MS = 1000;

/** @param write takes a line with its end */
export function plainRenderer(run: string, write: (line: string) => void): RunRenderer {
  const printer = new PlainPrinter(run, (line) => write(`${printable(line)}\n`));
  return { onSignal: (signal) => printer.show(signal), close: async () => {} };
}

class PlainPrinter {
  private view: RunView;
  private readonly print: (line: string) => void;
  private replayed = 0;
  private transferShownMs = 0;

  constructor(run: string, print: (line: string) => void) {
    this.view = initialView(run);
    this.print = print;
  }

  show(signal: RunSignal): void {
    const before = this.view;
    this.view = reduce(before, signal);
    if (signal.type === 'event' && signal.replayed) {
      this.replayed += 1;
      return;
    }
    if (signal.type === 'transition' && signal.replayed) return;
    if (this.replayed > 0) this.summarize();
    for (const line of linesOf(before, this.view, signal)) this.print(line);
    if (signal.type === 'transfer') this.transfer(signal.timeMs);
  }

  /** What happened before this host attached: told in one line, the record has the rest. */
  private summarize(): void {
    const { step, total, loss } = this.view;
    const at = step > 0 ? `, step ${step}/${total || '?'}, loss ${loss?.toFixed(4) ?? '?'}` : '';
    this.print(`${this.replayed} events were recorded before${at}`);
    this.replayed = 0;
  }

  private transfer(timeMs: number): void {
    const { transfer } = this.view;
    if (!transfer) return;
    const { done, total, rate, phase, unit } = transfer;
    const over = total > 0 && done >= total;
    if (!over && timeMs - this.transferShownMs < TRANSFER_MS) return;
    this.transferShownMs = timeMs;
    const amount = (n: number) => (unit === 'bytes' ? formatBytes(n) : `${n} ${unit}`);
    const percent = total > 0 ? ` (${Math.floor((100 * done) / total)} %)` : '';
    this.print(
      `${phase}: ${amount(done)} of ${amount(total)}${percent}${rate > 0 ? `, ${amount(Math.round(rate))}/s` : ''}`,
    );
  }
}

function linesOf(before: RunView, view: RunView, signal: RunSignal): string[] {
  if (signal.type === 'event') {
    const { event } = signal;
    if (event.step) return [stepLine(view)];
    if (event.progress) return progressLine(before, view);
    if (event.sample)
      return [
        `sample after step ${event.sample.step}: ${oneLine(event.sample.prompt)} | ${oneLine(event.sample.text)}`,
      ];
  }
  const line = view.recent.at(-1);
  if (view.recent === before.recent || line === undefined) return [];
  const marks = { info: '', good: '', warning: 'warning: ', error: 'error: ' };
  return [`${marks[line.level]}${line.text}`];
}

function stepLine(view: RunView): string {
  const parts = [
    `step ${view.step}/${view.total || '?'}`,
    `loss ${view.loss?.toFixed(4)}`,
    `lr ${view.learningRate?.toExponential(2)}`,
    `grad ${view.gradNorm?.toFixed(3)}`,
    `${Math.round(view.tokensPerSecond ?? 0)} tokens/s`,
    `memory ${formatBytes(view.rssBytes ?? 0)} (peak ${formatBytes(view.peakRssBytes ?? 0)})`,
  ];
  if (view.etaMs !== undefined) parts.push(`${formatDuration(view.etaMs)} left`);
  return parts.join('  ');
}

/** Each tenth of a phase on the phone. */
function progressLine(before: RunView, view: RunView): string[] {
  const now = view.progress;
  if (!now || now.total === 0) return before.progress?.phase === now?.phase ? [] : [`${now?.phase}`];
  const tenth = (p: { done: number; total: number }) => Math.floor((10 * p.done) / p.total);
  const same = before.progress?.phase === now.phase;
  if (same && before.progress && tenth(before.progress) === tenth(now)) return [];
  const amount = (n: number) => (now.unit === 'bytes' ? formatBytes(n) : String(n));
  const unit = now.unit === 'bytes' ? '' : ` ${now.unit}`;
  return [`${now.phase}: ${amount(now.done)} of ${amount(now.total)}${unit}`];
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
