// The fused head. Rows with a target are gathered in blocks, and the vocabulary is walked in stretches: a
// stretch of W is in the cache for both of its products. The softmax is online (as in attention): what
// d_hidden sums is relative to the largest logit so far and is scaled when that grows, so a frozen head needs
// no logits but a stretch's. dW needs finished probabilities: the block's exponentials are kept if they are
// few enough, else the logits are made a second time. All sums have a fixed order: logsumexp by kVocabTile,
// d_hidden by k blocks of the product and stretches, dW by blocks of rows, whose size follows from V alone.
#include "kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "base/profile.h"
#include "kernels/check.h"
#include "kernels/gemm.h"
#include "kernels/math.h"
#include "kernels/parallel.h"
#include "kernels/simd/table.h"

namespace mft::kernels {
namespace {

constexpr i64 kVocabTile = 1024;
constexpr i64 kStretch = 3072;  // a multiple of kVocabTile and of kGemmBlockK
constexpr i64 kRows = 512;      // of a block whose logits are not kept
constexpr i64 kFewestKept = 128, kMostKept = 256;  // rows of a block whose exponentials are kept
constexpr i64 kKeptBytes = i64{128} << 20;         // at most
static_assert(kStretch % kVocabTile == 0 && kStretch % kGemmBlockK == 0);

constexpr i64 round_up(i64 x) { return (x + 31) / 32 * 32; }

// How a problem is cut, and where its buffers lie in the workspace (offsets in floats).
struct Layout {
  bool kept;  // the exponentials of a block, for all of the vocabulary
  i64 block_rows;
  i64 stretch;  // of the vocabulary
  i64 ld;       // of logits
  i64 hidden, d_hidden, logits, state, bounds, target_row, index, gemm;
  i64 gemm_bytes;

  Layout(int threads, const CrossEntropyShape& s, bool backward, bool weight_gradient) {
    const i64 fit = kKeptBytes / 4 / s.vocab / 8 * 8;
    kept = backward && weight_gradient && fit >= kFewestKept;
    block_rows = std::min(s.rows, kept ? std::min(fit, kMostKept) : kRows);
    stretch = std::min(s.vocab, kStretch);
    ld = kept ? s.vocab : stretch;
    const i64 stretches = (s.vocab + stretch - 1) / stretch;
    i64 next = 0;
    const auto take = [&next](i64 count) {
      const i64 at = next;
      next += round_up(count);
      return at;
    };
    hidden = take(block_rows * s.channels);
    d_hidden = take(backward ? block_rows * s.channels : 0);
    logits = take(block_rows * ld);
    state = take(3 * block_rows);
    bounds = take(kept ? stretches * block_rows : 0);
    target_row = take(backward ? threads * round_up(s.channels) : 0);
    index = take(s.rows);
    gemm = next;
    std::size_t most = gemm_workspace(threads, GemmOp::kNT, block_rows, stretch, s.channels);
    if (backward) {
      most = std::max(most, gemm_workspace(threads, GemmOp::kNN, block_rows, s.channels, stretch));
    }
    if (weight_gradient) {
      most = std::max(most, gemm_workspace(threads, GemmOp::kTN, stretch, s.channels, block_rows));
    }
    gemm_bytes = static_cast<i64>(most);
  }

  std::size_t bytes() const {
    return static_cast<std::size_t>(gemm) * sizeof(float) + static_cast<std::size_t>(gemm_bytes);
  }
};

struct Gradients {
  float scale;
  float* d_hidden;
  float* dW;
  bool overwrite;  // dW
};

class Head {
 public:
  Head(ThreadPool& pool, const CrossEntropyShape& shape, const float* hidden, Weights W,
       const std::int32_t* targets, float* losses, std::int32_t* likeliest, const Gradients* gradients,
       Workspace workspace)
      : isa_(table()),
        pool_(pool),
        s_(shape),
        hidden_in_(hidden),
        W_(W.with_columns(shape.channels)),
        targets_(targets),
        losses_(losses),
        likeliest_(likeliest),
        gradients_(gradients),
        layout_(pool.threads(), shape, gradients != nullptr,
                gradients != nullptr && gradients->dW != nullptr) {
    check_that(s_.rows >= 0 && s_.channels > 0 && s_.vocab > 0, "kernels.shape",
               "cross_entropy: impossible sizes");
    check_that(s_.softcap >= 0.0f, "kernels.shape", "cross_entropy: softcap must not be negative");
    check_workspace("cross_entropy", workspace, layout_.bytes());
    float* const base = reinterpret_cast<float*>(workspace.data());
    hidden_ = base + layout_.hidden;
    d_hidden_ = base + layout_.d_hidden;
    logits_ = base + layout_.logits;
    largest_ = base + layout_.state;
    total_ = largest_ + layout_.block_rows;
    target_logit_ = total_ + layout_.block_rows;
    bounds_ = base + layout_.bounds;
    target_rows_ = base + layout_.target_row;
    index_ = reinterpret_cast<std::int32_t*>(base + layout_.index);
    gemm_ = workspace.subspan(static_cast<std::size_t>(layout_.gemm) * sizeof(float));
  }

  CrossEntropyResult run() {
    CrossEntropyResult result;
    result.tokens = find_rows();
    for (i64 first = 0; first < result.tokens; first += layout_.block_rows) {
      const i64 rows = std::min(layout_.block_rows, result.tokens - first);
      const std::int32_t* const index = index_ + first;
      gather(index, rows);
      for (i64 v = 0; v < s_.vocab; v += layout_.stretch) {
        make_logits(rows, v);
        fold(index, rows, v);
        if (gradients_ != nullptr) add_to_hidden(rows, v);
      }
      for (i64 r = 0; r < rows; ++r) {
        const double loss = logsumexp(r) - static_cast<double>(target_logit_[r]);
        if (losses_ != nullptr) losses_[index[r]] = static_cast<float>(loss);
        result.loss_sum += loss;
      }
      if (gradients_ == nullptr) continue;
      finish_hidden(index, rows);
      if (gradients_->dW == nullptr) continue;
      for (i64 v = 0; v < s_.vocab; v += layout_.stretch) {
        if (!layout_.kept) make_logits(rows, v);
        differentiate(index, rows, v);
        add_to_weight(rows, v, first == 0 && gradients_->overwrite ? 0.0f : 1.0f);
      }
    }
    return result;
  }

 private:
  i64 width(i64 v) const { return std::min(layout_.stretch, s_.vocab - v); }
  // Of row r in the stretch from v on.
  float* logits(i64 r, i64 v) const { return logits_ + r * layout_.ld + (layout_.kept ? v : 0); }
  float& bound(i64 r, i64 v) const { return bounds_[v / layout_.stretch * layout_.block_rows + r]; }
  float exp(float x) const {  // the same on every machine
    float y = x;
    isa_.softmax_gradient(1, &y, 0.0f, 1.0f, 0.0f);
    return y;
  }
  double logsumexp(i64 r) const {
    return static_cast<double>(largest_[r]) + math::log(static_cast<double>(total_[r]));
  }

  // Fills index_ with the rows that have a target; clears what the others have in the outputs.
  i64 find_rows() {
    i64 count = 0;
    for (i64 n = 0; n < s_.rows; ++n) {
      const std::int32_t target = targets_[n];
      if (likeliest_ != nullptr) likeliest_[n] = -1;
      if (target == kIgnoredTarget) {
        if (losses_ != nullptr) losses_[n] = 0.0f;
        if (gradients_ != nullptr) std::fill_n(gradients_->d_hidden + n * s_.channels, s_.channels, 0.0f);
        continue;
      }
      if (target < 0 || target >= s_.vocab) {
        throw Failure("kernels.target", "cross_entropy: target " + std::to_string(target) + " of row " +
                                            std::to_string(n) + " is outside a vocabulary of " +
                                            std::to_string(s_.vocab));
      }
      index_[count++] = static_cast<std::int32_t>(n);
    }
    return count;
  }

  void gather(const std::int32_t* index, i64 rows) {
    for (i64 r = 0; r < rows; ++r) {
      std::copy_n(hidden_in_ + index[r] * s_.channels, s_.channels, hidden_ + r * s_.channels);
      largest_[r] = -INFINITY;
      total_[r] = 0.0f;
    }
  }

  void make_logits(i64 rows, i64 v) {
    gemm(pool_, GemmOp::kNT, rows, width(v), s_.channels, hidden_, s_.channels, W_.row(v), s_.channels,
         logits(0, v), layout_.ld, 0.0f, {.compute = s_.compute}, gemm_);
  }

  // Folds the logits of a stretch into the state of each row. For a gradient they become exponentials
  // relative to the largest logit so far, times the slope of the cap, and so does what d_hidden holds.
  void fold(const std::int32_t* index, i64 rows, i64 v) {
    pool_.parallel_for(rows, [&](i64 r, int) {
      float* const row = logits(r, v);
      if (s_.softcap != 0.0f) isa_.softcap(width(v), s_.softcap, row);
      const float before = largest_[r];
      for (i64 i = 0; i < width(v); i += kVocabTile) {
        isa_.logsumexp(std::min(kVocabTile, width(v) - i), row + i, largest_ + r, total_ + r);
      }
      const i64 target = targets_[index[r]] - v;
      if (target >= 0 && target < width(v)) target_logit_[r] = row[target];
      if (likeliest_ != nullptr && largest_[r] > before) {
        likeliest_[index[r]] = static_cast<std::int32_t>(v + (std::find(row, row + width(v), largest_[r]) - row));
      }
      if (gradients_ == nullptr) return;
      isa_.softmax_gradient(width(v), row, largest_[r], 1.0f, s_.softcap);
      if (layout_.kept) bound(r, v) = largest_[r];
      if (v == 0 || largest_[r] == before) return;
      float* const sum = d_hidden_ + r * s_.channels;
      isa_.scale(s_.channels, exp(before - largest_[r]), sum, sum);
    });
  }

  void add_to_hidden(i64 rows, i64 v) {
    const i64 C = s_.channels;
    gemm(pool_, GemmOp::kNN, rows, C, width(v), logits(0, v), layout_.ld, W_.row(v), C, d_hidden_, C,
         v == 0 ? 0.0f : 1.0f, {.compute = s_.compute}, gemm_);
  }

  // d_hidden = scale * (sum / total - slope * W[target])
  void finish_hidden(const std::int32_t* index, i64 rows) {
    const i64 C = s_.channels;
    pool_.parallel_for(rows, [&](i64 r, int worker) {
      float* const target = target_rows_ + worker * round_up(C);
      float* const sum = d_hidden_ + r * C;
      isa_.convert(W_.row(targets_[index[r]]), false, target);
      isa_.scale(C, -gradients_->scale * target_slope(r), target, target);
      isa_.scale(C, gradients_->scale / total_[r], sum, sum);
      isa_.add(C, sum, target, gradients_->d_hidden + index[r] * C);
    });
  }

  // What a stretch holds becomes scale * (softmax - one-hot), times the slope of the cap.
  void differentiate(const std::int32_t* index, i64 rows, i64 v) {
    pool_.parallel_for(rows, [&](i64 r, int) {
      float* const row = logits(r, v);
      const float lse = static_cast<float>(logsumexp(r));
      if (layout_.kept) {
        isa_.scale(width(v), exp(bound(r, v) - lse) * gradients_->scale, row, row);
      } else {
        if (s_.softcap != 0.0f) isa_.softcap(width(v), s_.softcap, row);
        isa_.softmax_gradient(width(v), row, lse, gradients_->scale, s_.softcap);
      }
      const i64 target = targets_[index[r]] - v;
      if (target >= 0 && target < width(v)) row[target] -= gradients_->scale * target_slope(r);
    });
  }

  // Of the cap at the target's logit.
  float target_slope(i64 r) const {
    if (s_.softcap == 0.0f) return 1.0f;
    const float ratio = target_logit_[r] * (1.0f / s_.softcap);
    return 1.0f - ratio * ratio;
  }

  void add_to_weight(i64 rows, i64 v, float beta) {
    const i64 C = s_.channels;
    gemm(pool_, GemmOp::kTN, width(v), C, rows, logits(0, v), layout_.ld, hidden_, C, gradients_->dW + v * C,
         C, beta, {.compute = s_.compute}, gemm_);
  }

  const Table& isa_;
  ThreadPool& pool_;
  const CrossEntropyShape& s_;
  const float* hidden_in_;
  Weights W_;
  const std::int32_t* targets_;
  float* losses_;
  std::int32_t* likeliest_;
  const Gradients* gradients_;
  Layout layout_;
  float *hidden_, *d_hidden_, *logits_, *largest_, *total_, *target_logit_, *bounds_, *target_rows_;
  std::int32_t* index_;
  Workspace gemm_;
};

}  // namespace

void softcap(ThreadPool& pool, i64 n, float cap, float* logits) {
  const profile::Timer timer(profile::Op::kHead);
  check_that(cap > 0.0f, "kernels.shape", "softcap: the cap must be positive");
  for_stretches(pool, n,
                [&, &isa = table()](i64 begin, i64 count) { isa.softcap(count, cap, logits + begin); });
}

std::size_t cross_entropy_workspace(int threads, const CrossEntropyShape& shape, bool backward,
                                    bool weight_gradient) {
  const std::size_t frozen = Layout(threads, shape, backward, false).bytes();
  return backward && weight_gradient ? std::max(frozen, Layout(threads, shape, true, true).bytes()) : frozen;
}

CrossEntropyResult cross_entropy_forward(ThreadPool& pool, const CrossEntropyShape& shape,
                                         const float* hidden, Weights W, const std::int32_t* targets,
                                         float* losses, std::int32_t* likeliest, Workspace workspace) {
  const profile::Timer timer(profile::Op::kHead);
  return Head(pool, shape, hidden, W, targets, losses, likeliest, nullptr, workspace).run();
}

CrossEntropyResult cross_entropy_forward_backward(ThreadPool& pool, const CrossEntropyShape& shape,
                                                  const float* hidden, Weights W, const std::int32_t* targets,
                                                  float gradient_scale, float* losses, float* d_hidden,
                                                  float* dW, Workspace workspace, bool overwrite) {
  const profile::Timer timer(profile::Op::kHead);
  const Gradients gradients{gradient_scale, d_hidden, dW, overwrite};
  return Head(pool, shape, hidden, W, targets, losses, nullptr, &gradients, workspace).run();
}

}  // namespace mft::kernels
