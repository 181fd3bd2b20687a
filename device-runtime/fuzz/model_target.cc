// A model pack whose manifest says anything, over segment files of zeros of the sizes that it says: it opens whole or
// is refused, and what opens can be run. First byte: frozen, LoRA on one weight, or full.
#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "base/threads.h"
#include "fuzz/target.h"
#include "models/config.h"
#include "models/model.h"
#include "store/segments.h"

namespace mft::fuzz {
namespace {

constexpr std::uint64_t kMostBytes = 1 << 20;  // of all segments: larger ones say no more
constexpr std::uint64_t kMostMemory = 32 << 20;
constexpr const char* kCodes = "model. store.read-only data.token-range";

models::ModelOptions options_of(unsigned char how, const v1::ModelConfig& config) {
  models::ModelOptions options;
  options.method = std::array{models::Method::kFrozen, models::Method::kLora, models::Method::kFull}[how % 3];
  options.max_tokens = 4;
  options.max_length = 4;
  if (options.method != models::Method::kLora) return options;
  v1::LoraTarget target;
  target.set_tensor("blocks.0.mlp.up.weight");
  target.set_row_end(how / 3);
  target.set_r(2);
  target.set_alpha(4);
  if (how / 3 == 0) target.set_row_end(std::uint64_t{config.gated_mlp() ? 2u : 1u} * config.intermediate_size());
  options.adapters.push_back(target);
  return options;
}

void use(const v1::PackManifest& pack, const models::ModelOptions& options) {
  static ThreadPool pool(1);
  std::vector<std::unique_ptr<MemoryFile>> files;
  std::vector<store::SegmentFile> segments;
  for (const v1::Segment& segment : pack.segments()) {
    files.push_back(std::make_unique<MemoryFile>(std::string(segment.bytes(), '\0')));
    segments.push_back({segment, files.back()->path()});
  }
  const bool full = options.method == models::Method::kFull;
  const auto opened = store::Segments::open(std::move(segments),
                                            full ? store::Residency::kPrivate : store::Residency::kMapped);
  const auto model = models::Model::open(pack.config(), *opened, options, pool);
  const std::array<std::uint32_t, 3> starts = {0, 1, 4};
  const std::array<std::int32_t, 4> tokens = {0, 1, 0, 0};
  const std::array<std::int32_t, 4> targets = {0, models::kNoLabel, 1, 0};
  const models::Batch batch{2, starts.data(), tokens.data(), targets.data()};
  require(model->evaluate(batch).labels == 3, "labels that are not counted");
  if (options.method != models::Method::kFrozen) (void)model->forward_backward(batch, 1.0f / 3, 0, {});
}

void run(std::string_view bytes) {
  Input input(bytes);
  const unsigned char how = input.byte();
  v1::PackManifest pack;
  if (!pack.ParseFromArray(input.rest().data(), static_cast<int>(input.rest().size()))) return;
  std::uint64_t total = 0;
  for (const v1::Segment& segment : pack.segments()) {
    if (segment.bytes() > kMostBytes) return;
    total += segment.bytes();
  }
  if (total > kMostBytes) return;
  (void)accepts(kCodes, [&] {
    models::check_config(pack.config());
    const models::ModelOptions options = options_of(how, pack.config());
    const models::MemoryPlan plan = models::plan_memory(pack.config(), options, 1);
    if (plan.private_bytes(options.method) + plan.weights > kMostMemory) return;
    use(pack, options);
  });
}

const Registration kTarget("model", run);

}  // namespace
}  // namespace mft::fuzz
