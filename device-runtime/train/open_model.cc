#include "train/open_model.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/meminfo.h"
#include "base/process.h"

namespace mft::train {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

std::string mib(std::uint64_t bytes) { return std::to_string((bytes + kMiB - 1) / kMiB) + " MiB"; }

// Android ends a process that takes more than there is, without a word: better to say so before the first
// page.
void check_memory(const v1::ModelConfig& config, const models::ModelOptions& options, int threads) {
  const std::uint64_t needed =
      models::plan_memory(config, options, static_cast<unsigned>(threads)).private_bytes(options.method);
  const std::optional<std::uint64_t> available = read_meminfo().available;
  if (!available || needed <= *available) return;
  throw Failure(
      "memory.too-little",
      "the run needs " + mib(needed) + " of memory, and the phone has " + mib(*available) + " available",
      options.method == models::Method::kFull
          ? "Close other apps, use LoRA instead of full fine-tuning, or a smaller batch or sequence length."
          : "Close other apps, or use a smaller batch size or sequence length.");
}

std::vector<store::SegmentFile> stored_segments(RunContext& context) {
  std::uint64_t total = 0;
  for (const v1::Segment& segment : context.spec.model().segments()) total += segment.bytes();
  std::vector<store::SegmentFile> files;
  std::uint64_t before = 0;
  PhaseProgress progress(context, "verify", "bytes");
  for (const v1::Segment& segment : context.spec.model().segments()) {
    const std::string path = context.stored.verified(
        segment.sha256(),
        [&](std::uint64_t done, std::uint64_t) { progress(std::min(before + done, total), total); });
    files.push_back({segment, path});
    before += segment.bytes();
  }
  return files;
}

void load_adapter(models::Model& model, std::vector<store::SegmentFile> files) {
  const std::unique_ptr<store::Segments> adapter =
      store::Segments::open(std::move(files), store::Residency::kMapped);
  model.load_adapter(adapter->pin(adapter->index_of("adapter")));
}

void load_stored_adapter(RunContext& context, models::Model& model, const v1::LoraConfig& lora) {
  v1::Segment description = lora.init_segment();
  description.set_name("adapter");
  const std::string path =
      context.stored.verified(lora.init_sha256(), PhaseProgress(context, "verify", "bytes"));
  load_adapter(model, {{description, path}});
}

}  // namespace

void check_cache_memory(const v1::ModelConfig& config, std::uint32_t tokens) {
  const std::uint64_t needed = std::uint64_t{tokens} * config.num_layers() * 2 * config.num_kv_heads() *
                               config.head_dim() * sizeof(float);
  const std::optional<std::uint64_t> available = read_meminfo().available;
  if (!available || needed <= *available) return;
  throw Failure("memory.too-little",
                "the key-value cache of " + std::to_string(tokens) + " tokens needs " + mib(needed) +
                    " of memory, and the phone has " + mib(*available) + " available",
                "Close other apps, use a shorter prompt or fewer tokens, or a smaller context.");
}

int thread_count(std::uint32_t asked) {
  const unsigned wanted = asked != 0 ? asked : usable_cpus();
  return static_cast<int>(std::clamp<unsigned>(wanted, 1, ThreadPool::kMaxThreads));
}

std::string set_threads(ThreadPool& pool, std::uint32_t asked) {
  if (asked > static_cast<std::uint32_t>(ThreadPool::kMaxThreads)) {
    throw Failure("control.refused",
                  "at most " + std::to_string(ThreadPool::kMaxThreads) + " threads can be set");
  }
  pool.set_threads(thread_count(asked));
  return std::to_string(pool.threads()) + " threads";
}

kernels::Compute compute_of(const v1::RunSpec& spec) {
  return spec.compute() == v1::COMPUTE_BF16 ? kernels::Compute::kBF16 : kernels::Compute::kF32;
}

OpenModel open_model(RunContext& context, const models::ModelOptions& options,
                     const LoadedCheckpoint* checkpoint) {
  const v1::ModelConfig& config = context.spec.model().config();
  models::check_config(config);
  const int threads = thread_count(context.spec.threads());
  check_memory(config, options, threads);

  const bool full = options.method == models::Method::kFull;
  OpenModel opened;
  opened.pool = std::make_unique<ThreadPool>(threads);
  std::vector<store::SegmentFile> files =
      full && checkpoint != nullptr ? checkpoint->weights : stored_segments(context);
  opened.segments =
      store::Segments::open(std::move(files), full ? store::Residency::kPrivate : store::Residency::kMapped);
  opened.model = models::Model::open(config, *opened.segments, options, *opened.pool);
  if (options.method == models::Method::kLora) {
    if (checkpoint != nullptr) {
      load_adapter(*opened.model, checkpoint->weights);
    } else if (!context.spec.train().lora().init_sha256().empty()) {
      load_stored_adapter(context, *opened.model, context.spec.train().lora());
    }
  }
  return opened;
}

OpenModel open_frozen_model(RunContext& context, std::uint32_t max_rows, std::uint32_t max_length) {
  const v1::LoraConfig& adapter = context.spec.adapter();
  models::ModelOptions options;
  options.method = models::Method::kFrozen;
  options.adapters = {adapter.targets().begin(), adapter.targets().end()};
  options.max_tokens = max_rows * max_length;
  options.max_length = max_length;
  options.compute = compute_of(context.spec);
  OpenModel opened = open_model(context, options, nullptr);
  if (!options.adapters.empty()) load_stored_adapter(context, *opened.model, adapter);
  return opened;
}

}  // namespace mft::train
