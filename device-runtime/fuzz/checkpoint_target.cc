// A checkpoint's manifest whose own hash is right, beside one segment file of zeros: it is whole or broken, and
// a listing says the same as the reader.
#include "base/sha256.h"
#include "base/test_folder.h"
#include "fuzz/target.h"
#include "store/layout.h"
#include "train/checkpoint.h"

namespace mft::fuzz {
namespace {

constexpr const char* kRun = "r1";

void run(std::string_view input) {
  static const TestFolder folder;
  static const std::string checkpoint = [] {
    const std::string path = folder / "7";
    make_directory(path);
    File::create(path + "/final.bin").write(std::string(store::kSegmentAlignment, '\0'));
    return path;
  }();
  File::create(checkpoint + "/manifest.pb").write(input);
  File::create(checkpoint + "/manifest.sha256").write(to_hex(sha256(input)));

  (void)accepts("checkpoint.broken", [&] {
    const train::LoadedCheckpoint loaded = train::read_checkpoint(checkpoint, kRun);
    for (const store::SegmentFile& file : loaded.weights) {
      require(file.path == checkpoint + "/final.bin", "a file of another name");
      require(file.description.bytes() == store::kSegmentAlignment, "a file of another size");
    }
    require(train::peek_manifest(checkpoint, kRun).has_value(), "whole, but not listed");
  });
  const auto newest = train::newest_checkpoint(folder.path(), kRun, [](std::uint32_t step, const std::string& why) {
    require(step == 7 && !why.empty(), "another checkpoint is broken");
  });
  require(!newest || newest->manifest.step() == 7, "a checkpoint of another step");
}

const Registration kTarget("checkpoint", run);

}  // namespace
}  // namespace mft::fuzz
