#pragma once

#include <cstdint>
#include <utility>

namespace nexus::engine {

class exchange;
class worker;

/// Who waits for a client's answer.
struct question_place {
  exchange* asker = nullptr; ///< whose dialogue asks; null: an upstream, outside of any call
  std::uint32_t slot = 0;    ///< of that upstream
};

/// A request of ours to a client, which its worker knows by its id for as long as this lives.
/// @thread the worker's
class open_question {
 public:
  open_question() = default; ///< nothing is asked
  open_question(worker& on, question_place asked_for);
  open_question(open_question&& other) noexcept
      : on_(std::exchange(other.on_, nullptr)), id_(std::exchange(other.id_, 0)) {}
  open_question& operator=(open_question&& other) noexcept {
    std::swap(on_, other.on_);
    std::swap(id_, other.id_);
    return *this;
  }
  ~open_question();

  /// The request's id, unique in the process; 0: nothing is asked.
  [[nodiscard]] std::int64_t id() const noexcept { return id_; }

 private:
  worker* on_ = nullptr;
  std::int64_t id_ = 0;
};

} // namespace nexus::engine
