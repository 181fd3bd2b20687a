// The run's event log: the truth about a run. Append-only; an event is in the file before anyone is sent it.
//
// What a kill leaves behind is a prefix of what was written: a frame that was cut off is cut away when the
// journal is opened next, and the loss is told (cut_bytes). Attempt numbers go up, and sequence numbers
// within an attempt, so (attempt, sequence) orders all frames and the place of an event is found through a
// sparse index, not by keeping events.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/file.h"
#include "mft/v1/session.pb.h"
#include "session/journal_reader.h"
#include "train/events.h"

namespace mft::session {

// An EventId as a value that orders. {0, 0} stands before every event.
struct Position {
  std::uint32_t attempt = 0;
  std::uint64_t sequence = 0;
  auto operator<=>(const Position&) const = default;
};
Position position_of(const v1::EventId& id);

// Where every so many frames start.
class JournalIndex {
 public:
  void add(Position id, std::uint64_t offset);  // in order
  // A frame start at or before the first frame after `after`.
  std::uint64_t start_before(Position after) const;
  Position last() const { return ends_.empty() ? Position{} : ends_.back(); }
  const std::vector<Position>& attempt_ends() const { return ends_; }  // last event of each attempt

 private:
  struct Entry {
    Position id;
    std::uint64_t offset;
  };
  std::vector<Entry> entries_;
  std::vector<Position> ends_;
  std::uint64_t since_entry_ = 0;
};

using VisitEvent = std::function<void(const v1::Event&, std::string_view payload)>;

// Reads the frames of a journal that are whole, in order; returns where the last of them ends. Frames whose
// ids do not go up count as damage. `index` may be null.
std::uint64_t scan_journal(const File& file, std::uint64_t limit, JournalIndex* index,
                           const VisitEvent& visit);

// The frame start of the first event after `after`, in a file whose frames end at `limit`.
std::uint64_t find_after(const File& file, std::uint64_t limit, std::uint64_t start, Position after);

class Journal : public train::EventSink {
 public:
  // Opens or creates, and cuts a torn tail. `visit` sees every event that is there.
  explicit Journal(const std::string& path, const VisitEvent& visit = {});

  std::uint64_t cut_bytes() const { return cut_bytes_; }

  // Later events are of this attempt, which must be a new one. Failure journal.attempt.
  void begin_attempt(std::uint32_t attempt);
  // Called after each append, from the appending thread. Set before any other thread uses the journal.
  void on_append(std::function<void()> notify) { notify_ = std::move(notify); }

  void emit(v1::Event event) override;
  // For the last word of a run whose disk is full: uses the space kept in reserve.
  void emit_last(v1::Event event);
  void sync() override;

  Position last() const;
  std::vector<Position> attempt_ends() const;
  const File& file() const { return file_; }
  std::uint64_t size() const { return size_.load(std::memory_order_acquire); }  // of whole frames
  // Offset of the first event after this one; size() when there is none yet.
  std::uint64_t offset_after(Position after) const;

 private:
  void append(v1::Event& event, bool last);

  File file_;
  std::string reserve_path_;
  mutable std::mutex mutex_;
  JournalIndex index_;
  Position newest_;
  std::atomic<std::uint64_t> size_{0};
  std::uint64_t cut_bytes_ = 0;
  std::function<void()> notify_;
};

}  // namespace mft::session
