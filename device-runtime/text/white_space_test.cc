#include "text/white_space.h"

#include <gtest/gtest.h>

#include <string>

namespace mft {
namespace {

// The characters of which Python 3 says str.isspace().
TEST(WhiteSpace, IsPythons) {
  std::u32string found;
  for (std::uint32_t c = 0; c < 0x110000; ++c) {
    if (is_python_space(c)) found.push_back(c);
  }
  EXPECT_EQ(found, (std::u32string{0x9,    0xA,    0xB,    0xC,    0xD,    0x1C,   0x1D,   0x1E,   0x1F,   0x20,
                                   0x85,   0xA0,   0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006,
                                   0x2007, 0x2008, 0x2009, 0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}));
}

TEST(WhiteSpace, IsTakenOffBothEnds) {
  EXPECT_EQ(strip(" \n\xE3\x80\x80 a \xC2\xA0 b\xC2\xA0\t"), "a \xC2\xA0 b");
  EXPECT_EQ(strip("\xE2\x80\x8B"), "\xE2\x80\x8B");  // a zero width space is none
  EXPECT_EQ(strip(" \t\xC2\x85"), "");
  EXPECT_EQ(strip(""), "");
}

}  // namespace
}  // namespace mft
