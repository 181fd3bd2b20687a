#include "base/arena.h"

#include "base/error.h"
#include "gtest/gtest.h"

namespace mft {
namespace {

TEST(Arena, AlignsAndAccounts) {
  Arena arena(1 << 20);
  const auto a = arena.take<float>(3);
  const auto b = arena.take<double>(5);
  EXPECT_EQ(a.size(), 3u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.data()) % Arena::kAlignment, 0u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.data()) % Arena::kAlignment, 0u);
  EXPECT_EQ(arena.used(), 2 * Arena::kAlignment);
  for (const float x : a) EXPECT_EQ(x, 0.0f);  // fresh pages
  b[4] = 1.0;
}

TEST(Arena, RemembersItsHighWater) {
  Arena arena(1 << 20);
  const std::size_t mark = arena.mark();
  {
    const ArenaScope scope(arena);
    arena.take<std::byte>(5000);
    EXPECT_EQ(arena.used(), 5120u);
  }
  EXPECT_EQ(arena.used(), mark);
  const auto again = arena.take<std::byte>(100);
  again[99] = std::byte{1};
  EXPECT_EQ(arena.used(), 128u);
  EXPECT_EQ(arena.high_water(), 5120u);
}

TEST(Arena, RefusesWhatItHasNot) {
  Arena arena(1000);
  arena.take<std::byte>(800);
  EXPECT_THROW(arena.take<std::byte>(200), Failure);  // rounded up to 256 it does not fit
  EXPECT_THROW(arena.take<float>(-1), Failure);
  EXPECT_THROW(arena.take<double>(std::numeric_limits<std::int64_t>::max()), Failure);
  EXPECT_THROW(arena.release(arena.used() + 1), Failure);
  EXPECT_EQ(arena.used(), 896u);
}

TEST(Arena, MeasuresWithoutMemory) {
  Arena arena = Arena::measuring();
  const auto huge = arena.take<float>(std::int64_t{1} << 40);
  EXPECT_EQ(huge.data(), nullptr);
  EXPECT_EQ(huge.size(), std::size_t{1} << 40);
  EXPECT_EQ(arena.high_water(), std::size_t{1} << 42);
  EXPECT_THROW(arena.take<double>(std::numeric_limits<std::int64_t>::max()), Failure);
}

TEST(Arena, SaysHowMuchItCouldNotGet) {
  try {
    const Arena arena(std::size_t{1} << 60);
    FAIL() << "2^60 bytes";
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), "memory.arena");
    EXPECT_FALSE(failure.hint().empty());
  }
}

}  // namespace
}  // namespace mft
