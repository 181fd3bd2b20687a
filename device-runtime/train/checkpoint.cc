#include "train/checkpoint.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"

namespace mft::train {
namespace {

constexpr std::uint64_t kManifestLimit = 64 << 20;
constexpr const char* kManifest = "manifest.pb";
constexpr const char* kManifestHash = "manifest.sha256";

std::string name_of(const std::string& folder) { return folder.substr(folder.rfind('/') + 1); }

std::string aside(const std::string& folder, const char* suffix) {
  return parent_of(folder) + "/." + name_of(folder) + suffix;
}

std::uint64_t write_segments(const std::string& folder, const std::vector<SegmentToWrite>& segments,
                             google::protobuf::RepeatedPtrField<v1::Segment>* descriptions,
                             v1::CheckpointManifest& manifest) {
  std::uint64_t bytes = 0;
  for (const SegmentToWrite& segment : segments) {
    // Segment names come from a model's manifest: they must not lead out of the folder.
    if (segment.name.empty() || segment.name.front() == '.' || segment.name.find('/') != std::string::npos) {
      throw Failure("model.segment-name", "'" + segment.name + "' can't be a file name");
    }
    const std::string file = segment.name + ".bin";
    v1::Segment& description = *descriptions->Add();
    description = store::write_segment(folder + "/" + file, segment.name, segment.tensors);
    (*manifest.mutable_files())[segment.name] = file;
    bytes += description.bytes();
  }
  return bytes;
}

void write_synced(const std::string& path, std::string_view bytes) {
  File file = File::create(path);
  file.write(bytes);
  file.sync();
  file.close();
}

// `folder` takes the place of what is there. Between the two renames nothing is there: a reader then falls
// back to the checkpoint before, as it would for a broken one.
void put_in_place(const std::string& written, const std::string& folder) {
  const std::string old = aside(folder, ".old");
  remove_tree(old);
  if (stat_path(folder)) rename_path(folder, old);
  rename_path(written, folder);
  sync_directory(parent_of(folder));
  remove_tree(old);
}

[[noreturn]] void broken(const std::string& folder, const std::string& why) {
  throw Failure("checkpoint.broken", folder + ": " + why);
}

v1::CheckpointManifest read_manifest(const std::string& folder, const std::string& run_id) {
  const std::string bytes = read_all(folder + "/" + kManifest, kManifestLimit);
  if (read_all(folder + "/" + kManifestHash, 64) != to_hex(sha256(bytes))) {
    broken(folder, "the manifest is not what was written");
  }
  v1::CheckpointManifest manifest;
  if (!manifest.ParseFromString(bytes)) broken(folder, "the manifest can't be parsed");
  if (manifest.format() != 1) broken(folder, "format " + std::to_string(manifest.format()) + " is not known");
  if (manifest.run_id() != run_id) broken(folder, "it is of run '" + manifest.run_id() + "'");
  return manifest;
}

std::vector<store::SegmentFile> verified(const std::string& folder, const v1::CheckpointManifest& manifest,
                                         const google::protobuf::RepeatedPtrField<v1::Segment>& segments,
                                         const std::function<void(std::uint64_t bytes)>& done) {
  std::vector<store::SegmentFile> files;
  for (const v1::Segment& segment : segments) {
    const auto file = manifest.files().find(segment.name());
    if (file == manifest.files().end() || file->second.empty() ||
        file->second.find('/') != std::string::npos) {
      broken(folder, "no file for segment '" + segment.name() + "'");
    }
    files.push_back({segment, folder + "/" + file->second});
    store::verify_segment(files.back());
    done(segment.bytes());
  }
  return files;
}

}  // namespace

std::uint64_t write_checkpoint(const std::string& folder, v1::CheckpointManifest& manifest,
                               const std::vector<SegmentToWrite>& weights,
                               const std::vector<SegmentToWrite>& optimizer) {
  const std::string written = aside(folder, ".tmp");
  make_directory(parent_of(folder));
  remove_tree(written);
  try {
    make_directory(written);
    manifest.set_format(1);
    std::uint64_t bytes = write_segments(written, weights, manifest.mutable_weights(), manifest);
    bytes += write_segments(written, optimizer, manifest.mutable_optimizer(), manifest);
    const std::string text = manifest.SerializeAsString();
    write_synced(written + "/" + kManifest, text);
    write_synced(written + "/" + kManifestHash, to_hex(sha256(text)));
    sync_directory(written);
    put_in_place(written, folder);
    return bytes + text.size();
  } catch (const Failure&) {
    remove_tree(written);  // a disk that is full must not stay full of halves
    throw;
  }
}

LoadedCheckpoint read_checkpoint(const std::string& folder, const std::string& run_id,
                                 const VerifyProgress& progress) {
  std::uint64_t total = 0;
  std::uint64_t sum = 0;
  const auto done = [&](std::uint64_t bytes) {
    sum += bytes;
    if (progress) progress(sum, total);
  };
  try {
    LoadedCheckpoint loaded;
    loaded.folder = folder;
    loaded.manifest = read_manifest(folder, run_id);
    for (const v1::Segment& segment : loaded.manifest.weights()) total += segment.bytes();
    for (const v1::Segment& segment : loaded.manifest.optimizer()) total += segment.bytes();
    loaded.weights = verified(folder, loaded.manifest, loaded.manifest.weights(), done);
    loaded.optimizer = verified(folder, loaded.manifest, loaded.manifest.optimizer(), done);
    return loaded;
  } catch (const Failure& failure) {
    if (failure.code() == "checkpoint.broken") throw;
    broken(folder, failure.what());  // a file that is missing, short or changed
  }
}

std::vector<std::uint32_t> list_checkpoints(const std::string& checkpoints) {
  std::vector<std::uint32_t> steps;
  for (const std::string& name : list_directory(checkpoints)) {
    std::uint32_t step = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
    if (error == std::errc() && end == name.data() + name.size()) steps.push_back(step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

std::string checkpoint_folder(const std::string& checkpoints, std::uint32_t step) {
  return checkpoints + "/" + std::to_string(step);
}

std::optional<LoadedCheckpoint> newest_checkpoint(
    const std::string& checkpoints, const std::string& run_id,
    const std::function<void(std::uint32_t step, const std::string& why)>& tell_broken,
    const VerifyProgress& progress) {
  const std::vector<std::uint32_t> steps = list_checkpoints(checkpoints);
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    try {
      LoadedCheckpoint loaded = read_checkpoint(checkpoint_folder(checkpoints, *step), run_id, progress);
      if (loaded.manifest.step() != *step)
        broken(loaded.folder, "it is of step " + std::to_string(loaded.manifest.step()));
      return loaded;
    } catch (const Failure& failure) {
      if (failure.code() != "checkpoint.broken") throw;
      tell_broken(*step, failure.what());
    }
  }
  return std::nullopt;
}

void prune_checkpoints(const std::string& checkpoints, std::uint32_t keep) {
  const std::vector<std::uint32_t> steps = list_checkpoints(checkpoints);
  const std::size_t left = std::min<std::size_t>(std::max(keep, 1u), steps.size());
  remove_checkpoints_but(checkpoints, {steps.end() - static_cast<std::ptrdiff_t>(left), steps.end()});
}

void remove_checkpoints_but(const std::string& checkpoints, const std::set<std::uint32_t>& kept) {
  for (const std::string& name : list_directory(checkpoints)) {
    if (name.starts_with(".")) remove_tree(checkpoints + "/" + name);
  }
  for (const std::uint32_t step : list_checkpoints(checkpoints)) {
    if (kept.contains(step)) continue;
    // The manifest's hash goes first: a removal that is cut off leaves a checkpoint that is seen to be
    // broken.
    const std::string folder = checkpoint_folder(checkpoints, step);
    remove_file(folder + "/" + kManifestHash);
    remove_tree(folder);
  }
}

std::optional<v1::CheckpointManifest> peek_manifest(const std::string& folder, const std::string& run_id) {
  try {
    return read_manifest(folder, run_id);
  } catch (const Failure&) {
    return std::nullopt;
  }
}

}  // namespace mft::train
