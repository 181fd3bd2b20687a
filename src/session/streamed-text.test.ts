import { expect, test } from 'vitest';
import { StreamedText } from './streamed-text.ts';

function streamed() {
  const out: string[] = [];
  const text = new StreamedText(
    (piece) => out.push(piece),
    () => out.push('<again>'),
  );
  return { out, text };
}

test('shows what comes, once', () => {
  const { out, text } = streamed();
  text.push(1, 'Call ');
  text.push(1, 'me');
  text.finish('Call me');
  expect(out).toEqual(['Call ', 'me']);
});

test('shows what only the end brought', () => {
  const { out, text } = streamed();
  text.push(1, 'Call');
  text.finish('Call me');
  expect(out).toEqual(['Call', ' me']);
});

test('an attempt that writes the same goes on where the last one stopped', () => {
  const { out, text } = streamed();
  text.push(1, 'Call me');
  text.push(2, 'Call');
  text.push(2, ' me Ish');
  text.push(1, 'late');
  text.finish('Call me Ishmael');
  expect(out).toEqual(['Call me', ' Ish', 'mael']);
});

test('one that writes something else is shown from its beginning', () => {
  const { out, text } = streamed();
  text.push(1, 'Call me');
  text.push(2, 'Cal');
  text.push(2, 'endar');
  text.finish('Calendar');
  expect(out).toEqual(['Call me', '<again>', 'Calendar']);
  const shorter = streamed();
  shorter.text.push(1, 'Call me');
  shorter.text.finish('Call');
  expect(shorter.out).toEqual(['Call me', '<again>', 'Call']);
});
