/** Whole optimizer steps: measured here or on a phone, beside OpenBLAS and another program when that is asked for. */
import { availableParallelism } from 'node:os';
import type { AdbDevice } from '../adb/index.ts';
import { benchModel, engineSpec } from './model.ts';
import { Peer } from './peer.ts';
import { runOnPhone } from './phone.ts';
import { localProgram, runProgram } from './program.ts';
import { engineReport, median } from './report.ts';
import type { EngineReport, EngineSettings } from './types.ts';

/** On a phone: by the runtime that trains there, without yardstick and peer. */
export async function measurePhone(
  device: AdbDevice,
  settings: EngineSettings,
  signal?: AbortSignal,
): Promise<EngineReport> {
  const engine = engineSpec(benchModel(settings.model), settings);
  const answer = await runOnPhone(device, { engine }, { signal });
  return engineReport(settings, device.serial, answer.engine);
}

export async function measureEngine(settings: EngineSettings, signal?: AbortSignal): Promise<EngineReport> {
  const model = benchModel(settings.model);
  const program = await localProgram();
  const engine = engineSpec(model, settings);
  const spec = { engine, yardstick: program.loads ? (settings.openblas ?? '') : '' };
  if (settings.against === undefined)
    return engineReport(settings, 'host', (await runProgram(program, spec, { signal })).engine);

  const threads = settings.threads === 0 ? availableParallelism() : settings.threads;
  const peer = await Peer.start(settings.against, model, { ...settings, threads }, signal);
  try {
    const theirs: number[] = [];
    const { engine: ours } = await runProgram(program, spec, {
      signal,
      // Theirs, then ours, and so on.
      turn: async (round) => {
        if (round < settings.steps) theirs.push(await peer.step());
      },
    });
    const report = engineReport(settings, 'host', ours);
    const seconds = median(theirs);
    return {
      ...report,
      against: {
        name: settings.against.name,
        version: peer.version,
        variant: peer.variant,
        tried: peer.tried,
        step_seconds: seconds,
        steps: theirs,
        tokens_per_second: (settings.batch * settings.sequence) / seconds,
        peak_rss_bytes: await peer.finish(),
        ratio: seconds / report.step_seconds,
      },
    };
  } finally {
    await peer.stop();
  }
}
