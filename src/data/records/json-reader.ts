/**
 * Reads one line of JSON Lines strictly (RFC 8259), value by value, as device-runtime/text/json_reader.cc does on the
 * phone: the same rules, the same messages. Messages name fields that the caller knows, never what the file says.
 */
import { isUtf8 } from 'node:buffer';
import { firstInvalid } from '../text-file.ts';
import { badRecord, type Line, lineNotUtf8 } from './lines.ts';

export type JsonType = 'object' | 'list' | 'string' | 'number' | 'bool' | 'null';

const NAMES: Record<JsonType, string> = {
  object: 'an object',
  list: 'a list',
  string: 'a string',
  number: 'a number',
  bool: 'true or false',
  null: 'null',
};
const MAX_DEPTH = 64;
/** A longer key is none that anybody knows. */
const MAX_KEY_BYTES = 1024;

const code = (character: string): number => character.charCodeAt(0);
const [QUOTE, BACKSLASH, COMMA, COLON, ZERO] = [code('"'), code('\\'), code(','), code(':'), code('0')];
const ESCAPES: Record<string, string> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};
const PLAIN_NUMBER = /^-?[0-9]+$/;

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;

/** In every function `where` says which value it is, for messages: 'field "text"'. @throws MftError data.bad-record, data.not-utf8 */
export class JsonReader {
  readonly #line: Line;
  readonly #bytes: Buffer;
  #at = 0;
  /** Of each open object and list: whether nothing was read in it yet. */
  readonly #empty: boolean[] = [];

  constructor(line: Line) {
    this.#line = line;
    this.#bytes = line.bytes;
  }

  /** Whether nothing but white space is left. */
  isBlank(): boolean {
    return this.#peek() < 0;
  }

  /** Of the value that comes. */
  type(where: string): JsonType {
    const next = this.#peek();
    switch (String.fromCharCode(next)) {
      case '{':
        return 'object';
      case '[':
        return 'list';
      case '"':
        return 'string';
      case 't':
      case 'f':
        return 'bool';
      case 'n':
        return 'null';
    }
    if (next === code('-') || isDigit(next)) return 'number';
    return this.#failSyntax(at('a value', where));
  }

  /** Every field of the object that comes, by name; the caller reads its value, or skips it. */
  *object(where: string): Generator<string> {
    this.#open('object', where);
    while (this.#nextItem('}')) {
      if (this.#peek() !== QUOTE) this.#failSyntax("a field's name in quotes");
      const begin = this.#at;
      const key = this.#scanString(true);
      if (this.#peek() !== COLON) this.#failSyntax("a colon after a field's name");
      const isLong = this.#at - begin > MAX_KEY_BYTES && Buffer.byteLength(key) > MAX_KEY_BYTES;
      this.#at += 1;
      yield isLong ? '' : key;
    }
  }

  /** Once for every element of the list that comes. */
  *list(where: string): Generator<void> {
    this.#open('list', where);
    while (this.#nextItem(']')) yield;
  }

  string(where: string): string {
    this.#expect('string', where);
    return this.#scanString(true);
  }

  bool(where: string): boolean {
    this.#expect('bool', where);
    const value = this.#bytes[this.#at] === code('t');
    this.#scanWord(value ? 'true' : 'false');
    return value;
  }

  /** A number without fraction and exponent that fits in 64 bits; a bigint where it is beyond what a number says exactly. */
  integer(where: string): number | bigint {
    this.#expect('number', where);
    const digits = this.#scanNumber();
    if (!PLAIN_NUMBER.test(digits)) return this.fail(at('a whole number', where), 'another number');
    if (digits.length < 16) return Number(digits);
    const value = BigInt(digits.slice(0, 32));
    if (digits.length > 32 || BigInt.asIntN(64, value) !== value)
      this.fail(at('a whole number', where), 'another number');
    return value;
  }

  /** Any value, checked. */
  skip(): void {
    // With a stack of its own: one closer for each open object and list.
    const closers: ('}' | ']')[] = [];
    do {
      const closer = closers.at(-1);
      if (closer !== undefined && !this.#nextItem(closer)) {
        closers.pop();
        continue;
      }
      if (closer === '}') this.#skipKey();
      const type = this.type('');
      if (type === 'object' || type === 'list') {
        this.#open(type, '');
        closers.push(type === 'object' ? '}' : ']');
      } else if (type === 'string') this.#scanString(false);
      else if (type === 'number') this.#scanNumber();
      else if (type === 'bool') this.bool('');
      else this.#scanWord('null');
    } while (closers.length > 0);
  }

  /** The end of the line, after the record's value. */
  end(): void {
    if (this.#peek() >= 0) this.#failSyntax('the end of the line after the record');
  }

  /** What the value that comes is, for messages: "a number". */
  found(): string {
    return NAMES[this.type('')];
  }

  fail(expected: string, found: string): never {
    throw badRecord(this.#line, expected, found);
  }

  #failSyntax(expected: string): never {
    const place = `at byte ${this.#at + 1}`;
    const byte = this.#bytes[this.#at];
    if (byte === undefined) return this.fail(expected, `the end of the line ${place}`);
    const isShown = byte < 0x20 || byte >= 0x7f;
    const hex = byte.toString(16).toUpperCase().padStart(2, '0');
    return this.fail(expected, `${isShown ? `byte 0x${hex}` : 'another character'} ${place}`);
  }

  /** The byte that comes after white space; -1: the end of the line. */
  #peek(): number {
    for (; ; this.#at += 1) {
      const byte = this.#bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return byte ?? -1;
    }
  }

  #expect(expected: JsonType, where: string): void {
    const found = this.type(where);
    if (found !== expected) this.fail(at(NAMES[expected], where), NAMES[found]);
  }

  #open(type: 'object' | 'list', where: string): void {
    this.#expect(type, where);
    if (this.#empty.length === MAX_DEPTH) this.fail(`values nested at most ${MAX_DEPTH} deep`, 'deeper ones');
    this.#at += 1;
    this.#empty.push(true);
  }

  #nextItem(closer: '}' | ']'): boolean {
    const next = this.#peek();
    if (next === code(closer)) {
      this.#at += 1;
      this.#empty.pop();
      return false;
    }
    if (this.#empty.at(-1) === true) {
      this.#empty[this.#empty.length - 1] = false;
      return true;
    }
    if (next !== COMMA) this.#failSyntax(`a comma or ${closer}`);
    this.#at += 1;
    return true;
  }

  #skipKey(): void {
    if (this.#peek() !== QUOTE) this.#failSyntax("a field's name in quotes");
    this.#scanString(false);
    if (this.#peek() !== COLON) this.#failSyntax("a colon after a field's name");
    this.#at += 1;
  }

  /** The string that comes, checked; '' when it is not kept. */
  #scanString(keep: boolean): string {
    const bytes = this.#bytes;
    const parts: string[] = [];
    this.#at += 1;
    for (;;) {
      const begin = this.#at;
      let end = begin;
      while (end < bytes.length) {
        const byte = bytes[end] ?? 0;
        if (byte === QUOTE || byte === BACKSLASH || byte < 0x20) break;
        end += 1;
      }
      const plain = bytes.subarray(begin, end);
      // Where the line ends within a character, what is missing first is the closing quote.
      const isWhole = isUtf8(plain) || (end === bytes.length && isBeginning(plain));
      if (!isWhole) throw lineNotUtf8(this.#line, begin + firstInvalid(plain));
      if (keep && end > begin) parts.push(plain.toString());
      this.#at = end;
      const next = bytes[end];
      if (next === undefined) this.#failSyntax('a closing quote');
      if (next !== QUOTE && next !== BACKSLASH)
        this.#failSyntax('no control character in a string (write \\n for a line feed)');
      this.#at += 1;
      if (next === QUOTE) return parts.join('');
      const escaped = this.#scanEscape();
      if (keep) parts.push(escaped);
    }
  }

  #scanEscape(): string {
    const name = String.fromCharCode(this.#bytes[this.#at] ?? 0);
    const known = Object.hasOwn(ESCAPES, name) ? ESCAPES[name] : undefined;
    if (known !== undefined) {
      this.#at += 1;
      return known;
    }
    if (name !== 'u') this.#failSyntax('one of " \\ / b f n r t u after a backslash');
    this.#at += 1;
    const high = this.#scanHex();
    if (high < 0xd800 || high >= 0xe000) return String.fromCharCode(high);
    const half = `\\u${high.toString(16).toUpperCase()}, which is half of a pair`;
    if (high >= 0xdc00) this.fail('no second half of a surrogate pair without the first', half);
    for (const expected of [BACKSLASH, code('u')]) {
      if (this.#bytes[this.#at] !== expected) this.fail('a surrogate pair', half);
      this.#at += 1;
    }
    const low = this.#scanHex();
    if (low < 0xdc00 || low >= 0xe000) this.fail('a surrogate pair', half);
    return String.fromCharCode(high, low);
  }

  #scanHex(): number {
    let value = 0;
    for (let i = 0; i < 4; i += 1) {
      const digit = Number.parseInt(String.fromCharCode(this.#bytes[this.#at] ?? 0), 16);
      if (Number.isNaN(digit)) this.#failSyntax('four hexadecimal digits after \\u');
      value = value * 16 + digit;
      this.#at += 1;
    }
    return value;
  }

  #scanWord(word: string): void {
    for (const expected of word) {
      if (this.#bytes[this.#at] !== code(expected)) this.#failSyntax(word);
      this.#at += 1;
    }
  }

  #scanNumber(): string {
    const begin = this.#at;
    const next = () => this.#bytes[this.#at] ?? -1;
    const digits = () => {
      if (!isDigit(next())) this.#failSyntax('a digit of a number');
      while (isDigit(next())) this.#at += 1;
    };
    if (next() === code('-')) this.#at += 1;
    if (next() === ZERO) this.#at += 1;
    else digits();
    if (next() === code('.')) {
      this.#at += 1;
      digits();
    }
    if (next() === code('e') || next() === code('E')) {
      this.#at += 1;
      if (next() === code('+') || next() === code('-')) this.#at += 1;
      digits();
    }
    return this.#bytes.toString('latin1', begin, Math.min(this.#at, begin + 64));
  }
}

function at(what: string, where: string): string {
  return where === '' ? what : `${what} in ${where}`;
}

/** Whether bytes are UTF-8 but for a character that they end within. */
function isBeginning(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}
