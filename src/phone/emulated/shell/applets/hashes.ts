import { createHash } from 'node:crypto';
import type { Applet } from '../context.ts';
import { forEach, parseArguments, piecesOf } from './support.ts';

/** `HASH  NAME` a line. */
function summer(algorithm: string): Applet {
  return async (context) => {
    const { flags, operands } = parseArguments(context.args, 'b');
    return await forEach(context, operands.length === 0 ? ['-'] : operands, async (operand) => {
      const hash = createHash(algorithm);
      for await (const piece of piecesOf(context, operand)) hash.update(piece);
      await context.out(`${hash.digest('hex')}${flags.has('b') ? '' : `  ${operand}`}\n`);
    });
  };
}

export const hashes: Record<string, Applet> = {
  md5sum: summer('md5'),
  sha1sum: summer('sha1'),
  sha256sum: summer('sha256'),
  sha512sum: summer('sha512'),
};
