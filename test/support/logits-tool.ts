/** The runtime's own logits of a pack: device-runtime/models/logits_tool.cc. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** Logits [tokens][V] of one row; `result` is the folder of a training's result: an adapter, or other weights. */
export function runtimeLogits(
  pack: { dir: string; config: { vocabSize: number } },
  tokens: readonly number[],
  result?: string,
): number[][] {
  const tool = process.env.MFT_LOGITS_TOOL ?? join(root, 'build/host/models/logits_tool');
  if (!existsSync(tool)) {
    throw new Error(
      `${tool} is not built; build it with:\n  cmake --preset host -S device-runtime && cmake --build build/host --target logits_tool`,
    );
  }
  const args = [pack.dir, ...(result === undefined ? [] : ['--result', result]), ...tokens.map(String)];
  const bytes = execFileSync(tool, args, { maxBuffer: 1 << 28 });
  const { vocabSize } = pack.config;
  return tokens.map((_, t) =>
    Array.from({ length: vocabSize }, (_, v) => bytes.readFloatLE(4 * (t * vocabSize + v))),
  );
}
