#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace nexus {

template <class Signature>
class unique_function;

/// A move-only callable: what a worker posts to another, or a completion calls once.
template <class Result, class... Args>
class unique_function<Result(Args...)> {
 public:
  unique_function() = default;

  template <class Callable>
  requires(!std::is_same_v<std::remove_cvref_t<Callable>, unique_function> &&
           std::is_invocable_r_v<Result, Callable&, Args...>)
      unique_function(Callable callable) // NOLINT: implicit by design, as std::function
      : target_(std::make_unique<model<Callable>>(std::move(callable))) {}

  Result operator()(Args... args) { return target_->call(std::forward<Args>(args)...); }
  explicit operator bool() const noexcept { return target_ != nullptr; }

 private:
  struct concept_base {
    virtual ~concept_base() = default;
    virtual Result call(Args... args) = 0;
  };
  template <class Callable>
  struct model final : concept_base {
    explicit model(Callable callable) : callable_(std::move(callable)) {}
    Result call(Args... args) override { return callable_(std::forward<Args>(args)...); }
    Callable callable_;
  };
  std::unique_ptr<concept_base> target_;
};

} // namespace nexus
