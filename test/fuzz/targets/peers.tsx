/** What phones and adb servers send. */
import { Duplex } from 'node:stream';
import { renderToString } from 'ink';
import { expect } from 'vitest';
import { parseDeviceList } from '../../../src/adb/device-list.ts';
import { ShellDecoder, ShellProtocolError } from '../../../src/adb/shell-v2.ts';
import { encodeFrame, mft } from '../../../src/protocol/index.ts';
import { LinkLost, SessionClient } from '../../../src/session/client.ts';
import { initialView, reduce } from '../../../src/session/view.ts';
import { Dashboard } from '../../../src/ui/dashboard/dashboard.tsx';
import { jsonRenderer } from '../../../src/ui/json.ts';
import { plainRenderer } from '../../../src/ui/plain.ts';
import type { FuzzTarget } from '../target.ts';
import { adb } from './adb.ts';

const RUN = 'r1';
const ESCAPES = '\u001b[2J\u001b]0;title\u0007 \u009b31m \r\n \u202e';

/** A stream that ends after these bytes, and takes whatever is written to it. */
function streamOf(bytes: Buffer): Duplex {
  const pieces = [bytes.subarray(0, 7), bytes.subarray(7), null];
  return new Duplex({
    read() {
      this.push(pieces.shift() ?? null);
    },
    write(_chunk, _encoding, done) {
      done();
    },
  });
}

/** A phone's side of a session: Welcome, then these events, numbered. */
function session(events: readonly mft.v1.Event.$Properties[]): Buffer {
  const frames: mft.v1.DeviceFrame.$Properties[] = [
    { welcome: { protocolMajor: 1, runtimeVersion: '0.1.0' } },
    ...events.map((event, at) => ({
      event: { ...event, id: { attempt: 1, sequence: at + 1 }, timeMs: 1_700_000_000_000 + at },
    })),
  ];
  return Buffer.concat(frames.map((frame) => encodeFrame(mft.v1.DeviceFrame.encode(frame).finish())));
}

const honest = session([
  { attemptStarted: { runtimeVersion: '0.1.0', totalSteps: 4, threads: 2, isa: 'NEON', abi: 'arm64-v8a' } },
  { progress: { phase: 'tokenize', done: 5, total: 10, unit: 'bytes' } },
  { stateChanged: { state: mft.v1.RunState.RUN_STATE_RUNNING, reason: 'training' } },
  {
    step: { step: 1, loss: 3.5, gradNorm: 1, learningRate: 1e-4, tokens: 64, durationUs: 900, rssBytes: 5e6 },
  },
  { evaluation: { step: 1, loss: 3.2, perplexity: 24.5, tokens: 100, best: true } },
  { checkpointSaved: { step: 1, bytes: 1000, durationMs: 3 } },
  { sample: { step: 1, prompt: 'Once', text: ' upon a time', tokens: 4 } },
  { reading: { batteryPercent: 50, batteryStatus: 'Discharging', skinTemperatureC: 31, memTotalBytes: 4e9 } },
  { controlApplied: { controlId: 1, step: 1, action: 'pause', accepted: true, message: 'ok' } },
  { warning: { code: 'data.truncated', message: '3 records' } },
  { finished: { outcome: 1, step: 4, finalLoss: 3, resultManifestSha256: new Uint8Array(32) } },
]);
const hostile = session([
  { attemptStarted: { totalSteps: 0xffffffff, isa: ESCAPES, threads: 0xffffffff } },
  { step: { step: 0xffffffff, loss: Number.POSITIVE_INFINITY, learningRate: Number.NaN, durationUs: 1 } },
  { progress: { phase: ESCAPES, done: 2 ** 53, total: 1, unit: ESCAPES } },
  { sample: { prompt: ESCAPES, text: ESCAPES } },
  { reading: { batteryStatus: ESCAPES, batteryPercent: Number.NaN } },
  { failed: { code: ESCAPES, message: ESCAPES.repeat(1000), hint: ESCAPES } },
]);

/** What a terminal takes for more than text; a line's end and a tab are none of it. */
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

/** A phone, from the first byte to what a person is shown of it. */
const phone: FuzzTarget = {
  name: 'phone',
  codes: /^session\.refused$/,
  share: 0.2, // pictures take their time
  seeds: [honest, hostile],
  place: () => 'the run refused this host',
  async run(bytes) {
    const out: string[] = [];
    const renderers = [
      plainRenderer(RUN, (line) => out.push(line)),
      jsonRenderer(RUN, (line) => out.push(line)),
    ];
    let view = initialView(RUN);
    try {
      const client = await SessionClient.open(streamOf(bytes), { token: new Uint8Array(32), client: 'mft' });
      for await (const batch of client.events())
        for (const { event } of batch) {
          view = reduce(view, { type: 'event', event });
          for (const renderer of renderers) renderer.onSignal({ type: 'event', event });
        }
    } catch (error) {
      if (!(error instanceof LinkLost)) throw error; // the session connects again
    }
    const dashboard = <Dashboard view={view} device="phone" onAction={() => undefined} />;
    out.push(renderToString(dashboard, { columns: 100 }).replace(/\u001b\[[0-9;]*m/g, ''));
    for (const line of out) expect(line).not.toMatch(CONTROL);
  },
};

const packet = (id: number, text: string) => {
  const head = Buffer.alloc(5);
  head[0] = id;
  head.writeUInt32LE(text.length, 1);
  return Buffer.concat([head, Buffer.from(text)]);
};

const shell: FuzzTarget = {
  name: 'shell',
  codes: /^$/,
  seeds: [Buffer.concat([packet(1, 'hello'), packet(2, 'oh'), packet(1, ''), packet(3, '\u0001')])],
  place: () => '',
  async run(bytes) {
    const decoder = new ShellDecoder();
    let total = 0;
    try {
      for (let at = 0; at < bytes.length; at += 7)
        for (const part of decoder.push(bytes.subarray(at, at + 7)))
          total += part.kind === 'exit' ? 1 : part.data.length;
    } catch (error) {
      if (!(error instanceof ShellProtocolError)) throw error;
    }
    expect(total).toBeLessThanOrEqual(bytes.length);
  },
};

const devices: FuzzTarget = {
  name: 'devices',
  codes: /^$/,
  seeds: [
    Buffer.from(
      'emulator-5554          device product:sdk model:sdk_phone device:emu transport_id:1\n' +
        '????????????           no permissions (user in plugdev group); see [http://developer.android.com] usb:1-1 transport_id:2\n' +
        '(no serial number)     unauthorized usb:3-4 transport_id:18446744073709551615\n',
    ),
  ],
  place: () => '',
  async run(bytes) {
    for (const device of parseDeviceList(bytes.toString())) expect(device.serial).not.toBe('');
  },
};

export const peers: readonly FuzzTarget[] = [phone, shell, devices, adb];
