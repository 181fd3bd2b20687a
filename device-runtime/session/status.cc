#include <algorithm>
#include <limits>
#include <string_view>

#include "base/error.h"
#include "session/frames.h"
#include "session/journal.h"
#include "session/run.h"
#include "train/checkpoint.h"
#include "train/history.h"

namespace mft::session {

v1::RunStatus read_status(const train::RunFolder& folder) {
  v1::RunStatus status;
  status.set_run_id(folder.id());
  status.set_exists(stat_path(folder / "spec.pb").has_value());
  if (!status.exists()) return status;
  const std::uint32_t pid = lock_holder(folder);
  status.set_alive(pid != 0);
  status.set_pid(pid);
  if (stat_path(folder.journal())) {
    const File file = File::open_read(folder.journal());
    train::History history;
    scan_journal(file, file.size(), nullptr, [&](const v1::Event& event, std::string_view) {
      *status.mutable_journal_last() = event.id();
      history.see(event);
    });
    status.set_ended(history.ended);
  }
  const std::vector<std::uint32_t> steps = train::list_checkpoints(folder.checkpoints());
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    if (!train::peek_manifest(train::checkpoint_folder(folder.checkpoints(), *step), folder.id())) continue;
    status.set_has_checkpoint(true);
    status.set_last_checkpoint_step(*step);
    break;
  }
  return status;
}

void read_events(const train::RunFolder& folder, const v1::EventId& after,
                 const std::function<void(std::string_view)>& write) {
  constexpr std::size_t kPiece = 256 * 1024;
  if (!stat_path(folder.path())) {
    throw Failure("run.unknown", "there is no run '" + folder.id() + "' under " + folder.root());
  }
  if (!stat_path(folder.journal())) return;
  const File file = File::open_read(folder.journal());
  std::string out;
  const auto id = position_of(after);
  scan_journal(file, file.size(), nullptr, [&](const v1::Event& event, std::string_view payload) {
    if (position_of(event.id()) <= id) return;
    append_event_frame(out, payload);
    if (out.size() < kPiece) return;
    write(out);
    out.clear();
  });
  write(out);
}

}  // namespace mft::session
