/** What a fuzz target is on the host's side, and what counts as an answer. docs/fuzzing.md */
import { expect } from 'vitest';
import { MftError } from '../../src/base/errors.ts';

export interface FuzzTarget {
  /** Of its folder below corpus/. */
  name: string;
  /** What the codes of its errors look like. */
  codes: RegExp;
  /** Inputs from which others are made by damaging them. */
  seeds: readonly Buffer[];
  /** How many of them, from the first on, are sound. Default: all. */
  sound?: number;
  /** Runs for one run of the others, where each takes long. Default: 1. */
  share?: number;
  /** The seeds are JSON, and are damaged as such, too. */
  json?: boolean;
  /** Parses; resolves when the input was accepted. `folder` is empty, and the target's own while it runs. */
  run(bytes: Buffer, folder: string): Promise<void>;
  /** What an error must name: the file in `folder`, or what stands for it. */
  place(folder: string): string;
}

/** No message is longer: what it quotes is cut. Paths of the test's folder included. */
const LONGEST_MESSAGE = 2000;

/**
 * Runs a target over one input. It accepts, or throws an MftError with a code of its own that names the file, in few
 * words that people can read; everything else is a defect.
 */
export async function answer(
  target: FuzzTarget,
  bytes: Buffer,
  folder: string,
): Promise<MftError | undefined> {
  try {
    await target.run(bytes, folder);
    return undefined;
  } catch (error) {
    if (!(error instanceof MftError)) throw error;
    expect(error.code).toMatch(target.codes);
    expect(error.message).toContain(target.place(folder));
    expect(error.message.length).toBeLessThan(LONGEST_MESSAGE);
    return error;
  }
}
