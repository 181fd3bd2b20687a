import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mft } from '../protocol/index.ts';
import { initialView, type RunSignal, type RunView, reduce } from './view.ts';

function event(body: mft.v1.Event.$Properties, attempt = 1, sequence = 1): RunSignal {
  const bytes = mft.v1.Event.encode({ id: { attempt, sequence }, timeMs: 1000, ...body }).finish();
  return { type: 'event', event: mft.v1.Event.decode(bytes) };
}

const step = (n: number, loss = 1, attempt = 1) =>
  event(
    {
      step: {
        step: n,
        loss,
        tokens: 100,
        tokensSeen: n * 100,
        durationUs: 50_000,
        rssBytes: 5,
        peakRssBytes: n,
      },
    },
    attempt,
  );

function run(signals: RunSignal[], from = initialView('r')): RunView {
  return signals.reduce(reduce, from);
}

describe('reduce', () => {
  test('tells speed and time left from the last steps', () => {
    const view = run([
      event({ attemptStarted: { totalSteps: 12, threads: 2, isa: 'AVX2' } }),
      step(1),
      step(2),
    ]);
    expect(view).toMatchObject({ phase: 'running', step: 2, total: 12, tokensSeen: 200, peakRssBytes: 2 });
    expect(view.tokensPerSecond).toBeCloseTo(2000);
    expect(view.etaMs).toBeCloseTo(500);
  });

  test('a recomputed step replaces its point and adds none', () => {
    const view = run([step(1, 3), step(2, 2), step(3, 1), step(2, 2.5, 2)]);
    expect(view.losses.map((p) => [p.step, p.loss])).toEqual([
      [1, 3],
      [2, 2.5],
      [3, 1],
    ]);
  });

  test('the picture is bounded, ordered and keeps the newest step, however long the run', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9000 }), (steps) => {
        let view = initialView('r');
        for (let n = 1; n <= steps; n += 1) view = reduce(view, step(n, n));
        expect(view.losses.length).toBeLessThanOrEqual(1024);
        expect(view.losses.length).toBeGreaterThanOrEqual(Math.min(steps, 500));
        expect(view.losses.at(-1)?.step).toBe(steps);
        const inside = view.losses.slice(0, -1).map((p) => p.step);
        expect(inside.every((s, i) => s % view.stride === 0 && (i === 0 || s > (inside[i - 1] ?? 0)))).toBe(
          true,
        );
      }),
      { numRuns: 12 },
    );
  });

  test('never changes the view it was given', () => {
    const signals: RunSignal[] = [
      step(1),
      step(2),
      event({ evaluation: { step: 2, loss: 1, perplexity: 2.7, best: true } }),
      event({ reading: { batteryPercent: 80 } }),
      event({ warning: { code: 'a', message: 'b' } }),
      { type: 'transition', state: 'lost', reason: 'cable', timeMs: 5 },
      { type: 'transfer', report: { phase: 'push', done: 1, total: 2, unit: 'bytes' }, timeMs: 5 },
    ];
    let view = initialView('r');
    for (const signal of signals) {
      const before = structuredClone({ ...view });
      const next = reduce(view, signal);
      expect(view).toEqual(before);
      view = next;
    }
    expect(view.warnings.map((w) => w.text)).toEqual(['a: b', 'lost: cable']);
  });

  test('a reading that lacks a sensor does not make it unknown', () => {
    const view = run([
      event({ reading: { batteryPercent: 80, skinTemperatureC: 31 } }),
      event({ reading: { batteryPercent: 79 } }),
    ]);
    expect(view.reading).toEqual({ batteryPercent: 79, skinTemperatureC: 31 });
  });

  test('pauses stay until the phone says otherwise', () => {
    const paused = run([step(1), event({ stateChanged: { state: 3, reason: 'asked' } }), step(2)]);
    expect(paused.phase).toBe('paused');
    expect(run([event({ stateChanged: { state: 2 } })], paused).phase).toBe('running');
  });

  test('only the last word of the run is an end', () => {
    expect(run([step(1), { type: 'transition', state: 'lost', reason: '', timeMs: 1 }]).phase).toBe(
      'running',
    );
    expect(run([event({ finished: { outcome: 1, step: 5 } })]).phase).toBe('finished');
    expect(run([event({ finished: { outcome: 2, step: 5 } })]).phase).toBe('stopped');
    const failed = run([event({ failed: { code: 'io.disk-full', message: 'no space' } })]);
    expect(failed.phase).toBe('failed');
    expect(failed.warnings.at(-1)?.text).toBe('io.disk-full: no space');
  });

  test('tells the best validation, by the word of the phone', () => {
    const evaluation = (at: number, loss: number, best: boolean) =>
      event({ evaluation: { step: at, loss, perplexity: Math.exp(loss), best } });
    const view = run([evaluation(10, 3, true), evaluation(20, 2, true), evaluation(30, 2.5, false)]);
    expect(view.best).toMatchObject({ step: 20, loss: 2 });
    expect(view.recent.at(-1)?.text).toMatch(/^validation after step 30: .*; best 2.0000 after step 20$/);
    // Asked for by a person: shown, not counted.
    expect(run([evaluation(35, 1, false)], view).best?.step).toBe(20);
  });

  test('tells whose weights a run leaves', () => {
    const said = (finished: mft.v1.IFinished) => run([event({ finished })]).recent.at(-1)?.text;
    const resultManifestSha256 = new Uint8Array(32);
    expect(said({ outcome: 1, step: 50, resultStep: 50, resultManifestSha256 })).toBe(
      'finished after step 50',
    );
    expect(said({ outcome: 1, step: 50, resultStep: 20, early: true, resultManifestSha256 })).toBe(
      'finished early after step 50; the result is of step 20, the best validation',
    );
    expect(said({ outcome: 2, step: 50, resultStep: 20, resultManifestSha256 })).toBe(
      'stopped on request after step 50; the result is of step 20, the best validation',
    );
    expect(said({ outcome: 1, step: 0 })).toBe('finished after step 0'); // an evaluation leaves none
  });

  test('a transfer has a speed', () => {
    const report = { phase: 'push model', total: 100, unit: 'bytes' as const };
    const view = run([
      { type: 'transfer', report: { ...report, done: 0 }, timeMs: 1000 },
      { type: 'transfer', report: { ...report, done: 50 }, timeMs: 1500 },
    ]);
    expect(view.transfer?.rate).toBe(100);
  });
});
