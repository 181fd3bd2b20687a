#include "base/error.h"

#include <gtest/gtest.h>

namespace mft {
namespace {

TEST(Error, MessagesQuoteNothingThatATerminalObeys) {
  const Failure failure("test.quoted", "run '\x1B[2J\r\x7F' is\tnot é\n日本");
  EXPECT_STREQ(failure.what(), "run '?[2J?" "?' is\tnot é\n日本");
}

TEST(Error, MessagesEndBetweenCharacters) {
  std::string text(3999, 'x');
  text += "日本";
  EXPECT_EQ(readable(text), std::string(3999, 'x') + "...");
  EXPECT_EQ(readable(std::string(4000, 'x')), std::string(4000, 'x'));
}

}  // namespace
}  // namespace mft
