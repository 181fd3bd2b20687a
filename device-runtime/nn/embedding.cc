#include "nn/embedding.h"

#include "kernels/elementwise.h"
#include "kernels/embedding.h"

namespace mft::nn {

void embedding_forward(const Pass& pass, const Embedding& embedding, const int32_t* tokens,
                       const int32_t* positions, float* y) {
  const i64 rows = pass.rows(), channels = embedding.channels;
  kernels::embedding_forward(pass.pool, rows, channels, tokens, embedding.token_table, embedding.vocab, 0, y);
  if (embedding.scale != 1) kernels::scale(pass.pool, rows * channels, embedding.scale, y, y);
  if (embedding.positions > 0) {
    kernels::embedding_forward(pass.pool, rows, channels, positions, embedding.position_table,
                               embedding.positions, 1, y);
  }
  if (pass.dropout > 0)
    kernels::dropout(pass.pool, rows * channels, y, y, pass.site(Site::kEmbedding, pass.dropout));
}

void embedding_backward(const Pass& pass, const Embedding& embedding, const int32_t* tokens,
                        const int32_t* positions, float* dy) {
  const i64 rows = pass.rows(), channels = embedding.channels;
  if (pass.dropout > 0) {
    kernels::dropout(pass.pool, rows * channels, dy, dy, pass.site(Site::kEmbedding, pass.dropout));
  }
  if (embedding.d_positions != nullptr) {
    kernels::embedding_backward(pass.pool, rows, channels, positions, dy, embedding.positions,
                                embedding.d_positions);
  }
  if (embedding.d_tokens != nullptr) {
    if (embedding.scale != 1) kernels::scale(pass.pool, rows * channels, embedding.scale, dy, dy);
    kernels::embedding_backward(pass.pool, rows, channels, tokens, dy, embedding.vocab, embedding.d_tokens);
  }
}

}  // namespace mft::nn
