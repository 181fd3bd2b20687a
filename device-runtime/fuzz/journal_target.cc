// A journal as a crash, a full disk or somebody left it. First byte: even, the rest is the file; odd, the rest is
// payloads (a length in two bytes, then the bytes) that get a frame and a checksum, so that what is in them is
// looked at too.
#include <string>

#include "base/crc32c.h"
#include "base/test_folder.h"
#include "fuzz/target.h"
#include "session/frames.h"
#include "session/journal.h"
#include "train/history.h"

namespace mft::fuzz {
namespace {

std::string framed(Input input) {
  std::string file;
  while (!input.rest().empty()) {
    const std::size_t length = input.byte() | std::size_t{input.byte()} << 8;
    std::string frame;
    session::append_frame(frame, input.take(length));
    const std::uint32_t crc = crc32c(frame.data(), frame.size());
    for (int i = 0; i < 4; ++i) frame.push_back(static_cast<char>(crc >> (8 * i) & 0xff));
    file += frame;
  }
  return file;
}

void run(std::string_view bytes) {
  static const TestFolder folder;
  Input input(bytes);
  const std::string content = (input.byte() & 1) != 0 ? framed(input) : std::string(input.rest());
  const std::string path = folder / "journal";
  File::create(path).write(content);

  std::uint64_t kept = 0;
  std::uint64_t events = 0;
  session::Position last;
  {
    const File file = File::open_read(path);
    train::History history;
    session::JournalIndex index;
    kept = session::scan_journal(file, content.size(), &index, [&](const v1::Event& event, std::string_view) {
      const session::Position id = session::position_of(event.id());
      require(last < id, "ids that do not go up");
      last = id;
      ++events;
      history.see(event);
    });
    require(kept <= content.size(), "more than there is");
    require(index.last() == last, "the index ends elsewhere");
    require(session::find_after(file, kept, 0, last) == kept, "something after the last event");
  }
  // What is opened is cut to what was whole, and goes on from there.
  session::Journal journal(path);
  require(journal.size() == kept && journal.last() == last, "opened otherwise than scanned");
  require(journal.cut_bytes() == content.size() - kept, "cut otherwise than scanned");
  if (last.attempt == 0xffffffffu) return;
  journal.begin_attempt(last.attempt + 1);
  v1::Event event;
  event.mutable_step()->set_step(1);
  journal.emit(event);
  std::uint64_t again = 0;
  (void)session::scan_journal(journal.file(), journal.size(), nullptr,
                              [&](const v1::Event&, std::string_view) { ++again; });
  require(again == events + 1, "an event that was written is not read");
}

const Registration kTarget("journal", run);

}  // namespace
}  // namespace mft::fuzz
