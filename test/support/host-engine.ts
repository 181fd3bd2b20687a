/** The same engine on the host: a run's specification, taken from a phone, trained again without the phone. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { runtimeBinary } from '../../src/device/index.ts';
import type { Phone } from '../../src/phone/index.ts';
import { FrameDecoder, mft } from '../../src/protocol/index.ts';

/** Losses of every step as their bits, trained in the foreground by this machine's own runtime. */
export async function trainOnHost(phone: Phone, run: string): Promise<string[]> {
  const onPhone = join(phone.root, 'data/local/tmp/mft');
  const root = mkdtempSync(join(tmpdir(), 'mft-host-'));
  try {
    mkdirSync(join(root, 'runs', run), { recursive: true });
    symlinkSync(join(onPhone, 'store'), join(root, 'store'));
    for (const file of ['spec.pb', 'token'])
      cpSync(join(onPhone, 'runs', run, file), join(root, 'runs', run, file));
    const binary = await runtimeBinary(process.arch === 'arm64' ? 'arm64-v8a' : 'x86_64');
    await execa(binary, ['run', '--root', root, '--run', run]);
    const { stdout } = await execa(binary, ['events', '--root', root, '--run', run], {
      encoding: 'buffer',
    });
    return new FrameDecoder().push(stdout).flatMap((frame) => {
      const step = mft.v1.DeviceFrame.decode(frame).event?.step;
      return step ? [lossBits(step.step ?? 0, step.loss ?? 0)] : [];
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** A step and the bits of its loss, comparable as text. */
export function lossBits(step: number, loss: number): string {
  return `${step} ${Buffer.from(new Float32Array([loss]).buffer).toString('hex')}`;
}
