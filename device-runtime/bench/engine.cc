#include <algorithm>
#include <string>

#include "base/process.h"
#include "base/profile.h"
#include "bench/bench.h"
#include "bench/products.h"
#include "bench/random_weights.h"
#include "bench/spec.h"
#include "bench/timing.h"
#include "bench/work.h"
#include "kernels/isa.h"
#include "models/model.h"
#include "session/frames.h"
#include "train/optimizer.h"

namespace mft::bench {
namespace {

constexpr uint32_t kWarmUp = 2;  // the first step touches memory, the second is as all others

v1::OptimizerConfig optimizer_config() {
  v1::OptimizerConfig config;
  config.set_learning_rate(1e-4f);
  config.set_beta1(0.9f);
  config.set_beta2(0.999f);
  config.set_eps(1e-8f);
  config.set_weight_decay(0.01f);
  config.set_max_grad_norm(1);
  return config;
}

models::ModelOptions options_of(const v1::EngineBench& spec) {
  models::ModelOptions options;
  options.method = spec.full() ? models::Method::kFull : models::Method::kLora;
  if (!spec.full()) options.adapters = {spec.targets().begin(), spec.targets().end()};
  options.max_tokens = spec.batch_size() * spec.sequence_length();
  options.max_length = spec.sequence_length();
  options.compute = kernel_compute(spec.compute());
  return options;
}

// One model in training.
class Engine {
 public:
  explicit Engine(const v1::EngineBench& spec)
      : spec_(spec),
        pool_(thread_count(spec.threads())),
        segments_(random_segments(spec.config(), spec.dtype())),
        model_(models::Model::open(spec.config(), *segments_, options_of(spec), pool_)),
        optimizer_(optimizer_config(), *model_, pool_),
        tokens_(size_t{spec.batch_size()} * spec.sequence_length()),
        targets_(tokens_.size()) {
    for (uint32_t row = 0; row <= spec.batch_size(); ++row) starts_.push_back(row * spec.sequence_length());
  }

  // Seconds.
  double step() {
    const uint32_t vocab = spec_.config().vocab_size();
    for (size_t i = 0; i < tokens_.size(); ++i) {
      tokens_[i] = static_cast<int32_t>((i * 2654435761u + steps_ * 40503u) % vocab);
      targets_[i] = static_cast<int32_t>((i * 2246822519u + steps_ * 40503u) % vocab);
    }
    const float scale = 1 / static_cast<float>(tokens_.size());
    return seconds_of([&] {
      const models::Batch batch = {spec_.batch_size(), starts_.data(), tokens_.data(), targets_.data()};
      loss_ = static_cast<float>(model_->forward_backward(batch, scale, 0, {1, steps_, 0}).sum) * scale;
      optimizer_.step(++steps_, 1e-4f);
    });
  }

  int threads() const { return pool_.threads(); }
  float loss() const { return loss_; }
  const models::Model& model() const { return *model_; }

 private:
  const v1::EngineBench& spec_;
  ThreadPool pool_;
  std::unique_ptr<store::Segments> segments_;
  std::unique_ptr<models::Model> model_;
  train::AdamW optimizer_;
  std::vector<uint32_t> starts_;
  std::vector<int32_t> tokens_, targets_;
  uint32_t steps_ = 0;
  float loss_ = 0;
};

// The yardstick's times of the products that a step consists of.
class ModelProducts {
 public:
  ModelProducts(const v1::EngineBench& spec, std::unique_ptr<Yardstick> yardstick, int threads)
      : products_(step_products(spec)),
        operands_(plain(products_)),
        yardstick_(std::move(yardstick)),
        threads_(threads),
        seconds_(products_.size()) {
    yardstick_->set_threads(threads);
    for (size_t i = 0; i < products_.size(); ++i) multiply(i);  // warm
  }

  void measure() {
    for (size_t i = 0; i < products_.size(); ++i) {
      seconds_[i].push_back(seconds_of([&] { multiply(i); }));
    }
    let_rest(yardstick_.get(), threads_);
  }

  void report(v1::EngineBenchReport* report) const {
    report->set_yardstick(yardstick_->description());
    for (size_t i = 0; i < products_.size(); ++i) {
      v1::GemmTime* time = report->add_yardstick_gemms();
      set_product(products_[i].product, time);
      time->set_count(products_[i].count);
      time->set_yardstick_seconds(median(seconds_[i]));
    }
  }

 private:
  static std::vector<Product> plain(const std::vector<CountedProduct>& counted) {
    std::vector<Product> products;
    for (const CountedProduct& one : counted) products.push_back(one.product);
    return products;
  }
  void multiply(size_t i) {
    const Product& p = products_[i].product;
    yardstick_->multiply(p.op, p.M, p.N, p.K, operands_.a(), operands_.b(), operands_.c());
  }

  std::vector<CountedProduct> products_;
  Operands operands_;
  std::unique_ptr<Yardstick> yardstick_;
  int threads_;
  std::vector<std::vector<double>> seconds_;
};

void add(const profile::Report& step, profile::Report* all) {
  for (size_t i = 0; i < profile::kOps; ++i) {
    (*all)[i].seconds += step[i].seconds;
    (*all)[i].calls += step[i].calls;
    (*all)[i].flops += step[i].flops;
  }
}

void report_ops(const profile::Report& all, double steps, v1::EngineBenchReport* report) {
  for (size_t i = 0; i < profile::kOps; ++i) {
    if (all[i].calls == 0) continue;
    v1::OpTime* op = report->add_ops();
    op->set_name(profile::op_name(static_cast<profile::Op>(i)));
    op->set_seconds(all[i].seconds / steps);
    op->set_calls(static_cast<double>(all[i].calls) / steps);
    op->set_flops(all[i].flops / steps);
  }
}

void report_work(const v1::EngineBench& spec, const profile::Report& all, double steps,
                 v1::EngineBenchReport* report) {
  const Work work = step_work(spec);
  const double head = all[static_cast<size_t>(profile::Op::kHead)].flops / steps;
  const double recomputed = std::max(0.0, head - work.head);  // logits made twice, of large vocabularies
  report->set_matrix_parameters(work.matrix_parameters);
  report->set_attention_flops(work.attention);
  report->set_recomputed_flops(recomputed);
  report->set_work_flops(work.products + work.attention + recomputed);
}

}  // namespace

v1::EngineBenchReport measure_engine(const v1::EngineBench& spec, const Surroundings& surroundings,
                                     const std::string& yardstick) {
  v1::EngineBenchReport report;
  Engine engine(spec);
  for (uint32_t i = 0; i < kWarmUp; ++i) engine.step();
  report.set_peak_rss_bytes(peak_rss_bytes());
  std::unique_ptr<ModelProducts> products;
  if (!yardstick.empty()) {
    products =
        std::make_unique<ModelProducts>(spec, surroundings.load_yardstick(yardstick), engine.threads());
  }
  profile::Report all{};
  for (uint32_t i = 0; i < spec.steps(); ++i) {
    if (spec.paced() && !surroundings.next_turn()) break;
    profile::start();
    report.add_step_seconds(engine.step());
    add(profile::stop(), &all);
    if (products != nullptr) products->measure();
    if (!spec.paced()) continue;
    v1::BenchFrame frame;
    frame.mutable_round();
    std::string bytes;
    session::append_frame(bytes, frame.SerializeAsString());
    surroundings.print(bytes);
  }
  const double steps = std::max(report.step_seconds_size(), 1);
  report.set_isa(std::string(kernels::isa()));
  report.set_threads(static_cast<uint32_t>(engine.threads()));
  report_ops(all, steps, &report);
  report_work(spec, all, steps, &report);
  report.set_parameters(engine.model().parameter_count());
  report.set_trainable_parameters(engine.model().trainable_count());
  report.set_loss(engine.loss());
  if (products != nullptr) products->report(&report);
  return report;
}

}  // namespace mft::bench
