// Result<T>: a value or an Error, and the two statements that pass an Error up. Not for bugs: those
// are asserts.
#pragma once

#include <boost/system/result.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include "troupe/error.hpp"

namespace troupe {

/// Lets `.value()` compile (found by argument-dependent look-up); tests only, production code
/// checks first.
[[noreturn]] void throw_exception_from_error(const Error& error,
                                             const boost::source_location& where);

template <class T>
using Result = boost::system::result<T, Error>;

/// Builds an Error; converts to any Result.
Error fail(Errc code, std::string message, std::string source = {}, std::string hint = {});

/// Every row of the error table, for documentation and tests.
std::span<const ErrorTraits> error_table();

}  // namespace troupe

#define TROUPE_CONCAT_(a, b) a##b
#define TROUPE_CONCAT(a, b) TROUPE_CONCAT_(a, b)
#define TROUPE_TRY_(result, decl, expr)          \
  auto result = expr;                            \
  if (!result) return std::move(result).error(); \
  decl = std::move(*result)
#define TROUPE_CO_TRY_(result, decl, expr)          \
  auto result = expr;                               \
  if (!result) co_return std::move(result).error(); \
  decl = std::move(*result)

/// TRY(auto x, f());  CO_TRY(auto x, co_await f(ctx));  statements on their own line, inside
/// braces.
#define TRY(decl, expr) TROUPE_TRY_(TROUPE_CONCAT(try_result_, __LINE__), decl, expr)
#define CO_TRY(decl, expr) TROUPE_CO_TRY_(TROUPE_CONCAT(try_result_, __LINE__), decl, expr)
/// The same for Result<void>.
#define TRY_VOID(expr)                                   \
  do {                                                   \
    auto try_void_ = expr;                               \
    if (!try_void_) return std::move(try_void_).error(); \
  } while (false)
#define CO_TRY_VOID(expr)                                   \
  do {                                                      \
    auto try_void_ = expr;                                  \
    if (!try_void_) co_return std::move(try_void_).error(); \
  } while (false)
