// What a pack says, for tests that compare with other programs.
//   logits_tool PACK_DIR [--result RESULT_DIR] TOKEN...   logits of one row, [tokens, V] little-endian f32, on stdout
// RESULT_DIR is what a training leaves, with manifest.pb: an adapter, or the weights to use in place of the pack's.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/threads.h"
#include "models/model.h"

namespace mft::models {
namespace {

constexpr uint64_t kMaxManifest = 64 << 20;

template <typename Message>
Message read_message(const std::string& path) {
  Message message;
  if (!message.ParseFromString(read_all(path, kMaxManifest)))
    throw Failure("model.pack-damaged", path + " can't be decoded");
  return message;
}

std::vector<store::SegmentFile> result_files(const v1::CheckpointManifest& result, const std::string& dir) {
  std::vector<store::SegmentFile> files;
  for (const v1::Segment& segment : result.weights())
    files.push_back({segment, dir + "/" + result.files().at(segment.name())});
  return files;
}

void write_logits(const std::string& dir, const std::string& result_dir, const std::vector<int32_t>& tokens) {
  const auto pack = read_message<v1::PackManifest>(dir + "/pack.pb");
  v1::CheckpointManifest result;
  if (!result_dir.empty()) result = read_message<v1::CheckpointManifest>(result_dir + "/manifest.pb");
  const bool adapted = result.lora_targets_size() > 0;

  std::vector<store::SegmentFile> files;
  for (const v1::Segment& segment : pack.segments())
    files.push_back({segment, dir + "/" + to_hex(segment.sha256()) + ".seg"});
  if (!result_dir.empty() && !adapted) files = result_files(result, result_dir);

  ModelOptions options;
  options.adapters = {result.lora_targets().begin(), result.lora_targets().end()};
  options.max_tokens = options.max_length = static_cast<uint32_t>(tokens.size());
  ThreadPool pool(1);
  const auto segments = store::Segments::open(std::move(files), store::Residency::kMapped);
  const auto model = Model::open(pack.config(), *segments, options, pool);
  if (adapted) {
    const auto values = store::Segments::open(result_files(result, result_dir), store::Residency::kMapped);
    model->load_adapter(values->pin(0));
  }
  std::vector<float> logits(tokens.size() * pack.config().vocab_size());
  const uint32_t starts[] = {0, options.max_length};
  model->logits({1, starts, tokens.data(), nullptr}, logits.data());
  if (std::fwrite(logits.data(), sizeof(float), logits.size(), stdout) != logits.size() ||
      std::fflush(stdout) != 0) {
    fail_io("write", "stdout", errno);
  }
}

int run(std::vector<std::string> args) {
  std::string result;
  if (args.size() > 2 && args[1] == "--result") {
    result = args[2];
    args.erase(args.begin() + 1, args.begin() + 3);
  }
  if (args.size() < 2) {
    std::fprintf(stderr, "usage: logits_tool PACK_DIR [--result RESULT_DIR] TOKEN...\n");
    return 2;
  }
  std::vector<int32_t> tokens;
  for (size_t i = 1; i < args.size(); ++i) tokens.push_back(std::atoi(args[i].c_str()));
  write_logits(args[0], result, tokens);
  return 0;
}

}  // namespace
}  // namespace mft::models

int main(int argc, char** argv) {
  try {
    return mft::models::run(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const mft::Failure& failure) {
    std::fprintf(stderr, "%s: %s\n%s\n", failure.code().c_str(), failure.what(), failure.hint().c_str());
    return 1;
  }
}
