// A small but real run in a folder of the test's own: a two-layer GPT-2 with reproducible weights, the small
// tokenizer of the fixtures and a text of its words. Tests only.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "base/sha256.h"
#include "base/test_folder.h"
#include "models/config.h"
#include "models/test_model.h"
#include "session/journal.h"
#include "text/test_tables.h"
#include "text/tokenizer.h"
#include "train/run_folder.h"

namespace mft::session {

class TestRun {
 public:
  explicit TestRun(const std::string& id = "run-1") : folder(root.path(), id) {
    make_directory(root / "store");
    make_directory(folder.path());
    const std::string tokenizer = tiny_bytes();
    store_bytes(tokenizer);
    const auto vocabulary = static_cast<std::uint32_t>(Tokenizer::from_bytes(tokenizer).vocab_size());
    v1::ModelConfig config = models::gpt2_config(vocabulary, 16, 2, 2, 64);
    std::uint64_t seed = 1;
    std::vector<store::SegmentFile> files =
        models::write_pack(root.path(), config, [&](const v1::Tensor& tensor) {
          std::uint64_t elements = 1;
          for (const std::uint64_t size : tensor.shape()) elements *= size;
          const bool scale = tensor.name().ends_with("norm.weight");
          return models::noise(seed++, elements, scale ? 0.02f : 0.2f, scale ? 1.0f : 0.0f);
        });
    spec.set_format(1);
    spec.set_run_id(id);
    v1::PackManifest& model = *spec.mutable_model();
    model.set_format(1);
    *model.mutable_config() = config;
    model.set_tokenizer_sha256(to_bytes(sha256(tokenizer)));
    for (const store::SegmentFile& file : files) {
      *model.add_segments() = file.description;
      rename_path(file.path, folder.stored(file.description.sha256()));
    }
    spec.set_seed(7);
    spec.set_threads(1);
    spec.mutable_data()->set_sequence_length(16);
    spec.mutable_data()->set_shuffle(true);
    spec.mutable_data()->set_validation_fraction(0.1f);
    use_text(words(400));
    v1::TrainTask& task = *spec.mutable_train();
    task.set_full(true);
    task.set_steps(12);
    task.set_batch_size(2);
    task.set_accumulation(2);
    task.set_dropout(0.1f);
    task.set_eval_every(4);
    task.set_checkpoint_every(3);
    task.set_keep_checkpoints(2);
    v1::OptimizerConfig& optimizer = *task.mutable_optimizer();
    optimizer.set_learning_rate(1e-2f);
    optimizer.set_beta1(0.9f);
    optimizer.set_beta2(0.999f);
    optimizer.set_eps(1e-8f);
    optimizer.set_weight_decay(0.01f);
    optimizer.set_max_grad_norm(1);
    optimizer.set_schedule(v1::SCHEDULE_COSINE);
    optimizer.set_warmup_steps(2);
    optimizer.set_min_lr_ratio(0.1f);
  }

  // A text in which something can be learned: a few phrases, in an order that is not random.
  static std::string words(int phrases) {
    std::string text;
    for (int i = 0; i < phrases; ++i) {
      text += i % 3 == 0 ? "hello world, " : i % 3 == 1 ? "the aa ab ba " : "hello the world 123! ";
    }
    return text;
  }

  void use_text(const std::string& text) {
    spec.mutable_data()->mutable_train()->set_store_sha256(store_bytes(text));
  }
  // In place of the tail of the training text.
  void use_validation(const std::string& text) {
    spec.mutable_data()->mutable_validation()->set_store_sha256(store_bytes(text));
  }
  void use_lora() {
    v1::TrainTask& task = *spec.mutable_train();
    task.set_full(false);
    const std::vector<v1::LoraTarget> targets =
        models::lora_targets(spec.model().config(), {models::Module::kQkv, models::Module::kOut}, 4, 8);
    task.mutable_lora()->mutable_targets()->Assign(targets.begin(), targets.end());
    task.mutable_lora()->set_dropout(0.1f);
  }

  // Puts bytes into the device store; their SHA-256, raw.
  std::string store_bytes(const std::string& bytes) {
    const std::string digest = to_bytes(sha256(bytes));
    write_atomically(folder.stored(digest), bytes);
    return digest;
  }

  // Writes spec and token; after this the run can be started.
  void write() {
    write_atomically(folder / "spec.pb", spec.SerializeAsString());
    write_atomically(folder / "token", token);
  }

  std::vector<v1::Event> events() const {
    std::vector<v1::Event> found;
    if (!stat_path(folder.journal())) return found;
    const File file = File::open_read(folder.journal());
    scan_journal(file, file.size(), nullptr,
                 [&](const v1::Event& event, std::string_view) { found.push_back(event); });
    return found;
  }

  TestFolder root;
  train::RunFolder folder;
  v1::RunSpec spec;
  std::string token = std::string(32, '\x5a');
};

}  // namespace mft::session
