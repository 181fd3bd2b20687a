import { openAs } from '../../files.ts';
import type { Applet, AppletContext } from '../context.ts';
import { FileDescription } from '../io.ts';
import { bytesOf, forEach, linesOf, parseArguments, piecesOf, UsageError } from './support.ts';

const cat: Applet = async (context) => {
  const { operands } = parseArguments(context.args, 'u');
  return await forEach(context, operands.length === 0 ? ['-'] : operands, async (operand) => {
    for await (const piece of piecesOf(context, operand)) await context.out(piece);
  });
};

const tee: Applet = async (context) => {
  const { flags, operands } = parseArguments(context.args, 'ai');
  const files = operands.map((operand) => {
    const { host } = context.host.files.resolveWritable(operand, context.cwd);
    return new FileDescription(openAs(host, flags.has('a') ? 'a' : 'w'), context.host.files);
  });
  for await (const piece of piecesOf(context, '-')) {
    await context.out(piece);
    for (const file of files) await file.write(piece);
  }
  for (const file of files) file.release();
  return 0;
};

/** Backslash escapes of `echo -e` and printf's format. */
function interpretEscapes(text: string): string {
  const simple: Record<string, string> = {
    n: '\n',
    t: '\t',
    r: '\r',
    a: '\x07',
    b: '\b',
    f: '\f',
    v: '\v',
    e: '\x1b',
  };
  return text.replace(
    /\\(?:x([0-9a-fA-F]{1,2})|0?([0-7]{1,3})|([\s\S]))/g,
    (whole, hex, octal, character) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 255);
      return character === '\\' ? '\\' : (simple[character] ?? whole);
    },
  );
}

/** Escapes name bytes, the rest is UTF-8: carried as latin1. */
function toBytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}

const echo: Applet = async (context) => {
  const words = [...context.args];
  let newline = true;
  let escapes = false;
  for (let first = words[0]; first !== undefined && /^-[neE]+$/.test(first); first = words[0]) {
    if (first.includes('n')) newline = false;
    escapes = first.includes('e') ? true : first.includes('E') ? false : escapes;
    words.shift();
  }
  const text = toBytes(words.join(' '));
  await context.out(bytesOf((escapes ? interpretEscapes(text) : text) + (newline ? '\n' : '')));
  return 0;
};

/** printf: %s %b %c %d %i %u %x %X %o %% with flags, width and precision; the format is used again while arguments are left. */
const printf: Applet = async (context) => {
  const [format, ...rest] = context.args.map(toBytes);
  if (format === undefined) throw new UsageError('Needs 1 argument');
  let output = '';
  do {
    const before = rest.length;
    output += formatOnce(format, rest);
    if (rest.length === before) break;
  } while (rest.length > 0);
  await context.out(bytesOf(output));
  return 0;
};

function formatOnce(format: string, rest: string[]): string {
  const pattern = /%([-+ 0#]*)([0-9]*|\*)(?:\.([0-9]*))?([sbcdiuxXo%])/g;
  let output = '';
  let last = 0;
  for (const found of format.matchAll(pattern)) {
    output += interpretEscapes(format.slice(last, found.index));
    last = found.index + found[0].length;
    const [, flags = '', width = '', precision, kind = '%'] = found;
    if (kind === '%') {
      output += '%';
      continue;
    }
    const size = width === '*' ? Number(rest.shift() ?? 0) : Number(width);
    let text = formatArgument(kind, rest.shift() ?? '', precision);
    const number = 'diuxXo'.includes(kind);
    if (number && flags.includes('+') && !text.startsWith('-')) text = `+${text}`;
    if (flags.includes('-')) text = text.padEnd(size);
    else if (number && flags.includes('0'))
      text = text.startsWith('-') ? `-${text.slice(1).padStart(size - 1, '0')}` : text.padStart(size, '0');
    else text = text.padStart(size);
    output += text;
  }
  return output + interpretEscapes(format.slice(last));
}

function formatArgument(kind: string, argument: string, precision: string | undefined): string {
  if (kind === 's' || kind === 'b') {
    const text = kind === 'b' ? interpretEscapes(argument) : argument;
    return precision === undefined ? text : text.slice(0, Number(precision));
  }
  if (kind === 'c') return argument.slice(0, 1);
  const value = /^'./.test(argument) ? argument.charCodeAt(1) : Number(argument === '' ? 0 : argument);
  if (!Number.isInteger(value)) throw new UsageError(`${argument}: bad number`);
  const base = kind === 'o' ? 8 : kind === 'x' || kind === 'X' ? 16 : 10;
  const digits = BigInt(value).toString(base);
  return kind === 'X' ? digits.toUpperCase() : digits;
}

const head: Applet = async (context) => {
  const { values, operands } = parseArguments(numericFlag(context.args), 'q', 'nc');
  return await forEach(context, operands.length === 0 ? ['-'] : operands, async (operand) => {
    const bytes = values.get('c');
    if (bytes !== undefined) {
      await cutAfter(context, operand, Number(bytes));
      return;
    }
    let left = Number(values.get('n') ?? 10);
    if (left <= 0) return;
    for await (const line of linesOf(context, operand)) {
      await context.out(bytesOf(`${line}\n`));
      left -= 1;
      if (left <= 0) return;
    }
  });
};

async function cutAfter(context: AppletContext, operand: string, bytes: number): Promise<void> {
  let left = bytes;
  if (left <= 0) return;
  for await (const piece of piecesOf(context, operand)) {
    await context.out(piece.subarray(0, left));
    left -= piece.length;
    if (left <= 0) return;
  }
}

/** `-5` is `-n 5`. */
function numericFlag(args: string[]): string[] {
  return args.flatMap((argument) => (/^-[0-9]+$/.test(argument) ? ['-n', argument.slice(1)] : [argument]));
}

const TAIL_BYTES = 64 * 1024 * 1024;

const tail: Applet = async (context) => {
  const { values, operands } = parseArguments(numericFlag(context.args), 'q', 'nc');
  return await forEach(context, operands.length === 0 ? ['-'] : operands, async (operand) => {
    const bytes = values.get('c');
    const count = bytes ?? values.get('n') ?? '10';
    let kept: string[] = [];
    let size = 0;
    if (bytes !== undefined) {
      let skip = count.startsWith('+') ? Number(count) - 1 : 0;
      for await (const piece of piecesOf(context, operand)) {
        if (count.startsWith('+')) {
          await context.out(piece.subarray(Math.min(skip, piece.length)));
          skip = Math.max(0, skip - piece.length);
          continue;
        }
        kept = [(kept.join('') + piece.toString('latin1')).slice(-Number(count))];
      }
      await context.out(bytesOf(kept.join('')));
      return;
    }
    if (count.startsWith('+')) {
      let skip = Number(count) - 1;
      for await (const line of linesOf(context, operand)) {
        if (skip > 0) skip -= 1;
        else await context.out(bytesOf(`${line}\n`));
      }
      return;
    }
    const limit = Math.abs(Number(count));
    for await (const line of linesOf(context, operand)) {
      kept.push(line);
      size += line.length;
      while (kept.length > limit || size > TAIL_BYTES) size -= kept.shift()?.length ?? 0;
    }
    if (limit > 0 && kept.length > 0) await context.out(bytesOf(`${kept.join('\n')}\n`));
  });
};

const wc: Applet = async (context) => {
  const { flags, operands } = parseArguments(context.args, 'lwcm');
  const wanted = flags.size === 0 ? ['l', 'w', 'c'] : ['l', 'w', 'c', 'm'].filter((flag) => flags.has(flag));
  const total: Record<string, number> = { l: 0, w: 0, c: 0, m: 0 };
  const line = (counts: Record<string, number>, name: string): string => {
    const numbers = wanted.map((flag) => String(counts[flag] ?? 0));
    return `${[...numbers, ...(name === '-' ? [] : [name])].join(' ')}\n`;
  };
  const status = await forEach(context, operands.length === 0 ? ['-'] : operands, async (operand) => {
    const counts: Record<string, number> = { l: 0, w: 0, c: 0, m: 0 };
    let inWord = false;
    for await (const piece of piecesOf(context, operand)) {
      for (const byte of piece) {
        const space = byte === 32 || (byte >= 9 && byte <= 13);
        if (byte === 10) counts.l = (counts.l ?? 0) + 1;
        if (!space && !inWord) counts.w = (counts.w ?? 0) + 1;
        if ((byte & 0xc0) !== 0x80) counts.m = (counts.m ?? 0) + 1;
        inWord = !space;
      }
      counts.c = (counts.c ?? 0) + piece.length;
    }
    for (const flag of Object.keys(total)) total[flag] = (total[flag] ?? 0) + (counts[flag] ?? 0);
    await context.out(line(counts, operand));
  });
  if (operands.length > 1) await context.out(line(total, 'total'));
  return status;
};

const grep: Applet = async (context) => {
  const { flags, values, operands } = parseArguments(context.args, 'qvciEFnHhosxlw', 'em');
  const expression = values.get('e') ?? operands.shift();
  if (expression === undefined) throw new UsageError('no REGEX');
  const matcher = expressionOf(toBytes(expression), flags);
  const names = operands.length > 1 ? !flags.has('h') : flags.has('H');
  const most = Number(values.get('m') ?? Number.POSITIVE_INFINITY);
  let any = false;
  const status = await forEach(context, operands.length === 0 ? ['-'] : operands, async (operand) => {
    let count = 0;
    let number = 0;
    const prefix = names ? `${toBytes(operand)}:` : '';
    for await (const line of linesOf(context, operand)) {
      number += 1;
      if (matcher.test(line) === flags.has('v')) continue;
      count += 1;
      any = true;
      if (flags.has('q') || flags.has('l')) break;
      if (!flags.has('c')) {
        const where = prefix + (flags.has('n') ? `${number}:` : '');
        const shown = flags.has('o') ? (line.match(new RegExp(matcher, `${matcher.flags}g`)) ?? []) : [line];
        for (const text of shown) await context.out(bytesOf(`${where}${text}\n`));
      }
      if (count >= most) break;
    }
    if (flags.has('l') && count > 0) await context.out(`${operand}\n`);
    else if (flags.has('c')) await context.out(bytesOf(`${prefix}${count}\n`));
  });
  return status !== 0 ? 2 : any ? 0 : 1;
};

/** POSIX basic or extended regular expressions, as JavaScript's; several lines are alternatives. */
function expressionOf(expression: string, flags: Set<string>): RegExp {
  const sources = expression.split('\n').map((part) => {
    if (flags.has('F')) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    if (flags.has('E')) return part;
    // Basic: the backslash gives ( ) { } + ? | their meaning instead of taking it.
    return part.replace(/\\([(){}+?|])|([(){}+?|])/g, (_, special, plain) => special ?? `\\${plain}`);
  });
  let source = sources
    .map((part) => part.replaceAll('[[:space:]]', '\\s').replaceAll('[[:digit:]]', '\\d'))
    .join('|');
  if (flags.has('w')) source = `\\b(?:${source})\\b`;
  if (flags.has('x')) source = `^(?:${source})$`;
  try {
    return new RegExp(source, flags.has('i') ? 'i' : '');
  } catch {
    throw new UsageError(`bad REGEX '${expression}'`);
  }
}

const sort: Applet = async (context) => {
  const { flags, operands } = parseArguments(context.args, 'nru');
  let lines: string[] = [];
  const status = await forEach(context, operands.length === 0 ? ['-'] : operands, async (operand) => {
    for await (const line of linesOf(context, operand)) lines.push(line);
  });
  lines.sort(
    (a, b) =>
      (flags.has('n') ? Number.parseFloat(a) - Number.parseFloat(b) : 0) || (a < b ? -1 : a > b ? 1 : 0),
  );
  if (flags.has('r')) lines.reverse();
  if (flags.has('u')) lines = lines.filter((line, index) => line !== lines[index - 1]);
  if (lines.length > 0) await context.out(bytesOf(`${lines.join('\n')}\n`));
  return status;
};

const cut: Applet = async (context) => {
  const { values, operands } = parseArguments(context.args, 's', 'dfc');
  const delimiter = toBytes(values.get('d') ?? '\t');
  const ranges = (values.get('f') ?? values.get('c') ?? '').split(',').map((range) => {
    const [from = '', to] = range.split('-');
    return {
      from: Number(from || 1),
      to: to === undefined ? Number(from) : Number(to || Number.POSITIVE_INFINITY),
    };
  });
  const wanted = (index: number) => ranges.some(({ from, to }) => index + 1 >= from && index + 1 <= to);
  return await forEach(context, operands.length === 0 ? ['-'] : operands, async (operand) => {
    for await (const line of linesOf(context, operand)) {
      const split = values.has('f') ? delimiter : '';
      const fields = line.split(split);
      const kept = split !== '' && fields.length === 1 ? fields : fields.filter((_, index) => wanted(index));
      await context.out(bytesOf(`${kept.join(split)}\n`));
    }
  });
};

const tr: Applet = async (context) => {
  const { flags, operands } = parseArguments(context.args, 'd');
  const set = (text: string): string =>
    interpretEscapes(toBytes(text)).replace(/([\s\S])-([\s\S])/g, (_, from: string, to: string) => {
      let all = '';
      for (let code = from.charCodeAt(0); code <= to.charCodeAt(0); code += 1)
        all += String.fromCharCode(code);
      return all;
    });
  const from = set(operands[0] ?? '');
  const to = set(operands[1] ?? '');
  for await (const piece of piecesOf(context, '-')) {
    let output = '';
    for (const character of piece.toString('latin1')) {
      const at = from.indexOf(character);
      if (at < 0) output += character;
      else if (!flags.has('d')) output += to[Math.min(at, to.length - 1)] ?? '';
    }
    await context.out(bytesOf(output));
  }
  return 0;
};

export const text: Record<string, Applet> = { cat, cut, echo, grep, head, printf, sort, tail, tee, tr, wc };
text.egrep = async (context) => await grep({ ...context, args: ['-E', ...context.args] });
