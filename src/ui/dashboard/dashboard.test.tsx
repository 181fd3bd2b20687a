import { renderToString } from 'ink';
import { render } from 'ink-testing-library';
import { expect, test, vi } from 'vitest';
import { mft } from '../../protocol/index.ts';
import { initialView, type RunView, reduce } from '../../session/view.ts';
import { Dashboard, type DashboardAction } from './dashboard.tsx';
import { progressText } from './format.ts';

function after(events: mft.v1.IEvent[]): RunView {
  let view = reduce(initialView('gpt2-1'), {
    type: 'transition',
    state: 'attached',
    reason: '',
    timeMs: 1000,
  });
  for (const [i, event] of events.entries()) {
    const full = mft.v1.Event.fromObject({ id: { attempt: 1, sequence: i + 1 }, timeMs: 1000 + i, ...event });
    view = reduce(view, { type: 'event', event: full });
  }
  return view;
}

const started: mft.v1.IEvent = { attemptStarted: { totalSteps: 20, isa: 'NEON', threads: 4 } };
const steps = Array.from({ length: 10 }, (_, i) => ({
  step: {
    step: i + 1,
    loss: 5 - i / 4,
    gradNorm: 1,
    learningRate: 1e-4,
    tokens: 512,
    tokensSeen: 512 * (i + 1),
    durationUs: 500_000,
    rssBytes: 200e6,
    peakRssBytes: 250e6,
  },
}));

const picture = (view: RunView) =>
  renderToString(<Dashboard view={view} device="Pixel 8 (abc)" onAction={() => undefined} />, {
    columns: 100,
  });

test('a running training shows progress, speed, memory, battery and the last events', () => {
  const view = after([
    started,
    {
      reading: {
        batteryPercent: 84,
        batteryStatus: 'Discharging',
        skinTemperatureC: 33.1,
        memAvailableBytes: 3e9,
      },
    },
    ...steps,
    { evaluation: { step: 10, loss: 2.9, perplexity: 18.17, best: true } },
  ]);
  const text = picture(view);
  expect(text).toContain('gpt2-1 on Pixel 8 (abc)');
  expect(text).toContain('step 10 of 20, 50 %, 5.0s left');
  expect(text).toContain('1,024 tokens/s');
  expect(text).toContain('200.0 MB now · 250.0 MB peak · 3.0 GB free on the phone');
  expect(text).toContain('battery 84 %, discharging · skin 33.1 °C');
  expect(text).toContain('perplexity 18.17 (best)');
  expect(text).toContain('loss 2.7500');
});

test('unknown sensors are not shown, zero percent is', () => {
  expect(picture(after([started]))).not.toContain('battery');
  expect(picture(after([started, { reading: { batteryPercent: 0 } }]))).toContain('battery 0 %');
});

test('pushing shows its speed', () => {
  let view = initialView('gpt2-1', 'deploying');
  const transfer = (done: number, timeMs: number) =>
    ({ type: 'transfer', report: { phase: 'push', done, total: 4e6, unit: 'bytes' }, timeMs }) as const;
  view = reduce(reduce(view, transfer(0, 0)), transfer(1e6, 1000));
  expect(progressText(view)).toEqual({ share: 0.25, text: 'push: 1.0 MB of 4.0 MB, 1.0 MB/s' });
});

test('keys ask for what they say, and p turns into resume', async () => {
  const onAction = vi.fn<(action: DashboardAction) => void>();
  const press = async (view: RunView, keys: string) => {
    const { stdin, unmount } = render(<Dashboard view={view} device="x" onAction={onAction} />);
    await new Promise((done) => setTimeout(done, 30));
    for (const key of keys) {
      stdin.write(key);
      await new Promise((done) => setTimeout(done, 10));
    }
    unmount();
  };
  await press(after([started, ...steps]), 'pcesd\u0003');
  await press(after([started, { stateChanged: { state: mft.v1.RunState.RUN_STATE_PAUSED } }]), 'p');
  expect(onAction.mock.calls.map(([action]) => action)).toEqual([
    'pause',
    'checkpoint',
    'evaluate',
    'stop',
    'detach',
    'interrupt',
    'resume',
  ]);
});
