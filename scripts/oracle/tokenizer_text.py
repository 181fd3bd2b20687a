"""The texts of the tokenizer's oracle: hostile cases and a seeded text of many scripts. Imported by tokenizer.py."""

SENTENCES = [
    "All human beings are born free and equal in dignity and rights.",
    "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "Wszyscy ludzie rodzą się wolni i równi w swojej godności i prawach.",
    "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền.",
    "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.",
    "Все люди рождаются свободными и равными в своём достоинстве и правах.",
    "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια.",
    "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
    "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.",
    "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता प्राप्त है।",
    "মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।",
    "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "人人生而自由,在尊严和权利上一律平等。",
    "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "ყველა ადამიანი იბადება თავისუფალი და თანასწორი.",
    "Բոլոր մարդիկ ծնվում են ազատ ու հավասար։",
    "ሰብዓዊ ፍጡራን ሁሉ ነጻ ሆነው ይወለዳሉ።",
    "ᏂᎦᏓ ᎠᏂᏴᏫ ᏂᎨᎫᏓᎸᎾ ᎠᎴ ᎤᏂᏠᏱ",
]

CODE = [
    "for (int i = 0; i < n; ++i) {\n\t\tsum += a[i] * b[i];\n\t}\n",
    "def f(x):\n    return {k: v for k, v in x.items() if v is not None}\n\n\n",
    "SELECT * FROM t WHERE a='it''s' AND b>=10.5e-3;\r\n",
    '{"key": [1, 2.5, -3e10, null, true], "s": "\\u00e9\\n"}\n',
    "#!/bin/sh\nset -eu\nfind . -name '*.ts' | xargs grep -n \"TODO\" || :\n",
    "0x7fffFFFF 1_000_000 v1.2.3-rc.4+build.5 10.0.0.1/24 a_b__c---d\n",
]

EMOJI = ["😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇫🇷🇩🇪", "1️⃣", "❤️", "☃", "🫠", "\U0001fae8"]

SPACES = [" ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r\n\r\n", " \n ", "\u00a0", "\u3000", "\u2003", "\u200b",
          "\u200d", "\u2028", "\u2029", "\u0085", "\u1680", "\u205f", "\u202f", "\ufeff", "\v", "\f", "\x1c", "\u180e"]

# (first, last) of blocks with letters, marks, numbers and signs of many scripts, on all planes
BLOCKS = [
    (0x21, 0x7E), (0xA1, 0xFF), (0x100, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x531, 0x58F),
    (0x591, 0x5F4), (0x600, 0x6FF), (0x900, 0x97F), (0x980, 0x9FE), (0xE01, 0xE5B), (0x10A0, 0x10FF), (0x1200, 0x137C),
    (0x16A0, 0x16F8), (0x1780, 0x17F9), (0x1E00, 0x1FFE), (0x2000, 0x206F), (0x2070, 0x209C), (0x2100, 0x218B),
    (0x2190, 0x23FF), (0x2460, 0x24FF), (0x2C00, 0x2C5F), (0x3000, 0x30FF), (0x3220, 0x3247), (0x4E00, 0x9FFF),
    (0xA000, 0xA48C), (0xAC00, 0xD7A3), (0xE000, 0xE0FF), (0xFB00, 0xFB4F), (0xFE00, 0xFE0F), (0xFF01, 0xFFEE),
    (0x10100, 0x10133), (0x10400, 0x1044F), (0x104A0, 0x104A9), (0x12000, 0x123FF), (0x1D400, 0x1D7FF),
    (0x1F100, 0x1F10C), (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF), (0xE0100, 0xE01EF), (0x10FFF0, 0x10FFFF),
]


class Random:
    """SplitMix64: the same on every version of Python."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        return (z ^ (z >> 31)) % n

    def choice(self, items):
        return items[self.below(len(items))]


def char_of_block(r):
    first, last = r.choice(BLOCKS)
    return chr(first + r.below(last - first + 1))


def any_char(r):
    while True:
        c = r.below(0x110000)
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def contraction(r):
    return r.choice(["'", "'", "'", "’", "''"]) + r.choice(
        ["s", "t", "re", "ve", "m", "ll", "d", "S", "T", "RE", "Ve", "M", "LL", "D", "r", "l", "v", "x", "ſ", " s", "1"])


def hostile_text(seed, size):
    """Seeded text of about `size` bytes of UTF-8."""
    r = Random(seed)
    parts, total = [], 0
    while total < size:
        kind = r.below(24)
        if kind < 6:
            part = r.choice(SENTENCES)
        elif kind < 9:
            first, last = r.choice(BLOCKS)
            part = "".join(chr(first + r.below(last - first + 1)) for _ in range(1 + r.below(12)))
        elif kind == 9:
            part = "".join(char_of_block(r) for _ in range(1 + r.below(10)))
        elif kind == 10:
            part = any_char(r)
        elif kind == 11:
            part = r.choice(EMOJI) * (1 + r.below(3))
        elif kind == 12:
            part = r.choice(SPACES) * (1 + r.below(r.choice([2, 5, 80])))
        elif kind == 13:
            part = "".join(r.choice(SPACES) for _ in range(1 + r.below(6)))
        elif kind == 14:
            part = r.choice(["", "it", "I", "we", "99", "é"]) + contraction(r)
        elif kind < 17:
            part = r.choice(CODE)
        elif kind == 17:
            part = chr(r.below(32)) + chr(127 + r.below(34))
        elif kind == 18:
            part = r.choice(["<|endoftext|>", "<|endoftext|", "<|endoftext|><|endoftext|>", " <|endoftext|> ",
                             "<<|endoftext|>>", "<|EndOfText|>", "<|", "|>", "<|endof<|endoftext|>text|>"])
        elif kind == 19:
            part = str(r.below(10 ** (1 + r.below(18))))
        elif kind == 20:
            part = r.choice("aZé1_-=. '") * (1 + r.below(r.choice([4, 40, 700])))
        elif kind == 21:
            part = "e" + "".join(chr(0x300 + r.below(0x70)) for _ in range(1 + r.below(9)))
        else:
            part = "".join(r.choice("etaoin shrdlu,ETAOIN.0123456789") for _ in range(1 + r.below(60)))
        if r.below(2):
            part += r.choice([" ", " ", " ", "\n", "  "])
        parts.append(part)
        total += len(part.encode())
    return "".join(parts)


def cases():
    """Short hostile texts, each encoded by itself."""
    texts = ["", " ", "  ", "a", " a", "  a", "a ", "a  ", "\n", "\n\n", "\n a", "a\n\n  b", "\r\n", "a\r\nb", "\t\tx",
             "a  b", "a   b\n   c", " 1", "  1", "a1b2", "1a", "12345678", "½", "x²", "Ⅷ", "٣٤٥", "१२३", "1٣", "a\u0301",
             "\u0301", " \u0301", "don't", "DON'T", "don'T", "'s", "''s", " 's", "'s's", "'ll", "'l", "'r", "'re", "'v",
             "it's 'tis", "'sa", "'ſ", "x'ſ", "'S'D'LL", "'", "''", " '", "' ", "'\n", "!'s", "1's", "\u2019s",
             "\u00a0", "a\u00a0b", "\u00a0 a", " \u00a0a", "\u3000\u3000a", "\u200b", "a\u200bb", " \u200b ",
             "\u2028", "a\u2028b", "\u0085", "a\u0085b", "\ufeff", "\ufeffHello", "\x00", "a\x00b", "\x00\x00 \x00", "\x1f",
             "\x7f", "\x80", "\ufffd", "\uffff", "\U0010ffff", "\ue000", "\U000e0001", "日本語", "日本 語", "한국어",
             "<|endoftext|>", " <|endoftext|>", "<|endoftext|> ", "a<|endoftext|>b", "  <|endoftext|>  ",
             "<|endoftext|><|endoftext|>", "<|endoftext", "<|endoftext|", "<|endoftext|>>", "<<|endoftext|>",
             "<|endoftext |>", "<|ENDOFTEXT|>", "<|<|endoftext|>", "\n<|endoftext|>\n", "<|endoftext|>'s",
             "supercalifragilisticexpialidocious" * 3, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
             "=" * 100, "-" * 33, "." * 32, " " * 31, " " * 64 + "x", "\n" * 40, "\t" * 17, "=-" * 40,
             "https://example.org/a/b?c=d&e=f#g", "\\u00e9\\n", "a_b__c", "C++ & C#", "e\u0301e\u0301", "Å", "A\u030a", "ﬀ",
             "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f1eb\U0001f1f7", "1\ufe0f\u20e3", "👍🏽👍", "𝒜𝓫𝟙", "𐐀𐐨",
             "ا ب", "शक्तिः", "กำ", "ǅ", "ʰ", "ª º", "々〆", "〇", "𒀀𒐀", "㊀㉈", "\ua64f", "\u0300a", "_\u0300", "1\u0300",
             "\u1680a", "\u180ea", "\u2000\u2001 a", "\v\f a", "\x1c\x1d", "\x1ca", "a\tb\vc\fd",
             # new in Unicode 17.0: unknown to the reference's engine
             "\U00016ea0\U00016ea1", "\u088f", "\U000323b0a", "\U0001e6c0 \U00011de0"]
    texts += SENTENCES + CODE + EMOJI + SPACES
    r = Random(7)
    for _ in range(160):
        pool = r.choice(["aA1 .'\n", " \n\r\ta", "a's ", "é1 \u00a0", "<|endoftext|>a ", "01٣½ a", "\n\r x!", "ſsS'lL"])
        texts.append("".join(r.choice(pool) for _ in range(1 + r.below(14))))
    seen = set()
    return [t for t in texts if not (t in seen or seen.add(t))]
