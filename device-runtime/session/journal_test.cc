#include "session/journal.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/process.h"
#include "base/test_folder.h"
#include "session/frames.h"
#include "session/test_reader.h"

namespace mft::session {
namespace {

v1::Event step_event(std::uint32_t step) {
  v1::Event event;
  event.mutable_step()->set_step(step);
  event.mutable_step()->set_loss(static_cast<float>(step) * 0.5f);
  return event;
}

TEST(Frames, ReadsWhatItWrites) {
  for (const std::size_t size : {0u, 1u, 127u, 128u, 16383u, 16384u, 100000u, 1u << 20}) {
    std::string out;
    append_frame(out, std::string(size, 'x'));
    const auto head = read_head(out);
    ASSERT_TRUE(head);
    EXPECT_EQ(head->length, size);
    EXPECT_EQ(out.size(), head->bytes + size);
    EXPECT_FALSE(read_head(std::string_view(out).substr(0, head->bytes - 1)));
  }
  std::string out;
  EXPECT_THROW(append_frame(out, std::string((1 << 20) + 1, 'x')), Failure);
  EXPECT_THROW(read_head("\xff\xff\xff\xff\x01"), Failure);  // no length ends here
  EXPECT_THROW(read_head("\xff\xff\xff\x7f"), Failure);      // over the limit
}

TEST(Frames, WrapsAnEventWithoutParsingIt) {
  v1::DeviceFrame expected;
  *expected.mutable_event() = step_event(300);
  std::string wrapped, plain;
  append_event_frame(wrapped, expected.event().SerializeAsString());
  append_frame(plain, expected.SerializeAsString());
  EXPECT_EQ(wrapped, plain);
}

TEST(Journal, KeepsNoEventThatASessionCouldNotSend) {
  TestFolder folder;
  Journal journal(folder / "journal");
  journal.begin_attempt(1);
  v1::Event event;
  event.mutable_warning()->set_message(std::string(kEventLimit - 64, 'x'));
  journal.emit(event);
  JournalReader reader(journal.file());
  ASSERT_EQ(reader.next(journal.size()), JournalReader::Next::kFrame);
  std::string frame;
  append_event_frame(frame, reader.payload());
  EXPECT_TRUE(read_head(frame));
  append_event_frame(frame = "", std::string(kEventLimit, 'x'));
  EXPECT_TRUE(read_head(frame));
  event.mutable_warning()->set_message(std::string(kEventLimit, 'x'));
  EXPECT_THROW(journal.emit(event), Failure);
}

TEST(Journal, NumbersEventsAndKeepsThem) {
  TestFolder folder;
  {
    Journal journal(folder / "journal");
    EXPECT_EQ(journal.last(), (Position{0, 0}));
    journal.begin_attempt(1);
    for (std::uint32_t i = 1; i <= 3; ++i) journal.emit(step_event(i));
    EXPECT_EQ(journal.last(), (Position{1, 3}));
  }
  {
    Journal journal(folder / "journal");
    EXPECT_THROW(journal.begin_attempt(1), Failure);
    journal.begin_attempt(4);
    EXPECT_EQ(journal.last(), (Position{1, 3}));
    journal.emit(step_event(9));
    EXPECT_EQ(journal.attempt_ends(), (std::vector<Position>{{1, 3}, {4, 1}}));
  }
  std::vector<v1::Event> seen;
  Journal journal(folder / "journal",
                  [&](const v1::Event& event, std::string_view) { seen.push_back(event); });
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[3].step().step(), 9u);
  EXPECT_EQ(position_of(seen[3].id()), (Position{4, 1}));
  EXPECT_GT(seen[3].time_ms(), 1'600'000'000'000u);
  EXPECT_GT(seen[3].uptime_ms(), 0u);
}

TEST(Journal, TornAtAnyByteKeepsWhatIsWholeAndGoesOn) {
  TestFolder folder;
  std::vector<std::uint64_t> ends = {0};
  {
    Journal journal(folder / "whole");
    journal.begin_attempt(1);
    for (std::uint32_t i = 1; i <= 5; ++i) {
      journal.emit(step_event(i * 1000));
      ends.push_back(journal.size());
    }
  }
  const std::string whole = read_all(folder / "whole", 1 << 20);
  ASSERT_EQ(whole.size(), ends.back());
  std::size_t most = 0;
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    // What a power cut leaves: the bytes up to here, or those and zeros.
    for (const std::size_t zeros : {std::size_t{0}, std::size_t{200}}) {
      if (zeros > 0 && cut % 5 != 0) continue;  // each takes a sync of the disk
      const std::string torn = whole.substr(0, cut) + std::string(zeros, '\0');
      std::size_t frames = 0;
      while (frames + 1 < ends.size() && torn.compare(0, ends[frames + 1], whole, 0, ends[frames + 1]) == 0)
        ++frames;
      most = std::max(most, frames);
      File::create(folder / "torn").write(torn);
      Journal journal(folder / "torn");
      ASSERT_EQ(journal.size(), ends[frames]) << cut;
      ASSERT_EQ(journal.cut_bytes(), torn.size() - ends[frames]) << cut;
      ASSERT_EQ(journal.last().sequence, frames);
      journal.begin_attempt(2);
      journal.emit(step_event(7));
      ASSERT_EQ(all_events(folder / "torn").size(), frames + 1);
    }
  }
  EXPECT_EQ(most, 5u);
}

TEST(Journal, AChangedByteCutsThereAndIsNeverRead) {
  TestFolder folder;
  std::vector<std::uint64_t> ends = {0};
  {
    Journal journal(folder / "whole");
    journal.begin_attempt(1);
    for (std::uint32_t i = 1; i <= 4; ++i) {
      journal.emit(step_event(i));
      ends.push_back(journal.size());
    }
  }
  const std::string whole = read_all(folder / "whole", 1 << 20);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char flip : {'\x01', '\x80'}) {
      std::string bad = whole;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      File::create(folder / "bad").write(bad);
      Journal journal(folder / "bad");
      std::size_t frame = 0;
      while (ends[frame + 1] <= at) ++frame;
      ASSERT_EQ(journal.size(), ends[frame]) << at;
    }
  }
}

TEST(Journal, RefusesAnEventThatCouldNotBeReadAgain) {
  TestFolder folder;
  Journal journal(folder / "journal");
  journal.begin_attempt(1);
  v1::Event event;
  event.mutable_warning()->set_message("not UTF-8: \xff");
  EXPECT_THROW(journal.emit(event), Failure);
  journal.emit(step_event(1));
  EXPECT_EQ(all_events(folder / "journal").size(), 1u);
}

TEST(Journal, FramesWhoseIdsDoNotGoUpAreDamage) {
  TestFolder folder;
  {
    Journal journal(folder / "a");
    journal.begin_attempt(1);
    journal.emit(step_event(1));
  }
  const std::string once = read_all(folder / "a", 1 << 20);
  write_atomically(folder / "a", once + once);
  Journal journal(folder / "a");
  EXPECT_EQ(journal.size(), once.size());
}

TEST(Journal, FindsEveryPlace) {
  TestFolder folder;
  Journal journal(folder / "journal");
  for (const std::uint32_t attempt : {1u, 2u, 5u}) {
    journal.begin_attempt(attempt);
    for (std::uint32_t i = 1; i <= 2500; ++i) journal.emit(step_event(i));
  }
  const auto next_after = [&](Position after) -> Position {
    JournalReader reader(journal.file(), journal.offset_after(after));
    if (reader.next(journal.size()) != JournalReader::Next::kFrame) return {};
    v1::Event event;
    EXPECT_TRUE(event.ParseFromArray(reader.payload().data(), static_cast<int>(reader.payload().size())));
    return position_of(event.id());
  };
  EXPECT_EQ(next_after({0, 0}), (Position{1, 1}));
  EXPECT_EQ(next_after({1, 1}), (Position{1, 2}));
  EXPECT_EQ(next_after({1, 1024}), (Position{1, 1025}));
  EXPECT_EQ(next_after({1, 2499}), (Position{1, 2500}));
  EXPECT_EQ(next_after({1, 2500}), (Position{2, 1}));
  EXPECT_EQ(next_after({1, 9999}), (Position{2, 1}));  // a host that is ahead
  EXPECT_EQ(next_after({3, 7}), (Position{5, 1}));     // of an attempt that was lost
  EXPECT_EQ(next_after({5, 2499}), (Position{5, 2500}));
  EXPECT_EQ(next_after({5, 2500}), (Position{}));
  EXPECT_EQ(journal.offset_after({9, 1}), journal.size());
}

TEST(Journal, AMillionEventsAreReadInLittleMemory) {
  TestFolder folder;
  {  // written as the journal does, but in large pieces: a million system calls prove nothing here
    Journal journal(folder / "journal");
    journal.begin_attempt(1);
    journal.emit(step_event(1));
  }
  {
    File file = File::open_update(folder / "journal");
    std::string out;
    std::uint64_t end = file.size();
    for (std::uint32_t i = 2; i <= 1'000'000; ++i) {
      v1::Event event = step_event(i);
      event.mutable_id()->set_attempt(1);
      event.mutable_id()->set_sequence(i);
      append_journal_frame(out, event);
      if (out.size() < (1u << 20) && i != 1'000'000) continue;
      file.write_at(out.data(), out.size(), end);
      end += out.size();
      out.clear();
    }
    EXPECT_GT(end, 20u << 20);
  }
  const std::uint64_t before = peak_rss_bytes();
  std::uint64_t seen = 0;
  Journal journal(folder / "journal", [&](const v1::Event&, std::string_view) { ++seen; });
  EXPECT_EQ(seen, 1'000'000u);
  JournalReader reader(journal.file(), journal.offset_after({1, 765'432}));
  ASSERT_EQ(reader.next(journal.size()), JournalReader::Next::kFrame);
  v1::Event event;
  ASSERT_TRUE(event.ParseFromArray(reader.payload().data(), static_cast<int>(reader.payload().size())));
  EXPECT_EQ(event.step().step(), 765'433u);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their own bookkeeping is larger
  EXPECT_LT(peak_rss_bytes(), before + (4u << 20));
#else
  (void)before;
#endif
}

TEST(Journal, ThreadsMayEmitAtOnce) {
  TestFolder folder;
  {
    Journal journal(folder / "journal");
    journal.begin_attempt(1);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (std::uint32_t i = 0; i < 500; ++i) journal.emit(step_event(i));
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  const std::vector<v1::Event> events = all_events(folder / "journal");
  ASSERT_EQ(events.size(), 2000u);
  for (std::size_t i = 0; i < events.size(); ++i) ASSERT_EQ(events[i].id().sequence(), i + 1);
}

TEST(Journal, AFailedWriteLeavesNoHalfFrame) {
  TestFolder folder;
  ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  std::uint32_t written = 0;
  std::string code;
  {
    Journal journal(folder / "journal");
    journal.begin_attempt(1);
    const struct rlimit small = {10'001, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    try {
      for (;; ++written) journal.emit(step_event(written));
    } catch (const Failure& failure) {
      code = failure.code();
    }
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    journal.emit_last(step_event(written));
  }
  ::signal(SIGXFSZ, SIG_DFL);
  EXPECT_EQ(code, "io.disk-full");
  EXPECT_EQ(all_events(folder / "journal").size(), written + 1);
  EXPECT_EQ(Journal(folder / "journal").cut_bytes(), 0u);
}

// A real full disk, where this test may mount one.
TEST(Journal, TheReserveHoldsTheLastWordOfAFullDisk) {
  TestFolder folder;
  make_directory(folder / "disk");
  if (::mount("tmpfs", (folder / "disk").c_str(), "tmpfs", 0, "size=1m") != 0) {
    ASSERT_FALSE(must_mount()) << "may not mount";
    GTEST_SKIP() << "may not mount";
  }
  std::uint32_t written = 0;
  std::string first, second;
  {
    Journal journal(folder / "disk/journal");
    journal.begin_attempt(1);
    try {
      for (;; ++written) journal.emit(step_event(written));
    } catch (const Failure& failure) {
      first = failure.code();
    }
    try {
      journal.emit(step_event(written));
    } catch (const Failure& failure) {
      second = failure.code();
    }
    journal.emit_last(step_event(written));
  }
  const std::size_t kept = all_events(folder / "disk/journal").size();
  EXPECT_EQ(::umount((folder / "disk").c_str()), 0);
  EXPECT_EQ(first, "io.disk-full");
  EXPECT_EQ(second, "io.disk-full");
  EXPECT_GT(written, 1000u);
  EXPECT_EQ(kept, written + 1);
}

TEST(Journal, AKillAtAnyMomentLosesNoEventThatWasToldOf) {
  TestFolder folder;
  std::mt19937 random(7);
  std::uint64_t told = 0;
  for (std::uint32_t attempt = 1; attempt <= 30; ++attempt) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Journal journal(folder / "journal");
      journal.begin_attempt(attempt);
      for (std::uint32_t i = 0;; ++i) {
        journal.emit(step_event(i));
        if (::write(ends[1], "x", 1) != 1) ::_exit(1);
      }
    }
    ::close(ends[1]);
    ::usleep(500 + random() % 4000);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    char bytes[4096];
    for (ssize_t n; (n = ::read(ends[0], bytes, sizeof bytes)) > 0;) told += static_cast<std::uint64_t>(n);
    ::close(ends[0]);
    ASSERT_GE(all_events(folder / "journal").size(), told);
  }
  EXPECT_GT(told, 100u);
}

}  // namespace
}  // namespace mft::session
