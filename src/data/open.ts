import { type FileHandle, open } from 'node:fs/promises';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';

/** A data file, open for reading. @throws MftError data.not-found, data.not-a-file, data.unreadable */
export async function openData(path: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw new MftError(missing ? `there is no file ${path}` : `${path} can't be read: ${messageOf(cause)}`, {
      code: missing ? 'data.not-found' : 'data.unreadable',
      exit: ExitCode.usage,
      suggestions: ['Check the path given to --data.'],
      cause,
    });
  }
  const stat = await file.stat();
  if (stat.isFile()) return file;
  await file.close();
  throw new MftError(`${path} is ${stat.isDirectory() ? 'a folder' : 'not a regular file'}`, {
    code: 'data.not-a-file',
    exit: ExitCode.usage,
    suggestions: ['Give one file: a text in UTF-8, or JSON Lines.'],
  });
}
