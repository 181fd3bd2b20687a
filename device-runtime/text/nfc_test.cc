#include "text/nfc.h"

#include <gtest/gtest.h>

#include "text/test_tables.h"
#include "text/utf8.h"

namespace mft {
namespace {

std::string nfc(std::string_view text) {
  std::string out;
  EXPECT_EQ(append_nfc(text, true, out), text.size());
  return out;
}

TEST(Nfc, Examples) {
  EXPECT_EQ(nfc(""), "");
  EXPECT_EQ(nfc("plain text, longer than eight"), "plain text, longer than eight");
  EXPECT_EQ(nfc("e\xCC\x81"), "\xC3\xA9");
  EXPECT_EQ(nfc("\xC3\xA9"), "\xC3\xA9");
  // Marks are put in order before they compose: q, dot above, dot below.
  EXPECT_EQ(nfc("q\xCC\x87\xCC\xA3"), "q\xCC\xA3\xCC\x87");
  EXPECT_EQ(nfc("s\xCC\x87\xCC\xA3"), "\xE1\xB9\xA9");
  EXPECT_EQ(nfc("\xE2\x84\xAB"), "\xC3\x85");                                      // angstrom sign
  EXPECT_EQ(nfc("\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8"), "\xEA\xB0\x81");          // Hangul
  EXPECT_EQ(nfc("\xEA\xB0\x80\xE1\x86\xA8"), "\xEA\xB0\x81");                      // of a syllable and a tail
  EXPECT_EQ(nfc("\xE0\xA5\x98"), "\xE0\xA4\x95\xE0\xA4\xBC");             // excluded from composition
  EXPECT_EQ(nfc("\xCC\x81" "a"), "\xCC\x81" "a");                                  // a mark on nothing
  EXPECT_EQ(nfc("a\xCD\x8F\xCC\x81"), "a\xCD\x8F\xCC\x81");                        // a joiner blocks
}

TEST(Nfc, PiecesGiveWhatTheWholeGives) {
  TestRandom random(1);
  const std::uint32_t pool[] = {'a', 'e', 's', ' ', 0x301, 0x323, 0x307, 0x327, 0x334, 0x345, 0xE9, 0x1E69, 
                                0x1100, 0x1161, 0x11A8, 0xAC00, 0x958, 0x93C, 0x928, 0x212B, 0x1D15E, 0x4E00,
                                0xF900, 0x344};
  for (int i = 0; i < 5000; ++i) {
    std::vector<std::string> characters;
    std::string whole;
    for (std::uint64_t k = random.below(12); k > 0; --k) {
      characters.emplace_back();
      append_utf8(pool[random.below(std::size(pool))], characters.back());
      whole += characters.back();
    }
    std::string out;
    std::string held;
    for (const std::string& character : characters) {
      held += character;
      held.erase(0, append_nfc(held, false, out));
    }
    ASSERT_EQ(append_nfc(held, true, out), held.size());
    ASSERT_EQ(out, nfc(whole));
    ASSERT_EQ(nfc(out), out);  // and its normal form is itself
  }
}

}  // namespace
}  // namespace mft
