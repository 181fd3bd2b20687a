/** A line that a person typed: something to say, or a command. */
export type Line =
  | { kind: 'say'; text: string }
  | { kind: 'reset' | 'exit' | 'help' | 'blank' }
  | { kind: 'system'; text: string }
  | { kind: 'unknown'; command: string };

/** A message that begins with a slash is written with two. */
export function parseLine(line: string): Line {
  const text = line.trim();
  if (text === '') return { kind: 'blank' };
  if (text.startsWith('//')) return { kind: 'say', text: text.slice(1) };
  const [, command, rest = ''] = /^\/(\S*)\s*(.*)$/s.exec(text) ?? [];
  if (command === undefined) return { kind: 'say', text: line };
  if (command === 'system') return { kind: 'system', text: rest };
  if (rest === '' && (command === 'reset' || command === 'exit' || command === 'help'))
    return { kind: command };
  return { kind: 'unknown', command: `/${command}` };
}

export const COMMANDS: readonly [string, string][] = [
  ['/reset', 'forget what was said'],
  ['/system TEXT', 'put a system message before everything, or none'],
  ['/exit', 'end the conversation (so does ^D)'],
  ['/help', 'this'],
];
