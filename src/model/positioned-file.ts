/** A file that is read by position, in whole ranges. */
import { type FileHandle, open } from 'node:fs/promises';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';

/** How a format calls its own damage. */
export type Malformed = (path: string, why: string) => MftError;

export class PositionedFile {
  readonly path: string;
  readonly bytes: number;
  private readonly file: FileHandle;
  private readonly malformed: Malformed;

  private constructor(path: string, bytes: number, file: FileHandle, malformed: Malformed) {
    this.path = path;
    this.bytes = bytes;
    this.file = file;
    this.malformed = malformed;
  }

  /** @throws MftError model.file-missing, and what `malformed` makes of a file that is none. */
  static async open(path: string, malformed: Malformed): Promise<PositionedFile> {
    const file = await open(path, 'r').catch((cause: unknown) => {
      throw new MftError(`${path} can't be opened: ${messageOf(cause)}`, {
        code: 'model.file-missing',
        exit: ExitCode.usage,
        cause,
      });
    });
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw malformed(path, 'it is not a regular file');
      return new PositionedFile(path, stat.size, file, malformed);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Exactly `length` bytes; what the file was at opening is not trusted to last. */
  async read(position: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length);
    let have = 0;
    while (have < length) {
      const { bytesRead } = await this.file.read(buffer, have, length - have, position + have);
      if (bytesRead === 0)
        throw this.malformed(this.path, `it ends at byte ${position + have}, while it is being read`);
      have += bytesRead;
    }
    return buffer;
  }

  close(): Promise<void> {
    return this.file.close();
  }
}
