#include "session/journal.h"

#include <algorithm>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "session/frames.h"

namespace mft::session {
namespace {

constexpr std::uint64_t kIndexEvery = 1024;
constexpr std::size_t kReserveBytes = 64 * 1024;

}  // namespace

Position position_of(const v1::EventId& id) { return {id.attempt(), id.sequence()}; }

void JournalIndex::add(Position id, std::uint64_t offset) {
  const bool new_attempt = ends_.empty() || ends_.back().attempt != id.attempt;
  if (new_attempt) {
    ends_.push_back(id);
  } else {
    ends_.back() = id;
  }
  if (new_attempt || ++since_entry_ >= kIndexEvery) {
    entries_.push_back({id, offset});
    since_entry_ = 0;
  }
}

std::uint64_t JournalIndex::start_before(Position after) const {
  const auto above = std::upper_bound(entries_.begin(), entries_.end(), after,
                                      [](Position id, const Entry& entry) { return id < entry.id; });
  return above == entries_.begin() ? 0 : std::prev(above)->offset;
}

std::uint64_t scan_journal(const File& file, std::uint64_t limit, JournalIndex* index,
                           const VisitEvent& visit) {
  JournalReader reader(file);
  Position last;
  v1::Event event;
  for (;;) {
    const std::uint64_t start = reader.offset();
    if (reader.next(limit) != JournalReader::Next::kFrame) return start;
    if (!event.ParseFromArray(reader.payload().data(), static_cast<int>(reader.payload().size())))
      return start;
    const Position id = position_of(event.id());
    if (id <= last || id.sequence == 0) return start;
    last = id;
    if (index != nullptr) index->add(id, start);
    if (visit) visit(event, reader.payload());
  }
}

std::uint64_t find_after(const File& file, std::uint64_t limit, std::uint64_t start, Position after) {
  JournalReader reader(file, start);
  v1::Event event;
  for (;;) {
    const std::uint64_t offset = reader.offset();
    if (reader.next(limit) != JournalReader::Next::kFrame) return offset;
    const std::string_view payload = reader.payload();
    if (!event.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return offset;
    if (position_of(event.id()) > after) return offset;
  }
}

Journal::Journal(const std::string& path, const VisitEvent& visit)
    : file_(File::open_update(path)), reserve_path_(path + ".reserve") {
  const std::uint64_t bytes = file_.size();
  const std::uint64_t whole = scan_journal(file_, bytes, &index_, visit);
  cut_bytes_ = bytes - whole;
  if (cut_bytes_ > 0) {
    file_.truncate(whole);
    file_.sync();
  }
  if (bytes == 0) sync_directory(parent_of(path));  // a new file's name must outlive a power cut, too
  size_ = whole;
  newest_ = index_.last();
  try {
    File::create(reserve_path_).write(std::string(kReserveBytes, '\0'));
  } catch (const Failure& failure) {
    // The disk is full already; the run will say so itself as soon as it writes more than an event.
    if (failure.code() != "io.disk-full") throw;
  }
}

void Journal::begin_attempt(std::uint32_t attempt) {
  const std::lock_guard lock(mutex_);
  if (attempt <= newest_.attempt) {
    throw Failure("journal.attempt", "attempt " + std::to_string(attempt) + " is not after attempt " +
                                         std::to_string(newest_.attempt));
  }
  newest_ = {attempt, 0};
}

void Journal::append(v1::Event& event, bool last) {
  const std::lock_guard lock(mutex_);
  const Position id = {newest_.attempt, newest_.sequence + 1};
  event.mutable_id()->set_attempt(id.attempt);
  event.mutable_id()->set_sequence(id.sequence);
  event.set_time_ms(wall_ms());
  event.set_uptime_ms(boottime_ms());
  const std::string payload = event.SerializeAsString();
  // A text that is not UTF-8 is written without complaint and never parsed again: a journal with it would end
  // there.
  if (v1::Event read; !read.ParseFromString(payload)) {
    throw Failure("journal.event", "an event can't be written: one of its texts is not UTF-8");
  }
  if (payload.size() > kEventLimit) {
    throw Failure("session.frame-too-large",
                  "an event of " + std::to_string(payload.size()) + " bytes is over the limit");
  }
  std::string frame;
  append_frame(frame, payload);
  std::uint32_t crc = crc32c(frame.data(), frame.size());
  for (int i = 0; i < 4; ++i, crc >>= 8) frame.push_back(static_cast<char>(crc & 0xff));

  const std::uint64_t offset = size_.load(std::memory_order_relaxed);
  try {
    file_.write_at(frame.data(), frame.size(), offset);
  } catch (const Failure& failure) {
    file_.truncate(offset);  // a piece of a frame may have been written
    if (!last || failure.code() != "io.disk-full") throw;
    remove_file(reserve_path_);
    file_.write_at(frame.data(), frame.size(), offset);
  }
  newest_ = id;
  index_.add(id, offset);
  size_.store(offset + frame.size(), std::memory_order_release);
}

void Journal::emit(v1::Event event) {
  append(event, false);
  if (notify_) notify_();
}

void Journal::emit_last(v1::Event event) {
  append(event, true);
  remove_file(reserve_path_);  // the next attempt makes its own
  sync();
  if (notify_) notify_();
}

void Journal::sync() { file_.sync_data(); }

Position Journal::last() const {
  const std::lock_guard lock(mutex_);
  return index_.last();
}

std::vector<Position> Journal::attempt_ends() const {
  const std::lock_guard lock(mutex_);
  return index_.attempt_ends();
}

std::uint64_t Journal::offset_after(Position after) const {
  std::uint64_t start;
  {
    const std::lock_guard lock(mutex_);
    start = index_.start_before(after);
  }
  return find_after(file_, size(), start, after);
}

}  // namespace mft::session
