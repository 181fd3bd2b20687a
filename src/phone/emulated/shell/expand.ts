import { readdirSync } from 'node:fs';
import type { PhoneFiles } from '../files.ts';
import { evaluate } from './arithmetic.ts';
import type { List, Word, WordPart } from './ast.ts';
import { escapePattern, hasPattern, matches, strip, unescapePattern } from './patterns.ts';

/** `${x?word}` failed: the shell says so and exits. */
export class ExpansionProblem extends Error {}

/** What an expansion needs of the shell that it runs in. */
export interface Expander {
  readonly files: PhoneFiles;
  cwd: string;
  /** Positional parameters, without $0. */
  positional: string[];
  lookup(name: string): string | undefined;
  assign(name: string, value: string): void;
  /** The output of `$( )`. */
  capture(body: List): Promise<string>;
}

/** A piece of an expanded word. Only unquoted results of expansions are split into fields. */
interface Piece {
  text: string;
  quoted: boolean;
  splits: boolean;
  /** A field ends before this piece ("$@"). */
  breaks?: boolean;
}

/** All fields of all words: expansion, splitting, pathname patterns. */
export async function expandWords(words: Word[], shell: Expander): Promise<string[]> {
  const fields: string[] = [];
  for (const word of words) {
    for (const field of splitFields(await expandParts(word.parts, shell))) {
      fields.push(...pathnames(field, shell));
    }
  }
  return fields;
}

/** One string, unsplit: for assignments, redirections, `case`. */
export async function expandString(word: Word, shell: Expander): Promise<string> {
  return (await expandParts(word.parts, shell)).map((piece) => piece.text).join('');
}

/** One pattern: quoted text stands for itself. */
export async function expandPattern(word: Word, shell: Expander): Promise<string> {
  const pieces = await expandParts(word.parts, shell);
  return pieces.map((piece) => (piece.quoted ? escapePattern(piece.text) : piece.text)).join('');
}

async function expandParts(parts: WordPart[], shell: Expander): Promise<Piece[]> {
  const pieces: Piece[] = [];
  // "$@" without parameters is no field at all, though it stands in quotes.
  const vanishes =
    shell.positional.length === 0 && parts.some((part) => part.kind === 'parameter' && part.name === '@');
  for (const part of parts) {
    if (part.kind === 'text') {
      if (vanishes && part.text === '') continue;
      pieces.push({ text: part.text, quoted: part.quoted, splits: false });
    } else if (part.kind === 'command') {
      const text = (await shell.capture(part.body)).replace(/\n+$/, '');
      pieces.push({ text, quoted: part.quoted, splits: !part.quoted });
    } else if (part.kind === 'arithmetic') {
      const text = String(evaluate(await expandString(part.expression, shell), shell));
      pieces.push({ text, quoted: part.quoted, splits: !part.quoted });
    } else pieces.push(...(await expandParameter(part, shell)));
  }
  return pieces;
}

type Parameter = Extract<WordPart, { kind: 'parameter' }>;

async function expandParameter(part: Parameter, shell: Expander): Promise<Piece[]> {
  const { name, operator, quoted } = part;
  if (name === '@' && operator === '') {
    return shell.positional.map((text, index) => ({ text, quoted, splits: !quoted, breaks: index > 0 }));
  }
  const value = name === '@' || name === '*' ? shell.positional.join(' ') : shell.lookup(name);
  const one = (text: string): Piece[] => [{ text, quoted, splits: !quoted }];
  if (operator === 'length') return one(String((value ?? '').length));
  if (operator === '') return one(value ?? '');
  const argument = part.argument ?? { parts: [] };
  if (/^[%#]/.test(operator)) return one(strip(value ?? '', operator, await expandPattern(argument, shell)));
  const absent = value === undefined || (operator.startsWith(':') && value === '');
  switch (operator.at(-1)) {
    case '-':
      return absent ? await expandArgument(argument, shell, quoted) : one(value);
    case '+':
      return absent ? one('') : await expandArgument(argument, shell, quoted);
    case '=': {
      if (!absent) return one(value);
      const text = await expandString(argument, shell);
      shell.assign(name, text);
      return one(text);
    }
    default: {
      if (!absent) return one(value);
      throw new ExpansionProblem(
        `${name}: ${(await expandString(argument, shell)) || 'parameter null or not set'}`,
      );
    }
  }
}

async function expandArgument(argument: Word, shell: Expander, quoted: boolean): Promise<Piece[]> {
  const pieces = await expandParts(argument.parts, shell);
  return pieces.map((piece) => ({
    ...piece,
    quoted: piece.quoted || quoted,
    splits: !piece.quoted && !quoted,
  }));
}

/** Fields as patterns: what was quoted is escaped. */
function splitFields(pieces: Piece[]): string[] {
  const fields: string[] = [];
  let field: string | undefined;
  const end = () => {
    if (field !== undefined) fields.push(field);
    field = undefined;
  };
  for (const piece of pieces) {
    if (piece.breaks) end();
    if (!piece.splits) {
      field = (field ?? '') + (piece.quoted ? escapePattern(piece.text) : escapeBackslash(piece.text));
      continue;
    }
    const bits = piece.text.split(/[ \t\n]+/);
    for (const [index, bit] of bits.entries()) {
      if (index > 0) end();
      if (bit !== '') field = (field ?? '') + escapeBackslash(bit);
    }
  }
  end();
  return fields;
}

/** A backslash that comes out of an expansion is plain. */
function escapeBackslash(text: string): string {
  return text.replaceAll('\\', '\\\\');
}

/** The files a field matches, or the field itself. */
function pathnames(field: string, shell: Expander): string[] {
  if (!hasPattern(field)) return [unescapePattern(field)];
  const absolute = field.startsWith('/');
  let found: string[] = [absolute ? '/' : ''];
  for (const part of field.split('/').filter((piece) => piece !== '')) {
    const next: string[] = [];
    for (const base of found) {
      const prefix = base === '' || base.endsWith('/') ? base : `${base}/`;
      if (!hasPattern(part)) {
        const path = prefix + unescapePattern(part);
        if (exists(path, shell)) next.push(path);
        continue;
      }
      for (const name of namesIn(base === '' ? '.' : base, shell)) {
        if ((part.startsWith('.') || !name.startsWith('.')) && matches(part, name)) next.push(prefix + name);
      }
    }
    found = next;
  }
  return found.length === 0 ? [unescapePattern(field)] : found.sort();
}

function namesIn(folder: string, shell: Expander): string[] {
  try {
    return readdirSync(shell.files.resolve(folder, shell.cwd).host);
  } catch {
    return [];
  }
}

function exists(path: string, shell: Expander): boolean {
  return shell.files.exists(path, shell.cwd);
}
