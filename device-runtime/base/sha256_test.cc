#include "base/sha256.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "base/sha256_blocks.h"
#include "base/test_folder.h"

namespace mft {
namespace {

// FIPS 180-4 examples and the empty message.
TEST(Sha256, GivesTheValuesOfTheStandard) {
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(to_hex(sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, DoesNotDependOnHowTheMessageIsCut) {
  std::string message;
  for (int i = 0; i < 300; ++i) message.push_back(static_cast<char>(i * 7));
  const std::string whole = to_hex(sha256(message));
  for (std::size_t cut = 0; cut <= message.size(); ++cut) {
    Sha256 hash;
    hash.update(message.data(), cut);
    hash.update(message.data() + cut, message.size() - cut);
    ASSERT_EQ(to_hex(hash.finish()), whole) << cut;
  }
}

TEST(Sha256, HardwareAndPortableAgree) {
  const sha256_internal::Compress hardware = sha256_internal::hardware_compress();
  if (hardware == nullptr) GTEST_SKIP() << "this processor has no SHA-256 instructions";
  std::vector<std::uint8_t> data(64 * 33);
  std::uint32_t x = 12345;
  for (std::uint8_t& byte : data) byte = static_cast<std::uint8_t>((x = x * 1664525u + 1013904223u) >> 24);
  for (std::size_t blocks = 0; blocks <= 33; ++blocks) {
    std::uint32_t a[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    std::uint32_t b[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    sha256_internal::compress_portable(a, data.data(), blocks);
    hardware(b, data.data(), blocks);
    for (int i = 0; i < 8; ++i) ASSERT_EQ(a[i], b[i]) << blocks << " blocks, word " << i;
  }
}

TEST(Sha256, HashesAFileInPieces) {
  TestFolder folder;
  const std::string bytes((3 << 20) + 17, 'x');
  write_atomically(folder / "big", bytes);
  std::vector<std::uint64_t> seen;
  const Sha256Digest digest = sha256_file(folder / "big", [&](std::uint64_t done) { seen.push_back(done); });
  EXPECT_EQ(digest, sha256(bytes));
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen.back(), bytes.size());
}

}  // namespace
}  // namespace mft
