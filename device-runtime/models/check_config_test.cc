// An impossible or not understood configuration is refused, and the field that makes it so is named.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/error.h"
#include "models/test_families.h"

namespace mft::models {
namespace {

TEST(CheckConfig, AcceptsEveryFamily) {
  for (const auto& [name, config] : family_configs()) {
    SCOPED_TRACE(name);
    EXPECT_NO_THROW(check_config(config));
  }
}

TEST(CheckConfig, NamesTheFieldItRefuses) {
  using Config = v1::ModelConfig;
  const struct {
    Config (*family)();
    const char* field;
    std::function<void(Config&)> change;
  } cases[] = {
      {gemma3_config, "position", [](Config& c) { c.clear_position(); }},
      {gemma3_config, "head_dim", [](Config& c) { c.set_head_dim(13); }},
      {gemma3_config, "head_dim", [](Config& c) { c.set_head_dim(258); }},
      {gemma3_config, "max_positions", [](Config& c) { c.set_max_positions(1000001); }},
      {gemma3_config, "rope_theta", [](Config& c) { c.clear_rope_theta(); }},
      {gemma3_config, "rope_theta", [](Config& c) { c.set_rope_theta(NAN); }},
      {gemma3_config, "rope_theta", [](Config& c) { c.set_position(v1::POSITION_LEARNED); }},
      {gemma3_config, "rope_local_theta", [](Config& c) { c.set_rope_local_theta(0.5f); }},
      {gemma3_config, "rope_local_theta",
       [](Config& c) {
         c.set_position(v1::POSITION_LEARNED);
         c.clear_rope_theta();
       }},
      {gemma3_config, "rope_scaling.factor", [](Config& c) { c.mutable_rope_scaling()->set_factor(0); }},
      {gemma3_config, "rope_scaling.kind",
       [](Config& c) { c.mutable_rope_scaling()->set_kind(static_cast<v1::RopeScalingKind>(9)); }},
      {llama_config, "rope_scaling.low_freq_factor",
       [](Config& c) { c.mutable_rope_scaling()->clear_low_freq_factor(); }},
      {llama_config, "rope_scaling.high_freq_factor",
       [](Config& c) { c.mutable_rope_scaling()->set_high_freq_factor(1); }},
      {llama_config, "rope_scaling.original_max_positions",
       [](Config& c) { c.mutable_rope_scaling()->clear_original_max_positions(); }},
      {llama_config, "rope_scaling",
       [](Config& c) {
         c.set_position(v1::POSITION_LEARNED);
         c.clear_rope_theta();
       }},
      {gemma3_config, "sliding_window", [](Config& c) { c.clear_sliding_window(); }},
      {gemma3_config, "sliding_layers", [](Config& c) { c.add_sliding_layers(true); }},
      {gemma3_config, "qk_norm",
       [](Config& c) {
         c.set_norm(v1::NORM_LAYER);
         c.set_post_norms(false);
       }},
      {gemma3_config, "post_norms",
       [](Config& c) {
         c.set_norm(v1::NORM_LAYER);
         c.set_qk_norm(false);
       }},
      {gemma3_config, "embed_scale", [](Config& c) { c.set_embed_scale(-1); }},
      {gemma3_config, "attention_scale", [](Config& c) { c.set_attention_scale(-1); }},
      {gemma3_config, "attention_softcap", [](Config& c) { c.set_attention_softcap(INFINITY); }},
      {gemma3_config, "logit_softcap", [](Config& c) { c.set_logit_softcap(NAN); }},
      {gemma3_config, "num_heads", [](Config& c) { c.set_num_heads(7), c.set_num_kv_heads(2); }},
      {gemma3_config, "activation", [](Config& c) { c.clear_activation(); }},
      {gemma3_config, "norm", [](Config& c) { c.clear_norm(); }},
  };
  for (const auto& c : cases) {
    v1::ModelConfig config = c.family();
    c.change(config);
    try {
      check_config(config);
      ADD_FAILURE() << c.field << " was accepted";
    } catch (const Failure& failure) {
      EXPECT_TRUE(std::string(failure.code()).starts_with("model.config-")) << failure.code();
      EXPECT_NE(std::string(failure.what()).find(std::string(c.field) + " = "), std::string::npos)
          << failure.what() << " should name " << c.field;
    }
  }
}

}  // namespace
}  // namespace mft::models
