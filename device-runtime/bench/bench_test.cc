// What the measurements say of themselves; never how fast they are.
#include "bench/bench.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "bench/products.h"
#include "bench/random_weights.h"
#include "bench/work.h"
#include "models/config.h"
#include "models/model.h"
#include "session/frames.h"

namespace mft::bench {
namespace {

v1::ModelConfig tiny() {
  v1::ModelConfig config;
  config.set_family("gpt2");
  config.set_vocab_size(101);
  config.set_hidden_size(32);
  config.set_num_layers(2);
  config.set_num_heads(2);
  config.set_num_kv_heads(2);
  config.set_head_dim(16);
  config.set_intermediate_size(64);
  config.set_max_positions(16);
  config.set_norm(v1::NORM_LAYER);
  config.set_norm_eps(1e-5f);
  config.set_activation(v1::ACTIVATION_GELU_TANH);
  config.set_position(v1::POSITION_LEARNED);
  config.set_qkv_bias(true);
  config.set_attention_out_bias(true);
  config.set_mlp_bias(true);
  config.set_tied_embeddings(true);
  return config;
}

v1::EngineBench engine_spec(bool full) {
  v1::EngineBench spec;
  *spec.mutable_config() = tiny();
  spec.set_full(full);
  spec.set_batch_size(2);
  spec.set_sequence_length(9);
  spec.set_threads(2);
  spec.set_steps(3);
  spec.set_dtype(v1::DTYPE_F32);
  if (full) return spec;
  v1::LoraTarget* target = spec.add_targets();
  target->set_tensor("blocks.0.attn.qkv.weight");
  target->set_row_end(96);
  target->set_r(4);
  target->set_alpha(8);
  return spec;
}

// A yardstick that says what it was asked for.
class Recorder final : public Yardstick {
 public:
  std::string description() const override { return "recorder"; }
  void set_threads(int threads) override { threads_ = threads; }
  void multiply(GemmOp, i64 M, i64 N, i64 K, const float* A, const float* B, float* C) override {
    ++calls[{M, N, K}];
    C[M * N - 1] = A[M * K - 1] + B[K * N - 1];  // the operands are that large
  }
  std::map<std::tuple<i64, i64, i64>, int> calls;
  int threads_ = 0;
};

v1::BenchFrame run_spec(const v1::BenchSpec& spec, Surroundings surroundings = {}) {
  const TestFolder folder;
  const std::string path = folder / "spec.pb";
  write_atomically(path, spec.SerializeAsString());
  std::string out;
  surroundings.print = [&](std::string_view bytes) { out += bytes; };
  run(path, surroundings);
  v1::BenchFrame frame;
  for (size_t at = 0; at < out.size();) {  // the last one
    const auto head = session::read_head(std::string_view(out).substr(at));
    EXPECT_TRUE(frame.ParseFromString(out.substr(at + head->bytes, head->length)));
    at += head->bytes + head->length;
  }
  return frame;
}

std::string code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Failure& failure) {
    return failure.code();
  }
  return "";
}

TEST(Bench, EngineReportsWhatItDid) {
  for (const bool full : {false, true}) {
    v1::BenchSpec spec;
    *spec.mutable_engine() = engine_spec(full);
    const v1::EngineBenchReport report = run_spec(spec).engine();
    EXPECT_EQ(report.step_seconds_size(), 3);
    EXPECT_EQ(report.threads(), 2u);
    EXPECT_TRUE(std::isfinite(report.loss()));
    EXPECT_NEAR(report.loss(), std::log(101.0), 0.5);  // of random weights
    EXPECT_GT(report.peak_rss_bytes(), 0u);
    EXPECT_EQ(report.trainable_parameters(), full ? report.parameters() : 4u * 32 + 96u * 4);
    std::map<std::string, v1::OpTime> ops;
    double sum = 0, steps = 0;
    for (const v1::OpTime& op : report.ops()) {
      ops[op.name()] = op;
      sum += op.seconds();
    }
    for (const double seconds : report.step_seconds()) steps += seconds;
    EXPECT_LE(sum, steps / 3);
    for (const char* name : {"gemm", "attention", "norm", "activation", "head", "optimizer", "embedding"}) {
      EXPECT_GT(ops[name].calls(), 0) << name;
    }
    EXPECT_EQ(ops.contains("adapters"), !full);
    // Every product of the linear layers is done, and none besides: LoRA needs no gradient below its lowest
    // adapter.
    const double linear = 2 * (96 + 32 + 64 + 64) * 32, tokens = 18;
    const double skipped = full ? 0 : 2.0 * tokens * 96 * 32;
    EXPECT_EQ(ops["gemm"].flops(), (full ? 6 : 4) * tokens * linear - skipped);
    EXPECT_EQ(ops["head"].flops(), (full ? 6 : 4) * tokens * 101 * 32);
    EXPECT_EQ(report.matrix_parameters(), linear + 101 * 32);
    EXPECT_EQ(report.recomputed_flops(), 0);
    EXPECT_EQ(report.work_flops(),
              (full ? 6 : 4) * tokens * report.matrix_parameters() + report.attention_flops());
  }
}

TEST(Bench, AttentionWorkCountsWhatQueriesSee) {
  v1::EngineBench spec = engine_spec(true);
  const double of_a_pair = 14.0 * 16 * 2 * 2;  // D, heads, rows
  EXPECT_EQ(step_work(spec).attention, 2 * of_a_pair * 45);
  spec.mutable_config()->set_sliding_window(3);
  spec.mutable_config()->add_sliding_layers(true);
  spec.mutable_config()->add_sliding_layers(false);
  EXPECT_EQ(step_work(spec).attention, of_a_pair * (45 + 1 + 2 + 7 * 3));
}

TEST(Bench, YardstickIsAskedForTheModelsProducts) {
  v1::BenchSpec spec;
  *spec.mutable_engine() = engine_spec(true);
  spec.set_yardstick("recorder");
  Surroundings surroundings;
  surroundings.load_yardstick = [](const std::string&) { return std::make_unique<Recorder>(); };
  const v1::EngineBenchReport report = run_spec(spec, surroundings).engine();
  EXPECT_EQ(report.yardstick(), "recorder");
  double flops = 0;
  for (const v1::GemmTime& gemm : report.yardstick_gemms()) {
    flops += 2.0 * gemm.count() * static_cast<double>(gemm.m() * gemm.n() * gemm.k());
  }
  EXPECT_EQ(flops, report.work_flops() - report.attention_flops());
}

TEST(Bench, PacedRunGoesAtTheOthersPace) {
  v1::BenchSpec spec;
  *spec.mutable_engine() = engine_spec(false);
  spec.mutable_engine()->set_paced(true);
  Surroundings surroundings;
  int turns = 0;
  surroundings.next_turn = [&] { return ++turns <= 2; };
  EXPECT_EQ(run_spec(spec, surroundings).engine().step_seconds_size(), 2);
  EXPECT_EQ(turns, 3);
}

TEST(Bench, ProductsOfEveryStorage) {
  for (const v1::DType dtype : {v1::DTYPE_F32, v1::DTYPE_BF16, v1::DTYPE_F16}) {
    v1::BenchSpec spec;
    v1::GemmBench& gemm = *spec.mutable_gemm();
    v1::GemmBench::Layer* layer = gemm.add_layers();
    layer->set_tokens(8);
    layer->set_in(12);
    layer->set_out(20);
    gemm.set_threads(2);
    gemm.set_dtype(dtype);
    gemm.set_disturbed(true);
    gemm.set_rounds(3);
    const v1::GemmBenchReport report = run_spec(spec).gemm();
    ASSERT_EQ(report.gemms_size(), dtype == v1::DTYPE_F32 ? 3 : 2);
    for (const v1::GemmTime& time : report.gemms()) {
      EXPECT_EQ(time.m() * time.n() * time.k(), 8u * 12 * 20);
      EXPECT_GT(time.seconds(), 0);
      EXPECT_GT(time.f32_seconds(), 0);
      EXPECT_EQ(time.yardstick_seconds(), 0);
    }
  }
}

TEST(Bench, RandomWeightsOpenAsAModel) {
  const auto segments = random_segments(tiny(), v1::DTYPE_F32);
  ThreadPool pool(1);
  models::ModelOptions options;
  options.max_tokens = options.max_length = 4;
  const auto model = models::Model::open(tiny(), *segments, options, pool);
  const int32_t tokens[] = {1, 2, 3, 4}, targets[] = {2, 3, 4, 5};
  const uint32_t starts[] = {0, 4};
  const models::LossSum loss = model->evaluate({1, starts, tokens, targets});
  EXPECT_NEAR(loss.sum / 4, std::log(101.0), 0.5);
}

TEST(Bench, ImpossibleSpecificationsAreRefused) {
  const auto refused = [](const std::function<void(v1::BenchSpec*)>& spoil) {
    v1::BenchSpec spec;
    *spec.mutable_engine() = engine_spec(false);
    spoil(&spec);
    return code_of([&] { run_spec(spec); });
  };
  EXPECT_EQ(refused([](v1::BenchSpec* s) { s->clear_what(); }), "bench.spec-invalid");
  EXPECT_EQ(refused([](v1::BenchSpec* s) { s->mutable_engine()->set_steps(0); }), "bench.spec-invalid");
  EXPECT_EQ(refused([](v1::BenchSpec* s) { s->mutable_engine()->set_batch_size(0); }), "bench.spec-invalid");
  EXPECT_EQ(refused([](v1::BenchSpec* s) { s->mutable_engine()->set_threads(65); }), "bench.spec-invalid");
  EXPECT_EQ(refused([](v1::BenchSpec* s) { s->mutable_engine()->set_dtype(v1::DTYPE_U8); }),
            "bench.spec-invalid");
  EXPECT_EQ(refused([](v1::BenchSpec* s) {
              s->mutable_engine()->set_full(true);
              s->mutable_engine()->set_dtype(v1::DTYPE_BF16);
            }),
            "bench.spec-invalid");
  EXPECT_EQ(refused([](v1::BenchSpec* s) { s->set_yardstick("/libopenblas.so"); }), "bench.no-yardstick");
  const auto no_heads = [](v1::BenchSpec* s) { s->mutable_engine()->mutable_config()->set_head_dim(0); };
  EXPECT_EQ(refused(no_heads).substr(0, 6), "model.");
}

}  // namespace
}  // namespace mft::bench
