/** The same measurement on a phone, by the runtime that trains there. */
import { randomUUID } from 'node:crypto';
import type { AdbDevice } from '../adb/index.ts';
import { DEVICE_ROOT, DeviceStore, deviceProfile, Runtime } from '../device/index.ts';
import { FrameDecoder, mft } from '../protocol/index.ts';
import { decodeFrame, failure } from './program.ts';

/** @throws MftError bench.failed, bench.bad-request, and what the device room throws. */
export async function runOnPhone(
  device: AdbDevice,
  spec: mft.v1.IBenchSpec,
  options: { signal?: AbortSignal | undefined },
): Promise<mft.v1.IBenchFrame> {
  const wait = options.signal === undefined ? {} : { signal: options.signal };
  const { abi } = await deviceProfile(device, wait);
  const store = new DeviceStore(device);
  await store.prepare(wait);
  const runtime = await Runtime.deploy(store, abi, wait);
  const remote = `${DEVICE_ROOT}/bench-${randomUUID()}.pb`;
  try {
    await device.push(Buffer.from(mft.v1.BenchSpec.encode(spec).finish()), remote, wait);
    const { exitCode, stdout, stderr } = await device.exec([runtime.path, 'bench', remote], wait);
    const [frame] = exitCode === 0 ? new FrameDecoder().push(stdout) : [];
    if (frame === undefined)
      throw failure(exitCode, stderr.toString(), exitCode === 137 ? 'SIGKILL' : undefined);
    return decodeFrame(frame);
  } finally {
    await device.exec(['rm', '-f', remote], { timeoutMs: 10_000 }).catch(() => {}); // a lost phone keeps 20 kB
  }
}
